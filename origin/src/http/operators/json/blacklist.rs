//! `/admin/otp/blacklist`: who is refused, by an operator's word. Many at once: `import`.

use axum::{
    extract::{Query, State},
    response::Response,
};
use serde::{Deserialize, Serialize};

use super::{ChangedBody, Json, Page};
use crate::{
    app::{
        App,
        operators::{
            Stored,
            adopt::Adopt,
            block::Block,
            list::{Blacklist, Listed},
            propagation::Propagation,
            reveal::Reveal,
            unblock::Unblock,
        },
        refusal::Refused,
        status::SnapshotStatus,
    },
    domain::operator::Target,
    http::{Shared, admin_auth::Operator, json, operators::csv_file, problem_response::ProblemResponse},
};

/// How old the list of manual KV entries may be, in milliseconds.
const MANUAL_MAX_AGE_MS: u64 = 2000;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct List {
    entries: Vec<Row>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
    /// Of all pages.
    total: usize,
    snapshot: SnapshotStatus,
    #[serde(rename = "hand")]
    manual: ManualKvStatus,
}

/// What is known of the manual KV entries.
#[derive(Serialize)]
struct ManualKvStatus {
    /// Keys in KV that do not parse, and so block nobody.
    unreadable: Vec<String>,
    /// Why the list is without the manual entries.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// Who wrote an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Source {
    /// An operator, here or on the page.
    Operator,
    /// Somebody, to KV: it is in force at the edge alone.
    #[serde(rename = "hand")]
    Manual,
}

/// An entry in a list.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    reference: String,
    r#type: String,
    value: String,
    source: Source,
    #[serde(rename = "alsoByHand")]
    also_manual: bool,
    note: String,
    #[serde(rename = "who", skip_serializing_if = "Option::is_none")]
    actor: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    changed_at_s: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    until_s: Option<u64>,
    #[serde(rename = "spread", skip_serializing_if = "Option::is_none")]
    propagation: Option<Propagation>,
}

impl Row {
    fn new(app: &App, listed: Listed) -> Self {
        let target = listed.target();
        let row = Self {
            reference: app.reference(&target),
            r#type: target.kind().to_owned(),
            value: match target {
                Target::Blacklist { value, .. } | Target::Reveal { value, .. } => value,
                Target::Session { id } => id,
            },
            source: Source::Manual,
            also_manual: true,
            note: String::new(),
            actor: None,
            changed_at_s: None,
            until_s: None,
            propagation: None,
        };
        match listed {
            Listed::Manual(entry) => Self { until_s: entry.until_s, ..row },
            Listed::Operator { change, also_manual } => Self {
                source: Source::Operator,
                also_manual,
                propagation: Some(app.propagation(&change.stamp)),
                note: change.note,
                actor: Some(change.actor),
                changed_at_s: Some(change.stamp.ms / 1000),
                until_s: change.until_ms.map(|until| until / 1000),
                ..row
            },
        }
    }
}

/// The entries in force, a page at a time, manual KV entries among them.
pub async fn get(State(http): Shared, _: Operator, Query(page): Query<Page>) -> Response {
    let app = &http.app;
    let Blacklist { entries, unreadable, manual_error } = app.blacklist(MANUAL_MAX_AGE_MS).await;
    let total = entries.len();
    let (entries, next) = page.of(entries, Listed::key);
    let entries = entries.into_iter().map(|listed| Row::new(app, listed)).collect();
    let manual = ManualKvStatus { unreadable, error: manual_error };
    json(&List { entries, next, total, snapshot: app.snapshot_status(), manual })
}

/// Blocks; a second time, it changes note and end.
pub async fn post(State(http): Shared, operator: Operator, Json(block): Json<Block>) -> Result<Response, ProblemResponse> {
    let changed = http.app.block(&operator.0, block).await?;
    Ok(json(&ChangedBody::from(changed)))
}

/// Unblocks; 404 for what is not blocked, 409 for what only KV has.
pub async fn delete(State(http): Shared, operator: Operator, Json(unblock): Json<Unblock>) -> Result<Response, ProblemResponse> {
    let changed = http.app.unblock(&operator.0, unblock).await?;
    Ok(json(&ChangedBody::from(changed)))
}

#[derive(Serialize)]
struct Adopted {
    adopted: usize,
    stored: Vec<Stored>,
}

/// `…/adopt`: adopts manual KV entries; 404 when KV does not have the one.
pub async fn adopt(State(http): Shared, operator: Operator, Json(adopt): Json<Adopt>) -> Result<Response, ProblemResponse> {
    let changed = http.app.adopt(&operator.0, adopt).await?;
    Ok(json(&Adopted { adopted: changed.count, stored: changed.stored }))
}

/// `…/reveal`: an entry in full, by its reference; the audit says who looked.
pub async fn reveal(State(http): Shared, operator: Operator, Json(reveal): Json<Reveal>) -> Result<Response, ProblemResponse> {
    Ok(json(&http.app.reveal(&operator.0, reveal).await?))
}

/// `format=csv`, or JSON.
#[derive(Deserialize)]
pub struct Format {
    format: Option<String>,
}

/// `…/export`: every operator's entry in force, at once.
pub async fn export(State(http): Shared, operator: Operator, Query(query): Query<Format>) -> Result<Response, ProblemResponse> {
    match query.format.as_deref() {
        None | Some("json") => Ok(json(&http.app.export_blacklist(&operator.0))),
        Some("csv") => Ok(csv_file(&http.app.export_blacklist(&operator.0))),
        Some(_) => Err(Refused::InvalidField("format: json or csv").into()),
    }
}
