//! Africa's Talking: the bulk endpoint and the legacy one.
//!
//! **201 is no success**: each recipient has a `statusCode` of its own, and a scripted error goes there.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Form, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{answer, is_e164, take};
use crate::message::Channel;
use crate::script::{Fault, Rule};
use crate::state::World;

/// What a text costs here, in Kenyan cents.
const COST_CENTS: usize = 80;

/// The body of the bulk endpoint.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Bulk {
    username: String,
    message: String,
    phone_numbers: Vec<String>,
}

/// The form of the legacy endpoint.
#[derive(Deserialize)]
pub(super) struct Legacy {
    username: String,
    message: String,
    to: String,
}

/// `POST /version1/messaging/bulk`.
pub(super) async fn bulk(State(world): State<Arc<World>>, headers: HeaderMap, Json(bulk): Json<Bulk>) -> Response {
    send(&world, &headers, &bulk.username, &bulk.message, &bulk.phone_numbers).await
}

/// `POST /version1/messaging`: recipients in one field, separated by commas; XML unless JSON is asked for.
pub(super) async fn legacy(State(world): State<Arc<World>>, headers: HeaderMap, Form(form): Form<Legacy>) -> Response {
    let recipients: Vec<String> = form.to.split(',').map(|to| to.trim().to_owned()).collect();
    let response = send(&world, &headers, &form.username, &form.message, &recipients).await;
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    if response.status() != StatusCode::CREATED || accept.contains("json") {
        return response;
    }
    let xml = "<AfricasTalkingResponse><SMSMessageData/></AfricasTalkingResponse>";
    (StatusCode::CREATED, [(header::CONTENT_TYPE, "application/xml")], xml).into_response()
}

async fn send(world: &World, headers: &HeaderMap, username: &str, text: &str, recipients: &[String]) -> Response {
    let key = headers.get("apiKey").and_then(|key| key.to_str().ok());
    if key != Some(world.settings().sms.api_key.as_str()) || username != world.settings().sms.username {
        return (StatusCode::UNAUTHORIZED, "The supplied authentication is invalid").into_response();
    }
    let mut told = Vec::new();
    let mut struck = None;
    for to in recipients {
        let (rule, recipient) = deliver(world, to, text);
        struck = rule.or(struck);
        told.push(recipient);
    }
    if let Some((status, code)) = struck.as_ref().and_then(outright) {
        return answer(world, struck, || (status, format!("error {code}")).into_response()).await;
    }
    answer(world, struck, || (StatusCode::CREATED, Json(summary(&told))).into_response()).await
}

/// A scripted error with an HTTP status is the whole answer; without one it is a recipient's `statusCode`.
fn outright(rule: &Rule) -> Option<(StatusCode, u32)> {
    match rule.fault {
        Fault::Error { status: Some(status), code, .. } => Some((StatusCode::from_u16(status).ok()?, code)),
        _ => None,
    }
}

fn deliver(world: &World, to: &str, text: &str) -> (Option<Rule>, Value) {
    if !is_e164(to) {
        return (None, refused(to, 403));
    }
    let (rule, message) = take(world, Channel::AfricasTalking, to, text, format!("ATPid_{}", world.ids.hex(32)));
    let recipient = match (&message, rule.as_ref().map(|rule| &rule.fault)) {
        (Some(message), _) => json!({ "statusCode": 101, "number": to, "status": "Success",
            "cost": cost(COST_CENTS), "messageId": message.id }),
        (None, Some(Fault::Error { code, .. })) => refused(to, *code),
        (None, _) => refused(to, 500),
    };
    (rule, recipient)
}

fn refused(to: &str, code: u32) -> Value {
    json!({ "statusCode": code, "number": to, "status": status(code), "cost": "0", "messageId": "None" })
}

fn summary(recipients: &[Value]) -> Value {
    let sent = recipients.iter().filter(|recipient| recipient["statusCode"] == 101).count();
    let message = format!("Sent to {sent}/{} Total Cost: {}", recipients.len(), cost(COST_CENTS * sent));
    json!({ "SMSMessageData": { "Message": message, "Recipients": recipients } })
}

fn cost(cents: usize) -> String {
    format!("KES {}.{:02}00", cents / 100, cents % 100)
}

fn status(code: u32) -> &'static str {
    match code {
        401 => "RiskHold",
        402 => "InvalidSenderId",
        403 => "InvalidPhoneNumber",
        404 => "UnsupportedNumberType",
        405 => "InsufficientBalance",
        406 => "UserInBlacklist",
        407 => "CouldNotRoute",
        409 => "DoNotDisturbRejection",
        501 => "GatewayError",
        502 => "RejectedByGateway",
        _ => "InternalServerError",
    }
}
