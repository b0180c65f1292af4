//! `/control/*`: the scripting methods of [`World`] as HTTP, for people, shells and tests in other languages.
//!
//! | | | |
//! |---|---|---|
//! | `POST /control/faults` | a [`Rule`] | `{"to":"+250…","times":1,"fault":{"kind":"error","code":130429,"retryAfterS":5}}` |
//! | `GET`, `DELETE /control/faults` | | the rules still waiting; forget them |
//! | `POST /control/settings` | any of | `{"latencyMs":0,"style":"plain","automatic":true,"hyphens":false,"throughputMps":80,"pairLimit":true,"webhook":"http://…"}` |
//! | `POST /control/handshake` | | asks the webhook's receiver to prove itself |
//! | `POST /control/receipts` | in one body | `{"receipts":[{"id":"wamid.…","status":"failed","code":131026}],"copies":2}` |
//! | `POST /control/inbound` | | `{"from":"+250…","kind":"stop"}`; kinds `stop` `start` `text` `didNotRequestCode` |
//! | `POST /control/template` | `language` left out: all | `{"name":"otp_login","language":"rw_RW","quiet":false,"review":{"kind":"pause"}}` |
//! | `GET /control/templates` | | name, language, status of each |
//! | `POST /control/number` | | `{"quality":"RED","tier":"TIER_250"}` |
//! | `POST /control/event` | any webhook | `{"field":"account_update","value":{…}}` |
//! | `POST /control/clock` | | `{"advanceMs":6000}` |
//!
//! 204 when it is done; 200 with `{"attempts":n}` when a webhook was posted; 502 with `{"error":…}` when it did not get through.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::courier::{Posted, WebhookError};
use crate::error::StatusStyle;
use crate::receipt::{Inbound, Receipt};
use crate::review::Review;
use crate::script::Rule;
use crate::state::World;

type Shared = State<Arc<World>>;

pub(crate) fn router() -> Router<Arc<World>> {
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

async fn faults(State(world): Shared) -> Json<Vec<Rule>> {
    Json(world.rules())
}

async fn add_fault(State(world): Shared, Json(rule): Json<Rule>) -> StatusCode {
    world.script(rule);
    StatusCode::NO_CONTENT
}

async fn clear_faults(State(world): Shared) -> StatusCode {
    world.clear_script();
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Switches {
    latency_ms: Option<u64>,
    style: Option<StatusStyle>,
    automatic: Option<bool>,
    hyphens: Option<bool>,
    /// 0 lifts the limit.
    throughput_mps: Option<u32>,
    pair_limit: Option<bool>,
    webhook: Option<String>,
}

async fn settings(State(world): Shared, Json(switches): Json<Switches>) -> StatusCode {
    if let Some(url) = &switches.webhook {
        world.set_webhook(url);
    }
    let mut state = world.lock();
    put(&mut state.latency, switches.latency_ms.map(Duration::from_millis));
    put(&mut state.style, switches.style);
    put(&mut state.automatic, switches.automatic);
    put(&mut state.hyphens, switches.hyphens);
    put(&mut state.throttle.throughput_mps, switches.throughput_mps.map(|mps| Some(mps).filter(|mps| *mps > 0)));
    put(&mut state.throttle.pairs, switches.pair_limit);
    StatusCode::NO_CONTENT
}

fn put<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}

async fn handshake(State(world): Shared) -> Response {
    told(world.handshake().await.map(|()| Posted { attempts: 1 }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Receipts {
    receipts: Vec<One>,
    /// How many times the same body is posted.
    #[serde(default = "once")]
    copies: u32,
}

fn once() -> u32 {
    1
}

#[derive(Deserialize)]
struct One {
    id: String,
    #[serde(flatten)]
    receipt: Receipt,
}

async fn receipts(State(world): Shared, Json(wanted): Json<Receipts>) -> Response {
    let receipts: Vec<_> = wanted.receipts.into_iter().map(|one| (one.id, one.receipt)).collect();
    let mut outcome = Ok(Posted { attempts: 0 });
    for _ in 0..wanted.copies {
        outcome = world.receipts(&receipts).await;
    }
    told(outcome)
}

#[derive(Deserialize)]
struct From {
    from: String,
    #[serde(flatten)]
    inbound: Inbound,
}

async fn inbound(State(world): Shared, Json(wanted): Json<From>) -> Response {
    told(world.inbound(&wanted.from, &wanted.inbound).await)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reviewed {
    name: String,
    language: Option<String>,
    #[serde(default)]
    quiet: bool,
    review: Review,
}

async fn template(State(world): Shared, Json(wanted): Json<Reviewed>) -> Response {
    let meant = |language: &String| wanted.language.as_ref().is_none_or(|only| only == language);
    let ours = world.templates().into_iter().filter(|template| template.name == wanted.name);
    let languages: Vec<String> = ours.map(|template| template.language).filter(meant).collect();
    let mut outcome = Err(WebhookError::UnknownTemplate(wanted.name.clone()));
    for language in languages {
        outcome = if wanted.quiet {
            world.review_quietly(&wanted.name, &language, &wanted.review).map(|()| Posted { attempts: 0 })
        } else {
            world.review(&wanted.name, &language, &wanted.review).await
        };
    }
    told(outcome)
}

async fn templates(State(world): Shared) -> Json<Vec<Value>> {
    let tell = |template: &crate::Template| json!({ "name": template.name, "language": template.language, "status": template.status });
    Json(world.templates().iter().map(tell).collect())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NumberState {
    quality: String,
    tier: String,
}

async fn number(State(world): Shared, Json(wanted): Json<NumberState>) -> StatusCode {
    world.set_number(&wanted.quality, &wanted.tier);
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Event {
    field: String,
    value: Value,
}

async fn event(State(world): Shared, Json(wanted): Json<Event>) -> Response {
    told(world.event(&wanted.field, &wanted.value).await)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Advance {
    advance_ms: u64,
}

async fn clock(State(world): Shared, Json(wanted): Json<Advance>) -> StatusCode {
    world.clock().advance(Duration::from_millis(wanted.advance_ms));
    StatusCode::NO_CONTENT
}

fn told(outcome: Result<Posted, WebhookError>) -> Response {
    match outcome {
        Ok(posted) => Json(posted).into_response(),
        Err(error @ (WebhookError::UnknownMessage(_) | WebhookError::UnknownTemplate(_))) => problem(StatusCode::NOT_FOUND, &error),
        Err(error) => problem(StatusCode::BAD_GATEWAY, &error),
    }
}

fn problem(status: StatusCode, error: &WebhookError) -> Response {
    (status, Json(json!({ "error": error.to_string() }))).into_response()
}
