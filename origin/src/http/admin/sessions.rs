//! `/admin/sessions`: session ids that operators hand out while codes cannot be.

use axum::{
    extract::{Path, Query, State},
    response::Response,
};
use serde::{Deserialize, Serialize};

use super::{Changed, Entry, Json, Page, checked_note, checked_ttl_ms};
use crate::{
    app::{operators::Stored, refusal::Refused, sessions::MANUAL_TTL_MS},
    http::{Shared, admin_auth::Operator, answer::Answer, json},
};

/// What POST takes.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Asked {
    session_id: String,
    note: Option<String>,
    ttl_s: Option<u64>,
}

#[derive(Serialize)]
struct List {
    sessions: Vec<Entry>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// What DELETE without an id takes.
#[derive(Deserialize)]
pub struct All {
    all: bool,
    note: Option<String>,
}

#[derive(Serialize)]
struct Withdrawn {
    withdrawn: usize,
    stored: Vec<Stored>,
}

/// The ids in force, a page at a time.
pub async fn get(State(http): Shared, _: Operator, Query(page): Query<Page>) -> Response {
    let (sessions, next) = page.of(http.app.manual_sessions(), |session| session.about.key());
    json(&List { sessions: sessions.into_iter().map(Entry::from).collect(), next })
}

/// Authorises an id.
pub async fn post(State(http): Shared, operator: Operator, Json(asked): Json<Asked>) -> Result<Response, Answer> {
    let (note, ttl_ms) = (checked_note(asked.note)?, checked_ttl_ms(asked.ttl_s)?);
    let ttl_ms = ttl_ms.unwrap_or(MANUAL_TTL_MS);
    let (change, stored) = http.app.authorise_session(&asked.session_id, &operator.0, note, ttl_ms).await?;
    Ok(json(&Changed { entry: change.into(), stored, spread: None }))
}

/// Takes an authorisation back, and with it the cookie that was made from it.
pub async fn delete(State(http): Shared, operator: Operator, Path(session_id): Path<String>) -> Result<Response, Answer> {
    let (change, stored) = http.app.withdraw_session(&session_id, &operator.0, String::new()).await?;
    Ok(json(&Changed { entry: change.into(), stored, spread: None }))
}

/// Takes every authorisation back, once codes can be sent again; with none left it changes nothing.
pub async fn delete_all(State(http): Shared, operator: Operator, Json(asked): Json<All>) -> Result<Response, Answer> {
    if !asked.all {
        return Err(Refused::InvalidField("all: true, to take every authorisation back").into());
    }
    let (changes, stored) = http.app.withdraw_all_sessions(&operator.0, &checked_note(asked.note)?).await?;
    Ok(json(&Withdrawn { withdrawn: changes.len(), stored }))
}
