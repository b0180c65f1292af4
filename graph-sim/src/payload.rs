//! The bodies of webhooks, as Meta's reference shows them. Pure functions: they read no clock and
//! no state.

use serde_json::{Map, Value, json};

use crate::error_codes::title;
use crate::messages::Message;
use crate::receipt::Receipt;
use crate::recipient::wa_id;
use crate::settings::Settings;
use crate::template::Template;

/// A whole webhook with one change of `field`, which happened at `at_ms` (Unix milliseconds).
pub fn change(settings: &Settings, field: &str, value: &Value, at_ms: u64) -> Value {
    json!({
        "object": "whatsapp_business_account",
        "entry": [ { "id": settings.waba_id, "time": at_ms / 1_000, "changes": [ { "field": field, "value": value } ] } ],
    })
}

/// The value of a change of the field `messages`. `members` is `statuses`, or `messages` and
/// `contacts`.
pub fn messages(settings: &Settings, members: Map<String, Value>) -> Value {
    let mut value = members;
    value.insert("messaging_product".to_owned(), "whatsapp".into());
    value.insert(
        "metadata".to_owned(),
        json!({ "display_phone_number": settings.business.digits, "phone_number_id": settings.phone_number_id }),
    );
    Value::Object(value)
}

/// One element of `statuses`: the receipt of one message.
pub fn status(message: &Message, receipt: Receipt, at_ms: u64) -> Value {
    let mut status = Map::new();
    let mut put = |name: &str, value: Value| status.insert(name.to_owned(), value);
    put("id", message.id.as_str().into());
    put("status", receipt.name().into());
    put("timestamp", seconds(at_ms));
    put("recipient_id", recipient_id(message).into());
    if let Some(data) = &message.callback_data {
        put("biz_opaque_callback_data", data.as_str().into());
    }
    match receipt {
        // Meta repeats the price with `delivered` and leaves it out with `read`.
        Receipt::Sent | Receipt::Delivered => put("pricing", pricing()),
        Receipt::Failed { code } => put("errors", json!([failure(code)])),
        Receipt::Read => None,
    };
    Value::Object(status)
}

fn pricing() -> Value {
    json!({ "billable": true, "pricing_model": "PMP", "type": "regular", "category": "authentication" })
}

fn failure(code: u32) -> Value {
    let title = title(code);
    json!({
        "code": code, "title": title, "message": title, "error_data": { "details": format!("{title}.") },
        "href": "https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes/",
    })
}

/// The members `messages` and `contacts` for something that a person sent. `content` is the part
/// that depends on the kind of message.
pub fn inbound(from: &str, id: &str, content: Value, at_ms: u64) -> Map<String, Value> {
    let mut message = json!({ "from": from, "id": id, "timestamp": seconds(at_ms) });
    if let (Value::Object(message), Value::Object(content)) = (&mut message, content) {
        message.extend(content);
    }
    // Not ASCII on purpose: each of these webhooks tests the escaping, and so the signature over
    // raw bytes.
    let contact = json!({ "profile": { "name": "Umukunzi wa Rayón 💙" }, "wa_id": from });
    Map::from_iter([("contacts".to_owned(), json!([contact])), ("messages".to_owned(), json!([message]))])
}

/// The members that every template webhook has. With `hyphens` the language is spelled `rw-RW`, as
/// in some of Meta's examples.
pub fn template(template: &Template, hyphens: bool) -> Map<String, Value> {
    let language = if hyphens { template.language.replace('_', "-") } else { template.language.clone() };
    Map::from_iter([
        // An integer here; the lookup has it as a string.
        ("message_template_id".to_owned(), template.id.into()),
        ("message_template_name".to_owned(), template.name.as_str().into()),
        ("message_template_language".to_owned(), language.into()),
    ])
}

/// How receipts name the person: by `wa_id`, which may differ from the number that was sent to.
pub fn recipient_id(message: &Message) -> String {
    wa_id(message.to.trim_start_matches('+'))
}

/// Unix seconds as a string, which is how Meta writes the timestamps of messages.
fn seconds(at_ms: u64) -> Value {
    (at_ms / 1_000).to_string().into()
}
