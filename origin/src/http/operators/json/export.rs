//! `GET /admin/otp/blacklist/export`: every operator's entry in force, as JSON or CSV.

use axum::{
    extract::{Query, State},
    response::Response,
};
use serde::Deserialize;

use crate::{
    app::refusal::Refused,
    http::{Shared, admin_auth::Operator, json, operators::csv_file, problem_response::ProblemResponse},
};

/// `format=csv`, or JSON.
#[derive(Deserialize)]
pub struct Format {
    format: Option<String>,
}

/// All of them at once.
pub async fn get(State(http): Shared, operator: Operator, Query(query): Query<Format>) -> Result<Response, ProblemResponse> {
    match query.format.as_deref() {
        None | Some("json") => Ok(json(&http.app.export_blacklist(&operator.0))),
        Some("csv") => Ok(csv_file(&http.app.export_blacklist(&operator.0))),
        Some(_) => Err(Refused::InvalidField("format: json or csv").into()),
    }
}
