//! `/admin/otp/blacklist`: who is refused, by an operator's word.

use axum::{
    extract::{Query, State},
    response::Response,
};
use otp_shared::{
    problem::{Code, Problem},
    subject::Subject,
};
use serde::{Deserialize, Serialize};

use super::{Changed, Entry, Json, Page, checked_note, checked_ttl_ms};
use crate::{
    app::{operators::Wanted, refusal::Refused, status::SnapshotStatus},
    domain::operator::About,
    http::{Shared, admin_auth::Operator, answer::Answer, json},
};

/// What POST and DELETE take.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Asked {
    r#type: String,
    value: String,
    note: Option<String>,
    ttl_s: Option<u64>,
}

#[derive(Serialize)]
struct List {
    entries: Vec<Entry>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
    snapshot: SnapshotStatus,
}

/// The entries in force, a page at a time.
pub async fn get(State(http): Shared, _: Operator, Query(page): Query<Page>) -> Response {
    let now_ms = http.app.clock.now_ms();
    let after = page.after.as_deref().unwrap_or_default();
    let in_force = http.app.operators.changes().into_iter().filter(|change| change.in_force(now_ms));
    let mut found = in_force.filter(|change| matches!(change.about, About::Blacklist { .. }) && change.about.key().as_str() > after);
    let entries: Vec<_> = found.by_ref().take(page.limit()).collect();
    let next = found.next().and_then(|_| entries.last().map(|entry| entry.about.key()));
    json(&List { entries: entries.into_iter().map(Entry::from).collect(), next, snapshot: http.app.snapshot_status() })
}

/// Blocks; a second time, it changes note and time.
pub async fn post(State(http): Shared, operator: Operator, Json(asked): Json<Asked>) -> Result<Response, Answer> {
    let about = parse(&asked)?;
    let (note, ttl_ms) = (checked_note(asked.note)?, checked_ttl_ms(asked.ttl_s)?);
    let (change, stored) = http.app.change(Wanted { about, present: true, who: operator.0, note, ttl_ms }).await?;
    Ok(json(&Changed { entry: change.into(), stored }))
}

/// Unblocks; 404 for what is not blocked.
pub async fn delete(State(http): Shared, operator: Operator, Json(asked): Json<Asked>) -> Result<Response, Answer> {
    let about = parse(&asked)?;
    if http.app.operators.find(&about, http.app.clock.now_ms()).is_none() {
        return Err(Refused::NotFound.into());
    }
    let note = checked_note(asked.note)?;
    let (change, stored) = http.app.change(Wanted { about, present: false, who: operator.0, note, ttl_ms: None }).await?;
    Ok(json(&Changed { entry: change.into(), stored }))
}

fn parse(asked: &Asked) -> Result<About, Problem> {
    let subject = Subject::parse(&asked.r#type, &asked.value);
    let subject = subject.map_err(|error| Problem::new(Code::InvalidBody, format!("type and value: {error}")))?;
    Ok(About::blacklist(&subject))
}
