//! Who is at the dashboard: by the cookie of a sign-in, or, for curl, by `x-admin-token`.

use std::{convert::Infallible, net::IpAddr, sync::Arc};

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderValue, header, request},
};
use otp_shared::{
    headers,
    problem::{Code, Problem},
};

use super::{PATH, ticket::Ticket};
use crate::http::{
    Http,
    admin_auth::{self, Operator, peer},
    answer::Answer,
};

/// The cookie's name.
const COOKIE: &str = "otp_admin";

/// An operator at the dashboard.
#[derive(Debug, Clone)]
pub struct Visitor {
    /// By the token's name.
    pub operator: Operator,
    /// The sign-in; `None` when the token itself came along.
    pub ticket: Option<Ticket>,
}

/// Whoever asks.
pub struct Caller {
    /// An operator, or why not.
    pub who: Result<Visitor, Answer>,
    /// The cookie's ticket, which may name nobody.
    pub ticket: Option<Ticket>,
}

impl FromRequestParts<Arc<Http>> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut request::Parts, http: &Arc<Http>) -> Result<Self, Infallible> {
        let who = identify(http, &parts.headers, peer(parts)).await;
        Ok(Self { who, ticket: ticket(http, &parts.headers) })
    }
}

/// An operator, or why not. A cookie that is none costs no attempt: it proves nothing, and ends by itself.
pub async fn identify(http: &Http, headers: &HeaderMap, peer: Option<IpAddr>) -> Result<Visitor, Answer> {
    if headers.contains_key(headers::ADMIN_TOKEN) || http.admin_tokens.is_empty() {
        let operator = admin_auth::authenticate(http, headers, peer).await?;
        return Ok(Visitor { operator, ticket: None });
    }
    match ticket(http, headers).filter(|ticket| !ticket.name.is_empty()) {
        Some(ticket) => Ok(Visitor { operator: Operator(ticket.name.clone()), ticket: Some(ticket) }),
        None => Err(Problem::new(Code::Unauthorized, "Sign in with an operator's token.").into()),
    }
}

/// The ticket of the cookie, if it is one.
pub fn ticket(http: &Http, headers: &HeaderMap) -> Option<Ticket> {
    let values = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = values.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let (_, value) = pairs.find(|(name, _)| *name == COOKIE)?;
    http.tickets.read(value, &http.admin_tokens, http.app.clock.now_ms() / 1000)
}

/// The cookie that keeps a ticket; with no time left, the one that forgets it.
pub fn cookie(ticket: &str, lasts_s: u64) -> HeaderValue {
    let value = format!("{COOKIE}={ticket}; HttpOnly; Secure; SameSite=Strict; Path={PATH}; Max-Age={lasts_s}");
    HeaderValue::from_str(&value).expect("a ticket is base64 and a point")
}
