//! `/admin/sessions`: session ids that operators hand out while codes cannot be sent.

use axum::{
    extract::{FromRequest, Path, Query, Request, State},
    response::Response,
};
use otp_shared::routes;
use serde::{Deserialize, Serialize};

use super::{ChangedBody, Entry, Json, Page};
use crate::{
    app::{
        operators::{Stored, authorise::Authorise, revoke::Revoke},
        refusal::Refused,
    },
    http::{Shared, admin_auth::Operator, body, json, problem_response::ProblemResponse},
};

#[derive(Serialize)]
struct List {
    sessions: Vec<Entry>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// The ids in force, a page at a time.
pub async fn get(State(http): Shared, _: Operator, Query(page): Query<Page>) -> Response {
    let (sessions, next) = page.of(http.app.manual_sessions(), |session| session.target.key());
    json(&List { sessions: sessions.into_iter().map(Entry::from).collect(), next })
}

/// Authorises an id: the one that is sent, or a new one.
pub async fn post(State(http): Shared, operator: Operator, Json(authorise): Json<Authorise>) -> Result<Response, ProblemResponse> {
    let changed = http.app.authorise(&operator.0, authorise).await?;
    Ok(json(&ChangedBody::from(changed)))
}

/// The body of a DELETE of one id, which may have none.
#[derive(Default, Deserialize)]
pub struct Reason {
    note: Option<String>,
}

impl<S: Send + Sync> FromRequest<S> for Reason {
    type Rejection = ProblemResponse;

    async fn from_request(request: Request, _: &S) -> Result<Self, ProblemResponse> {
        let (parts, body) = request.into_parts();
        let bytes = body::read(body, routes::body_limit(parts.uri.path())).await?;
        if bytes.is_empty() {
            return Ok(Self::default());
        }
        body::require_json(&parts.headers)?;
        Ok(body::parse(&bytes)?)
    }
}

/// Revokes an id, and with it the cookie that was made from it.
pub async fn delete(
    State(http): Shared,
    operator: Operator,
    Path(session_id): Path<String>,
    Reason { note }: Reason,
) -> Result<Response, ProblemResponse> {
    let revoke = Revoke { session_id: Some(session_id), reference: None, note };
    let changed = http.app.revoke(&operator.0, revoke).await?;
    Ok(json(&ChangedBody::from(changed)))
}

/// The body of a DELETE without an id.
#[derive(Deserialize)]
pub struct All {
    all: bool,
    note: Option<String>,
}

#[derive(Serialize)]
struct RevokedAll {
    #[serde(rename = "withdrawn")]
    revoked: usize,
    stored: Vec<Stored>,
}

/// Revokes every id, once codes can be sent again; with none left it changes nothing.
pub async fn delete_all(State(http): Shared, operator: Operator, Json(body): Json<All>) -> Result<Response, ProblemResponse> {
    if !body.all {
        return Err(Refused::InvalidField("all: true, to take every authorisation back").into());
    }
    let changed = http.app.revoke_all(&operator.0, body.note).await?;
    Ok(json(&RevokedAll { revoked: changed.count, stored: changed.stored }))
}
