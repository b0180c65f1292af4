//! How a form arrives at the page, and how its outcome leaves.
//!
//! 1. Read it. 2. Does it carry the sign-in's own token? 3. Which form is it? 4. Who sends it? 5. Submit it. 6. Answer
//!    with the page, or with JSON to its script. A form that may be large is read only once 4 is answered.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header, request},
    response::{IntoResponse, Response},
};
use maud::html;
use otp_shared::{
    headers,
    problem::{Problem, ProblemCode},
    routes,
};
use serde::Deserialize;
use serde_json::json;

use super::{
    IMPORT_PATH, PATH, Shown,
    document::Notice,
    forms::{Done, Form},
    session::AdminSession,
    sign_in, signed_in,
    user::{self, AdminUser, Requester},
    with_session,
};
use crate::{
    app::refusal::Refused,
    http::{
        Http, Shared,
        admin_auth::{self, peer},
        body, json as json_response,
        problem_response::ProblemResponse,
        signed::header,
    },
};

/// The header in which the page's script sends the forms' token.
const CSRF_HEADER: &str = "x-csrf-token";

/// The forms' token.
#[derive(Deserialize)]
struct Token {
    #[serde(default)]
    csrf: String,
}

/// Does what a form says.
pub async fn post(State(http): Shared, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let form = match read(&http, &parts.headers, body, PATH).await {
        Ok(form) => form,
        Err(problem) => return ProblemResponse::from(problem).into_response(),
    };
    match form {
        Form::SignIn { token } => take_token(&http, &parts, token.trim()).await,
        Form::SignOut => forget(),
        form => match user::identify(&http, &parts.headers, peer(&parts)).await {
            Ok(user) => submit(&http, &user, &parts.headers, form).await,
            Err(refusal) => refuse(&http, &parts.headers, refusal),
        },
    }
}

/// Does what the form with many entries says. Only an operator may send that much.
pub async fn post_import(State(http): Shared, requester: Requester, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let user = match requester.user {
        Ok(user) => user,
        Err(refusal) => return refuse(&http, &parts.headers, refusal),
    };
    match read(&http, &parts.headers, body, IMPORT_PATH).await {
        Ok(form @ Form::Import { .. }) => submit(&http, &user, &parts.headers, form).await,
        Ok(_) => ProblemResponse::from(not_a_form()).into_response(),
        Err(problem) => ProblemResponse::from(problem).into_response(),
    }
}

/// Reads a form that may be as large as the path allows.
async fn read(http: &Http, headers: &HeaderMap, body: Body, path: &str) -> Result<Form, Problem> {
    let media_type = header(headers, "content-type").unwrap_or_default();
    if !media_type.starts_with("application/x-www-form-urlencoded") {
        return Err(Problem::new(ProblemCode::UnsupportedMediaType, "Forms are sent as application/x-www-form-urlencoded."));
    }
    let bytes = body::read(body, routes::body_limit(path)).await?;
    check_origin(http, headers, &bytes)?;
    Form::parse(&bytes).ok_or_else(not_a_form)
}

fn not_a_form() -> Problem {
    Problem::new(ProblemCode::InvalidBody, "That is none of this page's forms.")
}

/// Whether the form is one of ours: a browser sends its cookie along with forged ones, too. Who sends the token itself is
/// no browser.
fn check_origin(http: &Http, headers: &HeaderMap, bytes: &[u8]) -> Result<(), Problem> {
    if headers.contains_key(headers::ADMIN_TOKEN) {
        return Ok(());
    }
    let in_form = serde_urlencoded::from_bytes::<Token>(bytes).map(|token| token.csrf).unwrap_or_default();
    let claimed = header(headers, CSRF_HEADER).unwrap_or(&in_form);
    if user::session(http, headers).is_some_and(|session| http.admin_sessions.is_csrf(&session, claimed)) {
        return Ok(());
    }
    Err(Problem::new(ProblemCode::Forbidden, "The form is not of this sign-in, or the sign-in has ended: load the page again."))
}

/// A right token signs in; a wrong one counts like one in a header.
async fn take_token(http: &Arc<Http>, parts: &request::Parts, token: &str) -> Response {
    let session = || user::session(http, &parts.headers);
    if http.admin_tokens.is_empty() {
        let disabled = user::identify(http, &parts.headers, peer(parts)).await;
        return match disabled {
            Ok(_) => forget(),
            Err(refusal) => sign_in(http, refusal, session(), true),
        };
    }
    match admin_auth::check(http, token, peer(parts)).await {
        Ok(operator) => {
            tracing::info!(target: "otp::admin", who = operator.0, "signed in at the dashboard");
            with_session(http, see_other(PATH), &AdminSession::new(&operator.0, http.app.clock.now_ms() / 1000))
        }
        Err(refusal) => sign_in(http, for_people(refusal), session(), true),
    }
}

/// Without the advice for curl.
fn for_people(refusal: ProblemResponse) -> ProblemResponse {
    match refusal.problem().code {
        ProblemCode::Unauthorized => Problem::new(ProblemCode::Unauthorized, "That is no operator's token.").into(),
        _ => refusal,
    }
}

fn forget() -> Response {
    let mut response = see_other(PATH);
    response.headers_mut().insert(header::SET_COOKIE, user::cookie("", 0));
    response
}

/// 303: the browser gets the page anew, and a reload repeats nothing.
fn see_other(path: &str) -> Response {
    let path = HeaderValue::from_str(path).expect("a path of ours");
    (StatusCode::SEE_OTHER, [(header::LOCATION, path)]).into_response()
}

/// Whether the page's script asks.
fn is_script(headers: &HeaderMap) -> bool {
    header(headers, "accept").is_some_and(|accept| accept.starts_with("application/json"))
}

/// Nobody who is known sends the form.
fn refuse(http: &Http, headers: &HeaderMap, refusal: ProblemResponse) -> Response {
    if is_script(headers) { refusal.into_response() } else { sign_in(http, refusal, user::session(http, headers), true) }
}

async fn submit(http: &Http, user: &AdminUser, headers: &HeaderMap, form: Form) -> Response {
    let done = form.submit(&http.app, &user.operator.0, &user.csrf(http)).await;
    if is_script(headers) { for_script(done) } else { for_reader(http, user, done).await }
}

fn for_script(done: Result<Done, Refused>) -> Response {
    match done {
        Ok(Done::Changed(flash)) => json_response(&json!({ "said": flash.text() })),
        Ok(Done::Found(found)) => json_response(&json!({ "said": "It is shown below.", "found": found.into_string() })),
        Ok(Done::Revealed(revealed)) => {
            json_response(&json!({ "said": "Shown; the audit says so.", "reference": revealed.reference, "full": revealed.value }))
        }
        Err(refused) => ProblemResponse::from(refused).into_response(),
    }
}

async fn for_reader(http: &Http, user: &AdminUser, done: Result<Done, Refused>) -> Response {
    match done {
        Ok(Done::Changed(flash)) => see_other(&format!("{PATH}?said={}#{}-title", flash.word(), flash.section())),
        Ok(Done::Found(found)) => signed_in(http, user, &Shown::default(), StatusCode::OK, &Notice::Found(found)).await,
        Ok(Done::Revealed(revealed)) => {
            let found = html! { p { "In full: " strong { (revealed.value) } ". The audit says that you looked." } };
            signed_in(http, user, &Shown::default(), StatusCode::OK, &Notice::Found(found)).await
        }
        Err(refused) => refused_on_the_page(http, user, refused).await,
    }
}

/// The page with the refusal on it, counted as the problem document would be.
async fn refused_on_the_page(http: &Http, user: &AdminUser, refused: Refused) -> Response {
    let mistakes = if let Refused::Import(mistakes) = &refused { mistakes.clone() } else { Vec::new() };
    let refusal = ProblemResponse::from(refused);
    let notice = Notice::Refused(refusal.problem().clone(), mistakes);
    let mut response = signed_in(http, user, &Shown::default(), refusal.status(), &notice).await;
    refusal.count_in(&mut response);
    response
}
