//! `POST /admin/otp/blacklist/import`: many entries at once, as JSON or CSV. Every line is checked before any is taken; a mistake in one of them
//! leaves everything as it was.
//!
//! **Invariant:** the same file imported twice changes nothing the second time, so an import that broke off is simply sent again.

use std::collections::BTreeMap;

use axum::{
    extract::{FromRequest, Query, Request, State},
    http::header,
    response::Response,
};
use otp_shared::{
    problem::{Code, Problem},
    routes,
    subject::Subject,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::super::{checked_note, checked_ttl_ms};
use crate::{
    app::{
        App,
        operators::{Stored, Wanted},
    },
    domain::{breadth, operator::About},
    http::{Shared, admin_auth::Operator, answer::Answer, body, json as answer_json},
};

/// The most entries of one import.
const MAX_ENTRIES: usize = 100_000;
/// The columns of a CSV; the last two are the export's, and not read.
pub const COLUMNS: [&str; 7] = ["type", "value", "note", "ttlS", "untilS", "who", "changedAtS"];

/// The query.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Asked {
    /// Check, count, and change nothing.
    #[serde(default)]
    dry_run: bool,
    /// Take entries that cover very many people.
    #[serde(default)]
    force: bool,
}

/// One entry as it was sent.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sent {
    r#type: String,
    value: String,
    note: Option<String>,
    ttl_s: Option<u64>,
    until_s: Option<u64>,
}

/// What was sent, or why it cannot be read, with its number: the line of a CSV, or the entry of a JSON array, from 1.
type Line = (u64, Result<Sent, String>);

/// The lines of the body.
pub struct Lines(Vec<Line>);

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Outcome {
    dry_run: bool,
    /// Entries in the body.
    entries: usize,
    /// Those that were not there before.
    added: usize,
    /// Those whose note or end is another now.
    changed: usize,
    /// Those that are there just so.
    unchanged: usize,
    /// Those whose `untilS` has passed.
    ended: usize,
    stored: Vec<Stored>,
}

impl<S: Send + Sync> FromRequest<S> for Lines {
    type Rejection = Answer;

    async fn from_request(request: Request, _: &S) -> Result<Self, Answer> {
        let (parts, body) = request.into_parts();
        let media_type = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let read: fn(&[u8]) -> Result<Vec<Line>, Problem> = match media_type.split(';').next().unwrap_or_default().trim() {
            "application/json" => from_json,
            "text/csv" => from_csv,
            _ => return Err(Problem::new(Code::UnsupportedMediaType, "Send Content-Type: application/json or text/csv.").into()),
        };
        let lines = read(&body::read(body, routes::body_limit(parts.uri.path())).await?)?;
        if lines.len() > MAX_ENTRIES {
            return Err(Problem::new(Code::TooLarge, format!("At most {MAX_ENTRIES} entries are taken at once.")).into());
        }
        Ok(Self(lines))
    }
}

/// Takes all or nothing.
pub async fn post(State(http): Shared, operator: Operator, Query(asked): Query<Asked>, Lines(lines): Lines) -> Result<Response, Answer> {
    let entries = lines.len();
    let wanted = check_all(&http.app, lines, &operator.0, asked.force).map_err(refuse)?;
    let (wanted, mut outcome) = sort(&http.app, wanted);
    (outcome.dry_run, outcome.entries) = (asked.dry_run, entries);
    if !asked.dry_run {
        (_, outcome.stored) = http.app.change_all(wanted).await?;
        tracing::info!(target: "otp::admin", who = operator.0, entries, added = outcome.added, changed = outcome.changed, "blacklist entries were imported");
    }
    Ok(answer_json(&outcome))
}

/// What is wanted, by key: of two lines about the same, the later counts. Or every mistake.
fn check_all(app: &App, lines: Vec<Line>, who: &str, force: bool) -> Result<BTreeMap<String, Wanted>, Vec<Value>> {
    let now_ms = app.clock.now_ms();
    let (mut wanted, mut mistakes) = (BTreeMap::new(), Vec::new());
    for (line, sent) in lines {
        match sent.and_then(|sent| check(app, sent, who, force, now_ms)) {
            Ok(each) => _ = wanted.insert(each.about.key(), each),
            Err(error) => mistakes.push(json!({ "line": line, "error": error })),
        }
    }
    if mistakes.is_empty() { Ok(wanted) } else { Err(mistakes) }
}

fn refuse(mistakes: Vec<Value>) -> Answer {
    let detail = format!("{} of the entries cannot be taken, so none was; see errors.", mistakes.len());
    Answer::new(Problem::new(Code::InvalidBody, detail)).member("errors", Value::Array(mistakes))
}

fn check(app: &App, sent: Sent, who: &str, force: bool, now_ms: u64) -> Result<Wanted, String> {
    let subject = Subject::parse(&sent.r#type, &sent.value).map_err(|error| error.to_string())?;
    if let Some(what) = breadth::too_wide(&subject, &app.settings.countries).filter(|_| !force) {
        return Err(format!("covers {what}; send the import with force=true if that is meant"));
    }
    let note = checked_note(sent.note).map_err(|problem| problem.detail)?;
    let ttl_ms = checked_ttl_ms(sent.ttl_s).map_err(|problem| problem.detail)?;
    let left_ms = sent.until_s.map(|until_s| until_s.saturating_mul(1000).saturating_sub(now_ms));
    Ok(Wanted { about: About::blacklist(&subject), present: true, who: who.to_owned(), note, ttl_ms: ttl_ms.or(left_ms) })
}

/// Leaves out what is there just so and what has ended, and counts.
fn sort(app: &App, wanted: BTreeMap<String, Wanted>) -> (Vec<Wanted>, Outcome) {
    let now_ms = app.clock.now_ms();
    let mut outcome = Outcome::default();
    let news = wanted.into_values().filter(|each| {
        let known = app.operators.find(&each.about, now_ms);
        let figure = match &known {
            _ if each.ttl_ms == Some(0) => &mut outcome.ended,
            Some(known) if is_same(known, each, now_ms) => &mut outcome.unchanged,
            Some(_) => &mut outcome.changed,
            None => &mut outcome.added,
        };
        *figure += 1;
        each.ttl_ms != Some(0) && known.is_none_or(|known| !is_same(&known, each, now_ms))
    });
    (news.collect(), outcome)
}

/// The same note, and the same end to the second: that is all a file tells.
fn is_same(known: &crate::domain::operator::Change, wanted: &Wanted, now_ms: u64) -> bool {
    let end_s = |until_ms: Option<u64>| until_ms.map(|until_ms| until_ms.div_ceil(1000));
    known.note == wanted.note && end_s(known.until_ms) == end_s(wanted.ttl_ms.map(|ttl_ms| now_ms + ttl_ms))
}

fn from_json(bytes: &[u8]) -> Result<Vec<Line>, Problem> {
    let entries: Vec<Value> = body::parse(bytes)?;
    // serde's words about a wrong type repeat the value; which member it is, is told by the form.
    let form = "an entry has the texts type and value, and if wanted note (a text), ttlS and untilS (seconds)";
    Ok((1..).zip(entries).map(|(line, entry)| (line, serde_json::from_value(entry).map_err(|_| form.to_owned()))).collect())
}

fn from_csv(bytes: &[u8]) -> Result<Vec<Line>, Problem> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).trim(csv::Trim::All).from_reader(bytes);
    let malformed = |_| Problem::new(Code::InvalidBody, "The body is not CSV in UTF-8.");
    let header = reader.headers().map_err(malformed)?.clone();
    let columns = COLUMNS.map(|name| header.iter().position(|column| column.trim_start_matches('\u{feff}') == name));
    let [Some(kind), Some(value), note, ttl_s, until_s, ..] = columns else {
        return Err(Problem::new(Code::InvalidBody, "The first line of a CSV names the columns: type,value,note,ttlS,untilS."));
    };
    let line = |position: Option<&csv::Position>| position.map_or(0, csv::Position::line);
    let read = |record: Result<csv::StringRecord, csv::Error>| match record {
        Ok(record) => (line(record.position()), from_record(&record, [Some(kind), Some(value), note, ttl_s, until_s])),
        Err(error) => (line(error.position()), Err("not CSV in UTF-8".to_owned())),
    };
    Ok(reader.records().map(read).collect())
}

/// Reads a line by the places of its columns.
fn from_record(record: &csv::StringRecord, [kind, value, note, ttl_s, until_s]: [Option<usize>; 5]) -> Result<Sent, String> {
    let text = |column: Option<usize>| column.and_then(|column| record.get(column)).filter(|text| !text.is_empty());
    let seconds = |name: &str, column| {
        let wrong = |_| format!("{name}: a number of seconds");
        text(column).map(|text| text.parse::<u64>().map_err(wrong)).transpose()
    };
    Ok(Sent {
        r#type: text(kind).unwrap_or_default().to_owned(),
        value: text(value).unwrap_or_default().to_owned(),
        note: text(note).map(fused),
        ttl_s: seconds("ttlS", ttl_s)?,
        until_s: seconds("untilS", until_s)?,
    })
}

/// A note that a spreadsheet would take for a formula, made a text by an apostrophe.
pub fn defused(note: &str) -> String {
    if note.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{note}") } else { note.to_owned() }
}

/// The note that [`defused`] was given.
fn fused(note: &str) -> String {
    match note.strip_prefix('\'') {
        Some(rest) if defused(rest) != rest => rest.to_owned(),
        _ => note.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(kind: &str, value: &str, note: Option<&str>) -> Sent {
        Sent { r#type: kind.to_owned(), value: value.to_owned(), note: note.map(str::to_owned), ..Sent::default() }
    }

    #[test]
    fn a_csv_is_read_by_its_header_with_its_own_line_numbers() {
        let csv = "value,type,note,ttlS\n+250788000001,phone,\"two\nlines, quoted\",60\n203.0.113.7,ip,,\n203.0.113.8,ip,,soon\n";
        let lines = from_csv(csv.as_bytes()).unwrap();
        assert_eq!(lines[0], (2, Ok(Sent { ttl_s: Some(60), ..sent("phone", "+250788000001", Some("two\nlines, quoted")) })));
        assert_eq!(lines[1], (4, Ok(sent("ip", "203.0.113.7", None))));
        assert_eq!(lines[2], (5, Err("ttlS: a number of seconds".to_owned())));
    }

    #[test]
    fn a_csv_without_a_header_is_refused() {
        assert!(from_csv(b"phone,+250788000001\n").is_err());
        assert!(from_csv(b"").is_err());
    }

    #[test]
    fn a_csv_that_is_not_utf8_is_told_by_line() {
        let lines = from_csv(b"type,value\nip,203.0.113.7\nip,\xff\xfe\n").unwrap();
        assert!(lines[0].1.is_ok());
        assert_eq!((lines[1].0, lines[1].1.is_err()), (3, true));
    }

    #[test]
    fn a_json_entry_of_another_form_is_told_by_its_place_and_not_repeated() {
        let lines = from_json(br#"[{"type":"ip","value":"203.0.113.7"},{"type":"ip","value":"203.0.113.8","ttlS":"secret"},7]"#).unwrap();
        assert_eq!(lines.iter().map(|(line, sent)| (*line, sent.is_ok())).collect::<Vec<_>>(), [(1, true), (2, false), (3, false)]);
        assert!(!format!("{lines:?}").contains("secret"));
        assert!(from_json(br#"{"type":"ip"}"#).is_err());
    }

    #[test]
    fn a_note_is_no_formula_and_comes_back_as_it_was() {
        for note in ["=1+1", "+250", "-x", "@sum", "'quoted'", "plain", ""] {
            assert_eq!(fused(&defused(note)), note);
            assert!(!defused(note).starts_with(['=', '+', '-', '@']), "{note}");
        }
    }
}
