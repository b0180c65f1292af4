//! The reading side of the Graph API: `GET /{waba-id}/message_templates`, and one object by its id.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::error::GraphError;
use crate::number::select;
use crate::script::Operation;
use crate::state::World;
use crate::template::Template;

type Filters = HashMap<String, String>;

/// Templates a page unless the caller says otherwise.
const PAGE: usize = 25;
/// What is told when nothing is asked for.
const DEFAULT_FIELDS: &str = "name,components,language,status,category,id";

pub(crate) async fn templates(
    State(world): State<Arc<World>>,
    Path((version, id)): Path<(String, String)>,
    Query(filters): Query<Filters>,
    headers: HeaderMap,
) -> Result<Response, GraphError> {
    world.admit(&version, &headers)?;
    if id != world.settings.waba_id {
        return Err(GraphError::unknown_object("get", &id));
    }
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    let page = {
        let state = world.lock();
        page(&state.templates, &filters, &format!("http://{host}/{version}/{id}/message_templates"))?
    };
    let rule = world.lock().script.take(Operation::Templates, "");
    world.answer(rule, || Json(page).into_response()).await
}

/// `GET /{version}/{id}`: the business number or a template.
pub(crate) async fn object(
    State(world): State<Arc<World>>,
    Path((version, id)): Path<(String, String)>,
    Query(filters): Query<Filters>,
    headers: HeaderMap,
) -> Result<Response, GraphError> {
    world.admit(&version, &headers)?;
    let fields = filters.get("fields").map(String::as_str);
    let (operation, found) = if id == world.settings.phone_number_id {
        (Operation::Number, world.lock().number.read(&world.settings, fields)?)
    } else {
        (Operation::Templates, template(&world.lock().templates, &id, fields)?)
    };
    let rule = world.lock().script.take(operation, "");
    world.answer(rule, || Json(found).into_response()).await
}

fn template(templates: &[Template], id: &str, fields: Option<&str>) -> Result<Value, GraphError> {
    let found = templates.iter().find(|template| template.id.to_string() == id);
    let template = found.ok_or_else(|| GraphError::unknown_object("get", id))?;
    tell(template, fields.unwrap_or(DEFAULT_FIELDS))
}

fn tell(template: &Template, fields: &str) -> Result<Value, GraphError> {
    select(Value::Object(template.fields()), fields, "WhatsAppMessageTemplate")
}

/// One page of the templates that pass the filters, with cursors to its neighbours.
fn page(templates: &[Template], filters: &Filters, base: &str) -> Result<Value, GraphError> {
    let fields = filters.get("fields").map_or(DEFAULT_FIELDS, String::as_str);
    let fitting: Vec<&Template> = templates.iter().filter(|template| fits(template, filters)).collect();
    let limit = limit(filters)?;
    let start = match (filters.get("after"), filters.get("before")) {
        (Some(after), _) => position(after)? + 1,
        (None, Some(before)) => position(before)?.saturating_sub(limit),
        (None, None) => 0,
    };
    let shown: Vec<&Template> = fitting.iter().copied().skip(start).take(limit).collect();
    let data = shown.iter().map(|template| tell(template, fields)).collect::<Result<Vec<_>, _>>()?;
    let mut answer = json!({ "data": data });
    if !shown.is_empty() {
        answer["paging"] = paging(start, start + shown.len(), fitting.len(), filters, base);
    }
    Ok(answer)
}

fn limit(filters: &Filters) -> Result<usize, GraphError> {
    match filters.get("limit").map(|limit| limit.parse()) {
        None => Ok(PAGE),
        Some(Ok(limit)) if limit > 0 => Ok(limit),
        Some(_) => Err(GraphError::parameter("Param limit must be a positive integer.")),
    }
}

/// Whether a template passes every filter. The name is compared as a substring, as Meta has been seen to do.
fn fits(template: &Template, filters: &Filters) -> bool {
    let within = |filter: &str, text: &str| filters.get(filter).is_none_or(|part| text.to_lowercase().contains(&part.to_lowercase()));
    let among = |filter: &str, text: &str| filters.get(filter).is_none_or(|list| listed(list, text));
    let status = json!(template.status);
    within("name", &template.name)
        && within("name_or_content", &format!("{} {}", template.name, template.text("{{1}}")))
        && within("content", &template.text("{{1}}"))
        && among("language", &template.language)
        && among("status", status.as_str().unwrap_or_default())
        && among("category", &template.category)
        && among("quality_score", &template.quality)
}

/// Whether `text` is the value, or is in the JSON array of values, that a filter may be.
fn listed(filter: &str, text: &str) -> bool {
    serde_json::from_str::<Vec<String>>(filter).map_or_else(|_| filter == text, |values| values.iter().any(|value| value == text))
}

fn paging(start: usize, end: usize, total: usize, filters: &Filters, base: &str) -> Value {
    let (before, after) = (cursor(start), cursor(end.saturating_sub(1)));
    let mut paging = json!({ "cursors": { "before": before, "after": after } });
    if end < total {
        paging["next"] = link(base, filters, "after", &after).into();
    }
    if start > 0 {
        paging["previous"] = link(base, filters, "before", &before).into();
    }
    paging
}

/// The same question from another place on. Meta puts the token into these links; here it stays in the header.
fn link(base: &str, filters: &Filters, direction: &str, cursor: &str) -> String {
    let kept = filters.iter().filter(|(name, _)| !matches!(name.as_str(), "after" | "before"));
    let mut pairs: Vec<(&str, &str)> = kept.map(|(name, value)| (name.as_str(), value.as_str())).collect();
    pairs.sort_unstable();
    pairs.push((direction, cursor));
    reqwest::Url::parse_with_params(base, &pairs).map_or_else(|_| base.to_owned(), String::from)
}

fn cursor(position: usize) -> String {
    URL_SAFE_NO_PAD.encode(format!("at:{position}"))
}

fn position(cursor: &str) -> Result<usize, GraphError> {
    let invalid = || GraphError::parameter("Invalid parameter: cursor");
    let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| invalid())?;
    let text = String::from_utf8(bytes).map_err(|_| invalid())?;
    text.strip_prefix("at:").and_then(|position| position.parse().ok()).ok_or_else(invalid)
}
