//! The last step of every Graph answer: a scripted fault takes its place, and the headers and the envelope go on.

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
use crate::state::World;
use crate::version::{self, CURRENT};

/// Marks a response that must never be written: the connection closes instead.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HangUp;

impl World {
    /// Lets in who has a living version and our token.
    pub(crate) fn admit(&self, version: &str, headers: &HeaderMap) -> Result<(), GraphError> {
        version::check(version, self.clock.now_ms())?;
        let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        match given.and_then(|value| value.strip_prefix("Bearer ")) {
            Some(token) if token == self.settings.token => Ok(()),
            Some(_) => Err(GraphError::new(190).message("Invalid OAuth access token - Cannot parse access token")),
            None => Err(GraphError::new(190).message("An access token is required to request this resource.")),
        }
    }

    /// Waits as long as the script wants, then answers as it wants; `ordinary` is what it answers otherwise.
    pub(crate) async fn answer(&self, rule: Option<Rule>, ordinary: impl FnOnce() -> Response) -> Result<Response, GraphError> {
        let latency = self.lock().latency;
        let delay = Duration::from_millis(rule.as_ref().map_or(0, |rule| rule.delay_ms));
        tokio::time::sleep(latency + delay).await;
        let Some(fault) = rule.map(|rule| rule.fault) else { return Ok(ordinary()) };
        match fault {
            Fault::Hang => std::future::pending().await,
            Fault::Drop { .. } => Ok(hang_up()),
            Fault::Garbage => Ok(json_bytes(r#"{"messaging_product":"whatsapp","contacts":[{"inp"#)),
            Fault::Bare { status, .. } => Ok(bare(status)),
            fault => fault.as_error().map_or_else(|| Ok(ordinary()), Err),
        }
    }
}

fn hang_up() -> Response {
    let mut response = Response::default();
    response.extensions_mut().insert(HangUp);
    response
}

fn json_bytes(bytes: &'static str) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], bytes).into_response()
}

fn bare(status: u16) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, [(header::CONTENT_TYPE, "text/html")], "<html><body>Sorry, something went wrong.</body></html>").into_response()
}

/// Puts Meta's headers on, and turns a [`GraphError`] into its envelope.
pub(crate) async fn dress(State(world): State<Arc<World>>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let trace = world.ids.trace();
    if let Some(error) = response.extensions_mut().remove::<GraphError>() {
        let status = error.status(world.lock().style);
        response = (status, axum::Json(error.body(&trace))).into_response();
        if let Some(seconds) = error.retry_after_s {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
    }
    put_headers(&mut response, &world, &trace);
    response
}

fn put_headers(response: &mut Response<Body>, world: &World, trace: &str) {
    let usage = json!({ &world.settings.waba_id: [ { "type": "messages", "call_count": 0, "total_cputime": 0,
        "total_time": 0, "estimated_time_to_regain_access": 0 } ] });
    for (name, value) in [
        ("facebook-api-version", CURRENT),
        ("x-fb-request-id", trace),
        ("x-fb-trace-id", trace),
        ("x-fb-rev", "1031000000"),
        ("x-business-use-case-usage", &usage.to_string()),
    ] {
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().insert(name, value);
        }
    }
}
