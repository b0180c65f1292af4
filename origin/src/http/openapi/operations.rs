//! The table of operations: one row a method of a path. Not the shapes of bodies: those are in `schemas`, by name.
//!
//! What follows from a row's trust and body (a missing signature, a body too large, …) is added by [`Operation::refusals`] and not repeated
//! in the rows. The rows are in `fan`, `operator`, `dashboard` and `service`.

use std::collections::BTreeMap;

use otp_shared::problem::ProblemCode;
use serde_json::Value;

mod dashboard;
mod fan;
mod operator;
mod service;

/// Whom an operation believes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// It needs no proof.
    Nobody,
    /// The edge's signature.
    Edge,
    /// The edge's signature and the fan's cookie.
    Fan,
    /// The edge's signature, or an operator's token, or an id that an operator authorised.
    EdgeOrOperator,
    /// An operator's token.
    Operator,
    /// The dashboard's sign-in, or an operator's token.
    Dashboard,
}

/// What a request carries.
#[derive(Debug, Clone, Copy)]
pub struct Body {
    /// Its schema.
    pub schema: &'static str,
    /// Any of these.
    pub media_types: &'static [&'static str],
    /// Whether a request without it is refused.
    pub required: bool,
}

/// What a success carries.
#[derive(Debug, Clone, Copy)]
pub enum Content {
    /// No body.
    None,
    /// JSON of the named schema.
    Json(&'static str),
    /// Text of the media type.
    Text(&'static str),
    /// JSON of the named schema, or, if asked for, text of the media type.
    JsonOr(&'static str, &'static str),
}

/// One way to succeed.
#[derive(Debug, Clone, Copy)]
pub struct Success {
    pub status: u16,
    pub what: &'static str,
    pub content: Content,
}

/// One method of a path.
#[derive(Debug)]
pub struct Operation {
    pub id: &'static str,
    /// In lower case, as OpenAPI has it.
    pub method: &'static str,
    pub path: &'static str,
    pub summary: &'static str,
    pub trust: Trust,
    /// Name and description; all optional.
    pub query: &'static [(&'static str, &'static str)],
    pub body: Option<Body>,
    pub successes: &'static [Success],
    /// Beyond those that follow from trust and body.
    pub refused: &'static [ProblemCode],
}

const GET: &str = "get";
const POST: &str = "post";
const DELETE: &str = "delete";

const PAGE: &[(&str, &str)] = &[("limit", "At most so many, 1 to 1000; 100 when absent."), ("after", "The `next` of the page before.")];

const fn json(schema: &'static str) -> Body {
    Body { schema, media_types: &["application/json"], required: true }
}

const fn ok(what: &'static str, schema: &'static str) -> Success {
    Success { status: 200, what, content: Content::Json(schema) }
}

const fn done(what: &'static str) -> Success {
    Success { status: 204, what, content: Content::None }
}

impl Operation {
    /// Which part of the product it belongs to.
    pub fn tag(&self) -> &'static str {
        match (self.trust, self.path) {
            (_, path) if path.starts_with("/webhooks/") => "webhook",
            (_, path) if path.starts_with("/internal/") => "edge",
            (Trust::Operator | Trust::Dashboard, _) => "operator",
            (_, path) if path.starts_with("/otp/") || path.starts_with("/auth/") => "fan",
            _ => "service",
        }
    }

    /// Path, query and header parameters.
    pub fn parameters(&self) -> impl Iterator<Item = Value> {
        let names = self.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
        let path = names.map(|name| serde_json::json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }));
        let query = self
            .query
            .iter()
            .map(|(name, what)| serde_json::json!({ "name": name, "in": "query", "description": what, "schema": { "type": "string" } }));
        let header = self.is_repeatable().then(|| {
            serde_json::json!({
                "name": "Idempotency-Key", "in": "header",
                "description": "A repeat with the same key and body gets the first answer again: no second message, no limit charged.",
                "schema": { "type": "string", "pattern": "^[A-Za-z0-9_-]{16,128}$" },
            })
        });
        path.chain(query).chain(header)
    }

    /// Every refusal, by status.
    pub fn refusals(&self) -> BTreeMap<u16, Vec<ProblemCode>> {
        let by_trust: &[ProblemCode] = match self.trust {
            Trust::Nobody => &[],
            Trust::Edge | Trust::Fan | Trust::EdgeOrOperator => &[ProblemCode::Unauthorized, ProblemCode::OriginUnavailable],
            Trust::Operator | Trust::Dashboard => &[ProblemCode::Unauthorized, ProblemCode::RateLimited, ProblemCode::AdminDisabled],
        };
        let by_body: &[ProblemCode] = match self.body {
            Some(_) => &[ProblemCode::InvalidBody, ProblemCode::TooLarge, ProblemCode::UnsupportedMediaType],
            None => &[],
        };
        let by_key: &[ProblemCode] = if self.is_repeatable() { &[ProblemCode::InProgress, ProblemCode::IdempotencyMismatch] } else { &[] };
        let mut refusals = BTreeMap::<u16, Vec<ProblemCode>>::new();
        for code in [by_trust, by_body, by_key, self.refused, &[ProblemCode::Internal]].concat() {
            let of_status = refusals.entry(code.status()).or_default();
            if !of_status.contains(&code) {
                of_status.push(code);
            }
        }
        refusals
    }

    /// Whether a person may get a refusal as a page.
    pub fn refuses_by_page(&self) -> bool {
        self.trust == Trust::Dashboard
    }

    fn is_repeatable(&self) -> bool {
        matches!(self.id, "requestCode" | "verifyCode")
    }
}

/// Every operation of the origin.
pub fn all() -> impl Iterator<Item = &'static Operation> {
    [fan::OPERATIONS, operator::OPERATIONS, dashboard::OPERATIONS, service::OPERATIONS].into_iter().flatten()
}
