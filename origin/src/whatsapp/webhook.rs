//! Reads Meta's webhooks. Pure; whether a body is Meta's is `signature`'s to say, and what an event does is the use case's.
//!
//! **Invariant:** one part that is unknown, damaged or of the wrong type never costs another: it becomes [`Event::Unknown`]. Only a body that is
//! no JSON is refused.

use otp_shared::{phone::Phone, wire::Delivery};
use serde_json::Value;

use super::lookup::{integer, normalised, reason};

/// The longest name of something unknown that is kept.
const NAME_MAX: usize = 64;
/// The payload of Meta's "I didn't request a code" button.
const DID_NOT_REQUEST: &str = "DID_NOT_REQUEST_CODE";

/// Something that Meta told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A message moved on.
    Receipt {
        /// What we sent along; matches even when the send's answer was lost.
        reference: Option<String>,
        /// The `wamid`.
        message_id: String,
        /// How far; `read` and `played` are told as delivered.
        delivery: Delivery,
        /// When, in Unix seconds.
        at_s: u64,
        /// Why it failed.
        error_code: Option<u32>,
    },
    /// A translation of a template changed its standing.
    Template {
        /// The template's name.
        name: String,
        /// Meta's code, with an underscore.
        language: String,
        /// `APPROVED`, `PAUSED`, …
        event: String,
        /// Why, if told.
        reason: Option<String>,
        /// When, in Unix seconds.
        at_s: Option<u64>,
    },
    /// People like a translation more, or less.
    TemplateQuality {
        /// The template's name.
        name: String,
        /// Meta's code, with an underscore.
        language: String,
        /// `GREEN`, `YELLOW`, `RED` or `UNKNOWN`.
        quality: String,
    },
    /// Meta gave a translation another category.
    TemplateCategory {
        /// The template's name.
        name: String,
        /// Meta's code, with an underscore.
        language: String,
        /// From now on.
        category: String,
    },
    /// The number may send more, or less.
    PhoneQuality {
        /// `THROUGHPUT_UPGRADE`, `DOWNGRADE`, `FLAGGED`, …
        event: String,
    },
    /// Something befell the account.
    Account {
        /// The webhook's field or its event: an open set.
        event: String,
        /// The restriction, violation or ban, if told.
        detail: Option<String>,
    },
    /// Somebody wrote to us.
    Inbound {
        /// The `wamid`; remember it, for Meta repeats itself.
        id: String,
        /// Who.
        from: Phone,
        /// What.
        kind: InboundKind,
        /// The `wamid` of our message that it answers.
        about: Option<String>,
        /// When, in Unix seconds.
        at_s: u64,
    },
    /// Not understood, and of no effect.
    Unknown {
        /// Where it stood: `messages.statuses`, `flows`, …
        field: String,
    },
}

/// What somebody wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InboundKind {
    /// STOP, or ARRET.
    Stop,
    /// START.
    Start,
    /// The button "I didn't request a code".
    DidNotRequest,
    /// Anything else.
    Other,
}

/// The body is no JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the webhook's body is no JSON")]
pub struct Malformed;

/// Every event of a body, in its order.
pub fn parse(body: &[u8]) -> Result<Vec<Event>, Malformed> {
    let body: Value = serde_json::from_slice(body).map_err(|_| Malformed)?;
    let mut events = Vec::new();
    let Some(entries) = body.get("entry").and_then(Value::as_array) else {
        return Ok(vec![unknown("entry")]);
    };
    for entry in entries {
        let at_s = entry.get("time").and_then(seconds);
        match entry.get("changes").and_then(Value::as_array) {
            Some(changes) => changes.iter().for_each(|change| read(change, at_s, &mut events)),
            None => events.push(unknown("changes")),
        }
    }
    Ok(events)
}

fn read(change: &Value, at_s: Option<u64>, events: &mut Vec<Event>) {
    let field = text(change, "field").unwrap_or_default();
    let value = change.get("value").unwrap_or(&Value::Null);
    let event = match field {
        "messages" => return messages(value, events),
        "message_template_status_update" => standing(value, at_s),
        "message_template_quality_update" => quality(value),
        "template_category_update" => category(value),
        "phone_number_quality_update" => owned(value, "event").map(|event| Event::PhoneQuality { event: named(&event) }),
        "account_update" | "account_alerts" | "account_review_update" | "business_capability_update" | "security" => {
            Some(account(field, value))
        }
        _ => None,
    };
    events.push(event.unwrap_or_else(|| unknown(field)));
}

fn messages(value: &Value, events: &mut Vec<Event>) {
    let before = events.len();
    for (member, read) in [("statuses", receipt as fn(&Value) -> Option<Event>), ("messages", inbound)] {
        match value.get(member) {
            None => {}
            Some(Value::Array(items)) => {
                events.extend(items.iter().map(|item| read(item).unwrap_or_else(|| unknown(&format!("messages.{member}")))));
            }
            Some(_) => events.push(unknown(&format!("messages.{member}"))),
        }
    }
    if events.len() == before {
        events.push(unknown("messages"));
    }
}

fn receipt(status: &Value) -> Option<Event> {
    let delivery = match text(status, "status")? {
        "sent" => Delivery::Sent,
        "delivered" | "read" | "played" => Delivery::Delivered,
        "failed" => Delivery::Failed,
        _ => return None,
    };
    Some(Event::Receipt {
        reference: owned(status, "biz_opaque_callback_data"),
        message_id: owned(status, "id")?,
        delivery,
        at_s: status.get("timestamp").and_then(seconds)?,
        error_code: status.pointer("/errors/0/code").and_then(integer).and_then(|code| u32::try_from(code).ok()),
    })
}

fn inbound(message: &Value) -> Option<Event> {
    // WhatsApp prints numbers without the plus.
    let from = Phone::parse(&format!("+{}", text(message, "from")?.trim_start_matches('+'))).ok()?;
    Some(Event::Inbound {
        id: owned(message, "id")?,
        from,
        kind: kind(message),
        about: message.pointer("/context/id").and_then(Value::as_str).map(str::to_owned),
        at_s: message.get("timestamp").and_then(seconds)?,
    })
}

fn kind(message: &Value) -> InboundKind {
    let said = ["/text/body", "/button/payload", "/button/text", "/interactive/button_reply/id"];
    let said = said.iter().filter_map(|at| message.pointer(at)?.as_str()).map(word);
    said.map(|word| InboundKind::of(&word)).find(|kind| *kind != InboundKind::Other).unwrap_or(InboundKind::Other)
}

impl InboundKind {
    fn of(word: &str) -> Self {
        match word {
            "STOP" | "ARRET" | "ARRÊT" => Self::Stop,
            "START" => Self::Start,
            DID_NOT_REQUEST => Self::DidNotRequest,
            _ => Self::Other,
        }
    }
}

/// What was written, without the marks around it.
fn word(said: &str) -> String {
    said.trim_matches(|c: char| !c.is_alphanumeric()).to_uppercase()
}

fn standing(value: &Value, at_s: Option<u64>) -> Option<Event> {
    let (name, language) = translation(value)?;
    let why = owned(value, "reason").and_then(reason).or_else(|| told(value, &["/other_info/title", "/rejection_info/reason"]));
    Some(Event::Template { name, language, event: named(text(value, "event")?), reason: why, at_s })
}

fn quality(value: &Value) -> Option<Event> {
    let (name, language) = translation(value)?;
    Some(Event::TemplateQuality { name, language, quality: named(text(value, "new_quality_score")?) })
}

fn category(value: &Value) -> Option<Event> {
    let (name, language) = translation(value)?;
    Some(Event::TemplateCategory { name, language, category: named(text(value, "new_category")?) })
}

fn account(field: &str, value: &Value) -> Event {
    let event = text(value, "event").or(text(value, "alert_type")).unwrap_or(field);
    let detail = ["/restriction_info/0/restriction_type", "/violation_info/violation_type", "/ban_info/waba_ban_state", "/alert_severity"];
    Event::Account { event: named(event), detail: told(value, &detail) }
}

/// A template's name and language. Its id is a number here and a text in the lookup, so it is not looked at.
fn translation(value: &Value) -> Option<(String, String)> {
    Some((owned(value, "message_template_name")?, normalised(text(value, "message_template_language")?)))
}

fn told(value: &Value, pointers: &[&str]) -> Option<String> {
    pointers.iter().find_map(|at| value.pointer(at)?.as_str()).map(named)
}

fn text<'a>(value: &'a Value, member: &str) -> Option<&'a str> {
    value.get(member)?.as_str().filter(|text| !text.is_empty())
}

fn owned(value: &Value, member: &str) -> Option<String> {
    text(value, member).map(str::to_owned)
}

/// Unix seconds, written as a number or as a text.
fn seconds(value: &Value) -> Option<u64> {
    integer(value).and_then(|seconds| u64::try_from(seconds).ok())
}

fn unknown(field: &str) -> Event {
    Event::Unknown { field: if field.is_empty() { "field".to_owned() } else { named(field) } }
}

/// A name as it may stand in a log line.
fn named(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-')).take(NAME_MAX).collect()
}

#[cfg(test)]
mod tests;
