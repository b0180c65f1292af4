//! HTTP: routes to use cases, and their answers back. Not policy: a handler extracts, calls one use case, and maps.
//!
//! **Invariant:** what must be signed by the edge is refused before its body is looked at.

use std::sync::Arc;

use axum::{
    Router,
    extract::{MatchedPath, Request, State},
    http::{HeaderValue, Method, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use otp_shared::{
    headers,
    problem::{Problem, ProblemCode},
    routes,
    signature::hex,
};

use crate::{app::App, clock};
use admin_auth::AdminTokens;
use operators::page::session::AdminSessions;
use problem_response::{CountedCode, CountedLimit, ProblemResponse};
use signed::EdgeKeys;

pub mod admin_auth;
pub mod body;
pub mod fan;
pub mod health;
pub mod internal;
pub mod metrics;
pub mod openapi;
pub mod operators;
pub mod problem_response;
pub mod server;
pub mod signed;
pub mod utc;
pub mod webhook;

/// The methods that are counted by name.
const KNOWN_METHODS: [Method; 7] = [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS, Method::PATCH];

/// What handlers share.
pub struct Http {
    /// The use cases.
    pub app: Arc<App>,
    /// Believes the edge.
    pub edge_keys: EdgeKeys,
    /// Believes operators.
    pub admin_tokens: AdminTokens,
    /// Believes those who signed in at the page.
    pub admin_sessions: AdminSessions,
    /// Whether the process still takes work.
    pub readiness: health::Readiness,
}

/// Shared by every handler.
pub type Shared = State<Arc<Http>>;

/// The whole service.
pub fn router(http: Arc<Http>) -> Router {
    all_routes()
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(middleware::from_fn_with_state(Arc::clone(&http), observe))
        .with_state(http)
}

/// Every route there is.
pub fn all_routes() -> Router<Arc<Http>> {
    Router::new()
        .route(routes::WEBHOOK, get(webhook::get).post(webhook::post))
        .route(routes::INTERNAL_COUNTERS, post(internal::counters))
        .route("/openapi.json", get(openapi::get))
        .route("/metrics", get(metrics::get))
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .merge(fan::routes())
        .merge(operators::json::routes())
        .merge(operators::page::routes())
}

async fn not_found() -> ProblemResponse {
    Problem::new(ProblemCode::NotFound, "There is no such path.").into()
}

async fn method_not_allowed() -> ProblemResponse {
    Problem::new(ProblemCode::MethodNotAllowed, "The Allow header says which methods there are.").into()
}

/// One log line and one count a request, and the headers that every answer has.
async fn observe(State(http): Shared, request: Request, next: Next) -> Response {
    let began_ms = http.app.clock.now_ms();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str).to_owned();
    let id = request_id(&request);
    let mut response = in_our_words(next.run(request).await);
    let code = response.extensions().get::<CountedCode>().map_or("", |code| code.0.as_str());
    let limit = response.extensions().get::<CountedLimit>().map_or("", |limit| limit.0);
    count(&http.app, &method, &route, response.status(), code, limit);
    let took_ms = http.app.clock.now_ms().saturating_sub(began_ms);
    tracing::info!(target: "otp::http", id, %method, route, status = response.status().as_u16(), code, limit, took_ms, "answered");
    for (name, value) in [("cache-control", "no-store"), ("x-content-type-options", "nosniff")] {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(headers::REQUEST_ID, id);
    }
    response
}

/// What an extractor of axum's own refuses (a query or a path that does not parse) is told as every other refusal is.
fn in_our_words(response: Response) -> Response {
    let is_ours = response.extensions().get::<CountedCode>().is_some();
    if is_ours || response.status() != StatusCode::BAD_REQUEST {
        return response;
    }
    ProblemResponse::from(Problem::new(ProblemCode::InvalidBody, "The path or the query is not of the documented form.")).into_response()
}

fn count(app: &App, method: &Method, route: &str, status: StatusCode, code: &str, limit: &str) {
    // A method may be any word, and a word of a stranger's is no label.
    let method = if KNOWN_METHODS.contains(method) { method.as_str() } else { "other" };
    app.telemetry.counters.add("answers", &format!("{method} {route} {}", status.as_u16()));
    if !code.is_empty() {
        app.telemetry.counters.add("refused", code);
    }
    if !limit.is_empty() {
        app.telemetry.counters.add("limited", limit);
    }
}

/// The edge's name for the request if it is one, otherwise a new one.
fn request_id(request: &Request) -> String {
    let given = request.headers().get(headers::REQUEST_ID).and_then(|id| id.to_str().ok());
    let is_name = |id: &&str| (8..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    given.filter(is_name).map_or_else(|| hex(&clock::random::<8>()), str::to_owned)
}

/// A 200 with a JSON body.
pub fn json(body: &impl serde::Serialize) -> Response {
    json_with(StatusCode::OK, body)
}

/// A JSON body with another status.
pub fn json_with(status: StatusCode, body: &impl serde::Serialize) -> Response {
    match serde_json::to_vec(body) {
        Ok(bytes) => (status, [(header::CONTENT_TYPE, "application/json")], bytes).into_response(),
        Err(error) => {
            tracing::error!(target: "otp::http", %error, "an answer could not be written");
            ProblemResponse::from(Problem::new(ProblemCode::Internal, "The answer could not be written.")).into_response()
        }
    }
}
