//! Reads Meta's webhooks. Pure. Not whether a body is Meta's (that is `webhook_verifier`'s), nor
//! what an event changes.
//!
//! **Invariant:** one part that is unknown, damaged or of the wrong type never costs another: it
//! becomes [`Event::Unknown`]. Only a body that is no JSON is refused.

use otp_shared::{phone::Phone, wire::Delivery};
use serde_json::Value;

use super::lookup::{integer, language_code, reason};

/// Names from outside are cut to this many characters.
const NAME_MAX: usize = 64;
/// The payload of Meta's "I didn't request a code" button.
const DID_NOT_REQUEST: &str = "DID_NOT_REQUEST_CODE";

/// One thing that happened at Meta.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A message was sent, delivered, read, or failed.
    Receipt {
        /// What we sent along; matches even when the send's answer was lost.
        reference: Option<String>,
        /// The `wamid`.
        message_id: String,
        /// How far it got; `read` and `played` count as delivered.
        delivery: Delivery,
        /// When, in Unix seconds.
        at_s: u64,
        /// Meta's code, if it failed.
        error_code: Option<u32>,
    },
    /// A translation of a template changed its status.
    Template {
        /// The template's name.
        name: String,
        /// Meta's code, with an underscore.
        language: String,
        /// `APPROVED`, `PAUSED`, …
        event: String,
        /// Meta's reason; `None`: it gave none.
        reason: Option<String>,
        /// When, in Unix seconds.
        at_s: Option<u64>,
    },
    /// The quality rating of a translation changed.
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
        /// The new category.
        category: String,
    },
    /// The number may send more, or less.
    PhoneQuality {
        /// `THROUGHPUT_UPGRADE`, `DOWNGRADE`, `FLAGGED`, …
        event: String,
    },
    /// Something happened to the account.
    Account {
        /// The webhook's field or its event: an open set.
        event: String,
        /// The restriction, violation or ban; `None`: Meta names none.
        detail: Option<String>,
    },
    /// Somebody wrote to us.
    Inbound {
        /// The `wamid`; remember it, because Meta repeats webhooks.
        id: String,
        /// The sender.
        from: Phone,
        /// What they wrote.
        kind: InboundKind,
        /// The `wamid` of our message that it answers.
        about: Option<String>,
        /// When, in Unix seconds.
        at_s: u64,
    },
    /// Not understood; changes nothing.
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
        "message_template_status_update" => template_status(value, at_s),
        "message_template_quality_update" => template_quality(value),
        "template_category_update" => template_category(value),
        "phone_number_quality_update" => owned(value, "event").map(|event| Event::PhoneQuality { event: log_safe(&event) }),
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
    let places = ["/text/body", "/button/payload", "/button/text", "/interactive/button_reply/id"];
    let texts = places.iter().filter_map(|place| message.pointer(place)?.as_str());
    texts.map(|text| InboundKind::of(&keyword(text))).find(|kind| *kind != InboundKind::Other).unwrap_or(InboundKind::Other)
}

impl InboundKind {
    fn of(keyword: &str) -> Self {
        match keyword {
            "STOP" | "ARRET" | "ARRÊT" => Self::Stop,
            "START" => Self::Start,
            DID_NOT_REQUEST => Self::DidNotRequest,
            _ => Self::Other,
        }
    }
}

/// What was written, in capitals and without the marks around it.
fn keyword(written: &str) -> String {
    written.trim_matches(|c: char| !c.is_alphanumeric()).to_uppercase()
}

fn template_status(value: &Value, at_s: Option<u64>) -> Option<Event> {
    let (name, language) = translation(value)?;
    let reason = owned(value, "reason").and_then(reason).or_else(|| first_text(value, &["/other_info/title", "/rejection_info/reason"]));
    Some(Event::Template { name, language, event: log_safe(text(value, "event")?), reason, at_s })
}

fn template_quality(value: &Value) -> Option<Event> {
    let (name, language) = translation(value)?;
    Some(Event::TemplateQuality { name, language, quality: log_safe(text(value, "new_quality_score")?) })
}

fn template_category(value: &Value) -> Option<Event> {
    let (name, language) = translation(value)?;
    Some(Event::TemplateCategory { name, language, category: log_safe(text(value, "new_category")?) })
}

fn account(field: &str, value: &Value) -> Event {
    let event = text(value, "event").or(text(value, "alert_type")).unwrap_or(field);
    let detail = ["/restriction_info/0/restriction_type", "/violation_info/violation_type", "/ban_info/waba_ban_state", "/alert_severity"];
    Event::Account { event: log_safe(event), detail: first_text(value, &detail) }
}

/// A template's name and language. Not its id, which is a number here and a text in the lookup.
fn translation(value: &Value) -> Option<(String, String)> {
    Some((owned(value, "message_template_name")?, language_code(text(value, "message_template_language")?)))
}

fn first_text(value: &Value, pointers: &[&str]) -> Option<String> {
    pointers.iter().find_map(|at| value.pointer(at)?.as_str()).map(log_safe)
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
    Event::Unknown { field: if field.is_empty() { "field".to_owned() } else { log_safe(field) } }
}

/// A name from outside, cut and filtered so that it may stand in a log line.
fn log_safe(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-')).take(NAME_MAX).collect()
}

#[cfg(test)]
mod tests;
