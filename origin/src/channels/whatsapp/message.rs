//! The body of a send, exactly as Meta wants an authentication template. The same for copy-code,
//! one-tap and zero-tap: the template decides.
//!
//! **Invariant:** `to` begins with a plus. Without it Meta prepends the business's own calling
//! code, and a stranger gets the code.

use serde_json::{Value, json};

use crate::channels::Message;

/// The longest reference that comes back in receipts, in characters.
pub const REFERENCE_MAX: usize = 512;

/// The body that sends `message` with the template `name` in `language`.
pub fn body(message: &Message, name: &str, language: &str) -> Value {
    let code = json!([{ "type": "text", "text": message.code.expose() }]);
    let reference: String = message.reference.chars().take(REFERENCE_MAX).collect();
    json!({
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": message.to.e164(),
        "type": "template",
        "biz_opaque_callback_data": reference,
        "template": {
            "name": name,
            "language": { "policy": "deterministic", "code": language },
            "components": [
                { "type": "body", "parameters": code },
                { "type": "button", "sub_type": "url", "index": "0", "parameters": code },
            ],
        },
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use otp_shared::phone::Phone;

    use super::*;
    use crate::domain::challenge::Passcode;

    #[test]
    fn the_body_is_pinned() {
        let message = Message {
            to: Phone::parse("+250788123456").unwrap(),
            code: Passcode::parse("012345").unwrap(),
            locale: None,
            reference: "req-1".to_owned(),
            lifetime: Duration::from_mins(5),
        };
        let expected = r#"{
            "messaging_product": "whatsapp", "recipient_type": "individual", "to": "+250788123456", "type": "template",
            "biz_opaque_callback_data": "req-1",
            "template": {
                "name": "otp_login", "language": { "policy": "deterministic", "code": "rw_RW" },
                "components": [
                    { "type": "body", "parameters": [ { "type": "text", "text": "012345" } ] },
                    { "type": "button", "sub_type": "url", "index": "0", "parameters": [ { "type": "text", "text": "012345" } ] }
                ]
            }
        }"#;
        let expected: Value = serde_json::from_str(expected).unwrap();
        assert_eq!(body(&message, "otp_login", "rw_RW"), expected, "Meta refuses anything else");
    }
}
