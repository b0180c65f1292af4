//! `GET /admin/otp/audit`: who changed what, when and why; as JSON, or as Markdown to paste into the incident's timeline.

use std::fmt::Write as _;

use axum::{
    extract::{Query, State},
    http::header,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};

use super::Entry;
use crate::{
    app::{App, refusal::Refused},
    domain::operator::{About, Change},
    http::{Shared, admin_auth::Operator, answer::Answer, json, utc::utc},
    store::memory::AUDIT_KEPT,
};

/// The query: `format=markdown`, and the page.
#[derive(Deserialize)]
pub struct Asked {
    format: Option<String>,
    limit: Option<usize>,
    /// The id of the last change of the page before.
    after: Option<String>,
}

#[derive(Serialize)]
struct List {
    changes: Vec<Record>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    /// Names the change. (`id` is a session's, within the entry.)
    change_id: String,
    #[serde(flatten)]
    entry: Entry,
}

/// The newest changes first.
pub async fn get(State(http): Shared, _: Operator, Query(asked): Query<Asked>) -> Result<Response, Answer> {
    let limit = asked.limit.unwrap_or(100).clamp(1, 1000);
    let (changes, next) = page(&http.app, asked.after.as_deref(), limit).await?;
    if asked.format.as_deref() == Some("markdown") {
        return Ok(([(header::CONTENT_TYPE, "text/markdown; charset=utf-8")], markdown(&changes)).into_response());
    }
    let changes = changes.into_iter().map(|change| Record { change_id: change.stamp.id.clone(), entry: Entry::from(change) }).collect();
    Ok(json(&List { changes, next }))
}

/// The changes after the one named `after`, and what to ask for next. Pages do not shift when something new comes in.
async fn page(app: &App, after: Option<&str>, limit: usize) -> Result<(Vec<Change>, Option<String>), Answer> {
    let fetched = if after.is_some() { AUDIT_KEPT } else { limit + 1 };
    let all = app.store.audit(fetched).await.map_err(Refused::from)?;
    let start = match after {
        None => 0,
        Some(id) => {
            1 + all
                .iter()
                .position(|change| change.stamp.id == id)
                .ok_or(Refused::InvalidField("after: the id of a change that is kept"))?
        }
    };
    let changes: Vec<_> = all.iter().skip(start).take(limit).cloned().collect();
    let more = all.len() > start + changes.len();
    let next = changes.last().filter(|_| more).map(|change| change.stamp.id.clone());
    Ok((changes, next))
}

fn markdown(changes: &[Change]) -> String {
    let mut text = String::from("| when (UTC) | who | what | note |\n|---|---|---|---|\n");
    for change in changes {
        let verb = match (&change.about, change.present) {
            (About::Blacklist { .. }, true) => "blocked",
            (About::Blacklist { .. }, false) => "unblocked",
            (About::Session { .. }, true) => "authorised session",
            (About::Session { .. }, false) => "withdrew session",
            (About::Reveal { .. }, _) => "looked at",
        };
        let subject = match &change.about {
            About::Blacklist { kind, value } | About::Reveal { kind, value } => format!("{kind} `{value}`"),
            About::Session { id } => format!("`{id}`"),
        };
        let when = utc(change.stamp.ms / 1000);
        writeln!(text, "| {when} | {} | {verb} {subject} | {} |", cell(&change.who), cell(&change.note)).expect("a String takes it");
    }
    text
}

/// A note cannot end its cell, its row, or become a link or markup.
fn cell(text: &str) -> String {
    let escape = |letter: char| match letter {
        '\n' | '\r' => " ".to_owned(),
        '|' | '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' => format!("\\{letter}"),
        other => other.to_string(),
    };
    text.chars().map(escape).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_stays_in_its_cell() {
        assert_eq!(cell("a|b\n<script>"), "a\\|b \\<script\\>");
    }
}
