//! `POST /otp/verify`: a fan types the code.

use axum::{extract::State, response::Response};
use otp_shared::wire::VerifyRequest;

use crate::http::{Shared, answer::Answer, json, signed::Signed};

/// 200 with the session id.
pub async fn post(State(http): Shared, signed: Signed) -> Result<Response, Answer> {
    let (body, caller) = signed.json::<VerifyRequest>()?;
    Ok(json(&http.app.recorded_verify(body, caller).await?))
}
