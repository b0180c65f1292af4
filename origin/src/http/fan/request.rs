//! `POST /otp/request`: a fan asks for a code.

use axum::{extract::State, http::StatusCode, response::Response};
use otp_shared::wire::OtpRequest;

use crate::http::{Shared, answer::Answer, json_with, signed::Signed};

/// 202 with the challenge.
pub async fn post(State(http): Shared, signed: Signed) -> Result<Response, Answer> {
    let (body, caller) = signed.json::<OtpRequest>()?;
    let accepted = http.app.recorded_request(body, caller).await?;
    Ok(json_with(StatusCode::ACCEPTED, &accepted))
}
