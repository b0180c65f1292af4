//! `GET /openapi.json`: every route, answer and refusal of the origin as OpenAPI 3.1. Built from the table in `operations`, the shapes in
//! `schemas`, and the codes, limits and sizes of `otp_shared`, so that none of those is written twice.
//!
//! Not a validator: nothing here runs for a request. That the document tells the truth is a test's affair, which compares it with the router
//! and with what the running service answers.
//!
//! **Invariant:** every object's members are all listed, so that an answer with one more does not fit the document.

use std::sync::LazyLock;

use axum::{
    http::header,
    response::{IntoResponse, Response},
};
use otp_shared::{problem, routes};
use serde_json::{Map, Value, json};

use operations::{Body, Content, Operation, Success, Trust};

mod operations;
mod schemas;

static DOCUMENT: LazyLock<String> = LazyLock::new(|| document().to_string());

/// 200 with the document.
pub async fn get() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], DOCUMENT.as_str()).into_response()
}

/// The whole document.
pub fn document() -> Value {
    json!({
        "openapi": "3.1.0",
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "info": {
            "title": "WhatsApp one-time passcodes",
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
            "description": INTRODUCTION,
        },
        "servers": [{ "url": "/" }],
        "tags": tags(),
        "paths": paths(),
        "components": { "schemas": schemas::all(), "securitySchemes": security_schemes(), "headers": headers() },
    })
}

const INTRODUCTION: &str = "A fan's app calls the edge, which forwards `/otp/*`, `/auth/fan/*` and `/webhooks/whatsapp` and signs them; operators call the origin. \
Every refusal is an RFC 9457 problem document with a stable `code`; 429 and 503 say when to come back. A path that is not listed is 404 \
`not_found`, a method that is not listed 405 `method_not_allowed` with `Allow`.";

fn tags() -> Value {
    json!([
        { "name": "fan", "description": "What a fan's app calls, through the edge." },
        { "name": "webhook", "description": "What Meta calls, through the edge." },
        { "name": "operator", "description": "What operators call, at the origin, with `x-admin-token`." },
        { "name": "service", "description": "Health, figures and this document, at the origin." },
        { "name": "edge", "description": "What the edge itself reports." },
    ])
}

fn security_schemes() -> Value {
    json!({
        "edge": {
            "type": "apiKey", "in": "header", "name": "Signature",
            "description": "RFC 9421 with HMAC-SHA-256 over method, path, query, body digest (RFC 9530), client address and country, time and nonce. The edge makes it; an app does not.",
        },
        "adminToken": { "type": "apiKey", "in": "header", "name": "x-admin-token", "description": "A named operator's token, at least 24 characters." },
        "fanSession": { "type": "apiKey", "in": "cookie", "name": "fan_session" },
        "adminSession": { "type": "apiKey", "in": "cookie", "name": "otp_admin", "description": "The dashboard's own sign-in." },
    })
}

fn headers() -> Value {
    json!({
        "RetryAfter": { "description": "Seconds until a retry can succeed.", "schema": { "type": "integer", "minimum": 1 } },
        "RequestId": { "description": "Names the request in the logs of edge and origin.", "schema": { "type": "string" } },
    })
}

fn paths() -> Value {
    let mut paths = Map::new();
    for operation in operations::all() {
        let item = paths.entry(operation.path).or_insert_with(|| json!({}));
        item[operation.method] = described(operation);
    }
    Value::Object(paths)
}

fn described(operation: &Operation) -> Value {
    let mut described = json!({
        "operationId": operation.id,
        "summary": operation.summary,
        "tags": [operation.tag()],
        "responses": responses(operation),
    });
    let parameters: Vec<_> = operation.parameters().collect();
    if !parameters.is_empty() {
        described["parameters"] = Value::from(parameters);
    }
    if let Some(body) = operation.body {
        described["requestBody"] = request_body(operation, body);
    }
    let security = security(operation);
    if !security.is_empty() {
        described["security"] = Value::from(security);
    }
    described
}

fn security(operation: &Operation) -> Vec<Value> {
    match operation.trust {
        Trust::Nobody => Vec::new(),
        Trust::Edge => vec![json!({ "edge": [] })],
        Trust::Fan => vec![json!({ "edge": [], "fanSession": [] })],
        Trust::EdgeOrOperator => vec![json!({ "edge": [] }), json!({ "adminToken": [] })],
        Trust::Operator => vec![json!({ "adminToken": [] })],
        Trust::Dashboard => vec![json!({ "adminSession": [] }), json!({ "adminToken": [] })],
    }
}

fn request_body(operation: &Operation, body: Body) -> Value {
    let of_type = |media_type: &&str| ((*media_type).to_owned(), json!({ "schema": reference(body.schema) }));
    let content: Map<_, _> = body.media_types.iter().map(of_type).collect();
    json!({ "required": body.required, "description": format!("At most {} bytes.", routes::body_limit(operation.path)), "content": content })
}

fn responses(operation: &Operation) -> Value {
    let mut responses = Map::new();
    for success in operation.successes {
        responses.insert(success.status.to_string(), succeeded(success));
    }
    for (status, codes) in operation.refusals() {
        let codes: Vec<_> = codes.iter().map(|code| json!(code.as_str())).collect();
        responses.insert(status.to_string(), refused(status, &codes, operation.refuses_by_page()));
    }
    Value::Object(responses)
}

fn succeeded(success: &Success) -> Value {
    let mut response = json!({ "description": success.what, "headers": { "x-request-id": { "$ref": "#/components/headers/RequestId" } } });
    match success.content {
        Content::None => {}
        Content::Json(schema) => response["content"] = json!({ "application/json": { "schema": reference(schema) } }),
        Content::Text(media_type) => response["content"] = json!({ media_type: { "schema": { "type": "string" } } }),
        Content::JsonOr(schema, media_type) => {
            response["content"] =
                json!({ "application/json": { "schema": reference(schema) }, media_type: { "schema": { "type": "string" } } });
        }
    }
    response
}

/// A refusal's schema is the general one, narrowed to the codes that this operation answers with this status.
fn refused(status: u16, codes: &[Value], by_page: bool) -> Value {
    let narrowed = json!({ "properties": { "status": { "const": status }, "code": { "enum": codes } } });
    let mut response = json!({
        "description": "A problem document.",
        "content": { problem::MEDIA_TYPE: { "schema": { "allOf": [reference("Problem"), narrowed] } } },
    });
    if by_page {
        response["content"]["text/html"] = json!({ "schema": { "type": "string" } });
    }
    if matches!(status, 429 | 503) {
        response["headers"] = json!({ "retry-after": { "$ref": "#/components/headers/RetryAfter" } });
    }
    response
}

fn reference(schema: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{schema}") })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use otp_shared::problem::ProblemCode;

    use super::*;

    /// What is referred to, anywhere in the document.
    fn references(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(members) => {
                found.extend(members.get("$ref").and_then(Value::as_str).map(str::to_owned));
                members.values().for_each(|member| references(member, found));
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let document = document();
        let mut found = BTreeSet::new();
        references(&document, &mut found);
        for reference in found {
            assert!(document.pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
        }
    }

    #[test]
    fn every_schema_is_used() {
        let document = document();
        let mut found = BTreeSet::new();
        references(&document, &mut found);
        for name in schemas::all().as_object().unwrap().keys() {
            assert!(found.contains(&format!("#/components/schemas/{name}")), "{name} is referred to nowhere");
        }
    }

    #[test]
    fn every_code_has_a_place() {
        let codes: BTreeSet<_> = operations::all().flat_map(Operation::refusals).flat_map(|(_, codes)| codes).collect();
        for code in ProblemCode::ALL {
            // Those two are answers to what is in no table.
            let elsewhere = matches!(code, ProblemCode::NotFound | ProblemCode::MethodNotAllowed);
            assert!(codes.contains(code) || elsewhere, "{} is answered by no operation", code.as_str());
        }
    }

    /// The router tells its paths in its `Debug` and nowhere else: `RouteId(7): "/healthz"`.
    #[test]
    fn every_path_of_the_router_is_listed_and_no_other() {
        let router = format!("{:?}", crate::http::all_routes());
        // What follows are the two routes of axum's own fallback.
        let router = router.split("fallback_router").next().unwrap_or_default();
        let routed: BTreeSet<_> =
            router.split("RouteId(").filter_map(|rest| Some(rest.split_once("): \"")?.1.split_once('"')?.0)).collect();
        assert!(routed.contains("/healthz"), "axum's Debug has changed: {router}");
        let listed: BTreeSet<_> = operations::all().map(|operation| operation.path).collect();
        assert_eq!(listed, routed);
    }

    #[test]
    fn operations_are_told_apart() {
        let ids: BTreeSet<_> = operations::all().map(|operation| operation.id).collect();
        let routes: BTreeSet<_> = operations::all().map(|operation| (operation.method, operation.path)).collect();
        assert_eq!((ids.len(), routes.len()), (operations::all().count(), operations::all().count()));
    }
}
