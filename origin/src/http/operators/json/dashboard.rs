//! `GET /admin/otp/dashboard`: the figures of an incident at a glance.

use axum::{extract::State, response::Response};

use crate::http::{Shared, admin_auth::Operator, json};

/// 200 with this replica's figures.
pub async fn get(State(http): Shared, _: Operator) -> Response {
    json(&http.app.dashboard())
}
