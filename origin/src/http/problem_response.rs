//! The one mapping from a use case's refusal to the problem document that the caller sees.

use axum::{
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use otp_shared::{
    headers::{self, HeldSubject, HoldNotice},
    problem::{self, Problem, ProblemCode},
};
use serde_json::{Map, Value, json};

use crate::{
    app::{operators::import::MAX_ENTRIES, refusal::Refused},
    domain::evaluation::Hold,
};

/// A problem document (RFC 9457) with its headers.
#[derive(Debug)]
pub struct ProblemResponse {
    problem: Problem,
    headers: HeaderMap,
    /// RFC 9457's extension members.
    members: Map<String, Value>,
}

impl ProblemResponse {
    /// A response with this problem and no header of its own.
    pub fn new(problem: Problem) -> Self {
        Self { problem, headers: HeaderMap::new(), members: Map::new() }
    }

    /// The document's problem.
    pub fn problem(&self) -> &Problem {
        &self.problem
    }

    /// The status that goes with the code.
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.problem.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// Has a response counted and logged under this problem's code.
    pub fn count_in(&self, response: &mut Response) {
        response.extensions_mut().insert(CountedCode(self.problem.code));
        if let Some(limit) = self.problem.limit {
            response.extensions_mut().insert(CountedLimit(limit));
        }
    }

    fn document(&self) -> String {
        let document = self.problem.to_json();
        match serde_json::from_str(&document) {
            Ok(Value::Object(mut all)) if !self.members.is_empty() => {
                all.extend(self.members.clone());
                Value::Object(all).to_string()
            }
            _ => document,
        }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
        self
    }
}

impl From<Problem> for ProblemResponse {
    fn from(problem: Problem) -> Self {
        Self::new(problem)
    }
}

impl From<Refused> for ProblemResponse {
    fn from(refused: Refused) -> Self {
        let problem = problem_of(&refused);
        match refused {
            Refused::Limited { hold: Some(hold), .. } => with_hold(problem, &hold),
            Refused::Import(mistakes) => {
                let members = Map::from_iter([("errors".to_owned(), json!(mistakes))]);
                Self { members, ..Self::new(problem) }
            }
            Refused::Replayed => Self::new(problem).header(headers::SIGNATURE_STATUS, headers::SIGNATURE_REFUSED),
            _ => Self::new(problem),
        }
    }
}

/// The code by which a response is counted and logged, as one of its extensions.
#[derive(Debug, Clone, Copy)]
pub struct CountedCode(pub ProblemCode);

/// The limit that refused, as an extension of the response, for the counters.
#[derive(Debug, Clone, Copy)]
pub struct CountedLimit(pub &'static str);

impl IntoResponse for ProblemResponse {
    fn into_response(self) -> Response {
        let mut response = (self.status(), self.headers.clone(), self.document()).into_response();
        self.count_in(&mut response);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(problem::MEDIA_TYPE));
        if let Some(seconds) = self.problem.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

fn with_hold(problem: Problem, hold: &Hold) -> ProblemResponse {
    let subject = if hold.subject.starts_with("phone:") { HeldSubject::Phone } else { HeldSubject::Address };
    let notice = HoldNotice { subject, until_s: hold.until_ms.div_ceil(1000) };
    ProblemResponse::new(problem).header(headers::HOLD, &notice.encode())
}

fn problem_of(refused: &Refused) -> Problem {
    let problem = Problem::new(refused.code(), detail(refused));
    let problem = match refused.retry_after_s() {
        Some(seconds) => problem.retry_after_s(seconds),
        None => problem,
    };
    match refused {
        Refused::Limited { limit, .. } => problem.limit(limit.name()),
        Refused::ChallengeLocked { .. } => problem.attempts_left(0),
        Refused::CodeIncorrect { attempts_left } => problem.attempts_left(*attempts_left),
        _ => problem,
    }
}

/// What to do about it, for a person.
fn detail(refused: &Refused) -> String {
    match refused {
        Refused::InvalidField(what) => *what,
        Refused::InvalidSubject(error) => return format!("type and value: {error}"),
        Refused::Import(mistakes) => {
            return format!("{} of the entries cannot be taken, so none was; see errors.", mistakes.len());
        }
        Refused::TooManyEntries => return format!("At most {MAX_ENTRIES} entries are taken at once."),
        Refused::InvalidPhone => "Write the number in international form, as in +250 788 123 456.",
        Refused::UnsupportedCountry => "Codes are not sent to numbers of that country.",
        Refused::Blacklisted(_) => "Ask the club's support if this is a mistake.",
        Refused::ConsentStale => "Show the text of GET /otp/consent and ask again.",
        Refused::ChallengeUnknown | Refused::ChallengeLocked { .. } => "Ask for a new code.",
        Refused::CodeIncorrect { .. } => "Look at the newest message and type its code.",
        Refused::Limited { limit, .. } => limit.text(),
        Refused::InProgress => "Wait for the first answer, or repeat in a second.",
        Refused::IdempotencyMismatch => "Use a new Idempotency-Key for another request.",
        Refused::Replayed => "The signature was used before.",
        Refused::Undeliverable => "Check the number, and that WhatsApp is installed on its phone.",
        Refused::TemplateNotApproved => "Codes cannot be sent until the template is approved again.",
        Refused::DeliveryUnavailable { .. } => "Try again later; this attempt was not counted.",
        Refused::SessionNotAuthorised => "An operator can authorise it with POST /admin/sessions, or by sending x-admin-token with this call.",
        Refused::Unauthorized => "Sign in first.",
        Refused::WrongAdminToken => "Send the operator's token as x-admin-token.",
        Refused::NotFound => "It is not there.",
        Refused::TooWide(what) => return format!("That covers {what}. If that is meant, insist: \"force\": true, or the box in the form."),
        Refused::ManualKvEntry => {
            "That entry was written to KV by hand: remove it there, with `wrangler kv key delete --remote --binding OTP_KV blacklist:<type>:<value>`."
        }
        Refused::ManualKvUnknown(error) => return format!("What was written by hand is not known: {error}."),
        Refused::Store(_) => "Try again in a moment.",
        Refused::NotDurable => "Neither Redis nor the edge took the change; nothing changed.",
    }
    .to_owned()
}
