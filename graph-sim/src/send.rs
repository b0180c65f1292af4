//! `POST /{version}/{phone-number-id}/messages`.
//!
//! 1. The version, the token and the path are ours.
//! 2. The body is a well-formed authentication template ([`validate`]).
//! 3. The template is approved in that language.
//! 4. The script and the limits have a say.
//! 5. From here on the message *has arrived*, whatever becomes of the answer.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::error::GraphError;
use crate::message::{Channel, Delivery, Message};
use crate::receipt::Fate;
use crate::recipient::wa_id;
use crate::script::{Fault, Operation, Rule};
use crate::state::{State as Inner, World};
use crate::template;
use crate::validate::{self, Send};

pub(crate) async fn send(
    State(world): State<Arc<World>>,
    Path((version, id)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, GraphError> {
    world.admit(&version, &headers)?;
    if id != world.settings.phone_number_id {
        return Err(GraphError::unknown_object("post", &id));
    }
    let send = validate::send(&body, &world.settings.business)?;
    let (rule, message) = world.take(&send)?;
    let fault = rule.as_ref().map(|rule| rule.fault.clone());
    if let Some(message) = &message {
        world.follow(message, fate(fault.as_ref()));
    }
    world.answer(rule, || accepted(&send, message.as_ref(), fault.as_ref())).await
}

impl World {
    /// Steps 3 to 5, under one lock: of two sends at the edge of a limit exactly one gets through.
    fn take(&self, send: &Send) -> Result<(Option<Rule>, Option<Message>), GraphError> {
        let now_ms = self.clock.now_ms();
        let id = self.ids.wamid(&wa_id(&send.digits));
        self.change(|state| {
            let text = approved(state, send)?;
            let rule = state.script.take(Operation::Send, &send.digits);
            if rule.as_ref().is_some_and(|rule| !rule.fault.accepts()) {
                return Ok((rule, None));
            }
            state.throttle.charge(&send.digits, now_ms)?;
            let message = arrive(send, id, text, now_ms);
            state.messages.push(message.clone());
            Ok((rule, Some(message)))
        })
    }
}

/// The text of the message, if its template may be sent.
fn approved(state: &Inner, send: &Send) -> Result<String, GraphError> {
    let found = state.templates.iter().find(|template| template.is(&send.template, &send.language));
    let template = found.ok_or_else(|| template::missing(&send.template, &send.language))?;
    template.usable()?;
    Ok(template.text(&send.code))
}

fn arrive(send: &Send, id: String, text: String, at_ms: u64) -> Message {
    Message {
        channel: Channel::Whatsapp,
        id,
        to: format!("+{}", send.digits),
        code: send.code.clone(),
        text,
        template: Some(send.template.clone()),
        language: Some(send.language.clone()),
        callback_data: send.callback_data.clone(),
        delivery: Delivery::Accepted,
        failure: None,
        at_ms,
    }
}

fn fate(fault: Option<&Fault>) -> Fate {
    match fault {
        Some(Fault::FailsLater { code }) => Fate::Failed { code: *code },
        Some(Fault::NeverDelivered) => Fate::OnlySent,
        Some(Fault::Held { .. }) => Fate::Nothing,
        _ => Fate::Delivered,
    }
}

fn accepted(send: &Send, message: Option<&Message>, fault: Option<&Fault>) -> Response {
    let mut answer = json!({
        "messaging_product": "whatsapp",
        "contacts": [ { "input": send.input, "wa_id": wa_id(&send.digits) } ],
    });
    if let Some(message) = message.filter(|_| fault != Some(&Fault::NoId)) {
        let status = if let Some(Fault::Held { message_status }) = fault { message_status } else { "accepted" };
        answer["messages"] = json!([ { "id": message.id, "message_status": status } ]);
    }
    Json(answer).into_response()
}
