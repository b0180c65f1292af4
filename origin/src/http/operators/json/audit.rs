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
    app::operators::audit::verb,
    domain::operator::{Change, Target},
    http::{Shared, admin_auth::Operator, json, problem_response::ProblemResponse, utc::utc},
};

/// The query: `format=markdown`, and the page.
#[derive(Deserialize)]
pub struct AuditQuery {
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
pub async fn get(State(http): Shared, _: Operator, Query(query): Query<AuditQuery>) -> Result<Response, ProblemResponse> {
    let page = http.app.audit(query.after.as_deref(), query.limit).await?;
    if query.format.as_deref() == Some("markdown") {
        return Ok(([(header::CONTENT_TYPE, "text/markdown; charset=utf-8")], markdown(&page.changes)).into_response());
    }
    let record = |change: Change| Record { change_id: change.stamp.id.clone(), entry: Entry::from(change) };
    Ok(json(&List { changes: page.changes.into_iter().map(record).collect(), next: page.next }))
}

fn markdown(changes: &[Change]) -> String {
    let mut text = String::from("| when (UTC) | who | what | note |\n|---|---|---|---|\n");
    for change in changes {
        let subject = match &change.target {
            Target::Blacklist { kind, value } | Target::Reveal { kind, value } => format!("{kind} `{value}`"),
            Target::Session { id } => format!("`{id}`"),
        };
        let (when, verb) = (utc(change.stamp.ms / 1000), verb(change));
        writeln!(text, "| {when} | {} | {verb} {subject} | {} |", cell(&change.actor), cell(&change.note)).expect("a String takes it");
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
