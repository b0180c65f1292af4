//! The lookups of the Graph API: the list of templates, one template, and the business number.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

use crate::error::GraphError;
use crate::script::Operation;
use crate::simulator::Simulator;
use crate::template::Template;

/// Fields of a template that may be absent.
const OPTIONAL_FIELDS: &[&str] = &["message_send_ttl_seconds", "previous_category", "correct_category", "sub_category"];

/// The query of a lookup: filters, `fields`, `limit`, `after`, `before`.
type Filters = HashMap<String, String>;

/// Templates on a page, unless the query has a `limit`.
const PAGE_SIZE: usize = 25;
/// The fields of a template in the response, unless the query has `fields`.
const DEFAULT_FIELDS: &str = "name,components,language,status,category,id";

/// `GET /{version}/{waba-id}/message_templates`.
pub(crate) async fn templates(
    State(simulator): State<Arc<Simulator>>,
    Path((version, id)): Path<(String, String)>,
    Query(filters): Query<Filters>,
    headers: HeaderMap,
) -> Result<Response, GraphError> {
    simulator.authorize(&version, &headers)?;
    if id != simulator.settings.waba_id {
        return Err(GraphError::unknown_object("get", &id));
    }
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    let page = {
        let state = simulator.lock();
        page(&state.templates, &filters, &format!("http://{host}/{version}/{id}/message_templates"))?
    };
    let rule = simulator.lock().script.take(Operation::Templates, "");
    simulator.respond(rule, || Json(page).into_response()).await
}

/// `GET /{version}/{id}`: the business number or a template.
pub(crate) async fn object(
    State(simulator): State<Arc<Simulator>>,
    Path((version, id)): Path<(String, String)>,
    Query(filters): Query<Filters>,
    headers: HeaderMap,
) -> Result<Response, GraphError> {
    simulator.authorize(&version, &headers)?;
    let fields = filters.get("fields").map(String::as_str);
    let (operation, found) = if id == simulator.settings.phone_number_id {
        (Operation::Number, simulator.lock().number.to_json(&simulator.settings, fields)?)
    } else {
        (Operation::Templates, template(&simulator.lock().templates, &id, fields)?)
    };
    let rule = simulator.lock().script.take(operation, "");
    simulator.respond(rule, || Json(found).into_response()).await
}

fn template(templates: &[Template], id: &str, fields: Option<&str>) -> Result<Value, GraphError> {
    let found = templates.iter().find(|template| template.id.to_string() == id);
    let template = found.ok_or_else(|| GraphError::unknown_object("get", id))?;
    to_json(template, fields.unwrap_or(DEFAULT_FIELDS))
}

fn to_json(template: &Template, fields: &str) -> Result<Value, GraphError> {
    select_fields(Value::Object(template.fields()), fields, "WhatsAppMessageTemplate")
}

/// The members of `object` that `fields` names, separated by commas, and always its `id`.
///
/// # Errors
/// 100 for a field that the type `node` does not have.
pub(crate) fn select_fields(object: Value, fields: &str, node: &str) -> Result<Value, GraphError> {
    let Value::Object(mut object) = object else { return Ok(object) };
    let mut selected = Map::new();
    for field in fields.split(',').map(str::trim).chain(["id"]) {
        match object.remove(field) {
            Some(value) => drop(selected.insert(field.to_owned(), value)),
            None if selected.contains_key(field) || OPTIONAL_FIELDS.contains(&field) => {}
            None => {
                let text = format!("Tried accessing nonexisting field ({field}) on node type ({node})");
                return Err(GraphError::parameter(text));
            }
        }
    }
    Ok(Value::Object(selected))
}

/// One page of the templates that match the filters, with links to the next and the previous one.
fn page(templates: &[Template], filters: &Filters, base: &str) -> Result<Value, GraphError> {
    let fields = filters.get("fields").map_or(DEFAULT_FIELDS, String::as_str);
    let matching: Vec<&Template> = templates.iter().filter(|template| matches(template, filters)).collect();
    let limit = limit(filters)?;
    let start = match (filters.get("after"), filters.get("before")) {
        (Some(after), _) => position(after)? + 1,
        (None, Some(before)) => position(before)?.saturating_sub(limit),
        (None, None) => 0,
    };
    let on_page: Vec<&Template> = matching.iter().copied().skip(start).take(limit).collect();
    let data = on_page.iter().map(|template| to_json(template, fields)).collect::<Result<Vec<_>, _>>()?;
    let mut body = json!({ "data": data });
    if !on_page.is_empty() {
        body["paging"] = paging(start, start + on_page.len(), matching.len(), filters, base);
    }
    Ok(body)
}

fn limit(filters: &Filters) -> Result<usize, GraphError> {
    match filters.get("limit").map(|limit| limit.parse()) {
        None => Ok(PAGE_SIZE),
        Some(Ok(limit)) if limit > 0 => Ok(limit),
        Some(_) => Err(GraphError::parameter("Param limit must be a positive integer.")),
    }
}

/// Whether a template matches every filter. Names match as substrings: Meta has been seen to do
/// that.
fn matches(template: &Template, filters: &Filters) -> bool {
    let contains = |filter: &str, text: &str| filters.get(filter).is_none_or(|part| text.to_lowercase().contains(&part.to_lowercase()));
    let is_one_of = |filter: &str, text: &str| filters.get(filter).is_none_or(|list| equals_or_lists(list, text));
    let status = json!(template.status);
    contains("name", &template.name)
        && contains("name_or_content", &format!("{} {}", template.name, template.text("{{1}}")))
        && contains("content", &template.text("{{1}}"))
        && is_one_of("language", &template.language)
        && is_one_of("status", status.as_str().unwrap_or_default())
        && is_one_of("category", &template.category)
        && is_one_of("quality_score", &template.quality)
}

/// A filter is either one value or a JSON array of values.
fn equals_or_lists(filter: &str, text: &str) -> bool {
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

/// The same query, from another cursor on. Meta puts the token into these links; here it stays in
/// the header.
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
