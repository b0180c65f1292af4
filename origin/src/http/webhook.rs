//! `/webhooks/whatsapp`: Meta's handshake and its events, through the edge, byte for byte.

use axum::{
    extract::{Query, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use otp_shared::problem::{Problem, ProblemCode};
use serde::Deserialize;

use super::{
    Shared,
    problem_response::ProblemResponse,
    signed::{self, Signed},
};
use crate::{
    app::refusal::Refused,
    channels::whatsapp::{webhook, webhook_verifier::SIGNATURE_HEADER},
};

/// Meta's handshake.
#[derive(Deserialize)]
pub struct Handshake {
    #[serde(rename = "hub.mode")]
    mode: Option<String>,
    #[serde(rename = "hub.challenge")]
    challenge: Option<String>,
    #[serde(rename = "hub.verify_token")]
    verify_token: Option<String>,
}

/// The challenge, echoed only to who knows the token.
pub async fn get(State(http): Shared, Query(asked): Query<Handshake>, _signed: Signed) -> Result<Response, ProblemResponse> {
    let known = http.app.sender.whatsapp.webhook_verifier().is_verify_token(asked.verify_token.as_deref().unwrap_or_default());
    match asked.challenge {
        Some(challenge) if known && asked.mode.as_deref() == Some("subscribe") => {
            Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], challenge).into_response())
        }
        _ => Err(Problem::new(ProblemCode::Forbidden, "The verify token is not ours.").into()),
    }
}

/// 200 once the events are taken.
pub async fn post(State(http): Shared, signed: Signed) -> Result<Response, ProblemResponse> {
    let signature = signed::header(&signed.headers, SIGNATURE_HEADER);
    if !http.app.sender.whatsapp.webhook_verifier().is_signed(signature, &signed.body) {
        http.app.telemetry.counters.add("webhooks", "forged");
        return Err(Problem::new(ProblemCode::Forbidden, "X-Hub-Signature-256 does not match.").into());
    }
    match webhook::parse(&signed.body) {
        Ok(events) => http.app.handle_events(events).await.map_err(Refused::from)?,
        Err(error) => {
            http.app.telemetry.counters.add("webhooks", "malformed");
            tracing::warn!(target: "otp::webhook", %error, "a signed webhook that is not understood");
            return Err(Problem::new(ProblemCode::InvalidBody, "The webhook is not understood.").into());
        }
    }
    Ok(StatusCode::OK.into_response())
}
