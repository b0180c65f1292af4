//! `GET /admin/otp/blacklist/export`: every operator's entry in force, in the form that `import` takes.

use axum::{
    extract::{Query, State},
    http::header,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};

use super::import;
use crate::{
    app::{hand::Listed, refusal::Refused},
    domain::operator::{About, Change},
    http::{Shared, admin_auth::Operator, answer::Answer, json},
};

/// The query: `format=csv`, or JSON.
#[derive(Deserialize)]
pub struct Asked {
    format: Option<String>,
}

/// One entry.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    r#type: String,
    value: String,
    note: String,
    until_s: Option<u64>,
    who: String,
    changed_at_s: u64,
}

impl Row {
    fn new(change: Change) -> Option<Self> {
        let About::Blacklist { kind, value } = change.about else { return None };
        let until_s = change.until_ms.map(|until| until.div_ceil(1000));
        Some(Self { r#type: kind, value, note: change.note, until_s, who: change.who, changed_at_s: change.stamp.ms / 1000 })
    }
}

/// All of them at once; what a hand wrote has to be adopted first.
pub async fn get(State(http): Shared, operator: Operator, Query(asked): Query<Asked>) -> Result<Response, Answer> {
    let own = http.app.blacklist(None).into_iter();
    let rows: Vec<_> = own.filter_map(|listed| if let Listed::Operators(change, _) = listed { Row::new(change) } else { None }).collect();
    tracing::info!(target: "otp::admin", who = operator.0, entries = rows.len(), "the blacklist was exported");
    match asked.format.as_deref() {
        None | Some("json") => Ok(json(&rows)),
        Some("csv") => Ok(file(csv(&rows))),
        Some(_) => Err(Refused::InvalidField("format: json or csv").into()),
    }
}

fn csv(rows: &[Row]) -> Vec<u8> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(import::COLUMNS).expect("a Vec takes it");
    for row in rows {
        let until_s = row.until_s.map(|until_s| until_s.to_string()).unwrap_or_default();
        let changed_at_s = row.changed_at_s.to_string();
        let fields = [&row.r#type, &row.value, &import::defused(&row.note), &String::new(), &until_s, &row.who, &changed_at_s];
        writer.write_record(fields).expect("a Vec takes it");
    }
    writer.into_inner().expect("a Vec takes it")
}

fn file(csv: Vec<u8>) -> Response {
    let headers =
        [(header::CONTENT_TYPE, "text/csv; charset=utf-8"), (header::CONTENT_DISPOSITION, "attachment; filename=\"blacklist.csv\"")];
    (headers, csv).into_response()
}
