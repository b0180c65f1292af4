//! An error of the Graph API, and the JSON envelope that Meta documents for it.
//!
//! A handler returns a bare [`GraphError`]. The middleware `response::finish` then adds the
//! trace id and the HTTP status.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

pub use crate::error_codes::StatusStyle;
use crate::error_codes::title;

/// Codes from here on belong to WhatsApp, lower ones to the Graph API.
const FIRST_MESSAGING_CODE: u32 = 130_000;

/// One error of Meta's list of error codes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GraphError {
    /// `error.code`.
    pub code: u32,
    /// `error.error_subcode`.
    pub subcode: Option<u32>,
    /// `error.message`. Absent: `(#code)` and Meta's title.
    pub message: Option<String>,
    /// `error.error_data.details`.
    pub details: Option<String>,
    /// The HTTP status. Absent: the one that the [`StatusStyle`] gives.
    pub status: Option<StatusCode>,
    /// The `Retry-After` header, in seconds. Absent: no such header.
    pub retry_after_s: Option<u64>,
}

impl GraphError {
    /// The error `code` with Meta's title.
    pub fn new(code: u32) -> Self {
        Self { code, subcode: None, message: None, details: None, status: None, retry_after_s: None }
    }

    /// Sets `error_data.details`.
    #[must_use]
    pub fn details(mut self, details: impl Into<String>) -> Self {
        self.details = Some(details.into());
        self
    }

    /// Sets `error.message`.
    #[must_use]
    pub fn message(mut self, message: impl Into<String>) -> Self {
        self.message = Some(message.into());
        self
    }

    /// Sets `error.error_subcode`.
    #[must_use]
    pub fn subcode(mut self, subcode: u32) -> Self {
        self.subcode = Some(subcode);
        self
    }

    /// 100: a parameter is invalid. `text` is what the Graph API says about it.
    pub fn parameter(text: impl std::fmt::Display) -> Self {
        Self::new(100).message(format!("(#100) {text}"))
    }

    /// 100 with subcode 33: the path names an object that does not exist.
    pub fn unknown_object(method: &str, id: &str) -> Self {
        Self::new(100).subcode(33).message(format!(
            "Unsupported {method} request. Object with ID '{id}' does not exist, cannot be loaded due to missing permissions, or does not support this operation"
        ))
    }

    /// The HTTP status in `style`.
    pub fn status(&self, style: StatusStyle) -> StatusCode {
        self.status.unwrap_or_else(|| style.status(self.code))
    }

    /// The JSON body; `trace` becomes `fbtrace_id`.
    pub fn body(&self, trace: &str) -> Value {
        let mut error = Map::new();
        error.insert("message".to_owned(), self.message_text().into());
        error.insert("type".to_owned(), self.type_name().into());
        error.insert("code".to_owned(), self.code.into());
        // Token errors have no error_data.
        if let Some(details) = self.details_or_title() {
            error.insert("error_data".to_owned(), json!({ "messaging_product": "whatsapp", "details": details }));
        }
        if let Some(subcode) = self.subcode {
            error.insert("error_subcode".to_owned(), subcode.into());
        }
        error.insert("fbtrace_id".to_owned(), trace.into());
        json!({ "error": error })
    }

    fn message_text(&self) -> String {
        self.message.clone().unwrap_or_else(|| format!("(#{}) {}", self.code, title(self.code)))
    }

    /// Meta fills the details of every messaging error; without better ones it repeats the title.
    fn details_or_title(&self) -> Option<&str> {
        self.details.as_deref().or_else(|| (self.code >= FIRST_MESSAGING_CODE).then(|| title(self.code)))
    }

    fn type_name(&self) -> &'static str {
        if self.subcode == Some(33) { "GraphMethodException" } else { "OAuthException" }
    }
}

impl IntoResponse for GraphError {
    /// An empty response that carries the error to the middleware `response::finish`.
    fn into_response(self) -> Response {
        let mut response = Response::default();
        response.extensions_mut().insert(self);
        response
    }
}
