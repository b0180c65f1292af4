//! `POST /admin/otp/blacklist/adopt`: what a hand wrote to KV becomes an operator's entry, so that the origin refuses it too and the audit knows of it.
//! The key in KV stays until a hand removes it.

use axum::{extract::State, response::Response};
use otp_shared::problem::{Code, Problem};
use serde::{Deserialize, Serialize};

use super::{
    super::{Json, checked_note},
    parse,
};
use crate::{
    app::{
        App,
        operators::{Stored, Wanted},
        refusal::Refused,
    },
    domain::operator::{About, Change},
    edge::HandEntry,
    http::{Shared, admin_auth::Operator, answer::Answer, json},
};

/// One entry by `type` and `value`, or all of them.
#[derive(Deserialize)]
pub struct Asked {
    r#type: Option<String>,
    value: Option<String>,
    #[serde(default)]
    all: bool,
    note: Option<String>,
}

#[derive(Serialize)]
struct Adopted {
    adopted: usize,
    stored: Vec<Stored>,
}

/// 200 with how many were adopted; 404 when no hand wrote the one.
pub async fn post(State(http): Shared, operator: Operator, Json(asked): Json<Asked>) -> Result<Response, Answer> {
    let one = match (&asked.r#type, &asked.value, asked.all) {
        (Some(kind), Some(value), false) => Some(About::blacklist(&parse(kind, value)?)),
        (None, None, true) => None,
        _ => return Err(Refused::InvalidField("type and value, or all: true").into()),
    };
    let (changes, stored) = adopt(&http.app, one.as_ref(), &operator.0, checked_note(asked.note)?).await?;
    Ok(json(&Adopted { adopted: changes.len(), stored }))
}

/// Adopts the entry about `one`, or all that are not an operator's yet.
pub async fn adopt(app: &App, one: Option<&About>, who: &str, note: String) -> Result<(Vec<Change>, Vec<Stored>), Answer> {
    let hand = app
        .hand(0)
        .await
        .map_err(|error| Problem::new(Code::OriginUnavailable, format!("What was written by hand is not known: {error}.")))?;
    let note = if note.is_empty() { "adopted: written to KV by hand".to_owned() } else { note };
    let now_ms = app.clock.now_ms();
    let wanted: Vec<_> = hand.entries.iter().filter_map(|entry| wanted(entry, who, &note, now_ms)).collect();
    let chosen: Vec<_> = match one {
        Some(about) => wanted.into_iter().filter(|wanted| wanted.about == *about).collect(),
        None => wanted.into_iter().filter(|wanted| !app.operators.in_force(&wanted.about, now_ms)).collect(),
    };
    if one.is_some() && chosen.is_empty() {
        return Err(Refused::NotFound.into());
    }
    Ok(app.change_all(chosen).await?)
}

/// `None`: KV has dropped it since.
fn wanted(entry: &HandEntry, who: &str, note: &str, now_ms: u64) -> Option<Wanted> {
    let ttl_ms = match entry.until_s {
        Some(until_s) => Some((until_s * 1000).checked_sub(now_ms).filter(|left_ms| *left_ms > 0)?),
        None => None,
    };
    let about = About::Blacklist { kind: entry.r#type.clone(), value: entry.value.clone() };
    Some(Wanted { about, present: true, who: who.to_owned(), note: note.to_owned(), ttl_ms })
}
