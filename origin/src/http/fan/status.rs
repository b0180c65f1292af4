//! `GET /otp/status`: how the service does.

use axum::{extract::State, response::Response};

use crate::http::{Shared, json};

/// 200; no secrets, no numbers.
pub async fn get(State(http): Shared) -> Response {
    json(&http.app.status())
}
