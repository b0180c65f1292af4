//! All routes of the simulator, and the three static files of its page.

use std::sync::Arc;

use axum::Router;
use axum::http::Uri;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

use crate::error::GraphError;
use crate::simulator::Simulator;
use crate::{control, lookup, messages, response, send, sms, version};

/// The page loads its own two files and calls its own server; nothing else is allowed.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The whole simulator as a router. Every path that is not listed here belongs to the Graph API.
pub(crate) fn router(simulator: &Arc<Simulator>) -> Router {
    Router::new()
        .route("/messages", get(messages::list).delete(messages::clear))
        .merge(page())
        .merge(sms::router())
        .nest("/control", control::router())
        .fallback_service(graph_api(simulator))
        .with_state(Arc::clone(simulator))
}

fn graph_api(simulator: &Arc<Simulator>) -> Router {
    Router::new()
        .route("/{version}/{id}", get(lookup::object))
        .route("/{version}/{id}/messages", post(send::send))
        .route("/{version}/{id}/message_templates", get(lookup::templates))
        .fallback(unknown_path)
        .method_not_allowed_fallback(unknown_path)
        .layer(from_fn_with_state(Arc::clone(simulator), response::finish))
        .with_state(Arc::clone(simulator))
}

async fn unknown_path(uri: Uri) -> GraphError {
    version::unknown_path(uri.path())
}

/// `/`: what the phones show, for people.
fn page() -> Router<Arc<Simulator>> {
    Router::new()
        .route("/", get(|| async { file("text/html; charset=utf-8", include_str!("page/index.html")) }))
        .route("/page.css", get(|| async { file("text/css; charset=utf-8", include_str!("page/page.css")) }))
        .route("/page.js", get(|| async { file("text/javascript; charset=utf-8", include_str!("page/page.js")) }))
}

fn file(media_type: &'static str, text: &'static str) -> Response {
    let headers = [
        (CONTENT_TYPE, media_type),
        (CONTENT_SECURITY_POLICY, PAGE_POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (CACHE_CONTROL, "no-cache"),
    ];
    (headers, text).into_response()
}
