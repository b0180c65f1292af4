//! Africa's Talking's bulk endpoint. Its sandbox has only the legacy one and is not supported.
//!
//! **Invariant:** 201 is no success: only the recipient's `statusCode` is.
//! Source: developers.africastalking.com/docs/sms/sending/bulk

use otp_shared::phone::Phone;
use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};

use super::Answer;

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

/// What an answer says.
pub(super) fn read(status: u16, body: &[u8]) -> Answer {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let recipients = body.pointer("/SMSMessageData/Recipients").and_then(Value::as_array);
    match (recipients.map(Vec::as_slice), status) {
        (Some([recipient, ..]), _) => recipient_of(recipient),
        // A wrong sender is told in `Message`, with nobody in the list.
        (Some([]), _) => Answer::Misuse { code: 402 },
        (None, 429) => Answer::Busy { code: 429 },
        // Errors of the whole call are plain text; 408 may come from a proxy that had passed it on.
        (None, 400..=407 | 409..=499) => Answer::Misuse { code: status.into() },
        (None, _) => Answer::Lost,
    }
}

fn recipient_of(recipient: &Value) -> Answer {
    let message_id = recipient.get("messageId").and_then(Value::as_str).filter(|id| !id.is_empty());
    match (recipient.get("statusCode").and_then(Value::as_i64), message_id) {
        (Some(100..=102), Some(id)) => Answer::Accepted { message_id: id.to_owned() },
        (Some(code), _) => of(code),
        (None, _) => Answer::Lost,
    }
}

fn of(code: i64) -> Answer {
    match code {
        // InvalidPhoneNumber, UnsupportedNumberType, UserInBlacklist, CouldNotRoute, DoNotDisturbRejection
        403 | 404 | 406 | 407 | 409 => Answer::Undeliverable { code },
        // RejectedByGateway
        502 => Answer::Busy { code },
        // Taken without an id, InternalServerError, GatewayError: whether it left is not known.
        100..=102 | 500 | 501 => Answer::Lost,
        // RiskHold, InvalidSenderId, InsufficientBalance, and whatever comes to be
        _ => Answer::Misuse { code },
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

    fn told(code: i64) -> Answer {
        let recipient = json!({ "statusCode": code, "number": "+250788123456", "messageId": "ATPid_1" });
        read(201, json!({ "SMSMessageData": { "Message": "", "Recipients": [recipient] } }).to_string().as_bytes())
    }

    #[test]
    fn every_status_code_has_its_meaning() {
        let accepted = Answer::Accepted { message_id: "ATPid_1".to_owned() };
        for code in [100, 101, 102] {
            assert_eq!(told(code), accepted, "{code}");
        }
        for code in [403, 404, 406, 407, 409] {
            assert_eq!(told(code), Answer::Undeliverable { code });
        }
        for code in [401, 402, 405, 999] {
            assert_eq!(told(code), Answer::Misuse { code });
        }
        assert_eq!((told(500), told(501), told(502)), (Answer::Lost, Answer::Lost, Answer::Busy { code: 502 }));
    }

    #[test]
    fn what_is_no_answer_may_have_left() {
        for (status, body) in [(201, ""), (201, "{}"), (200, "<html>"), (500, "oops"), (503, ""), (408, "")] {
            assert_eq!(read(status, body.as_bytes()), Answer::Lost, "{status} {body}");
        }
        let nameless = br#"{"SMSMessageData":{"Recipients":[{"statusCode":101}]}}"#;
        assert_eq!(read(201, nameless), Answer::Lost);
    }

    #[test]
    fn an_error_of_the_whole_call_left_nothing() {
        assert_eq!(read(401, b"The supplied authentication is invalid"), Answer::Misuse { code: 401 });
        assert_eq!(read(429, b""), Answer::Busy { code: 429 });
        let nobody = br#"{"SMSMessageData":{"Message":"InvalidSenderId","Recipients":[]}}"#;
        assert_eq!(read(201, nobody), Answer::Misuse { code: 402 });
    }

    #[test]
    fn debug_shows_no_key() {
        let text = |text: &str| text.to_owned();
        let account = AfricasTalking { base_url: text("http://x"), username: text("u"), api_key: text("the-key"), sender: text("s") };
        assert!(!format!("{account:?}").contains("the-key"));
    }
}
