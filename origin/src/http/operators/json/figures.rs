//! What operators look at in an incident: the figures at a glance, and why somebody was refused, or was not.

use axum::{
    extract::{Query, State},
    response::Response,
};

use crate::{
    app::operators::look_up::LookUp,
    http::{Shared, admin_auth::Operator, json, problem_response::ProblemResponse},
};

/// `GET /admin/otp/dashboard`: 200 with this replica's figures.
pub async fn dashboard(State(http): Shared, _: Operator) -> Response {
    json(&http.app.dashboard())
}

/// `GET /admin/otp/decisions?phone=|ip=&limit=`: 200 with what is known.
pub async fn decisions(State(http): Shared, _: Operator, Query(look_up): Query<LookUp>) -> Result<Response, ProblemResponse> {
    Ok(json(&http.app.look_up(look_up).await?))
}
