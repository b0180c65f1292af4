//! One call to the Graph API, and what is known after it. Not whether to call again: that is
//! `sending`'s.
//!
//! **Invariant:** a message counts as refused only when Meta's own error envelope says so, or when
//! no connection was made. Everything else that is not a message id (a time-out, a broken
//! connection, a proxy's page, 200 without an id) may have left.

use std::time::Duration;

use reqwest::RequestBuilder;
use serde_json::Value;

use super::WhatsAppConfig;
use crate::channels::http_client::{self, CallOutcome, LostReason, Response};

/// What became of one send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SendResult {
    /// Meta named the message.
    Accepted {
        /// Its `wamid`.
        message_id: String,
        /// `accepted`, `held_for_quality_assessment` or `paused`; `None`: Meta sent none.
        status: Option<String>,
    },
    /// Meta refused it.
    Rejected(Rejection),
    /// No connection: nothing left.
    NotSent,
    /// The response says neither yes nor no: it may have left.
    Unreadable {
        /// The HTTP status.
        status: u16,
    },
    /// No complete response: it may have left.
    Lost(LostReason),
}

/// Meta's error envelope.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rejection {
    /// `error.code`.
    pub code: u32,
    /// `error.fbtrace_id`, for Meta's support.
    pub trace: Option<String>,
    /// The `Retry-After` header; Meta mostly sends none.
    pub retry_after_s: Option<u64>,
}

/// Why a lookup failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LookupError {
    /// Meta refused.
    #[error("Meta refused the lookup with code {0}")]
    Refused(u32),
    /// No response, or not one of Meta's.
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
        let root = format!("{}/{}", config.base_url.trim_end_matches('/'), config.api_version);
        Self {
            http: http_client::build(),
            messages_url: format!("{root}/{}/messages", config.phone_number_id),
            templates_url: format!("{root}/{}/message_templates", config.waba_id),
            token: config.token.clone(),
        }
    }

    /// Sends once.
    pub async fn send(&self, body: &Value, timeout: Duration) -> SendResult {
        match self.call(self.http.post(&self.messages_url).json(body), timeout).await {
            CallOutcome::Answered(response) => read(&response),
            CallOutcome::NotSent => SendResult::NotSent,
            CallOutcome::Lost(reason) => SendResult::Lost(reason),
        }
    }

    /// One page of a template lookup.
    pub async fn templates(&self, query: &[(&str, &str)], timeout: Duration) -> Result<Value, LookupError> {
        let request = self.http.get(&self.templates_url).query(query);
        let CallOutcome::Answered(response) = self.call(request, timeout).await else {
            return Err(LookupError::Unanswered);
        };
        match error_code(&response.body) {
            Some(code) => Err(LookupError::Refused(code)),
            None => Ok(response.body),
        }
    }

    async fn call(&self, request: RequestBuilder, timeout: Duration) -> CallOutcome {
        http_client::call(request.bearer_auth(&self.token), timeout).await
    }
}

fn read(response: &Response) -> SendResult {
    let Response { status, retry_after_s, body } = response;
    if let Some(code) = error_code(body) {
        let trace = text(body, "/error/fbtrace_id");
        return SendResult::Rejected(Rejection { code, trace, retry_after_s: *retry_after_s });
    }
    let message_id = text(body, "/messages/0/id").filter(|id| (200..300).contains(status) && !id.is_empty());
    match message_id {
        Some(message_id) => SendResult::Accepted { message_id, status: text(body, "/messages/0/message_status") },
        None => SendResult::Unreadable { status: *status },
    }
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
