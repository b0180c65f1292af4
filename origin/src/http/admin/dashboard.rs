//! `GET /admin/otp/dashboard`: the figures of an incident at a glance.

use axum::{extract::State, response::Response};
use serde::Serialize;

use crate::{
    app::{counters::Counts, status::Status},
    http::{Shared, admin_auth::Operator, json},
};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Dashboard {
    replica: String,
    status: Status,
    counters: Counters,
}

#[derive(Serialize)]
struct Counters {
    origin: Counts,
    /// As isolates reported them to this replica: approximate.
    edge: Counts,
}

/// 200 with this replica's figures.
pub async fn get(State(http): Shared, _: Operator) -> Response {
    let app = &http.app;
    let counters = Counters { origin: app.counters.origin(), edge: app.counters.edge() };
    json(&Dashboard { replica: app.settings.replica.clone(), status: app.status(), counters })
}
