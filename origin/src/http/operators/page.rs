//! `/admin/sms/otp`: the page that operators look at in an incident. It works without JavaScript; with it, it follows by
//! itself. A browser's sign-in opens this page and nothing else: the JSON API wants the token.
//!
//! - `session` the cookie; `user` who is there; `post` how a form arrives, `forms` which there are, `flash` what is said
//!   afterwards
//! - `view` what is shown; `document`, `sections`, `decisions`, `blacklist`, `manual_sessions`, `audit` how, made of
//!   `parts`
//!
//! **Invariant:** full numbers and session ids leave through `forms` and the export alone, which the audit or the log
//! names; every text from outside is escaped; every form carries the sign-in's own token.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Query, State},
    http::{HeaderName, HeaderValue, StatusCode, header},
    middleware,
    response::{IntoResponse, Response},
    routing::{self, get},
};
use maud::Markup;
use otp_shared::problem::ProblemCode;
use serde::Deserialize;
use serde_json::json;

use super::csv_file;
use crate::http::{Http, Shared, json as json_response, problem_response::ProblemResponse};
use document::Notice;
use flash::FlashMessage;
use session::AdminSession;
use user::{AdminUser, Requester};
use view::View;

mod audit;
mod blacklist;
mod decisions;
mod document;
mod flash;
mod forms;
mod manual_sessions;
mod parts;
mod post;
mod sections;
pub mod session;
mod user;
mod view;

/// Where the page is.
const PATH: &str = "/admin/sms/otp";
/// Where its form with many entries goes, which may be large.
const IMPORT_PATH: &str = "/admin/sms/otp/import";
/// The blacklist as a file.
const EXPORT_PATH: &str = "/admin/sms/otp/blacklist.csv";

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

/// The page's query.
#[derive(Debug, Default, Deserialize)]
struct Shown {
    /// The blacklist's page, from 1.
    page: Option<usize>,
    /// The [`FlashMessage`].
    said: Option<String>,
}

/// The page, its forms, its files and its data.
pub fn routes() -> Router<Arc<Http>> {
    Router::new()
        .route(PATH, get(show).post(post::post))
        .route(IMPORT_PATH, routing::post(post::post_import))
        .route(EXPORT_PATH, get(export))
        .route("/admin/sms/otp/live", get(live))
        .route("/admin/sms/otp/dashboard.css", get(async || file("text/css", include_str!("page/dashboard.css"))))
        .route("/admin/sms/otp/dashboard.js", get(async || file("text/javascript", include_str!("page/dashboard.js"))))
        .route("/admin/sms/otp/icon.svg", get(async || file("image/svg+xml", include_str!("page/icon.svg"))))
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
async fn show(State(http): Shared, Query(shown): Query<Shown>, requester: Requester) -> Response {
    match requester.user {
        Ok(user) => {
            let flash = shown.said.as_deref().and_then(FlashMessage::parse);
            signed_in(&http, &user, &shown, StatusCode::OK, &flash.map_or(Notice::None, Notice::Flash)).await
        }
        // That nobody is signed in yet is no news.
        Err(problem) if problem.problem().code == ProblemCode::Unauthorized => sign_in(&http, problem, requester.session, false),
        Err(problem) => sign_in(&http, problem, requester.session, true),
    }
}

/// The page for an operator, whose session is renewed by looking at it.
async fn signed_in(http: &Http, user: &AdminUser, shown: &Shown, status: StatusCode, notice: &Notice) -> Response {
    let view = View::gather(&http.app, shown).await;
    let now_s = http.app.clock.now_ms() / 1000;
    let session = user.session.as_ref().map(|session| session.renewed(now_s));
    let response = html(status, document::whole(&view, &user.operator.0, session.as_ref(), &user.csrf(http), notice));
    match session {
        Some(session) => with_session(http, response, &session),
        None => response,
    }
}

/// The form to sign in, with a session that names nobody and carries the form's token. The refusal is shown if it is
/// news.
fn sign_in(http: &Http, refusal: ProblemResponse, session: Option<AdminSession>, is_news: bool) -> Response {
    let now_s = http.app.clock.now_ms() / 1000;
    // Two tabs share a cookie: the second must not spoil the first one's form.
    let anonymous = session.filter(|session| session.name.is_empty());
    let session = anonymous.map_or_else(|| AdminSession::anonymous(now_s), |session| session.renewed(now_s));
    let problem = refusal.problem().clone();
    let mut response = refusal.into_response();
    let body = document::sign_in(Some(&problem).filter(|_| is_news), &http.admin_sessions.csrf(&session)).into_string();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    response.headers_mut().remove(header::CONTENT_LENGTH);
    *response.body_mut() = body.into();
    with_session(http, response, &session)
}

fn with_session(http: &Http, mut response: Response, session: &AdminSession) -> Response {
    let token = http.admin_tokens.token_of(&session.name).unwrap_or_default();
    let cookie = user::cookie(&http.admin_sessions.sign(session, token), session.lasts_s());
    response.headers_mut().insert(header::SET_COOKIE, cookie);
    response
}

fn html(status: StatusCode, markup: Markup) -> Response {
    (status, [(header::CONTENT_TYPE, "text/html; charset=utf-8")], markup.into_string()).into_response()
}

/// What changes on the page, for its script: the sections as they would be shown now, and the plots' figures.
async fn live(State(http): Shared, Query(shown): Query<Shown>, user: AdminUser) -> Response {
    let view = View::gather(&http.app, &shown).await;
    let sections: serde_json::Map<_, _> =
        document::sections(&view, &user.csrf(&http)).into_iter().map(|(id, markup)| (id.to_owned(), markup.into_string().into())).collect();
    json_response(&json!({ "headline": sections::headline(&view), "sections": sections, "minutes": view.dashboard.minutes }))
}

/// Every operator's entry in force, as CSV.
async fn export(State(http): Shared, user: AdminUser) -> Response {
    csv_file(&http.app.export_blacklist(&user.operator.0))
}
