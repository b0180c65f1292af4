//! The bodies of the public API and of the edge's own calls, as serde types. Field texts stay texts here: the door that receives them parses them.
//!
//! Members that nobody knows are refused on the fan's routes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// `POST /otp/request`
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OtpRequest {
    /// The number, in international form.
    pub phone: String,
    /// The fan's language, as in `rw`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
    /// What the code is for; `login` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<String>,
    /// The version of the consent text that was shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consent_version: Option<String>,
    /// Present: a resend of this challenge's code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub challenge_id: Option<String>,
}

/// How the code travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Channel {
    /// A WhatsApp authentication template.
    Whatsapp,
    /// A text message.
    Sms,
}

/// Where a message is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Delivery {
    /// The provider took it.
    Accepted,
    /// The provider's answer was lost: the code may arrive.
    Unconfirmed,
    /// It left the provider.
    Sent,
    /// It is on the phone.
    Delivered,
    /// It will not arrive.
    Failed,
}

/// Why a message will not arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FailureReason {
    /// The number cannot be reached over this channel.
    Undeliverable,
    /// The provider would not carry it.
    Refused,
    /// Nothing was heard of it for as long as the provider tries.
    Dropped,
}

/// 202 to `POST /otp/request`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OtpAccepted {
    /// Names the challenge at verify and at a resend.
    pub challenge_id: String,
    /// How the code travels.
    pub channel: Channel,
    /// [`Delivery::Accepted`] or [`Delivery::Unconfirmed`].
    pub delivery: Delivery,
    /// Seconds the code still lives.
    pub expires_in_s: u64,
    /// Seconds until a resend is allowed.
    pub resend_in_s: u64,
    /// Guesses left.
    pub attempts_left: u32,
}

/// `POST /otp/verify`
#[derive(Clone, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VerifyRequest {
    /// From the 202.
    pub challenge_id: String,
    /// The number the code was sent to.
    pub phone: String,
    /// The six digits.
    pub code: String,
}

/// 200 to `POST /otp/verify`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Verified {
    /// Always true; a refusal is a problem document.
    pub verified: bool,
    /// Good for ten minutes at `/auth/fan/from-onboarding`.
    pub session_id: String,
}

/// `POST /auth/fan/from-onboarding`
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FromOnboarding {
    /// From the verify's answer, or an id that an operator authorised.
    pub session_id: String,
}

/// `GET /otp/request/{challengeId}`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DeliveryState {
    /// Where the newest message of the challenge is.
    pub delivery: Delivery,
    /// How it travels.
    pub channel: Channel,
    /// Why it failed, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<FailureReason>,
}

/// What one isolate of the edge did since its last report. Told apart by (isolate, sequence), so that a repeat counts once.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EdgeCounters {
    /// Random name of the isolate.
    pub isolate: String,
    /// 1, 2, 3 … within the isolate.
    pub sequence: u64,
    /// Requests passed on to the origin.
    pub passed: u64,
    /// Requests the edge refused, by problem code.
    pub refused: BTreeMap<String, u64>,
    /// Failures of the edge's own parts, by name.
    pub errors: BTreeMap<String, u64>,
    /// Age of the snapshot in use; absent when there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot_age_s: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_members_are_refused() {
        assert!(serde_json::from_str::<OtpRequest>(r#"{"phone":"+250788123456","admin":true}"#).is_err());
        assert!(serde_json::from_str::<VerifyRequest>(r#"{"challengeId":"a","phone":"b","code":"c","d":1}"#).is_err());
    }

    #[test]
    fn the_202_is_pinned() {
        let accepted = OtpAccepted {
            challenge_id: "c".into(),
            channel: Channel::Whatsapp,
            delivery: Delivery::Accepted,
            expires_in_s: 300,
            resend_in_s: 60,
            attempts_left: 5,
        };
        assert_eq!(
            serde_json::to_string(&accepted).unwrap(),
            r#"{"challengeId":"c","channel":"whatsapp","delivery":"accepted","expiresInS":300,"resendInS":60,"attemptsLeft":5}"#,
            "apps read this: a change needs a migration"
        );
    }
}
