//! What the edge itself reports.

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use otp_shared::wire::EdgeCounters;

use super::{Shared, problem_response::ProblemResponse, signed::Signed};

/// `POST /internal/edge/counters`: 204; a repeat counts nothing.
pub async fn counters(State(http): Shared, signed: Signed) -> Result<Response, ProblemResponse> {
    let (delta, _) = signed.json::<EdgeCounters>()?;
    http.app.telemetry.counters.report(&delta);
    Ok(StatusCode::NO_CONTENT.into_response())
}
