//! `/admin/sms/otp`: the page that operators look at in an incident. It works without JavaScript; with it, it follows by itself. Not the admin API:
//! a browser's sign-in opens this page and nothing else.
//!
//! - `ticket` the cookie; `visitor` who is there; `facts` what is shown; `page`, `sections`, `lists` how; `actions` what its forms do
//!
//! **Invariant:** full numbers and session ids leave through `actions` alone, where each is audited; every text from outside is escaped; every form
//! carries the sign-in's own token.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Query, State},
    http::{HeaderName, HeaderValue, StatusCode, header},
    middleware,
    response::{IntoResponse, Response},
    routing::get,
};
use maud::Markup;
use otp_shared::problem::Code;
use serde::Deserialize;
use serde_json::json;

use super::{Http, Shared, answer::Answer, json as answer_json};
use facts::Facts;
use page::Notice;
use ticket::Ticket;
use visitor::{Caller, Visitor};

mod actions;
mod facts;
mod lists;
mod page;
mod sections;
pub mod ticket;
mod visitor;

/// Where the page is.
pub const PATH: &str = "/admin/sms/otp";

/// Nothing runs or loads that is not a file of ours, and nobody frames the page.
const HEADERS: [(&str, &str); 6] = [
    (
        "content-security-policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    ("x-frame-options", "DENY"),
    // Not `no-referrer`: forms would then be sent with `Origin: null`.
    ("referrer-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "camera=(), geolocation=(), microphone=()"),
];

/// What of the lists is shown.
#[derive(Debug, Default, Deserialize)]
pub struct View {
    /// The blacklist's page, from 1.
    page: Option<usize>,
    /// What was done just before.
    said: Option<String>,
}

/// The page, its files and its data.
pub fn routes() -> Router<Arc<Http>> {
    Router::new()
        .route(PATH, get(show).post(actions::post))
        .route("/admin/sms/otp/live", get(live))
        .route("/admin/sms/otp/dashboard.css", get(async || file("text/css", include_str!("dashboard/dashboard.css"))))
        .route("/admin/sms/otp/dashboard.js", get(async || file("text/javascript", include_str!("dashboard/dashboard.js"))))
        .route("/admin/sms/otp/icon.svg", get(async || file("image/svg+xml", include_str!("dashboard/icon.svg"))))
        .route_layer(middleware::map_response(guard))
}

async fn guard(mut response: Response) -> Response {
    for (name, value) in HEADERS {
        response.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    response
}

fn file(media_type: &'static str, text: &'static str) -> Response {
    ([(header::CONTENT_TYPE, format!("{media_type}; charset=utf-8"))], text).into_response()
}

/// The page, or the form to sign in.
async fn show(State(http): Shared, Query(view): Query<View>, caller: Caller) -> Response {
    match caller.who {
        Ok(visitor) => {
            let said = view.said.as_deref().and_then(actions::Said::parse);
            let notice = said.map_or(Notice::None, |said| Notice::Said(said.text().to_owned()));
            signed_in(&http, &visitor, &view, StatusCode::OK, &notice).await
        }
        // That nobody is signed in yet is no news.
        Err(answer) if answer.problem().code == Code::Unauthorized => sign_in(&http, answer, caller.ticket, false),
        Err(answer) => sign_in(&http, answer, caller.ticket, true),
    }
}

/// The page for a visitor, whose ticket is renewed by looking at it.
async fn signed_in(http: &Http, visitor: &Visitor, view: &View, status: StatusCode, notice: &Notice) -> Response {
    let facts = Facts::gather(&http.app, view).await;
    let now_s = http.app.clock.now_ms() / 1000;
    let ticket = visitor.ticket.as_ref().map(|ticket| ticket.renewed(now_s));
    let csrf = ticket.as_ref().map(|ticket| http.tickets.csrf(ticket)).unwrap_or_default();
    let response = html(status, page::whole(&facts, &visitor.operator.0, ticket.as_ref(), &csrf, notice));
    match ticket {
        Some(ticket) => with_ticket(http, response, &ticket),
        None => response,
    }
}

/// The form to sign in, with a ticket that names nobody and carries the form's token. The refusal is shown if it is news.
fn sign_in(http: &Http, answer: Answer, ticket: Option<Ticket>, is_news: bool) -> Response {
    let now_s = http.app.clock.now_ms() / 1000;
    // Two tabs share a cookie: the second must not spoil the first one's form.
    let ticket = ticket.filter(|ticket| ticket.name.is_empty()).map_or_else(|| Ticket::nobody(now_s), |ticket| ticket.renewed(now_s));
    let problem = answer.problem().clone();
    let mut response = answer.into_response();
    let body = page::sign_in(Some(&problem).filter(|_| is_news), &http.tickets.csrf(&ticket)).into_string();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    response.headers_mut().remove(header::CONTENT_LENGTH);
    *response.body_mut() = body.into();
    with_ticket(http, response, &ticket)
}

fn with_ticket(http: &Http, mut response: Response, ticket: &Ticket) -> Response {
    let token = http.admin_tokens.token_of(&ticket.name).unwrap_or_default();
    let cookie = visitor::cookie(&http.tickets.sign(ticket, token), ticket.lasts_s());
    response.headers_mut().insert(header::SET_COOKIE, cookie);
    response
}

fn html(status: StatusCode, markup: Markup) -> Response {
    (status, [(header::CONTENT_TYPE, "text/html; charset=utf-8")], markup.into_string()).into_response()
}

/// What changes on the page, for its script: the sections as they would be shown now, and the plots' figures.
async fn live(State(http): Shared, Query(view): Query<View>, caller: Caller) -> Result<Response, Answer> {
    let visitor = caller.who?;
    let facts = Facts::gather(&http.app, &view).await;
    let csrf = visitor.ticket.as_ref().map(|ticket| http.tickets.csrf(ticket)).unwrap_or_default();
    let sections: serde_json::Map<_, _> =
        page::sections(&facts, &csrf).into_iter().map(|(id, markup)| (id.to_owned(), markup.into_string().into())).collect();
    Ok(answer_json(&json!({ "headline": sections::headline(&facts), "sections": sections, "minutes": facts.minutes })))
}
