//! `GET /otp/request/{challengeId}`: where the challenge's newest message is.

use axum::{
    extract::{Path, State},
    response::Response,
};

use crate::http::{Shared, answer::Answer, json, signed::Signed};

/// 200 with the delivery, or 410.
pub async fn get(State(http): Shared, Path(challenge_id): Path<String>, _signed: Signed) -> Result<Response, Answer> {
    Ok(json(&http.app.delivery_state(&challenge_id).await?))
}
