//! `/control/*`: the scripting methods of [`Simulator`] over HTTP, for people, shells and tests in
//! other languages.
//!
//! | route | body | example |
//! |---|---|---|
//! | `POST /control/faults` | a [`Rule`] | `{"to":"+250…","times":1,"fault":{"kind":"error","code":130429,"retryAfterS":5}}` |
//! | `GET /control/faults` | | lists the rules that are not used up |
//! | `DELETE /control/faults` | | removes them |
//! | `POST /control/settings` | any of these | `{"latencyMs":0,"style":"plain","automatic":true,"hyphens":false,"throughputMps":80,"pairLimit":true,"webhook":"http://…"}` |
//! | `POST /control/handshake` | | runs the verification handshake with the webhook URL |
//! | `POST /control/receipts` | posted as one webhook, `copies` times (1) | `{"receipts":[{"id":"wamid.…","status":"failed","code":131026}],"copies":2}` |
//! | `POST /control/inbound` | kinds `stop` `start` `text` `didNotRequestCode` | `{"from":"+250…","kind":"stop"}` |
//! | `POST /control/template` | without `language`: every one; `quiet`: no webhook | `{"name":"otp_login","language":"rw_RW","quiet":false,"review":{"kind":"pause"}}` |
//! | `GET /control/templates` | | lists name, language and status of each |
//! | `POST /control/number` | | `{"quality":"RED","tier":"TIER_250"}` |
//! | `POST /control/event` | any webhook | `{"field":"account_update","value":{…}}` |
//! | `POST /control/clock` | milliseconds | `{"advanceMs":6000}` |
//!
//! The response is 204 for a change, 200 with `{"attempts":n}` for a webhook that was posted, 404
//! with `{"error":…}` for an unknown message or template, and 502 with `{"error":…}` for a webhook
//! that was not accepted.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::error::StatusStyle;
use crate::receipt::{Inbound, Receipt};
use crate::review::Review;
use crate::script::Rule;
use crate::simulator::Simulator;
use crate::template::Template;
use crate::webhook::{Posted, WebhookError};

type Shared = State<Arc<Simulator>>;

pub(crate) fn router() -> Router<Arc<Simulator>> {
    Router::new()
        .route("/faults", get(faults).post(add_fault).delete(clear_faults))
        .route("/settings", post(settings))
        .route("/handshake", post(handshake))
        .route("/receipts", post(receipts))
        .route("/inbound", post(inbound))
        .route("/template", post(template))
        .route("/templates", get(templates))
        .route("/number", post(number))
        .route("/event", post(event))
        .route("/clock", post(clock))
        .fallback(|| async { StatusCode::NOT_FOUND })
}

async fn faults(State(simulator): Shared) -> Json<Vec<Rule>> {
    Json(simulator.rules())
}

async fn add_fault(State(simulator): Shared, Json(rule): Json<Rule>) -> StatusCode {
    simulator.script(rule);
    StatusCode::NO_CONTENT
}

async fn clear_faults(State(simulator): Shared) -> StatusCode {
    simulator.clear_script();
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SettingsChange {
    latency_ms: Option<u64>,
    style: Option<StatusStyle>,
    automatic: Option<bool>,
    hyphens: Option<bool>,
    /// Messages a second; 0 removes the limit.
    throughput_mps: Option<u32>,
    pair_limit: Option<bool>,
    webhook: Option<String>,
}

async fn settings(State(simulator): Shared, Json(change): Json<SettingsChange>) -> StatusCode {
    if let Some(url) = &change.webhook {
        simulator.set_webhook(url);
    }
    let mut state = simulator.lock();
    set(&mut state.latency, change.latency_ms.map(Duration::from_millis));
    set(&mut state.style, change.style);
    set(&mut state.automatic, change.automatic);
    set(&mut state.hyphens, change.hyphens);
    set(&mut state.rate_limits.throughput_mps, change.throughput_mps.map(|mps| Some(mps).filter(|mps| *mps > 0)));
    set(&mut state.rate_limits.pair_limit, change.pair_limit);
    StatusCode::NO_CONTENT
}

/// Leaves `field` as it is if the request does not name it.
fn set<T>(field: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *field = value;
    }
}

async fn handshake(State(simulator): Shared) -> Response {
    webhook_response(simulator.handshake().await.map(|()| Posted { attempts: 1 }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReceiptsRequest {
    receipts: Vec<MessageReceipt>,
    /// How many times the same body is posted.
    #[serde(default = "one")]
    copies: u32,
}

fn one() -> u32 {
    1
}

#[derive(Deserialize)]
struct MessageReceipt {
    /// The message's `wamid`.
    id: String,
    #[serde(flatten)]
    receipt: Receipt,
}

async fn receipts(State(simulator): Shared, Json(request): Json<ReceiptsRequest>) -> Response {
    let receipts: Vec<_> = request.receipts.into_iter().map(|one| (one.id, one.receipt)).collect();
    let mut result = Ok(Posted { attempts: 0 });
    for _ in 0..request.copies {
        result = simulator.receipts(&receipts).await;
    }
    webhook_response(result)
}

#[derive(Deserialize)]
struct InboundRequest {
    /// The person's number.
    from: String,
    #[serde(flatten)]
    inbound: Inbound,
}

async fn inbound(State(simulator): Shared, Json(request): Json<InboundRequest>) -> Response {
    webhook_response(simulator.inbound(&request.from, &request.inbound).await)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReviewRequest {
    name: String,
    /// Absent: every language of the template.
    language: Option<String>,
    /// Whether the change is kept from the webhook.
    #[serde(default)]
    quiet: bool,
    review: Review,
}

impl ReviewRequest {
    fn matches(&self, template: &Template) -> bool {
        template.name == self.name && self.language.as_ref().is_none_or(|language| *language == template.language)
    }
}

async fn template(State(simulator): Shared, Json(request): Json<ReviewRequest>) -> Response {
    let mut result = Err(WebhookError::UnknownTemplate(request.name.clone()));
    for template in simulator.templates().iter().filter(|template| request.matches(template)) {
        result = if request.quiet {
            simulator.review_quietly(&request.name, &template.language, &request.review).map(|()| Posted { attempts: 0 })
        } else {
            simulator.review(&request.name, &template.language, &request.review).await
        };
    }
    webhook_response(result)
}

async fn templates(State(simulator): Shared) -> Json<Vec<Value>> {
    let summary = |template: &Template| json!({ "name": template.name, "language": template.language, "status": template.status });
    Json(simulator.templates().iter().map(summary).collect())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NumberRequest {
    quality: String,
    tier: String,
}

async fn number(State(simulator): Shared, Json(request): Json<NumberRequest>) -> StatusCode {
    simulator.set_number(&request.quality, &request.tier);
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EventRequest {
    field: String,
    value: Value,
}

async fn event(State(simulator): Shared, Json(request): Json<EventRequest>) -> Response {
    webhook_response(simulator.event(&request.field, &request.value).await)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ClockRequest {
    advance_ms: u64,
}

async fn clock(State(simulator): Shared, Json(request): Json<ClockRequest>) -> StatusCode {
    simulator.clock().advance(Duration::from_millis(request.advance_ms));
    StatusCode::NO_CONTENT
}

fn webhook_response(result: Result<Posted, WebhookError>) -> Response {
    match result {
        Ok(posted) => Json(posted).into_response(),
        Err(error @ (WebhookError::UnknownMessage(_) | WebhookError::UnknownTemplate(_))) => error_response(StatusCode::NOT_FOUND, &error),
        Err(error) => error_response(StatusCode::BAD_GATEWAY, &error),
    }
}

fn error_response(status: StatusCode, error: &WebhookError) -> Response {
    (status, Json(json!({ "error": error.to_string() }))).into_response()
}
