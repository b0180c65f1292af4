//! Who is at the page: by the cookie of a sign-in, or, for curl, by `x-admin-token`.

use std::{convert::Infallible, net::IpAddr, sync::Arc};

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderValue, header, request},
};
use otp_shared::{
    headers,
    problem::{Problem, ProblemCode},
};

use super::{PATH, session::AdminSession};
use crate::http::{
    Http,
    admin_auth::{self, Operator, peer},
    problem_response::ProblemResponse,
};

/// The cookie's name.
const COOKIE: &str = "otp_admin";

/// An operator at the page.
#[derive(Debug, Clone)]
pub struct AdminUser {
    /// By the token's name.
    pub operator: Operator,
    /// The sign-in; `None` when the token itself came along.
    pub session: Option<AdminSession>,
}

impl AdminUser {
    /// What the forms of this user's page carry; empty when the token itself came along.
    pub fn csrf(&self, http: &Http) -> String {
        self.session.as_ref().map(|session| http.admin_sessions.csrf(session)).unwrap_or_default()
    }
}

/// Whoever asks for the page.
pub struct Requester {
    /// An operator, or why not.
    pub user: Result<AdminUser, ProblemResponse>,
    /// The cookie's session, which may name nobody.
    pub session: Option<AdminSession>,
}

impl FromRequestParts<Arc<Http>> for Requester {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut request::Parts, http: &Arc<Http>) -> Result<Self, Infallible> {
        let user = identify(http, &parts.headers, peer(parts)).await;
        Ok(Self { user, session: session(http, &parts.headers) })
    }
}

impl FromRequestParts<Arc<Http>> for AdminUser {
    type Rejection = ProblemResponse;

    async fn from_request_parts(parts: &mut request::Parts, http: &Arc<Http>) -> Result<Self, ProblemResponse> {
        identify(http, &parts.headers, peer(parts)).await
    }
}

/// An operator, or why not. A cookie that is none costs no attempt: it proves nothing, and ends by itself.
pub async fn identify(http: &Http, headers: &HeaderMap, peer: Option<IpAddr>) -> Result<AdminUser, ProblemResponse> {
    if headers.contains_key(headers::ADMIN_TOKEN) || http.admin_tokens.is_empty() {
        let operator = admin_auth::authenticate(http, headers, peer).await?;
        return Ok(AdminUser { operator, session: None });
    }
    match session(http, headers).filter(|session| !session.name.is_empty()) {
        Some(session) => Ok(AdminUser { operator: Operator(session.name.clone()), session: Some(session) }),
        None => Err(Problem::new(ProblemCode::Unauthorized, "Sign in with an operator's token.").into()),
    }
}

/// The session of the cookie, if it is one.
pub fn session(http: &Http, headers: &HeaderMap) -> Option<AdminSession> {
    let values = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = values.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let (_, value) = pairs.find(|(name, _)| *name == COOKIE)?;
    http.admin_sessions.read(value, &http.admin_tokens, http.app.clock.now_ms() / 1000)
}

/// The cookie that keeps a session; with no time left, the one that forgets it.
pub fn cookie(session: &str, lasts_s: u64) -> HeaderValue {
    let value = format!("{COOKIE}={session}; HttpOnly; Secure; SameSite=Strict; Path={PATH}; Max-Age={lasts_s}");
    HeaderValue::from_str(&value).expect("a signed session is base64 and a point")
}
