//! Twilio's Messages resource.
//!
//! **Invariant:** success is a `sid` without an `error_code`; a refusal is Twilio's own error
//! document. Anything else may have left.
//! Source: twilio.com/docs/messaging/api/message-resource, twilio.com/docs/api/errors

use std::time::Duration;

use otp_shared::phone::Phone;
use reqwest::{Client, RequestBuilder};
use serde_json::Value;

use super::SendResult;

/// The longest `ValidityPeriod`, in seconds.
const VALIDITY_MAX_S: u64 = 36_000;

/// The account. `Debug` shows no token.
#[derive(Clone)]
pub struct Twilio {
    /// `https://api.twilio.com`
    pub base_url: String,
    /// `AC…`
    pub account_sid: String,
    /// The account's token.
    pub auth_token: String,
    /// A number or a registered alphanumeric sender.
    pub from: String,
}

impl Twilio {
    pub(super) fn request(&self, http: &Client, to: Phone, text: &str, lifetime: Duration) -> RequestBuilder {
        let validity = lifetime.as_secs().clamp(1, VALIDITY_MAX_S).to_string();
        let form = [("To", to.e164()), ("From", self.from.clone()), ("Body", text.to_owned()), ("ValidityPeriod", validity)];
        let url = format!("{}/2010-04-01/Accounts/{}/Messages.json", self.base_url.trim_end_matches('/'), self.account_sid);
        http.post(url).basic_auth(&self.account_sid, Some(&self.auth_token)).form(&form)
    }
}

/// What a response means for the text. Its HTTP status adds nothing.
pub(super) fn read(body: &Value) -> SendResult {
    let number = |name: &str| body.get(name).and_then(Value::as_i64);
    if let Some(code) = number("code").or(number("error_code")) {
        return refused(code);
    }
    match body.get("sid").and_then(Value::as_str).filter(|sid| !sid.is_empty()) {
        Some(sid) => SendResult::Accepted { message_id: sid.to_owned() },
        None => SendResult::Lost,
    }
}

fn refused(code: i64) -> SendResult {
    match code {
        // Not a number, no route from this sender, the owner said STOP, not a mobile number, a
        // country that is switched off
        21_211 | 21_217 | 21_265 | 21_408 | 21_610 | 21_612 | 21_614 | 30_003..=30_007 => SendResult::Undeliverable { code },
        // Too many requests, queue overflow
        20_429 | 21_611 | 30_001 => SendResult::Busy { code },
        // Twilio's own failures
        20_500..=20_599 | 30_008 => SendResult::Lost,
        _ => SendResult::Misuse { code },
    }
}

impl std::fmt::Debug for Twilio {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { base_url, account_sid, from, .. } = self;
        f.debug_struct("Twilio").field("base_url", base_url).field("account_sid", account_sid).field("from", from).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> SendResult {
        super::read(&serde_json::from_str(body).unwrap_or_default())
    }

    fn with_code(code: i64) -> SendResult {
        read(&format!(r#"{{"code":{code},"message":"…","more_info":"…","status":400}}"#))
    }

    #[test]
    fn every_error_has_its_meaning() {
        for code in [21_211, 21_408, 21_610, 21_612, 21_614] {
            assert_eq!(with_code(code), SendResult::Undeliverable { code });
        }
        for code in [20_003, 20_404, 21_602, 21_603, 21_604, 21_626, 99_999] {
            assert_eq!(with_code(code), SendResult::Misuse { code });
        }
        assert_eq!(
            (with_code(20_429), with_code(20_500), with_code(20_503)),
            (SendResult::Busy { code: 20_429 }, SendResult::Lost, SendResult::Lost)
        );
    }

    #[test]
    fn a_sid_is_a_success_unless_an_error_stands_beside_it() {
        let queued = r#"{"sid":"SM1","status":"queued","error_code":null}"#;
        assert_eq!(read(queued), SendResult::Accepted { message_id: "SM1".to_owned() });
        assert_eq!(read(r#"{"sid":"SM1","status":"failed","error_code":30006}"#), SendResult::Undeliverable { code: 30_006 });
    }

    #[test]
    fn what_is_no_answer_may_have_left() {
        for body in ["", "{}", "<html>", "[]", r#"{"sid":""}"#, r#"{"sid":7}"#] {
            assert_eq!(read(body), SendResult::Lost, "{body}");
        }
    }
}
