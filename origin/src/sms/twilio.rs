//! Twilio's Messages resource.
//!
//! **Invariant:** success is a `sid` without an `error_code`; a refusal is Twilio's own error document. Anything else may have left.
//! Source: twilio.com/docs/messaging/api/message-resource, twilio.com/docs/api/errors

use std::time::Duration;

use otp_shared::phone::Phone;
use reqwest::{Client, RequestBuilder};
use serde_json::Value;

use super::Answer;

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

/// What an answer says.
pub(super) fn read(body: &[u8]) -> Answer {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let number = |name: &str| body.get(name).and_then(Value::as_i64);
    if let Some(code) = number("code").or(number("error_code")) {
        return of(code);
    }
    match body.get("sid").and_then(Value::as_str).filter(|sid| !sid.is_empty()) {
        Some(sid) => Answer::Accepted { message_id: sid.to_owned() },
        None => Answer::Lost,
    }
}

fn of(code: i64) -> Answer {
    match code {
        // Not a number, no route from this sender, the owner said STOP, not a mobile number, a country that is switched off
        21_211 | 21_217 | 21_265 | 21_408 | 21_610 | 21_612 | 21_614 | 30_003..=30_007 => Answer::Undeliverable { code },
        // Too many requests, queue overflow
        20_429 | 21_611 | 30_001 => Answer::Busy { code },
        // Twilio's own failures
        20_500..=20_599 | 30_008 => Answer::Lost,
        _ => Answer::Misuse { code },
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

    fn refused(code: i64) -> Answer {
        read(format!(r#"{{"code":{code},"message":"…","more_info":"…","status":400}}"#).as_bytes())
    }

    #[test]
    fn every_error_has_its_meaning() {
        for code in [21_211, 21_408, 21_610, 21_612, 21_614] {
            assert_eq!(refused(code), Answer::Undeliverable { code });
        }
        for code in [20_003, 20_404, 21_602, 21_603, 21_604, 21_626, 99_999] {
            assert_eq!(refused(code), Answer::Misuse { code });
        }
        assert_eq!((refused(20_429), refused(20_500), refused(20_503)), (Answer::Busy { code: 20_429 }, Answer::Lost, Answer::Lost));
    }

    #[test]
    fn a_sid_is_a_success_unless_an_error_stands_beside_it() {
        let queued = br#"{"sid":"SM1","status":"queued","error_code":null}"#;
        assert_eq!(read(queued), Answer::Accepted { message_id: "SM1".to_owned() });
        assert_eq!(read(br#"{"sid":"SM1","status":"failed","error_code":30006}"#), Answer::Undeliverable { code: 30_006 });
    }

    #[test]
    fn what_is_no_answer_may_have_left() {
        for body in ["", "{}", "<html>", "[]", r#"{"sid":""}"#, r#"{"sid":7}"#] {
            assert_eq!(read(body.as_bytes()), Answer::Lost, "{body}");
        }
    }
}
