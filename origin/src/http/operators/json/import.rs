//! `POST /admin/otp/blacklist/import`: many entries at once, as JSON or CSV.

use axum::{
    extract::{FromRequest, Query, Request, State},
    http::header,
    response::Response,
};
use otp_shared::{
    problem::{Problem, ProblemCode},
    routes,
};
use serde::Deserialize;
use serde_json::Value;

use crate::{
    app::operators::{
        csv,
        import::{Import, Line},
    },
    http::{Shared, admin_auth::Operator, body, json, problem_response::ProblemResponse},
};

/// The query.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Options {
    #[serde(default)]
    dry_run: bool,
    #[serde(default)]
    force: bool,
}

/// The lines of the body.
pub struct Lines(Vec<Line>);

impl<S: Send + Sync> FromRequest<S> for Lines {
    type Rejection = ProblemResponse;

    async fn from_request(request: Request, _: &S) -> Result<Self, ProblemResponse> {
        let (parts, body) = request.into_parts();
        let media_type = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let is_csv = match media_type.split(';').next().unwrap_or_default().trim() {
            "application/json" => false,
            "text/csv" => true,
            _ => return Err(Problem::new(ProblemCode::UnsupportedMediaType, "Send Content-Type: application/json or text/csv.").into()),
        };
        let bytes = body::read(body, routes::body_limit(parts.uri.path())).await?;
        Ok(Self(if is_csv { csv::read(&bytes)? } else { from_json(&bytes)? }))
    }
}

/// Takes all or nothing.
pub async fn post(
    State(http): Shared,
    operator: Operator,
    Query(options): Query<Options>,
    Lines(lines): Lines,
) -> Result<Response, ProblemResponse> {
    let import = Import { lines, dry_run: options.dry_run, force: options.force };
    Ok(json(&http.app.import_blacklist(&operator.0, import).await?))
}

fn from_json(bytes: &[u8]) -> Result<Vec<Line>, Problem> {
    let entries: Vec<Value> = body::parse(bytes)?;
    // serde's words about a wrong type repeat the value; which member it is, is told by the form.
    let form = "an entry has the texts type and value, and if wanted note (a text), ttlS and untilS (seconds)";
    Ok((1..).zip(entries).map(|(line, entry)| (line, serde_json::from_value(entry).map_err(|_| form.to_owned()))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_json_entry_of_another_form_is_told_by_its_place_and_not_repeated() {
        let lines = from_json(br#"[{"type":"ip","value":"203.0.113.7"},{"type":"ip","value":"203.0.113.8","ttlS":"secret"},7]"#).unwrap();
        assert_eq!(lines.iter().map(|(line, entry)| (*line, entry.is_ok())).collect::<Vec<_>>(), [(1, true), (2, false), (3, false)]);
        assert!(!format!("{lines:?}").contains("secret"));
        assert!(from_json(br#"{"type":"ip"}"#).is_err());
    }
}
