//! `/admin/otp/blacklist`: who is refused, by an operator's word. Many at once: `import`, `export`; what a hand wrote to KV: `adopt`.

use axum::{
    extract::{Query, State},
    response::Response,
};
use otp_shared::{
    problem::{Code, Problem},
    subject::Subject,
};
use serde::{Deserialize, Serialize};

use super::{Changed, Json, Page, checked_note, checked_ttl_ms};
use crate::{
    app::{
        App,
        hand::Listed,
        operators::{Stored, Wanted},
        refusal::Refused,
        spread::Spread,
        status::SnapshotStatus,
    },
    domain::{
        breadth,
        operator::{About, Change},
    },
    http::{Shared, admin_auth::Operator, answer::Answer, json},
};

pub mod adopt;
pub mod export;
pub mod import;

/// How old the list of what a hand wrote may be, in milliseconds.
const HAND_MAX_AGE_MS: u64 = 2000;

/// What POST and DELETE take.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Asked {
    r#type: String,
    value: String,
    note: Option<String>,
    ttl_s: Option<u64>,
    #[serde(default)]
    force: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct List {
    entries: Vec<Row>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
    /// Of all pages.
    total: usize,
    snapshot: SnapshotStatus,
    hand: HandStatus,
}

/// What is known of the entries that were written by hand.
#[derive(Default, Serialize)]
struct HandStatus {
    /// Keys in KV that do not parse, and so block nobody.
    unreadable: Vec<String>,
    /// Why the list is without them.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// Who wrote an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// An operator, over this API.
    Operator,
    /// A hand, to KV: it is in force at the edge alone.
    Hand,
}

/// An entry in a list.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    r#type: String,
    value: String,
    source: Source,
    /// A hand wrote the same: removing the operator's entry leaves that one.
    also_by_hand: bool,
    note: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    who: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    changed_at_s: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    until_s: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    spread: Option<Spread>,
}

impl Row {
    fn new(app: &App, listed: Listed) -> Self {
        match listed {
            Listed::Operators(change, also_by_hand) => Self::of_operator(app, change, also_by_hand),
            Listed::Hand(entry) => Self {
                r#type: entry.r#type,
                value: entry.value,
                source: Source::Hand,
                also_by_hand: true,
                note: String::new(),
                who: None,
                changed_at_s: None,
                until_s: entry.until_s,
                spread: None,
            },
        }
    }

    fn of_operator(app: &App, change: Change, also_by_hand: bool) -> Self {
        let (r#type, value) = match change.about {
            About::Blacklist { kind, value } | About::Reveal { kind, value } => (kind, value),
            About::Session { id } => ("session".to_owned(), id),
        };
        Self {
            r#type,
            value,
            source: Source::Operator,
            also_by_hand,
            spread: Some(app.spread(&change.stamp)),
            note: change.note,
            who: Some(change.who),
            changed_at_s: Some(change.stamp.ms / 1000),
            until_s: change.until_ms.map(|until| until / 1000),
        }
    }
}

/// The entries in force, a page at a time, those of the hand among them.
pub async fn get(State(http): Shared, _: Operator, Query(page): Query<Page>) -> Response {
    let app = &http.app;
    let (all, hand) = match app.hand(HAND_MAX_AGE_MS).await {
        Ok(hand) => (app.blacklist(Some(&hand)), HandStatus { unreadable: hand.unreadable.clone(), error: None }),
        Err(error) => (app.blacklist(None), HandStatus { error: Some(error), ..HandStatus::default() }),
    };
    let total = all.len();
    let (entries, next) = page.of(all, Listed::key);
    let entries = entries.into_iter().map(|listed| Row::new(app, listed)).collect();
    json(&List { entries, next, total, snapshot: app.snapshot_status(), hand })
}

/// Blocks; a second time, it changes note and time.
pub async fn post(State(http): Shared, operator: Operator, Json(asked): Json<Asked>) -> Result<Response, Answer> {
    let subject = parse(&asked.r#type, &asked.value)?;
    let (note, ttl_ms) = (checked_note(asked.note)?, checked_ttl_ms(asked.ttl_s)?);
    let (change, stored) = block(&http.app, &subject, operator.0, note, ttl_ms, asked.force).await?;
    Ok(changed(&http.app, change, stored))
}

/// Unblocks; 404 for what is not blocked, 409 for what only a hand can remove.
pub async fn delete(State(http): Shared, operator: Operator, Json(asked): Json<Asked>) -> Result<Response, Answer> {
    let subject = parse(&asked.r#type, &asked.value)?;
    let note = checked_note(asked.note)?;
    let (change, stored) = unblock(&http.app, &subject, operator.0, note).await?;
    Ok(changed(&http.app, change, stored))
}

/// Blocks a subject, unless it is so wide that it needs force.
pub async fn block(
    app: &App,
    subject: &Subject,
    who: String,
    note: String,
    ttl_ms: Option<u64>,
    force: bool,
) -> Result<(Change, Vec<Stored>), Refused> {
    match breadth::too_wide(subject, &app.settings.countries) {
        Some(what) if !force => Err(Refused::TooWide(what)),
        _ => app.change(Wanted { about: About::blacklist(subject), present: true, who, note, ttl_ms }).await,
    }
}

/// Unblocks a subject.
pub async fn unblock(app: &App, subject: &Subject, who: String, note: String) -> Result<(Change, Vec<Stored>), Refused> {
    let about = About::blacklist(subject);
    if app.operators.find(&about, app.clock.now_ms()).is_none() {
        return Err(if app.by_hand(subject).await.is_some() { Refused::WrittenByHand } else { Refused::NotFound });
    }
    app.change(Wanted { about, present: false, who, note, ttl_ms: None }).await
}

/// Reads a type and a value.
pub fn parse(kind: &str, value: &str) -> Result<Subject, Problem> {
    Subject::parse(kind, value).map_err(|error| Problem::new(Code::InvalidBody, format!("type and value: {error}")))
}

fn changed(app: &App, change: Change, stored: Vec<Stored>) -> Response {
    let spread = Some(app.spread(&change.stamp));
    json(&Changed { entry: change.into(), stored, spread })
}
