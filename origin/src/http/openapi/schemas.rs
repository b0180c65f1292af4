//! The shapes of bodies, by name, in JSON Schema 2020-12. The names of codes, limits and enums come from the types that are serialised.

use otp_shared::{
    limits::Limit,
    problem::Code,
    wire::{Channel, Delivery},
};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::{
    app::{
        operators::Stored,
        spread::{AtEdge, AtOrigin},
    },
    store::StoreState,
    whatsapp::{Source, Standing},
};

/// Every schema.
pub fn all() -> Value {
    let groups = [general(), fans(), entries(), sessions(), figures(), status(), service()];
    Value::Object(groups.into_iter().flatten().map(|(name, schema)| (name.to_owned(), schema)).collect())
}

type Group = Vec<(&'static str, Value)>;

/// An object of which nothing but these members may be there; those whose name ends with `?` may be missing.
fn object(members: &[(&str, Value)]) -> Value {
    let required: Vec<_> = members.iter().map(|(name, _)| *name).filter(|name| !name.ends_with('?')).collect();
    let properties: Map<_, _> = members.iter().map(|(name, schema)| (name.trim_end_matches('?').to_owned(), schema.clone())).collect();
    json!({ "type": "object", "required": required, "properties": properties, "additionalProperties": false })
}

fn string() -> Value {
    json!({ "type": "string" })
}

fn text(description: &str) -> Value {
    json!({ "type": "string", "description": description })
}

fn boolean() -> Value {
    json!({ "type": "boolean" })
}

fn count(description: &str) -> Value {
    json!({ "type": "integer", "minimum": 0, "description": description })
}

fn list(item: Value) -> Value {
    json!({ "type": "array", "items": item })
}

fn map(value: Value) -> Value {
    json!({ "type": "object", "additionalProperties": value })
}

fn or_null(mut schema: Value) -> Value {
    schema["type"] = json!([schema["type"], "null"]);
    schema
}

/// A value or `null`, where the values are words.
fn word_or_null(mut words: Value) -> Value {
    if let Some(values) = words["enum"].as_array_mut() {
        values.push(Value::Null);
    }
    words
}

/// The words that these values serialise to.
fn words<T: Serialize>(values: &[T]) -> Value {
    let words: Vec<_> = values.iter().map(|value| json!(value)).collect();
    json!({ "enum": words })
}

fn named(schema: &str) -> Value {
    super::reference(schema)
}

fn general() -> Group {
    let codes: Vec<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
    let titles: Vec<_> = Code::ALL.iter().map(|code| code.title()).collect();
    let limits: Vec<_> = Limit::ALL.iter().map(|limit| limit.name()).collect();
    let mut problem = object(&[
        ("type", json!({ "type": "string", "pattern": "^urn:otp:problem:[a-z_]+$" })),
        ("title", json!({ "enum": titles })),
        ("status", json!({ "type": "integer", "minimum": 400, "maximum": 599 })),
        ("code", json!({ "enum": codes, "description": "Stable: switch on this." })),
        ("detail", text("What is wrong with this request, for a person. Holds no number, code or token.")),
        ("limit?", json!({ "enum": limits, "description": "The limit that refused." })),
        ("retryAfterS?", json!({ "type": "integer", "minimum": 1, "description": "The same as `Retry-After`." })),
        ("attemptsLeft?", count("Guesses left for the challenge.")),
        ("errors?", list(object(&[("line", count("Of the import, from 1.")), ("error", string())]))),
    ]);
    problem["description"] = json!("RFC 9457. 429 and 503 always have `retryAfterS`.");
    vec![("Problem", problem)]
}

fn fans() -> Group {
    let channel = words(&[Channel::Whatsapp, Channel::Sms]);
    let delivery = words(&[Delivery::Accepted, Delivery::Unconfirmed, Delivery::Sent, Delivery::Delivered, Delivery::Failed]);
    let phone = text("In international form; separators and a leading 00 are understood.");
    vec![
        (
            "OtpRequest",
            object(&[
                ("phone", phone.clone()),
                ("locale?", or_null(text("The fan's language, as in `rw`."))),
                ("purpose?", json!({ "enum": ["login", null] })),
                ("consentVersion?", or_null(text("The version of the consent text that was shown; refused when stale."))),
                ("challengeId?", or_null(text("Present: a resend of this challenge's code."))),
            ]),
        ),
        (
            "OtpAccepted",
            object(&[
                ("challengeId", string()),
                ("channel", channel.clone()),
                ("delivery", words(&[Delivery::Accepted, Delivery::Unconfirmed])),
                ("expiresInS", count("Seconds the code still lives.")),
                ("resendInS", count("Seconds until a resend is allowed.")),
                ("attemptsLeft", count("Guesses left.")),
            ]),
        ),
        ("DeliveryState", object(&[("delivery", delivery), ("channel", channel)])),
        (
            "VerifyRequest",
            object(&[("challengeId", string()), ("phone", phone), ("code", json!({ "type": "string", "pattern": "^[0-9]{6}$" }))]),
        ),
        ("Verified", object(&[("verified", json!({ "const": true })), ("sessionId", text("Good for ten minutes at `from-onboarding`."))])),
        ("FromOnboarding", object(&[("sessionId", string())])),
        (
            "Session",
            object(&[
                ("session", text("The session's name: the same at every sign-in with this code.")),
                ("kind", json!({ "enum": ["fan", "manual"] })),
                ("phone?", string()),
                ("expiresAtS", count("Unix second.")),
            ]),
        ),
        ("Consent", object(&[("version", string()), ("locale", string()), ("text", string())])),
    ]
}

const KINDS: [&str; 5] = ["phone", "ip", "cidr", "prefix", "country"];

/// The page that follows, in a list.
fn next() -> (&'static str, Value) {
    ("next?", text("Give it as `after` to get the page that follows."))
}

/// Members of a change by an operator.
fn note() -> (&'static str, Value) {
    ("note?", or_null(json!({ "type": "string", "maxLength": 500 })))
}

fn ttl() -> (&'static str, Value) {
    ("ttlS?", or_null(json!({ "type": "integer", "minimum": 1, "maximum": 315_360_000 })))
}

fn stored() -> (&'static str, Value) {
    ("stored", list(words(&[Stored::Redis, Stored::Edge, Stored::Memory])))
}

fn entries() -> Group {
    let kind = || ("type", json!({ "enum": KINDS }));
    let value = || ("value", string());
    let row = object(&[
        kind(),
        ("value", text("In its canonical spelling.")),
        ("source", json!({ "enum": ["operator", "hand"] })),
        ("alsoByHand", boolean()),
        ("note", string()),
        ("who?", string()),
        ("changedAtS?", count("Unix second.")),
        ("untilS?", count("Unix second at which it ends by itself.")),
        ("spread?", named("Spread")),
    ]);
    let sent = object(&[kind(), value(), note(), ttl(), ("untilS?", or_null(count("Unix second.")))]);
    let exported = object(&[
        kind(),
        value(),
        ("note", string()),
        ("untilS", or_null(count("Unix second."))),
        ("who", string()),
        ("changedAtS", count("Unix second.")),
    ]);
    vec![
        ("BlacklistChange", object(&[kind(), value(), note(), ttl(), ("force?", boolean())])),
        (
            "BlacklistPage",
            object(&[
                ("entries", list(row)),
                next(),
                ("total", count("Of all pages.")),
                ("snapshot", named("Snapshot")),
                ("hand", object(&[("unreadable", list(string())), ("error?", string())])),
            ]),
        ),
        ("BlacklistImport", list(sent)),
        (
            "BlacklistImported",
            object(&[
                ("dryRun", boolean()),
                ("entries", count("That were sent.")),
                ("added", count("New ones.")),
                ("changed", count("Note or end.")),
                ("unchanged", count("Known already.")),
                ("ended", count("Over already, so not taken.")),
                stored(),
            ]),
        ),
        ("BlacklistExport", list(exported)),
        ("BlacklistAdoption", object(&[("type?", or_null(string())), ("value?", or_null(string())), ("all?", boolean()), note()])),
        ("BlacklistAdopted", object(&[("adopted", count("Entries.")), stored()])),
        (
            "Spread",
            object(&[
                ("origin", words(&[AtOrigin::EveryReplica, AtOrigin::ThisReplica])),
                ("edge", words(&[AtEdge::Published, AtEdge::Pending, AtEdge::ByAnotherReplica, AtEdge::NoEdge])),
                ("snapshotVersion?", count("The version that holds it.")),
                ("cachesUntilS?", count("Until this Unix second an isolate may still judge by what was before.")),
            ]),
        ),
    ]
}

/// What an operator changed: an entry, a session id, or that a number was shown in full.
fn change() -> Vec<(&'static str, Value)> {
    vec![
        ("about", json!({ "enum": ["blacklist", "session", "reveal"] })),
        ("type?", string()),
        ("value?", text("In its canonical spelling.")),
        ("id?", text("The session id.")),
        ("present", boolean()),
        ("note", string()),
        ("who", text("The name of the operator's token.")),
        ("changedAtS", count("Unix second.")),
        ("untilS?", count("Unix second at which it ends by itself.")),
    ]
}

fn sessions() -> Group {
    // A change names itself `id` in the audit, as a session id does: the one that comes last is read.
    let record = object(&change().into_iter().filter(|(name, _)| *name != "id?").chain([("id", text("Names the change."))]).collect::<Vec<_>>());
    vec![
        ("Entry", object(&change())),
        ("Changed", object(&[("entry", named("Entry")), stored(), ("spread?", named("Spread"))])),
        ("SessionChange", object(&[("sessionId", json!({ "type": "string", "pattern": "^[A-Za-z0-9_-]{16,64}$" })), note(), ttl()])),
        ("SessionPage", object(&[("sessions", list(named("Entry"))), next()])),
        ("AllSessions", object(&[("all", json!({ "const": true })), note()])),
        ("SessionsWithdrawn", object(&[("withdrawn", count("Authorisations.")), stored()])),
        ("HeldSubject", object(&[("type", json!({ "enum": ["phone", "ip"] })), ("value", string())])),
        (
            "Holds",
            object(&[("holds", list(object(&[("subject", text("Numbers as their keyed hash.")), ("untilS", count("Unix second."))])))]),
        ),
        ("Audit", object(&[("changes", list(record)), next()])),
    ]
}

fn figures() -> Group {
    let conversion = object(&[("sent", count("Messages.")), ("verified", count("Codes."))]);
    vec![
        (
            "Dashboard",
            object(&[
                ("replica", string()),
                ("sinceS", count("Unix second.")),
                ("status", named("Status")),
                (
                    "delivery",
                    object(&[("sent", count("Messages.")), ("delivered", count("Messages.")), ("verified", count("Codes.")), ("failed", count("Messages."))]),
                ),
                ("conversion", map(conversion)),
                ("counters", object(&[("origin", named("Counts")), ("edge", named("Counts"))])),
                ("edge?", object(&[("atS", count("Unix second.")), ("snapshotAgeS?", or_null(count("Seconds.")))])),
                ("decisions", list(named("Decision"))),
            ]),
        ),
        ("Counts", map(map(count("Since the start.")))),
        ("Decisions", object(&[("replica", string()), ("sinceS", count("Unix second.")), ("standing?", named("Standing")), ("decisions", list(named("Decision")))])),
        ("Standing", object(&[("blacklistedBy", word_or_null(json!({ "enum": KINDS }))), ("heldUntilS", or_null(count("Unix second.")))])),
        ("Decision", decision()),
        ("DashboardForm", json!({ "type": "object", "required": ["action"], "properties": { "action": string(), "csrf": string() } })),
        ("DashboardDone", object(&[("said", string()), ("found?", string()), ("reference?", string()), ("full?", string())])),
        (
            "DashboardLive",
            object(&[("headline", string()), ("sections", map(text("HTML."))), ("minutes", list(map(count("In a minute."))))]),
        ),
    ]
}

fn decision() -> Value {
    let limits: Vec<_> = Limit::ALL.iter().map(|limit| limit.name()).collect();
    object(&[
        ("atMs", count("Unix millisecond.")),
        ("asked", json!({ "enum": ["request", "verify"] })),
        ("outcome", text("`allowed`, a problem code, or `hung_up`.")),
        ("phone?", text("Masked.")),
        ("address", text("Or the IPv6 /64.")),
        ("limit?", json!({ "enum": limits })),
        ("retryAfterS?", count("Seconds.")),
        ("heldUntilS?", count("Unix second.")),
        ("blacklistedBy?", json!({ "enum": KINDS })),
        ("channel?", words(&[Channel::Whatsapp, Channel::Sms])),
        ("delivery?", words(&[Delivery::Accepted, Delivery::Unconfirmed])),
        ("attemptsLeft?", count("Guesses left.")),
        ("tookMs", count("Milliseconds.")),
    ])
}

fn status() -> Group {
    let quota = json!({ "type": "string", "pattern": "^[0-9]+/[0-9]+[smhd]$" });
    let standing = words(&[
        Standing::Approved,
        Standing::Flagged,
        Standing::Unknown,
        Standing::Pending,
        Standing::InAppeal,
        Standing::LimitExceeded,
        Standing::Paused,
        Standing::Locked,
        Standing::Archived,
        Standing::Rejected,
        Standing::Disabled,
        Standing::Deleted,
        Standing::Missing,
        Standing::Withheld,
    ]);
    let source = word_or_null(words(&[Source::Env, Source::Graph, Source::Webhook]));
    let since = or_null(count("Unix second."));
    vec![
        (
            "Status",
            object(&[
                ("redis", words(&[StoreState::Connected, StoreState::MemoryFallback, StoreState::MemoryEmbedded])),
                ("rateLimits", object(&[("limits", map(quota)), ("refused", map(count("Since the start, by limit.")))])),
                ("template", named("Template")),
                ("whatsapp", named("Sending")),
                ("snapshot", named("Snapshot")),
            ]),
        ),
        (
            "Template",
            object(&[
                ("approved", or_null(boolean())),
                ("status", standing.clone()),
                ("name", string()),
                ("languages", list(named("TemplateLanguage"))),
                ("rateLimitDoc", or_null(text("`OTP_WHATSAPP_RATE_LIMIT_DOC`"))),
                ("source", source.clone()),
                ("since", since.clone()),
                ("reason", or_null(string())),
                ("warnings", list(string())),
            ]),
        ),
        (
            "TemplateLanguage",
            object(&[
                ("code", string()),
                ("approved", or_null(boolean())),
                ("status", standing),
                ("source", source),
                ("since", since.clone()),
                ("reason", or_null(string())),
                ("category", or_null(string())),
                ("ttlS", or_null(count("Seconds that Meta tries to deliver."))),
                ("quality", or_null(string())),
            ]),
        ),
        (
            "Sending",
            object(&[
                ("state", json!({ "enum": ["sending", "outage", "maintenance", "halted"] })),
                ("since", since),
                ("retryAfterS", or_null(count("Seconds until the next attempt."))),
                ("advice", or_null(text("What an operator does about it."))),
                ("sendsPerS", count("Messages a second at present.")),
                ("accepted", count("Since the start.")),
                ("unconfirmed", count("Since the start.")),
                ("errors", map(count("Since the start, by Meta's code."))),
            ]),
        ),
        (
            "Snapshot",
            object(&[
                ("edge", json!({ "type": "boolean", "description": "Whether an edge is configured." })),
                ("version?", count("What this replica published last.")),
                ("publishedAtS?", count("Unix second.")),
                ("error?", text("Why the last attempt failed.")),
            ]),
        ),
    ]
}

fn service() -> Group {
    vec![
        (
            "EdgeCounters",
            object(&[
                ("isolate", string()),
                ("sequence", count("1, 2, 3 … within the isolate.")),
                ("passed", count("Requests passed on.")),
                ("refused", map(count("By problem code."))),
                ("errors", map(count("By part."))),
                ("snapshotAgeS?", or_null(count("Seconds."))),
            ]),
        ),
        (
            "Readiness",
            object(&[
                ("ready", boolean()),
                ("redis", words(&[StoreState::Connected, StoreState::MemoryFallback, StoreState::MemoryEmbedded])),
                ("clockSkewMs", json!({ "type": "integer" })),
            ]),
        ),
        ("WebhookEvents", json!({ "type": "object", "description": "As Meta documents it; unknown members are tolerated." })),
        ("OpenApi", json!({ "type": "object", "required": ["openapi", "paths"] })),
    ]
}
