//! Africa's Talking: the bulk endpoint and the legacy one.
//!
//! **Invariant:** the HTTP status 201 says nothing about success. Each recipient has a `statusCode`
//! of its own, and that is where a scripted error goes, unless it has an HTTP status.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Form, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{accept, is_e164, respond};
use crate::messages::Channel;
use crate::script::{Fault, Rule};
use crate::simulator::Simulator;

/// The price of a message, in Kenyan cents.
const PRICE_CENTS: usize = 80;

/// The JSON body of the bulk endpoint.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BulkRequest {
    username: String,
    message: String,
    phone_numbers: Vec<String>,
}

/// The form of the legacy endpoint.
#[derive(Deserialize)]
pub(super) struct LegacyForm {
    username: String,
    message: String,
    to: String,
}

/// `POST /version1/messaging/bulk`.
pub(super) async fn bulk(State(simulator): State<Arc<Simulator>>, headers: HeaderMap, Json(request): Json<BulkRequest>) -> Response {
    send(&simulator, &headers, &request.username, &request.message, &request.phone_numbers).await
}

/// `POST /version1/messaging`. Recipients are in one field, separated by commas. The response is
/// XML unless the caller accepts JSON.
pub(super) async fn legacy(State(simulator): State<Arc<Simulator>>, headers: HeaderMap, Form(form): Form<LegacyForm>) -> Response {
    let recipients: Vec<String> = form.to.split(',').map(|to| to.trim().to_owned()).collect();
    let response = send(&simulator, &headers, &form.username, &form.message, &recipients).await;
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    if response.status() != StatusCode::CREATED || accept.contains("json") {
        return response;
    }
    let xml = "<AfricasTalkingResponse><SMSMessageData/></AfricasTalkingResponse>";
    (StatusCode::CREATED, [(header::CONTENT_TYPE, "application/xml")], xml).into_response()
}

async fn send(simulator: &Simulator, headers: &HeaderMap, username: &str, text: &str, recipients: &[String]) -> Response {
    let key = headers.get("apiKey").and_then(|key| key.to_str().ok());
    if key != Some(simulator.settings().sms.api_key.as_str()) || username != simulator.settings().sms.username {
        return (StatusCode::UNAUTHORIZED, "The supplied authentication is invalid").into_response();
    }
    let mut results = Vec::new();
    let mut last_rule = None;
    for to in recipients {
        let (rule, result) = send_to(simulator, to, text);
        last_rule = rule.or(last_rule);
        results.push(result);
    }
    let response = match last_rule.as_ref().and_then(http_error) {
        Some((status, code)) => (status, format!("error {code}")).into_response(),
        None => (StatusCode::CREATED, Json(response_body(&results))).into_response(),
    };
    respond(simulator, last_rule, || response).await
}

/// A scripted error with an HTTP status is the whole response. Without one it is the `statusCode`
/// of a recipient.
fn http_error(rule: &Rule) -> Option<(StatusCode, u32)> {
    match rule.fault {
        Fault::Error { status: Some(status), code, .. } => Some((StatusCode::from_u16(status).ok()?, code)),
        _ => None,
    }
}

/// Sends to one recipient, and returns the rule that applied and the recipient's part of the
/// response.
fn send_to(simulator: &Simulator, to: &str, text: &str) -> (Option<Rule>, Value) {
    if !is_e164(to) {
        return (None, failed(to, 403));
    }
    let id = format!("ATPid_{}", simulator.ids.hex(32));
    let (rule, message) = accept(simulator, Channel::AfricasTalking, to, text, id);
    let result = match (&message, rule.as_ref().map(|rule| &rule.fault)) {
        (Some(message), _) => json!({ "statusCode": 101, "number": to, "status": "Success",
            "cost": price(PRICE_CENTS), "messageId": message.id }),
        (None, Some(Fault::Error { code, .. })) => failed(to, *code),
        (None, _) => failed(to, 500),
    };
    (rule, result)
}

fn failed(to: &str, code: u32) -> Value {
    json!({ "statusCode": code, "number": to, "status": status(code), "cost": "0", "messageId": "None" })
}

fn response_body(recipients: &[Value]) -> Value {
    let sent = recipients.iter().filter(|recipient| recipient["statusCode"] == 101).count();
    let message = format!("Sent to {sent}/{} Total Cost: {}", recipients.len(), price(PRICE_CENTS * sent));
    json!({ "SMSMessageData": { "Message": message, "Recipients": recipients } })
}

fn price(cents: usize) -> String {
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
