//! The shapes of bodies, by name, in JSON Schema 2020-12. The names of codes, limits and enums come from the types that are serialised.

use otp_shared::{
    limits::Limit,
    problem::ProblemCode,
    wire::{Channel, Delivery, FailureReason},
};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::{
    channels::whatsapp::{Source, TemplateStatus},
    store::StoreState,
};

mod operators;

/// Every schema.
pub fn all() -> Value {
    let groups = [general(), fans(), operators::entries(), operators::sessions(), operators::figures(), status(), service()];
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

fn list(item: impl Into<Value>) -> Value {
    json!({ "type": "array", "items": item.into() })
}

fn map(value: impl Into<Value>) -> Value {
    json!({ "type": "object", "additionalProperties": value.into() })
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
    let codes: Vec<_> = ProblemCode::ALL.iter().map(|code| code.as_str()).collect();
    let titles: Vec<_> = ProblemCode::ALL.iter().map(|code| code.title()).collect();
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
    let reason = words(&[FailureReason::Undeliverable, FailureReason::Refused, FailureReason::Dropped]);
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
        ("DeliveryState", object(&[("delivery", delivery), ("channel", channel), ("reason?", reason)])),
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

fn status() -> Group {
    let quota = json!({ "type": "string", "pattern": "^[0-9]+/[0-9]+[smhd]$" });
    let template_status = words(&[
        TemplateStatus::Approved,
        TemplateStatus::Flagged,
        TemplateStatus::Unknown,
        TemplateStatus::Pending,
        TemplateStatus::InAppeal,
        TemplateStatus::LimitExceeded,
        TemplateStatus::Paused,
        TemplateStatus::Locked,
        TemplateStatus::Archived,
        TemplateStatus::Rejected,
        TemplateStatus::Disabled,
        TemplateStatus::Deleted,
        TemplateStatus::Missing,
        TemplateStatus::Withheld,
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
                ("status", template_status.clone()),
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
                ("status", template_status),
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
