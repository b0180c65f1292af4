//! Which path is whose.

use std::sync::Arc;

use axum::Router;
use axum::http::Uri;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};

use crate::error::GraphError;
use crate::state::World;
use crate::{answer, control, lookup, page, phone, send, sms, version};

/// The whole stand-in as a router.
pub(crate) fn router(world: &Arc<World>) -> Router {
    let graph = Router::new()
        .route("/{version}/{id}", get(lookup::object))
        .route("/{version}/{id}/messages", post(send::send))
        .route("/{version}/{id}/message_templates", get(lookup::templates))
        .fallback(nothing_here)
        .method_not_allowed_fallback(nothing_here)
        .layer(from_fn_with_state(Arc::clone(world), answer::dress));
    Router::new()
        .route("/messages", get(phone::list).delete(phone::clear))
        .merge(page::router())
        .merge(sms::router())
        .nest("/control", control::router())
        .fallback_service(graph.with_state(Arc::clone(world)))
        .with_state(Arc::clone(world))
}

async fn nothing_here(uri: Uri) -> GraphError {
    version::unknown_path(uri.path())
}
