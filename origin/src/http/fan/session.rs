//! `GET /auth/fan/session`: who the cookie is. `DELETE`: signing out.

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;

use crate::{
    domain::session::{Holder, Session},
    http::{Shared, answer::Answer, json, signed::Signed},
};

/// The name of the fan's cookie.
const COOKIE: &str = "fan_session";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    session: String,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    phone: Option<String>,
    expires_at_s: u64,
}

/// 200 with who it is, or 401.
pub async fn get(State(http): Shared, signed: Signed) -> Result<Response, Answer> {
    let session = http.app.who(cookie(&signed.headers)).await?;
    Ok(json(&body(session)))
}

/// 204; the cookie is worth nothing from now on.
pub async fn delete(State(http): Shared, signed: Signed) -> Result<Response, Answer> {
    http.app.sign_out(cookie(&signed.headers)).await?;
    let forget = format!("{COOKIE}=; HttpOnly; Secure; SameSite=Lax; Path=/; Max-Age=0");
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, forget)]).into_response())
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    let values = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = values.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == COOKIE).map(|(_, value)| value)
}

fn body(session: Session) -> Body {
    let expires_at_s = session.expires_at_ms / 1000;
    match session.holder {
        Holder::Fan(phone) => Body { session: session.name, kind: "fan", phone: Some(phone.e164()), expires_at_s },
        Holder::Manual(_) => Body { session: session.name, kind: "manual", phone: None, expires_at_s },
    }
}
