//! Africa's Talking's bulk endpoint. Its sandbox has only the legacy one and is not supported.
//!
//! **Invariant:** 201 is no success: only the recipient's `statusCode` is.
//! Source: developers.africastalking.com/docs/sms/sending/bulk

use otp_shared::phone::Phone;
use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};

use super::{Response, SendResult};

/// The account. `Debug` shows no key.
#[derive(Clone)]
pub struct AfricasTalking {
    /// `https://api.africastalking.com`
    pub base_url: String,
    /// The app's username.
    pub username: String,
    /// The app's key.
    pub api_key: String,
    /// The registered sender; in Rwanda a text without one does not arrive.
    pub sender: String,
}

impl AfricasTalking {
    pub(super) fn request(&self, http: &Client, to: Phone, text: &str) -> RequestBuilder {
        let body = json!({
            "username": self.username,
            "message": text,
            "senderId": self.sender,
            "phoneNumbers": [to.e164()],
            "enqueue": 1,
        });
        let url = format!("{}/version1/messaging/bulk", self.base_url.trim_end_matches('/'));
        http.post(url).header("apiKey", &self.api_key).header("Accept", "application/json").json(&body)
    }
}

/// What a response means for the text.
pub(super) fn read(response: &Response) -> SendResult {
    let recipients = response.body.pointer("/SMSMessageData/Recipients").and_then(Value::as_array);
    match (recipients.map(Vec::as_slice), response.status) {
        (Some([recipient, ..]), _) => read_recipient(recipient),
        // A wrong sender is named in `Message`, with nobody in the list.
        (Some([]), _) => SendResult::Misuse { code: 402 },
        (None, 429) => SendResult::Busy { code: 429 },
        // Errors of the whole call are plain text; 408 may come from a proxy that had passed it on.
        (None, status @ (400..=407 | 409..=499)) => SendResult::Misuse { code: status.into() },
        (None, _) => SendResult::Lost,
    }
}

fn read_recipient(recipient: &Value) -> SendResult {
    let message_id = recipient.get("messageId").and_then(Value::as_str).filter(|id| !id.is_empty());
    match (recipient.get("statusCode").and_then(Value::as_i64), message_id) {
        (Some(100..=102), Some(id)) => SendResult::Accepted { message_id: id.to_owned() },
        (Some(code), _) => refused(code),
        (None, _) => SendResult::Lost,
    }
}

fn refused(code: i64) -> SendResult {
    match code {
        // InvalidPhoneNumber, UnsupportedNumberType, UserInBlacklist, CouldNotRoute,
        // DoNotDisturbRejection
        403 | 404 | 406 | 407 | 409 => SendResult::Undeliverable { code },
        // RejectedByGateway
        502 => SendResult::Busy { code },
        // Taken without an id, InternalServerError, GatewayError: whether it left is not known.
        100..=102 | 500 | 501 => SendResult::Lost,
        // RiskHold, InvalidSenderId, InsufficientBalance, and whatever comes to be
        _ => SendResult::Misuse { code },
    }
}

impl std::fmt::Debug for AfricasTalking {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { base_url, username, sender, .. } = self;
        f.debug_struct("AfricasTalking")
            .field("base_url", base_url)
            .field("username", username)
            .field("sender", sender)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(status: u16, body: &str) -> SendResult {
        let body = serde_json::from_str(body).unwrap_or_default();
        super::read(&Response { status, body, retry_after_s: None })
    }

    fn with_code(code: i64) -> SendResult {
        let recipient = json!({ "statusCode": code, "number": "+250788123456", "messageId": "ATPid_1" });
        read(201, &json!({ "SMSMessageData": { "Message": "", "Recipients": [recipient] } }).to_string())
    }

    #[test]
    fn every_status_code_has_its_meaning() {
        let accepted = SendResult::Accepted { message_id: "ATPid_1".to_owned() };
        for code in [100, 101, 102] {
            assert_eq!(with_code(code), accepted, "{code}");
        }
        for code in [403, 404, 406, 407, 409] {
            assert_eq!(with_code(code), SendResult::Undeliverable { code });
        }
        for code in [401, 402, 405, 999] {
            assert_eq!(with_code(code), SendResult::Misuse { code });
        }
        assert_eq!((with_code(500), with_code(501), with_code(502)), (SendResult::Lost, SendResult::Lost, SendResult::Busy { code: 502 }));
    }

    #[test]
    fn what_is_no_answer_may_have_left() {
        for (status, body) in [(201, ""), (201, "{}"), (200, "<html>"), (500, "oops"), (503, ""), (408, "")] {
            assert_eq!(read(status, body), SendResult::Lost, "{status} {body}");
        }
        let nameless = r#"{"SMSMessageData":{"Recipients":[{"statusCode":101}]}}"#;
        assert_eq!(read(201, nameless), SendResult::Lost);
    }

    #[test]
    fn an_error_of_the_whole_call_left_nothing() {
        assert_eq!(read(401, "The supplied authentication is invalid"), SendResult::Misuse { code: 401 });
        assert_eq!(read(429, ""), SendResult::Busy { code: 429 });
        let nobody = r#"{"SMSMessageData":{"Message":"InvalidSenderId","Recipients":[]}}"#;
        assert_eq!(read(201, nobody), SendResult::Misuse { code: 402 });
    }

    #[test]
    fn debug_shows_no_key() {
        let text = |text: &str| text.to_owned();
        let account = AfricasTalking { base_url: text("http://x"), username: text("u"), api_key: text("the-key"), sender: text("s") };
        assert!(!format!("{account:?}").contains("the-key"));
    }
}
