//! `POST /{version}/{phone-number-id}/messages`.
//!
//! 1. Check the version, the token and the path.
//! 2. Parse the body: it has to be a well-formed authentication template ([`validate`]).
//! 3. Check that the template is approved in that language.
//! 4. Apply the scripted fault and the rate limits.
//! 5. Record the message: from here on it *has arrived*, whatever the response will be.
//! 6. Post the automatic receipts, and respond.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::error::GraphError;
use crate::messages::{Channel, Delivery, Message};
use crate::receipt::AutomaticReceipts;
use crate::recipient::wa_id;
use crate::script::{Fault, Operation, Rule};
use crate::simulator::{Simulator, State as SimulatorState};
use crate::template;
use crate::validate::{self, SendRequest};

pub(crate) async fn send(
    State(simulator): State<Arc<Simulator>>,
    Path((version, id)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, GraphError> {
    simulator.authorize(&version, &headers)?;
    if id != simulator.settings.phone_number_id {
        return Err(GraphError::unknown_object("post", &id));
    }
    let request = validate::parse(&body, &simulator.settings.business)?;
    let (rule, message) = simulator.accept(&request)?;
    let fault = rule.as_ref().map(|rule| rule.fault.clone());
    if let Some(message) = &message {
        simulator.post_automatically(message, automatic_receipts(fault.as_ref()));
    }
    simulator.respond(rule, || success(&request, message.as_ref(), fault.as_ref())).await
}

impl Simulator {
    /// Steps 3 to 5. One lock covers them, so that of two sends at a rate limit exactly one passes.
    /// Without a message the scripted fault kept it from arriving.
    fn accept(&self, request: &SendRequest) -> Result<(Option<Rule>, Option<Message>), GraphError> {
        let now_ms = self.clock.now_ms();
        let id = self.ids.wamid(&wa_id(&request.digits));
        self.update(|state| {
            let text = approved_text(state, request)?;
            let rule = state.script.take(Operation::Send, &request.digits);
            if rule.as_ref().is_some_and(|rule| !rule.fault.accepts()) {
                return Ok((rule, None));
            }
            state.rate_limits.charge(&request.digits, now_ms)?;
            let message = message(request, id, text, now_ms);
            state.messages.push(message.clone());
            Ok((rule, Some(message)))
        })
    }
}

/// The text of the message, if its template may be sent.
fn approved_text(state: &SimulatorState, request: &SendRequest) -> Result<String, GraphError> {
    let found = state.templates.iter().find(|template| template.is(&request.template, &request.language));
    let template = found.ok_or_else(|| template::missing(&request.template, &request.language))?;
    template.check_sendable()?;
    Ok(template.text(&request.code))
}

fn message(request: &SendRequest, id: String, text: String, at_ms: u64) -> Message {
    Message {
        channel: Channel::Whatsapp,
        id,
        to: format!("+{}", request.digits),
        code: request.code.clone(),
        text,
        template: Some(request.template.clone()),
        language: Some(request.language.clone()),
        callback_data: request.callback_data.clone(),
        delivery: Delivery::Accepted,
        failure: None,
        at_ms,
    }
}

fn automatic_receipts(fault: Option<&Fault>) -> AutomaticReceipts {
    match fault {
        Some(Fault::FailsLater { code }) => AutomaticReceipts::Failed { code: *code },
        Some(Fault::NeverDelivered) => AutomaticReceipts::SentOnly,
        Some(Fault::Held { .. }) => AutomaticReceipts::None,
        _ => AutomaticReceipts::Delivered,
    }
}

fn success(request: &SendRequest, message: Option<&Message>, fault: Option<&Fault>) -> Response {
    let mut body = json!({
        "messaging_product": "whatsapp",
        "contacts": [ { "input": request.input, "wa_id": wa_id(&request.digits) } ],
    });
    if let Some(message) = message.filter(|_| fault != Some(&Fault::NoId)) {
        let status = if let Some(Fault::Held { message_status }) = fault { message_status } else { "accepted" };
        body["messages"] = json!([ { "id": message.id, "message_status": status } ]);
    }
    Json(body).into_response()
}
