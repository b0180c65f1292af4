//! What a fan's app calls, through the edge: asking for a code, typing it, and the session that follows.

use std::sync::Arc;

use axum::{
    Router,
    extract::{FromRequest, Path, Query, Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header, request},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use otp_shared::{
    headers, routes,
    wire::{FromOnboarding, OtpRequest, VerifyRequest},
};
use serde::{Deserialize, Serialize};

use super::{
    Http, Shared,
    admin_auth::{self, peer},
    body, json, json_with,
    problem_response::ProblemResponse,
    signed::Signed,
};
use crate::{
    app::{refusal::Refused, sessions::Cookie},
    domain::{
        consent,
        locale::Locale,
        session::{Holder, Session},
    },
};

/// The name of the fan's cookie.
const COOKIE: &str = "fan_session";

/// The fan's routes.
pub fn routes() -> Router<Arc<Http>> {
    Router::new()
        .route(routes::OTP_REQUEST, post(request_code))
        .route("/otp/request/{challenge_id}", get(delivery))
        .route(routes::OTP_VERIFY, post(verify_code))
        .route(routes::OTP_STATUS, get(status))
        .route(routes::OTP_CONSENT, get(consent_text))
        .route(routes::FROM_ONBOARDING, post(from_onboarding))
        .route(routes::SESSION, get(session).delete(sign_out))
}

/// `POST /otp/request`: 202 with the challenge.
async fn request_code(State(http): Shared, signed: Signed) -> Result<Response, ProblemResponse> {
    let (body, caller) = signed.json::<OtpRequest>()?;
    let accepted = http.app.recorded_request(body, caller).await?;
    Ok(json_with(StatusCode::ACCEPTED, &accepted))
}

/// `GET /otp/request/{challengeId}`: where the challenge's newest message is, or 410.
async fn delivery(State(http): Shared, Path(challenge_id): Path<String>, _signed: Signed) -> Result<Response, ProblemResponse> {
    Ok(json(&http.app.delivery_state(&challenge_id).await?))
}

/// `POST /otp/verify`: 200 with the session id.
async fn verify_code(State(http): Shared, signed: Signed) -> Result<Response, ProblemResponse> {
    let (body, caller) = signed.json::<VerifyRequest>()?;
    Ok(json(&http.app.recorded_verify(body, caller).await?))
}

/// `GET /otp/status`: how the service does; no secrets, no numbers.
async fn status(State(http): Shared) -> Response {
    json(&http.app.status())
}

#[derive(Deserialize)]
struct ConsentQuery {
    locale: Option<String>,
}

#[derive(Serialize)]
struct ConsentBody {
    version: &'static str,
    locale: &'static str,
    text: &'static str,
}

/// `GET /otp/consent?locale=rw`: what a fan agrees to before a code is sent, in the nearest language.
async fn consent_text(Query(query): Query<ConsentQuery>) -> Result<Response, ProblemResponse> {
    let locale = query.locale.as_deref().map(Locale::parse).transpose();
    let locale = locale.map_err(|_| Refused::InvalidField("locale: a language tag such as rw or en-US"))?;
    let consent = consent::text_for(locale.as_ref());
    Ok(json(&ConsentBody { version: consent::VERSION, locale: consent.language, text: consent.text }))
}

/// Any request, with whether the edge signed it.
struct MaybeSigned {
    parts: request::Parts,
    body: Vec<u8>,
    signed: bool,
}

impl FromRequest<Arc<Http>> for MaybeSigned {
    type Rejection = ProblemResponse;

    async fn from_request(request: Request, http: &Arc<Http>) -> Result<Self, ProblemResponse> {
        let (parts, body) = request.into_parts();
        let body = body::read(body, routes::body_limit(routes::FROM_ONBOARDING)).await?;
        let signed = http.edge_keys.verify(&parts, &body, http.app.clock.now_ms() / 1000).is_ok();
        Ok(Self { parts, body, signed })
    }
}

/// `POST /auth/fan/from-onboarding`: 204 with the cookie.
///
/// 1. A verified id, through the edge. 2. An id that an operator authorised, from anywhere. 3. An operator's token with
///    the call authorises the id.
async fn from_onboarding(State(http): Shared, request: MaybeSigned) -> Result<Response, ProblemResponse> {
    let MaybeSigned { parts, body, signed } = request;
    body::require_json(&parts.headers)?;
    let id = body::parse::<FromOnboarding>(&body)?.session_id;
    let cookie = match http.app.redeem(&id, signed).await? {
        Some(cookie) => cookie,
        None if parts.headers.contains_key(headers::ADMIN_TOKEN) => {
            let operator = admin_auth::authenticate(&http, &parts.headers, peer(&parts)).await?;
            http.app.authorise_and_redeem(id, &operator.0).await?
        }
        None => return Err(Refused::SessionNotAuthorised.into()),
    };
    Ok(with_cookie(&cookie))
}

fn with_cookie(cookie: &Cookie) -> Response {
    let Cookie { token, max_age_s } = cookie;
    let value = format!("{COOKIE}={token}; HttpOnly; Secure; SameSite=Lax; Path=/; Max-Age={max_age_s}");
    let value = HeaderValue::from_str(&value).expect("a token is base64 and a point");
    (StatusCode::NO_CONTENT, [(header::SET_COOKIE, value)]).into_response()
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SessionBody {
    session: String,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    phone: Option<String>,
    expires_at_s: u64,
}

impl From<Session> for SessionBody {
    fn from(session: Session) -> Self {
        let expires_at_s = session.expires_at_ms / 1000;
        let (kind, phone) = match session.holder {
            Holder::Fan(phone) => ("fan", Some(phone.e164())),
            Holder::Manual(_) => ("manual", None),
        };
        Self { session: session.name, kind, phone, expires_at_s }
    }
}

/// `GET /auth/fan/session`: 200 with who the cookie is, or 401.
async fn session(State(http): Shared, signed: Signed) -> Result<Response, ProblemResponse> {
    let session = http.app.session_of(cookie(&signed.headers)).await?;
    Ok(json(&SessionBody::from(session)))
}

/// `DELETE /auth/fan/session`: 204; the cookie is worth nothing from now on.
async fn sign_out(State(http): Shared, signed: Signed) -> Result<Response, ProblemResponse> {
    http.app.sign_out(cookie(&signed.headers)).await?;
    let forget = format!("{COOKIE}=; HttpOnly; Secure; SameSite=Lax; Path=/; Max-Age=0");
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, forget)]).into_response())
}

/// The cookie's value, if there is one.
fn cookie(headers: &HeaderMap) -> Option<&str> {
    let values = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = values.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == COOKIE).map(|(_, value)| value)
}
