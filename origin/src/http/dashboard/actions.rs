//! What the page's forms do: one address, one form a change, each by the use case that the admin API has, too.
//!
//! 1. Who sends it? 2. Does it carry the sign-in's own token? 3. Which form is it? 4. Do it. 5. Answer with the page, or to its script.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header, request},
    response::{IntoResponse, Response},
};
use maud::{Markup, html};
use otp_shared::{
    headers,
    problem::{Code, Problem},
    routes,
};
use serde::Deserialize;
use serde_json::json;

use super::{
    PATH, View,
    facts::{full, reference},
    lists,
    page::Notice,
    sign_in, signed_in,
    ticket::Ticket,
    visitor::{self, Visitor},
    with_ticket,
};
use crate::{
    app::{App, operators::Wanted, refusal::Refused, sessions::MANUAL_TTL_MS},
    clock,
    domain::operator::About,
    http::{
        Http, Shared,
        admin::{
            blacklist::{self, adopt::adopt},
            checked_note, checked_ttl_ms, decisions,
        },
        admin_auth::{self, peer},
        answer::Answer,
        body, json as answer_json,
        signed::header,
    },
};

/// The header in which the page's script sends the forms' token.
const CSRF_HEADER: &str = "x-csrf-token";

/// A form, by its `action`.
#[derive(Deserialize)]
#[serde(tag = "action", rename_all = "kebab-case", rename_all_fields = "camelCase")]
enum Form {
    SignIn { token: String },
    SignOut,
    Block { r#type: String, value: String, note: Option<String>, ttl_s: Option<String>, force: Option<String> },
    Unblock { reference: String },
    Adopt { reference: String },
    Lift { subject: String },
    Authorise { session_id: Option<String>, note: Option<String>, ttl_s: Option<String> },
    Withdraw { reference: String },
    WithdrawAll,
    Reveal { reference: String },
    LookUp { phone: Option<String>, ip: Option<String> },
}

/// The forms' token.
#[derive(Deserialize)]
struct Token {
    #[serde(default)]
    csrf: String,
}

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// An entry was added.
    Blocked,
    /// An entry was removed.
    Unblocked,
    /// A hand's entry was taken over.
    Adopted,
    /// A hold was lifted.
    Lifted,
    /// A session id was authorised.
    Authorised,
    /// One was taken back.
    Withdrawn,
    /// All were taken back.
    AllWithdrawn,
}

impl Said {
    const ALL: [Self; 7] =
        [Self::Blocked, Self::Unblocked, Self::Adopted, Self::Lifted, Self::Authorised, Self::Withdrawn, Self::AllWithdrawn];

    /// The word for the page's address.
    fn word(self) -> &'static str {
        match self {
            Self::Blocked => "blocked",
            Self::Unblocked => "unblocked",
            Self::Adopted => "adopted",
            Self::Lifted => "lifted",
            Self::Authorised => "authorised",
            Self::Withdrawn => "withdrawn",
            Self::AllWithdrawn => "all-withdrawn",
        }
    }

    /// Reads that word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|said| said.word() == word)
    }

    /// What the operator is told.
    pub fn text(self) -> &'static str {
        match self {
            Self::Blocked => "Blocked. The origin refuses it at once; the list says when the edge does.",
            Self::Unblocked => "Unblocked. The origin lets it pass at once; caches at the edge may lag for a minute and a half.",
            Self::Adopted => "Adopted. The key in KV stays until a hand removes it.",
            Self::Lifted => "The hold is lifted.",
            Self::Authorised => "Authorised.",
            Self::Withdrawn => "Revoked, and with it the cookie that was made from it.",
            Self::AllWithdrawn => "All manual sessions are revoked.",
        }
    }

    /// The section to look at.
    fn section(self) -> &'static str {
        match self {
            Self::Authorised | Self::Withdrawn | Self::AllWithdrawn => "sessions",
            Self::Blocked | Self::Unblocked | Self::Adopted | Self::Lifted => "blacklist",
        }
    }
}

/// The outcome of a form.
enum Done {
    /// A change was made.
    Said(Said),
    /// Something was found out, for this answer only.
    Found(Markup),
    /// A full number, for the place that showed it masked.
    Revealed { reference: String, full: String },
}

/// Does what a form says.
pub async fn post(State(http): Shared, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let is_script = header(&parts.headers, "accept").is_some_and(|accept| accept.starts_with("application/json"));
    let bytes = match read(&parts.headers, body).await {
        Ok(bytes) => bytes,
        Err(problem) => return Answer::from(problem).into_response(),
    };
    let ticket = visitor::ticket(&http, &parts.headers);
    if let Err(problem) = check_origin(&http, &parts.headers, ticket.as_ref(), &bytes) {
        return Answer::from(problem).into_response();
    }
    let Ok(form) = serde_urlencoded::from_bytes::<Form>(&bytes) else {
        return Answer::from(Problem::new(Code::InvalidBody, "That is none of this page's forms.")).into_response();
    };
    match form {
        Form::SignIn { token } => return take_token(&http, &parts, token.trim()).await,
        Form::SignOut => return forget(),
        _ => {}
    }
    match visitor::identify(&http, &parts.headers, peer(&parts)).await {
        Ok(visitor) => {
            let done = act(&http.app, &visitor.operator.0, form).await;
            if is_script { to_script(done) } else { to_reader(&http, &visitor, done).await }
        }
        Err(answer) if is_script => answer.into_response(),
        Err(answer) => sign_in(&http, answer, ticket, true),
    }
}

async fn read(headers: &HeaderMap, body: axum::body::Body) -> Result<Vec<u8>, Problem> {
    let media_type = header(headers, "content-type").unwrap_or_default();
    if !media_type.starts_with("application/x-www-form-urlencoded") {
        return Err(Problem::new(Code::UnsupportedMediaType, "Forms are sent as application/x-www-form-urlencoded."));
    }
    body::read(body, routes::body_limit(PATH)).await
}

/// Whether the form is one of ours: a browser sends its cookie along with forged ones, too. Who sends the token itself is no browser.
fn check_origin(http: &Http, headers: &HeaderMap, ticket: Option<&Ticket>, bytes: &[u8]) -> Result<(), Problem> {
    if headers.contains_key(headers::ADMIN_TOKEN) {
        return Ok(());
    }
    let in_form = serde_urlencoded::from_bytes::<Token>(bytes).map(|token| token.csrf).unwrap_or_default();
    let claimed = header(headers, CSRF_HEADER).unwrap_or(&in_form);
    if ticket.is_some_and(|ticket| http.tickets.is_csrf(ticket, claimed)) {
        return Ok(());
    }
    Err(Problem::new(Code::Forbidden, "The form is not of this sign-in, or the sign-in has ended: load the page again."))
}

/// A right token signs in; a wrong one counts like one in a header.
async fn take_token(http: &Arc<Http>, parts: &request::Parts, token: &str) -> Response {
    if http.admin_tokens.is_empty() {
        let disabled = visitor::identify(http, &parts.headers, peer(parts)).await;
        return match disabled {
            Ok(_) => forget(),
            Err(answer) => sign_in(http, answer, visitor::ticket(http, &parts.headers), true),
        };
    }
    match admin_auth::check(http, token, peer(parts)).await {
        Ok(operator) => {
            tracing::info!(target: "otp::admin", who = operator.0, "signed in at the dashboard");
            with_ticket(http, see(PATH), &Ticket::new(&operator.0, http.app.clock.now_ms() / 1000))
        }
        Err(answer) => sign_in(http, told_to_people(answer), visitor::ticket(http, &parts.headers), true),
    }
}

/// Without the advice for curl.
fn told_to_people(answer: Answer) -> Answer {
    match answer.problem().code {
        Code::Unauthorized => Problem::new(Code::Unauthorized, "That is no operator's token.").into(),
        _ => answer,
    }
}

fn forget() -> Response {
    let mut response = see(PATH);
    response.headers_mut().insert(header::SET_COOKIE, visitor::cookie("", 0));
    response
}

/// 303: the browser gets the page anew, and a reload repeats nothing.
fn see(path: &str) -> Response {
    let path = HeaderValue::from_str(path).expect("a path of ours");
    (StatusCode::SEE_OTHER, [(header::LOCATION, path)]).into_response()
}

fn to_script(done: Result<Done, Answer>) -> Response {
    match done {
        Ok(Done::Said(said)) => answer_json(&json!({ "said": said.text() })),
        Ok(Done::Found(found)) => answer_json(&json!({ "said": "It is shown below.", "found": found.into_string() })),
        Ok(Done::Revealed { reference, full }) => {
            answer_json(&json!({ "said": "Shown; the audit says so.", "reference": reference, "full": full }))
        }
        Err(answer) => answer.into_response(),
    }
}

async fn to_reader(http: &Http, visitor: &Visitor, done: Result<Done, Answer>) -> Response {
    let view = View::default();
    match done {
        Ok(Done::Said(said)) => see(&format!("{PATH}?said={}#{}-title", said.word(), said.section())),
        Ok(Done::Found(found)) => signed_in(http, visitor, &view, StatusCode::OK, &Notice::Found(found)).await,
        Ok(Done::Revealed { full, .. }) => {
            let found = html! { p { "In full: " strong { (full) } ". The audit says that you looked." } };
            signed_in(http, visitor, &view, StatusCode::OK, &Notice::Found(found)).await
        }
        Err(answer) => {
            let problem = answer.problem().clone();
            let status = StatusCode::from_u16(problem.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            signed_in(http, visitor, &view, status, &Notice::Refused(problem)).await
        }
    }
}

async fn act(app: &App, who: &str, form: Form) -> Result<Done, Answer> {
    match form {
        Form::Block { r#type, value, note, ttl_s, force } => {
            let subject = blacklist::parse(&r#type, &value)?;
            let (note, ttl_ms) = (checked_note(note)?, checked_ttl_ms(seconds(ttl_s)?)?);
            blacklist::block(app, &subject, who.to_owned(), note, ttl_ms, force.is_some()).await?;
            Ok(Done::Said(Said::Blocked))
        }
        Form::Unblock { reference } => {
            let about = find(app, &reference)?;
            app.change(Wanted { about, present: false, who: who.to_owned(), note: String::new(), ttl_ms: None }).await?;
            Ok(Done::Said(Said::Unblocked))
        }
        Form::Adopt { reference } => adopt_one(app, who, &reference).await,
        Form::Lift { subject } => lift(app, who, &subject).await,
        Form::Authorise { session_id, note, ttl_s } => authorise(app, who, given(session_id), note, seconds(ttl_s)?).await,
        Form::Withdraw { reference } => {
            let about = find(app, &reference)?;
            app.change(Wanted { about, present: false, who: who.to_owned(), note: String::new(), ttl_ms: None }).await?;
            Ok(Done::Said(Said::Withdrawn))
        }
        Form::WithdrawAll => {
            app.withdraw_all_sessions(who, "all at once").await?;
            Ok(Done::Said(Said::AllWithdrawn))
        }
        Form::Reveal { reference } => reveal(app, who, reference).await,
        Form::LookUp { phone, ip } => look_up(app, given(phone), given(ip)).await,
        Form::SignIn { .. } | Form::SignOut => Err(Refused::InvalidField("action").into()),
    }
}

/// What a reference stands for, among what is in force.
fn find(app: &App, wanted: &str) -> Result<About, Refused> {
    let now_ms = app.clock.now_ms();
    let in_force = app.operators.changes().into_iter().filter(|change| change.in_force(now_ms));
    in_force.map(|change| change.about).find(|about| reference(app, about) == wanted).ok_or(Refused::NotFound)
}

async fn adopt_one(app: &App, who: &str, wanted: &str) -> Result<Done, Answer> {
    let hand = app.hand(0).await.map_err(|error| Problem::new(Code::OriginUnavailable, error))?;
    let abouts = app.blacklist(Some(&hand)).into_iter().map(|listed| listed.about());
    let about = abouts.into_iter().find(|about| reference(app, about) == wanted).ok_or(Refused::NotFound)?;
    adopt(app, Some(&about), who, String::new()).await?;
    Ok(Done::Said(Said::Adopted))
}

async fn lift(app: &App, who: &str, subject: &str) -> Result<Done, Answer> {
    if !app.store.lift_hold(subject).await.map_err(Refused::from)? {
        return Err(Refused::NotFound.into());
    }
    tracing::info!(target: "otp::admin", who, "a hold was lifted");
    app.changed.notify_one();
    Ok(Done::Said(Said::Lifted))
}

/// A session id that is made here is shown once, to be handed over.
async fn authorise(app: &App, who: &str, id: Option<String>, note: Option<String>, ttl_s: Option<u64>) -> Result<Done, Answer> {
    let is_new = id.is_none();
    let id = id.unwrap_or_else(|| otp_shared::signature::hex(&clock::random::<16>()));
    let ttl_ms = checked_ttl_ms(ttl_s)?.unwrap_or(MANUAL_TTL_MS);
    app.authorise_session(&id, who, checked_note(note)?, ttl_ms).await?;
    if !is_new {
        return Ok(Done::Said(Said::Authorised));
    }
    Ok(Done::Found(html! {
        h3 tabindex="-1" #found-title { "A new session id" }
        p { code { (id) } }
        p { "It is shown this once. Hand it over, or turn it into a cookie with " code { "POST /auth/fan/from-onboarding" } "." }
    }))
}

/// Shows a full number once the audit says who asked.
async fn reveal(app: &App, who: &str, wanted: String) -> Result<Done, Answer> {
    let known = app.operators.changes().into_iter().map(|change| change.about);
    let known = known.filter(|about| matches!(about, About::Blacklist { .. }));
    let found = known.into_iter().find(|about| reference(app, about) == wanted);
    let about = match found {
        Some(about) => about,
        None => by_hand(app, &wanted).await.ok_or(Refused::NotFound)?,
    };
    let (kind, value) = (about.kind().to_owned(), full(&about));
    let note = "looked at the full value".to_owned();
    let about = About::Reveal { kind, value: value.clone() };
    app.change(Wanted { about, present: false, who: who.to_owned(), note, ttl_ms: None }).await?;
    Ok(Done::Revealed { reference: wanted, full: value })
}

async fn by_hand(app: &App, wanted: &str) -> Option<About> {
    let hand = app.hand(0).await.ok()?;
    app.blacklist(Some(&hand)).into_iter().map(|listed| listed.about()).find(|about| reference(app, about) == wanted)
}

async fn look_up(app: &App, phone: Option<String>, ip: Option<String>) -> Result<Done, Answer> {
    if phone.is_none() && ip.is_none() {
        return Err(Refused::InvalidField("a number or an address").into());
    }
    let found = decisions::find(app, phone.as_deref(), ip.as_deref(), 50).await?;
    Ok(Done::Found(lists::found(found.standing.as_ref(), &found.decisions)))
}

/// A field that was left empty was not given.
fn given(field: Option<String>) -> Option<String> {
    field.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
}

fn seconds(field: Option<String>) -> Result<Option<u64>, Refused> {
    given(field).map(|text| text.parse().map_err(|_| Refused::InvalidField("ttlS: a number of seconds"))).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_read_back_and_nothing_else() {
        for said in Said::ALL {
            assert_eq!(Said::parse(said.word()), Some(said));
        }
        assert_eq!(Said::parse("<script>"), None);
    }

    #[test]
    fn forms_are_read_by_their_action() {
        let form = |text: &str| serde_urlencoded::from_str::<Form>(text).ok();
        assert!(matches!(form("csrf=x&action=block&type=phone&value=%2B250&note=&ttlS="), Some(Form::Block { .. })));
        assert!(matches!(form("action=withdraw-all&csrf=x"), Some(Form::WithdrawAll)));
        assert!(form("action=drop-tables").is_none() && form("csrf=x").is_none());
    }
}
