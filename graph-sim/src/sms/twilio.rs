//! Twilio: `POST /2010-04-01/Accounts/{sid}/Messages.json`.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Form, Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{accept, is_e164, respond};
use crate::messages::{Channel, Message};
use crate::script::{Fault, Rule};
use crate::simulator::Simulator;

/// The longest `ValidityPeriod`, in seconds.
const VALIDITY_MAX_S: u32 = 36_000;

/// The form of a send. Twilio ignores unknown fields.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct SendForm {
    to: Option<String>,
    from: Option<String>,
    body: Option<String>,
    validity_period: Option<String>,
}

pub(super) async fn send(
    State(simulator): State<Arc<Simulator>>,
    Path(sid): Path<String>,
    headers: HeaderMap,
    Form(form): Form<SendForm>,
) -> Response {
    if !is_authentic(&simulator, &sid, &headers) {
        return error(20_003, None);
    }
    let (to, from, body) = match fields(&form) {
        Ok(fields) => fields,
        Err(code) => return error(code, None),
    };
    let (rule, message) = accept(&simulator, Channel::Twilio, to, body, format!("SM{}", simulator.ids.hex(32)));
    let scripted = rule.as_ref().and_then(scripted_error);
    respond(&simulator, rule, || match (message, scripted) {
        (Some(message), _) => (StatusCode::CREATED, Json(queued(&message, &sid, from))).into_response(),
        (None, Some((code, status))) => error(code, status),
        (None, None) => error(20_500, None),
    })
    .await
}

fn is_authentic(simulator: &Simulator, sid: &str, headers: &HeaderMap) -> bool {
    let sms = &simulator.settings().sms;
    let expected = format!("Basic {}", STANDARD.encode(format!("{}:{}", sms.account_sid, sms.auth_token)));
    let given = headers.get(header::AUTHORIZATION).and_then(|given| given.to_str().ok());
    sid == sms.account_sid && given == Some(expected.as_str())
}

/// The required fields `To`, `From` and `Body`.
///
/// # Errors
/// Twilio's code for the first field that is wrong.
fn fields(form: &SendForm) -> Result<(&str, &str, &str), u32> {
    let to = form.to.as_deref().ok_or(21_604_u32)?;
    let from = form.from.as_deref().ok_or(21_603_u32)?;
    let body = form.body.as_deref().filter(|body| !body.is_empty()).ok_or(21_602_u32)?;
    let validity = form.validity_period.as_deref().map_or(Ok(VALIDITY_MAX_S), str::parse).map_err(|_| 21_626_u32)?;
    if !is_e164(to) {
        return Err(21_211);
    }
    if !(1..=VALIDITY_MAX_S).contains(&validity) {
        return Err(21_626);
    }
    Ok((to, from, body))
}

fn scripted_error(rule: &Rule) -> Option<(u32, Option<StatusCode>)> {
    match rule.fault {
        Fault::Error { code, status, .. } => Some((code, status.and_then(|status| StatusCode::from_u16(status).ok()))),
        _ => None,
    }
}

fn queued(message: &Message, sid: &str, from: &str) -> Value {
    json!({
        "sid": message.id, "account_sid": sid, "to": message.to, "from": from, "body": message.text,
        "status": "queued", "direction": "outbound-api", "error_code": null, "error_message": null,
        "price": null, "price_unit": "USD", "num_segments": "1", "num_media": "0",
        "uri": format!("/2010-04-01/Accounts/{sid}/Messages/{}.json", message.id),
    })
}

/// Twilio's error envelope. `status` replaces the HTTP status that belongs to `code`.
fn error(code: u32, status: Option<StatusCode>) -> Response {
    let (default_status, message) = match code {
        20_003 => (StatusCode::UNAUTHORIZED, "Authenticate"),
        20_404 => (StatusCode::NOT_FOUND, "The requested resource was not found"),
        20_429 => (StatusCode::TOO_MANY_REQUESTS, "Too Many Requests"),
        20_500 => (StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error"),
        21_211 => (StatusCode::BAD_REQUEST, "Invalid 'To' Phone Number"),
        21_602 => (StatusCode::BAD_REQUEST, "Message body is required."),
        21_603 => (StatusCode::BAD_REQUEST, "A 'From' phone number is required."),
        21_604 => (StatusCode::BAD_REQUEST, "A 'To' phone number is required."),
        21_614 => (StatusCode::BAD_REQUEST, "'To' number is not a valid mobile number"),
        21_626 => (StatusCode::BAD_REQUEST, "The ValidityPeriod is invalid"),
        _ => (StatusCode::BAD_REQUEST, "Error"),
    };
    let status = status.unwrap_or(default_status);
    let more_info = format!("https://www.twilio.com/docs/errors/{code}");
    let body = json!({ "code": code, "message": message, "more_info": more_info, "status": status.as_u16() });
    (status, Json(body)).into_response()
}
