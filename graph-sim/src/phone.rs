//! The phone's side: what arrived, as JSON.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use serde::Deserialize;

use crate::message::Message;
use crate::script::only_digits;
use crate::state::World;

/// Which messages to list.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Filter {
    /// A number with its country code, in any spelling.
    to: Option<String>,
    /// Unix milliseconds; only what arrived later.
    since: Option<u64>,
}

/// `GET /messages`: newest last.
pub(crate) async fn list(State(world): State<Arc<World>>, Query(filter): Query<Filter>) -> Json<Vec<Message>> {
    let messages = match &filter.to {
        // A plus in a query is a space to most readers; the digits are the same.
        Some(to) => world.messages_to(&only_digits(to)),
        None => world.messages(),
    };
    let since = filter.since.unwrap_or_default();
    Json(messages.into_iter().filter(|message| message.at_ms > since).collect())
}

/// `DELETE /messages`.
pub(crate) async fn clear(State(world): State<Arc<World>>) -> StatusCode {
    world.clear_messages();
    StatusCode::NO_CONTENT
}
