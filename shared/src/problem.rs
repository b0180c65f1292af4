//! Refusals as RFC 9457 problem documents, with the stable codes that apps switch on. Not the mapping from errors to codes: each side has its own.

use serde::{Deserialize, Serialize};

/// The media type of a problem document.
pub const MEDIA_TYPE: &str = "application/problem+json";

macro_rules! codes {
    ($($variant:ident $status:literal $code:literal $title:literal),+ $(,)?) => {
        /// The stable code of a refusal.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum ProblemCode { $(#[doc = $title] $variant),+ }

        impl ProblemCode {
            /// Every code, for documents and tests.
            pub const ALL: &'static [ProblemCode] = &[$(ProblemCode::$variant),+];
            /// The HTTP status it is answered with.
            pub const fn status(self) -> u16 { match self { $(ProblemCode::$variant => $status),+ } }
            /// The code as apps see it.
            pub const fn as_str(self) -> &'static str { match self { $(ProblemCode::$variant => $code),+ } }
            /// The same short sentence for every refusal of this code.
            pub const fn title(self) -> &'static str { match self { $(ProblemCode::$variant => $title),+ } }
        }
    };
}

codes! {
    InvalidBody 400 "invalid_body" "The request's body or a header is not of the documented form.",
    InvalidPhone 400 "invalid_phone" "That is not a phone number in international form.",
    UnsupportedCountry 400 "unsupported_country" "Codes are not sent to numbers of that country.",
    Unauthorized 401 "unauthorized" "The request is not authenticated.",
    CodeIncorrect 401 "code_incorrect" "That is not the code.",
    Blacklisted 403 "blacklisted" "An operator has blocked this number or address.",
    Forbidden 403 "forbidden" "That is not allowed.",
    SessionNotAuthorised 403 "session_not_authorised" "That session id has not passed verification and no operator has authorised it.",
    NotFound 404 "not_found" "There is nothing here.",
    MethodNotAllowed 405 "method_not_allowed" "That path does not take this method.",
    InProgress 409 "in_progress" "The same request is still being answered.",
    Conflict 409 "conflict" "The change does not fit what is there now.",
    ConsentStale 409 "consent_stale" "The consent text has changed since it was shown.",
    ChallengeUnknown 410 "challenge_unknown" "There is no such code to verify: it has expired, was used, or never was.",
    TooLarge 413 "too_large" "The request's body is too large.",
    UnsupportedMediaType 415 "unsupported_media_type" "The body has to be application/json.",
    Undeliverable 422 "undeliverable" "WhatsApp cannot deliver to that number.",
    IdempotencyMismatch 422 "idempotency_mismatch" "The idempotency key was used with another body.",
    RateLimited 429 "rate_limited" "Too many requests; a limit is reached.",
    Burst 429 "burst" "Too many requests at once.",
    EdgeHold 429 "edge_hold" "Refused until the limit that was reached has passed.",
    ChallengeLocked 429 "challenge_locked" "All guesses of this code are used.",
    Internal 500 "internal" "Something went wrong here.",
    TemplateNotApproved 503 "template_not_approved" "WhatsApp does not allow the message template at present.",
    DeliveryUnavailable 503 "delivery_unavailable" "The message could not be sent at present.",
    OriginUnavailable 503 "origin_unavailable" "The service cannot be reached at present.",
    AdminDisabled 503 "admin_disabled" "No admin token is configured.",
}

impl ProblemCode {
    /// Whether the answer must say when to come back.
    pub const fn needs_retry_after(self) -> bool {
        matches!(self.status(), 429 | 503)
    }
}

/// One refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The stable code.
    pub code: ProblemCode,
    /// What is wrong with this request, for a person. Holds no number, code or token.
    pub detail: String,
    /// The limit that refused, as in `request.phone.hour`.
    pub limit: Option<&'static str>,
    /// Seconds until a retry can succeed.
    pub retry_after_s: Option<u64>,
    /// Guesses left for the challenge.
    pub attempts_left: Option<u32>,
}

/// What `Retry-After` says when nothing better is known, in seconds.
pub const DEFAULT_RETRY_AFTER_S: u64 = 30;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    r#type: String,
    title: &'static str,
    status: u16,
    code: &'static str,
    detail: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_s: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attempts_left: Option<u32>,
}

impl Problem {
    /// A refusal; one that must say when to come back says [`DEFAULT_RETRY_AFTER_S`] until told better.
    pub fn new(code: ProblemCode, detail: impl Into<String>) -> Self {
        let retry_after_s = code.needs_retry_after().then_some(DEFAULT_RETRY_AFTER_S);
        Self { code, detail: detail.into(), limit: None, retry_after_s, attempts_left: None }
    }

    /// Names the limit that refused.
    #[must_use]
    pub fn limit(self, limit: &'static str) -> Self {
        Self { limit: Some(limit), ..self }
    }

    /// Says when to come back; never "at once".
    #[must_use]
    pub fn retry_after_s(self, seconds: u64) -> Self {
        Self { retry_after_s: Some(seconds.max(1)), ..self }
    }

    /// Says how many guesses are left.
    #[must_use]
    pub fn attempts_left(self, left: u32) -> Self {
        Self { attempts_left: Some(left), ..self }
    }

    /// The document's text.
    pub fn to_json(&self) -> String {
        let document = Document {
            r#type: format!("urn:otp:problem:{}", self.code.as_str()),
            title: self.code.title(),
            status: self.code.status(),
            code: self.code.as_str(),
            detail: &self.detail,
            limit: self.limit,
            retry_after_s: self.retry_after_s,
            attempts_left: self.attempts_left,
        };
        // A struct of strings and numbers always serialises.
        serde_json::to_string(&document).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_is_pinned() {
        let problem =
            Problem::new(ProblemCode::RateLimited, "Too many codes for this number.").limit("request.phone.hour").retry_after_s(1800);
        assert_eq!(
            problem.to_json(),
            r#"{"type":"urn:otp:problem:rate_limited","title":"Too many requests; a limit is reached.","status":429,"code":"rate_limited","detail":"Too many codes for this number.","limit":"request.phone.hour","retryAfterS":1800}"#,
            "apps read this: a change needs a migration"
        );
    }

    #[test]
    fn every_429_and_503_says_when_to_come_back() {
        for &code in ProblemCode::ALL {
            let problem = Problem::new(code, "");
            assert_eq!(problem.retry_after_s.is_some(), matches!(code.status(), 429 | 503), "{code:?}");
        }
    }

    #[test]
    fn codes_are_spelled_once() {
        for &code in ProblemCode::ALL {
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
        }
    }
}
