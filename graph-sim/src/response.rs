//! The first and the last step of every Graph API call: authorization, the scripted fault, and the
//! headers and error envelope of the response.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::error::GraphError;
use crate::script::{Fault, Rule};
use crate::simulator::Simulator;
use crate::version::{self, CURRENT};

/// Marks a response that the server must not write: it closes the connection instead.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CloseConnection;

impl Simulator {
    /// Checks that the API version is supported and that the bearer token is ours.
    ///
    /// # Errors
    /// 2500 or 2635 for the version, 190 for the token.
    pub(crate) fn authorize(&self, version: &str, headers: &HeaderMap) -> Result<(), GraphError> {
        version::check(version, self.clock.now_ms())?;
        let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        match given.and_then(|value| value.strip_prefix("Bearer ")) {
            Some(token) if token == self.settings.token => Ok(()),
            Some(_) => Err(GraphError::new(190).message("Invalid OAuth access token - Cannot parse access token")),
            None => Err(GraphError::new(190).message("An access token is required to request this resource.")),
        }
    }

    /// Waits for the scripted delay, then responds with the scripted fault, or with `success` if
    /// there is none.
    ///
    /// # Errors
    /// The scripted error.
    pub(crate) async fn respond(&self, rule: Option<Rule>, success: impl FnOnce() -> Response) -> Result<Response, GraphError> {
        let latency = self.lock().latency;
        let delay = Duration::from_millis(rule.as_ref().map_or(0, |rule| rule.delay_ms));
        tokio::time::sleep(latency + delay).await;
        let Some(fault) = rule.map(|rule| rule.fault) else { return Ok(success()) };
        match fault {
            Fault::Hang => std::future::pending().await,
            Fault::Drop { .. } => Ok(close_connection()),
            Fault::Garbage => Ok(truncated_json()),
            Fault::Bare { status, .. } => Ok(error_page(status)),
            fault => fault.as_error().map_or_else(|| Ok(success()), Err),
        }
    }
}

fn close_connection() -> Response {
    let mut response = Response::default();
    response.extensions_mut().insert(CloseConnection);
    response
}

fn truncated_json() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], r#"{"messaging_product":"whatsapp","contacts":[{"inp"#).into_response()
}

/// What a proxy between Meta and the caller would send.
fn error_page(status: u16) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, [(header::CONTENT_TYPE, "text/html")], "<html><body>Sorry, something went wrong.</body></html>").into_response()
}

/// Middleware: turns a [`GraphError`] into Meta's error envelope, and adds Meta's headers.
pub(crate) async fn finish(State(simulator): State<Arc<Simulator>>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let trace = simulator.ids.trace();
    if let Some(error) = response.extensions_mut().remove::<GraphError>() {
        let status = error.status(simulator.lock().style);
        response = (status, axum::Json(error.body(&trace))).into_response();
        if let Some(seconds) = error.retry_after_s {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
    }
    add_headers(&mut response, &simulator, &trace);
    response
}

fn add_headers(response: &mut Response<Body>, simulator: &Simulator, trace: &str) {
    let usage = json!({ &simulator.settings.waba_id: [ { "type": "messages", "call_count": 0, "total_cputime": 0,
        "total_time": 0, "estimated_time_to_regain_access": 0 } ] });
    for (name, value) in [
        ("facebook-api-version", CURRENT),
        ("x-fb-request-id", trace),
        ("x-fb-trace-id", trace),
        ("x-fb-rev", "1031000000"),
        ("x-business-use-case-usage", &usage.to_string()),
    ] {
        // A value from the settings may have bytes that no header can carry; then it is left out.
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().insert(name, value);
        }
    }
}
