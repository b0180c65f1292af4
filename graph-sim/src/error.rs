//! An error as the Graph API tells it: the envelope of Meta's error page.
//!
//! A handler returns a bare [`GraphError`]; the trace id and the HTTP status are put on where every response is dressed.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

pub use crate::codes::StatusStyle;
use crate::codes::title;

/// Codes from here on are WhatsApp's own; those below are the Graph API's.
const FIRST_MESSAGING: u32 = 130_000;

/// One error of Meta's list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GraphError {
    /// `error.code`.
    pub code: u32,
    /// `error.error_subcode`.
    pub subcode: Option<u32>,
    /// Replaces `(#code) title` as `error.message`.
    pub message: Option<String>,
    /// `error.error_data.details`.
    pub details: Option<String>,
    /// Replaces the status of the style.
    pub status: Option<StatusCode>,
    /// Seconds, as the `Retry-After` header.
    pub retry_after_s: Option<u64>,
}

impl GraphError {
    /// The error `code` with Meta's title and nothing else.
    pub fn new(code: u32) -> Self {
        Self { code, subcode: None, message: None, details: None, status: None, retry_after_s: None }
    }

    /// With `error_data.details`.
    #[must_use]
    pub fn details(mut self, details: impl Into<String>) -> Self {
        self.details = Some(details.into());
        self
    }

    /// With a message of its own.
    #[must_use]
    pub fn message(mut self, message: impl Into<String>) -> Self {
        self.message = Some(message.into());
        self
    }

    /// With an `error_subcode`.
    #[must_use]
    pub fn subcode(mut self, subcode: u32) -> Self {
        self.subcode = Some(subcode);
        self
    }

    /// 100 about a parameter, in Graph's own words.
    pub fn parameter(text: impl std::fmt::Display) -> Self {
        Self::new(100).message(format!("(#100) {text}"))
    }

    /// 100/33: the path names an object that is not ours.
    pub fn unknown_object(method: &str, id: &str) -> Self {
        Self::new(100).subcode(33).message(format!(
            "Unsupported {method} request. Object with ID '{id}' does not exist, cannot be loaded due to missing permissions, or does not support this operation"
        ))
    }

    /// The HTTP status in `style`.
    pub fn status(&self, style: StatusStyle) -> StatusCode {
        self.status.unwrap_or_else(|| style.status(self.code))
    }

    /// The envelope.
    pub fn body(&self, trace: &str) -> Value {
        let mut error = Map::new();
        error.insert("message".to_owned(), self.text().into());
        error.insert("type".to_owned(), self.kind().into());
        error.insert("code".to_owned(), self.code.into());
        // Token errors have a subcode and no error_data; the messaging ones the other way round.
        if let Some(details) = self.told_details() {
            error.insert("error_data".to_owned(), json!({ "messaging_product": "whatsapp", "details": details }));
        }
        if let Some(subcode) = self.subcode {
            error.insert("error_subcode".to_owned(), subcode.into());
        }
        error.insert("fbtrace_id".to_owned(), trace.into());
        json!({ "error": error })
    }

    fn text(&self) -> String {
        self.message.clone().unwrap_or_else(|| format!("(#{}) {}", self.code, title(self.code)))
    }

    /// Messaging errors always say something; where nothing better is known it is the title again.
    fn told_details(&self) -> Option<&str> {
        self.details.as_deref().or_else(|| (self.code >= FIRST_MESSAGING).then(|| title(self.code)))
    }

    fn kind(&self) -> &'static str {
        if self.subcode == Some(33) { "GraphMethodException" } else { "OAuthException" }
    }
}

impl IntoResponse for GraphError {
    /// A blank response that carries the error to where responses are dressed.
    fn into_response(self) -> Response {
        let mut response = Response::default();
        response.extensions_mut().insert(self);
        response
    }
}
