//! The one mapping from a use case's refusal to the problem document that the caller sees.

use axum::{
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use otp_shared::{
    headers::{self, HeldSubject, HoldNotice},
    problem::{self, Code, Problem},
};

use crate::{app::refusal::Refused, domain::judgement::Hold};

/// A problem document, ready to be answered.
#[derive(Debug)]
pub struct Answer {
    problem: Problem,
    headers: HeaderMap,
}

impl Answer {
    /// Answers with `problem`.
    pub fn new(problem: Problem) -> Self {
        Self { problem, headers: HeaderMap::new() }
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

impl From<Problem> for Answer {
    fn from(problem: Problem) -> Self {
        Self::new(problem)
    }
}

impl From<Refused> for Answer {
    fn from(refused: Refused) -> Self {
        let problem = problem_of(&refused);
        match refused {
            Refused::Limited { hold: Some(hold), .. } => with_hold(problem, &hold),
            Refused::Replayed => Self::new(problem).header(headers::SIGNATURE_STATUS, headers::SIGNATURE_REFUSED),
            _ => Self::new(problem),
        }
    }
}

/// The code by which refusals are counted and logged.
#[derive(Debug, Clone, Copy)]
pub struct Told(pub Code);

/// The limit that refused, for the counters.
#[derive(Debug, Clone, Copy)]
pub struct ToldLimit(pub &'static str);

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.problem.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, self.headers, self.problem.to_json()).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(problem::MEDIA_TYPE));
        if let Some(seconds) = self.problem.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response.extensions_mut().insert(Told(self.problem.code));
        if let Some(limit) = self.problem.limit {
            response.extensions_mut().insert(ToldLimit(limit));
        }
        response
    }
}

fn with_hold(problem: Problem, hold: &Hold) -> Answer {
    let subject = if hold.subject.starts_with("phone:") { HeldSubject::Phone } else { HeldSubject::Address };
    let notice = HoldNotice { subject, until_s: hold.until_ms.div_ceil(1000) };
    Answer::new(problem).header(headers::HOLD, &notice.encode())
}

fn problem_of(refused: &Refused) -> Problem {
    match refused {
        Refused::InvalidField(what) => Problem::new(Code::InvalidBody, *what),
        Refused::InvalidPhone => Problem::new(Code::InvalidPhone, "Write the number in international form, as in +250 788 123 456."),
        Refused::UnsupportedCountry => Problem::new(Code::UnsupportedCountry, "Codes are not sent to numbers of that country."),
        Refused::Blacklisted(_) => Problem::new(Code::Blacklisted, "Ask the club's support if this is a mistake."),
        Refused::ConsentStale => Problem::new(Code::ConsentStale, "Show the text of GET /otp/consent and ask again."),
        Refused::ChallengeUnknown => Problem::new(Code::ChallengeUnknown, "Ask for a new code."),
        Refused::ChallengeLocked { retry_after_ms } => {
            Problem::new(Code::ChallengeLocked, "Ask for a new code.").retry_after_s(retry_after_ms.div_ceil(1000)).attempts_left(0)
        }
        Refused::CodeIncorrect { attempts_left } => {
            Problem::new(Code::CodeIncorrect, "Look at the newest message and type its code.").attempts_left(*attempts_left)
        }
        Refused::Limited { limit, retry_after_ms, .. } => {
            Problem::new(Code::RateLimited, limit.text()).limit(limit.name()).retry_after_s(retry_after_ms.div_ceil(1000))
        }
        Refused::InProgress => Problem::new(Code::InProgress, "Wait for the first answer, or repeat in a second."),
        Refused::IdempotencyMismatch => Problem::new(Code::IdempotencyMismatch, "Use a new Idempotency-Key for another request."),
        Refused::Replayed => Problem::new(Code::Unauthorized, "The signature was used before."),
        Refused::Undeliverable => Problem::new(Code::Undeliverable, "Check the number, and that WhatsApp is installed on its phone."),
        Refused::TemplateNotApproved => Problem::new(Code::TemplateNotApproved, "Codes cannot be sent until the template is approved again."),
        Refused::DeliveryUnavailable { retry_after_s } => {
            Problem::new(Code::DeliveryUnavailable, "Try again later; this attempt was not counted.").retry_after_s(*retry_after_s)
        }
        Refused::SessionNotAuthorised => Problem::new(
            Code::SessionNotAuthorised,
            "An operator can authorise it with POST /admin/sessions, or by sending x-admin-token with this call.",
        ),
        Refused::Unauthorized => Problem::new(Code::Unauthorized, "Sign in first."),
        Refused::NotFound => Problem::new(Code::NotFound, "It is not there."),
        Refused::Store(_) => Problem::new(Code::OriginUnavailable, "Try again in a moment.").retry_after_s(2),
        Refused::NotDurable => Problem::new(Code::OriginUnavailable, "Neither Redis nor the edge took the change; nothing changed."),
    }
}
