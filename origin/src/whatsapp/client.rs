//! One call to the Graph API, and what is known after it. Not whether to call again: that is `sending`'s.
//!
//! **Invariant:** a message counts as refused only when Meta's own envelope says so, or when no connection came about. Everything else
//! that is not a message id (a time-out, a cut connection, a proxy's page, 200 without an id) is [`Answer::Lost`]: it may have left.

use std::time::Duration;

use reqwest::{RequestBuilder, Response, redirect};
use serde_json::Value;

use super::WhatsAppConfig;

/// How long a connection may take to come about. Shorter than every deadline, so that its failure is known as such.
const CONNECT: Duration = Duration::from_secs(2);
/// How long an idle connection is kept: using one that Meta is just closing would lose an answer.
const IDLE: Duration = Duration::from_secs(20);

/// What is known after one send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Meta named the message.
    Accepted {
        /// Its `wamid`.
        message_id: String,
        /// `accepted`, `held_for_quality_assessment` or `paused`, if told.
        status: Option<String>,
    },
    /// Meta refused it.
    Rejected(Rejection),
    /// No connection: nothing left.
    NotSent,
    /// It may have left.
    Lost(Lost),
}

/// How the answer got lost; for the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lost {
    /// None came in time.
    TimedOut,
    /// The connection broke.
    Cut,
    /// It came, and says neither yes nor no.
    Unreadable {
        /// The HTTP status.
        status: u16,
    },
}

/// An error envelope.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rejection {
    /// `error.code`.
    pub code: u32,
    /// `error.fbtrace_id`, for Meta's support.
    pub trace: Option<String>,
    /// The `Retry-After` header, in seconds; Meta mostly sends none.
    pub retry_after_s: Option<u64>,
}

/// Why a lookup failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LookupError {
    /// Meta refused.
    #[error("Meta refused the lookup with code {0}")]
    Refused(u32),
    /// No answer, or not one of Meta's.
    #[error("the lookup was not answered")]
    Unanswered,
    /// More pages than any account has.
    #[error("the lookup has more than {0} pages")]
    Endless(usize),
}

/// Talks to one account.
pub struct Client {
    http: reqwest::Client,
    messages_url: String,
    templates_url: String,
    token: String,
}

impl Client {
    /// A client for the configured account.
    pub fn new(config: &WhatsAppConfig) -> Self {
        // A redirect or a retry below us would be a second message.
        let http = reqwest::Client::builder()
            .redirect(redirect::Policy::none())
            .retry(reqwest::retry::never())
            .connect_timeout(CONNECT)
            .pool_idle_timeout(IDLE)
            .build()
            .expect("the roots of trust are compiled in");
        let root = format!("{}/{}", config.base_url.trim_end_matches('/'), config.api_version);
        Self {
            http,
            messages_url: format!("{root}/{}/messages", config.phone_number_id),
            templates_url: format!("{root}/{}/message_templates", config.waba_id),
            token: config.token.clone(),
        }
    }

    /// Sends once.
    pub async fn send(&self, body: &Value, timeout: Duration) -> Answer {
        match self.call(self.http.post(&self.messages_url).json(body), timeout).await {
            Ok(response) => read(response).await,
            Err(error) if error.is_connect() || error.is_builder() => Answer::NotSent,
            Err(error) => Answer::Lost(lost(&error)),
        }
    }

    /// One page of a template lookup.
    pub async fn templates(&self, query: &[(&str, &str)], timeout: Duration) -> Result<Value, LookupError> {
        let asked = self.call(self.http.get(&self.templates_url).query(query), timeout).await;
        let response = asked.map_err(|_| LookupError::Unanswered)?;
        let page: Value = response.json().await.map_err(|_| LookupError::Unanswered)?;
        match error_code(&page) {
            Some(code) => Err(LookupError::Refused(code)),
            None => Ok(page),
        }
    }

    async fn call(&self, request: RequestBuilder, timeout: Duration) -> reqwest::Result<Response> {
        request.bearer_auth(&self.token).timeout(timeout).send().await
    }
}

async fn read(response: Response) -> Answer {
    let status = response.status();
    let retry_after_s = response.headers().get("retry-after").and_then(|value| value.to_str().ok()?.trim().parse().ok());
    let bytes = match response.bytes().await {
        Ok(bytes) => bytes,
        Err(error) => return Answer::Lost(lost(&error)),
    };
    let body: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    if let Some(code) = error_code(&body) {
        return Answer::Rejected(Rejection { code, trace: text(&body, "/error/fbtrace_id"), retry_after_s });
    }
    match text(&body, "/messages/0/id").filter(|id| status.is_success() && !id.is_empty()) {
        Some(message_id) => Answer::Accepted { message_id, status: text(&body, "/messages/0/message_status") },
        None => Answer::Lost(Lost::Unreadable { status: status.as_u16() }),
    }
}

fn lost(error: &reqwest::Error) -> Lost {
    if error.is_timeout() { Lost::TimedOut } else { Lost::Cut }
}

/// `error.code`, as a number or as digits.
fn error_code(body: &Value) -> Option<u32> {
    match body.pointer("/error/code")? {
        Value::Number(code) => code.as_u64().and_then(|code| u32::try_from(code).ok()),
        Value::String(code) => code.parse().ok(),
        _ => None,
    }
}

fn text(body: &Value, pointer: &str) -> Option<String> {
    body.pointer(pointer)?.as_str().map(str::to_owned)
}
