//! One HTTP answer, and what every refusal has to look like.

use otp_shared::problem::{MEDIA_TYPE, ProblemCode};
use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER, SET_COOKIE};
use serde_json::Value;

/// A whole answer, body read.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The raw body.
    pub body: Vec<u8>,
}

#[expect(clippy::return_self_not_must_use, reason = "the checks are told for their failure, not for what they return")]
impl Answer {
    /// Reads the body of `response`.
    pub async fn read(response: reqwest::Response) -> Self {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = response.bytes().await.expect("an answer that began also ends").to_vec();
        Self { status, headers, body }
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {self}"))
    }

    /// A header's value.
    pub fn header(&self, name: impl reqwest::header::AsHeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The value of the cookie that the answer sets, without its attributes.
    pub fn cookie(&self, name: &str) -> Option<String> {
        let cookies = self.headers.get_all(SET_COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut pairs = cookies.filter_map(|cookie| cookie.split(';').next()?.split_once('='));
        pairs.find(|(key, _)| *key == name).map(|(_, value)| value.to_owned())
    }

    /// The status is this one, or the story has failed.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self}");
        self
    }

    /// It is a refusal with this code: its status, its media type, and a `Retry-After` where one is due. Anything else and the story has failed.
    #[track_caller]
    pub fn refused(self, code: ProblemCode) -> Self {
        assert_eq!(self.code().as_deref(), Some(code.as_str()), "{self}");
        self.assert_is_a_problem();
        self
    }

    /// The problem code, if it is a refusal at all.
    pub fn code(&self) -> Option<String> {
        let body: Value = serde_json::from_slice(&self.body).ok()?;
        Some(body.get("code")?.as_str()?.to_owned())
    }

    /// The seconds of `Retry-After`; the story has failed without one.
    #[track_caller]
    pub fn retry_after_s(&self) -> u64 {
        let header = self.header(RETRY_AFTER).unwrap_or_else(|| panic!("no Retry-After: {self}"));
        header.parse().unwrap_or_else(|_| panic!("Retry-After is not in seconds: {self}"))
    }

    /// The form of a refusal (RFC 9457 and section 15.5 of RFC 9110), whichever code it has.
    #[track_caller]
    pub fn assert_is_a_problem(&self) {
        let body = self.json();
        let code = ProblemCode::ALL
            .iter()
            .find(|code| Some(code.as_str()) == body["code"].as_str())
            .unwrap_or_else(|| panic!("no known code: {self}"));
        assert_eq!(self.header(CONTENT_TYPE), Some(MEDIA_TYPE), "{self}");
        assert_eq!(self.status, code.status(), "{self}");
        assert_eq!(body["status"], code.status(), "{self}");
        assert_eq!(body["title"], code.title(), "{self}");
        assert!(body["type"].is_string() && body["detail"].is_string(), "{self}");
        if code.needs_retry_after() {
            assert!(self.retry_after_s() >= 1, "never at once: {self}");
            assert_eq!(body["retryAfterS"], self.retry_after_s(), "{self}");
        }
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} {:?}", self.status, self.text(), self.headers)
    }
}
