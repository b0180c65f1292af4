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
    app::refusal::Refused,
    domain::operator::{About, Change},
    http::{Shared, admin_auth::Operator, answer::Answer, json},
};

/// The query: `format=markdown`, `limit`.
#[derive(Deserialize)]
pub struct Asked {
    format: Option<String>,
    limit: Option<usize>,
}

#[derive(Serialize)]
struct List {
    changes: Vec<Entry>,
}

/// The newest changes first.
pub async fn get(State(http): Shared, _: Operator, Query(asked): Query<Asked>) -> Result<Response, Answer> {
    let limit = asked.limit.unwrap_or(100).clamp(1, 1000);
    let changes = http.app.store.audit(limit).await.map_err(Refused::from)?;
    if asked.format.as_deref() == Some("markdown") {
        return Ok(([(header::CONTENT_TYPE, "text/markdown; charset=utf-8")], markdown(&changes)).into_response());
    }
    Ok(json(&List { changes: changes.into_iter().map(Entry::from).collect() }))
}

fn markdown(changes: &[Change]) -> String {
    let mut text = String::from("| when (UTC) | who | what | note |\n|---|---|---|---|\n");
    for change in changes {
        let verb = match (&change.about, change.present) {
            (About::Blacklist { .. }, true) => "blocked",
            (About::Blacklist { .. }, false) => "unblocked",
            (About::Session { .. }, true) => "authorised session",
            (About::Session { .. }, false) => "withdrew session",
        };
        let subject = match &change.about {
            About::Blacklist { kind, value } => format!("{kind} `{value}`"),
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

/// `2026-11-23 08:14:54`, by Howard Hinnant's days-to-civil arithmetic.
fn utc(unix_s: u64) -> String {
    let (days, second) = (unix_s / 86_400, unix_s % 86_400);
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_in_utc() {
        assert_eq!(utc(0), "1970-01-01 00:00:00");
        assert_eq!(utc(951_826_154), "2000-02-29 12:09:14");
        assert_eq!(utc(1_795_421_694), "2026-11-23 08:14:54");
    }

    #[test]
    fn a_note_stays_in_its_cell() {
        assert_eq!(cell("a|b\n<script>"), "a\\|b \\<script\\>");
    }
}
