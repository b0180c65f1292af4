//! The shapes that operators send and see.

use otp_shared::{
    limits::Limit,
    wire::{Channel, Delivery},
};
use serde_json::{Value, json};

use super::{Group, boolean, count, list, map, named, object, or_null, string, text, word_or_null, words};
use crate::app::operators::{
    Stored,
    propagation::{AtEdge, AtOrigin},
};

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

/// By which lists name an entry without its number.
fn reference() -> (&'static str, Value) {
    ("reference?", or_null(text("As `GET /admin/otp/blacklist` has it, in place of `type` and `value`.")))
}

fn stored() -> (&'static str, Value) {
    ("stored", list(words(&[Stored::Redis, Stored::Edge, Stored::Memory])))
}

/// Blacklist entries.
pub fn entries() -> Group {
    let kind = || ("type", json!({ "enum": KINDS }));
    let value = || ("value", string());
    let named_entry = [("type?", or_null(string())), ("value?", or_null(string())), reference(), note()];
    let row = object(&[
        ("reference", text("Names the entry without its number.")),
        kind(),
        ("value", text("In its canonical spelling.")),
        ("source", json!({ "enum": ["operator", "hand"] })),
        ("alsoByHand", boolean()),
        ("note", string()),
        ("who?", string()),
        ("changedAtS?", count("Unix second.")),
        ("untilS?", count("Unix second at which it ends by itself.")),
        ("spread?", named("Propagation")),
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
        ("BlacklistEntryName", object(&named_entry)),
        ("BlacklistRevealed", object(&[("reference", string()), kind(), value()])),
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
        ("BlacklistAdoption", object(&[&named_entry[..], &[("all?", boolean())]].concat())),
        ("BlacklistAdopted", object(&[("adopted", count("Entries.")), stored()])),
        (
            "Propagation",
            object(&[
                ("origin", words(&[AtOrigin::EveryReplica, AtOrigin::ThisReplica])),
                ("edge", words(&[AtEdge::Published, AtEdge::Pending, AtEdge::ByAnotherReplica, AtEdge::NoEdge])),
                ("snapshotVersion?", count("The version that holds it.")),
                ("cachesUntilS?", count("Until this Unix second an isolate may still use what was before.")),
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

/// Changes by operators: manual sessions, holds, the audit.
pub fn sessions() -> Group {
    let record = object(&change().into_iter().chain([("changeId", text("Names the change."))]).collect::<Vec<_>>());
    vec![
        ("Entry", object(&change())),
        ("Changed", object(&[("entry", named("Entry")), stored(), ("spread?", named("Propagation"))])),
        (
            "SessionChange",
            object(&[("sessionId?", json!({ "type": ["string", "null"], "pattern": "^[A-Za-z0-9_-]{16,64}$" })), note(), ttl()]),
        ),
        ("SessionRevocation", object(&[note()])),
        ("SessionPage", object(&[("sessions", list(named("Entry"))), next()])),
        ("AllSessions", object(&[("all", json!({ "const": true })), note()])),
        ("SessionsRevoked", object(&[("withdrawn", count("Authorisations.")), stored()])),
        (
            "HeldSubject",
            object(&[
                ("type?", word_or_null(json!({ "enum": ["phone", "ip"] }))),
                ("value?", or_null(string())),
                ("subject?", or_null(text("As `GET /admin/otp/holds` has it, in place of `type` and `value`."))),
            ]),
        ),
        (
            "Holds",
            object(&[("holds", list(object(&[("subject", text("Numbers as their keyed hash.")), ("untilS", count("Unix second."))])))]),
        ),
        ("Audit", object(&[("changes", list(record)), next()])),
    ]
}

/// What operators look at.
pub fn figures() -> Group {
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
                    object(&[
                        ("sent", count("Messages.")),
                        ("delivered", count("Messages.")),
                        ("verified", count("Codes.")),
                        ("failed", count("Messages.")),
                    ]),
                ),
                ("conversion", map(conversion)),
                ("counters", object(&[("origin", named("Counts")), ("edge", named("Counts"))])),
                ("edge?", object(&[("atS", count("Unix second.")), ("snapshotAgeS?", or_null(count("Seconds.")))])),
                ("decisions", list(named("Decision"))),
            ]),
        ),
        ("Counts", map(map(count("Since the start.")))),
        (
            "Decisions",
            object(&[
                ("replica", string()),
                ("sinceS", count("Unix second.")),
                ("standing?", named("SubjectState")),
                ("decisions", list(named("Decision"))),
            ]),
        ),
        (
            "SubjectState",
            object(&[("blacklistedBy", word_or_null(json!({ "enum": KINDS }))), ("heldUntilS", or_null(count("Unix second.")))]),
        ),
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
