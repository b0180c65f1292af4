//! `/admin/otp/holds`: subjects that came back too often while refused.

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Serialize;

use super::Json;
use crate::{
    app::operators::lift_hold::{Held, LiftHold},
    http::{Shared, admin_auth::Operator, json, problem_response::ProblemResponse},
};

#[derive(Serialize)]
struct List {
    holds: Vec<Held>,
}

/// The holds in force.
pub async fn get(State(http): Shared, _: Operator) -> Result<Response, ProblemResponse> {
    Ok(json(&List { holds: http.app.holds().await? }))
}

/// 204, or 404 when there is none.
pub async fn delete(State(http): Shared, operator: Operator, Json(lift): Json<LiftHold>) -> Result<Response, ProblemResponse> {
    http.app.lift_hold(&operator.0, lift).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
