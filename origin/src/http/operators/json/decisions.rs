//! `GET /admin/otp/decisions?phone=|ip=&limit=`: why somebody was refused, or was not.

use axum::{
    extract::{Query, State},
    response::Response,
};

use crate::{
    app::operators::look_up::LookUp,
    http::{Shared, admin_auth::Operator, json, problem_response::ProblemResponse},
};

/// 200 with what is known.
pub async fn get(State(http): Shared, _: Operator, Query(look_up): Query<LookUp>) -> Result<Response, ProblemResponse> {
    Ok(json(&http.app.look_up(look_up).await?))
}
