//! `POST /auth/fan/from-onboarding`: a session id becomes a cookie.
//!
//! 1. A verified id, through the edge. 2. An id that an operator authorised, from anywhere. 3. An operator's token with the call authorises the id.

use std::sync::Arc;

use axum::{
    extract::{FromRequest, Request, State},
    http::{HeaderValue, StatusCode, header, request},
    response::{IntoResponse, Response},
};
use otp_shared::{headers, routes, wire::FromOnboarding};

use crate::{
    app::{
        refusal::Refused,
        sessions::{Cookie, MANUAL_TTL_MS},
    },
    http::{
        Http, Shared,
        admin_auth::{self, peer},
        answer::Answer,
        body,
    },
};

/// Any request, with whether the edge signed it.
pub struct MaybeSigned {
    parts: request::Parts,
    body: Vec<u8>,
    signed: bool,
}

impl FromRequest<Arc<Http>> for MaybeSigned {
    type Rejection = Answer;

    async fn from_request(request: Request, http: &Arc<Http>) -> Result<Self, Answer> {
        let (parts, body) = request.into_parts();
        let body = body::read(body, routes::body_limit(routes::FROM_ONBOARDING)).await?;
        let signed = http.edge_keys.verify(&parts, &body, http.app.clock.now_ms() / 1000).is_ok();
        Ok(Self { parts, body, signed })
    }
}

/// 204 with the cookie.
pub async fn post(State(http): Shared, request: MaybeSigned) -> Result<Response, Answer> {
    body::require_json(&request.parts.headers)?;
    let id = body::parse::<FromOnboarding>(&request.body)?.session_id;
    if let Some(cookie) = http.app.cookie_of_verified(&id).await? {
        return if request.signed { Ok(with_cookie(&cookie)) } else { Err(Refused::Unauthorized.into()) };
    }
    if let Some(cookie) = http.app.cookie_of_authorised(&id) {
        return Ok(with_cookie(&cookie));
    }
    if request.parts.headers.contains_key(headers::ADMIN_TOKEN) {
        let operator = admin_auth::authenticate(&http, &request.parts.headers, peer(&request.parts)).await?;
        http.app.authorise_session(&id, &operator.0, "authorised while signing in".to_owned(), MANUAL_TTL_MS).await?;
    }
    http.app.cookie_of_authorised(&id).map(|cookie| with_cookie(&cookie)).ok_or_else(|| Refused::SessionNotAuthorised.into())
}

fn with_cookie(cookie: &Cookie) -> Response {
    let Cookie { token, max_age_s } = cookie;
    let value = format!("fan_session={token}; HttpOnly; Secure; SameSite=Lax; Path=/; Max-Age={max_age_s}");
    let value = HeaderValue::from_str(&value).expect("a token is base64 and a point");
    (StatusCode::NO_CONTENT, [(header::SET_COOKIE, value)]).into_response()
}
