//! The two text-message providers. Their messages arrive on the same phones as WhatsApp's.
//!
//! Delivery reports are absent: Africa's Talking does not sign them, and the origin does not use
//! them.

mod africastalking;
mod twilio;

use std::sync::Arc;

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::post;

use crate::messages::{Channel, Delivery, Message, code_in};
use crate::script::{Fault, Operation, Rule, only_digits};
use crate::simulator::Simulator;

pub(super) fn router() -> Router<Arc<Simulator>> {
    Router::new()
        .route("/version1/messaging/bulk", post(africastalking::bulk))
        .route("/version1/messaging", post(africastalking::legacy))
        .route("/2010-04-01/Accounts/{sid}/Messages.json", post(twilio::send))
}

/// Applies the script to a text message to one number, and records the message unless the scripted
/// fault keeps it from arriving. Returns the rule that applied, and the message if it arrived.
fn accept(simulator: &Simulator, channel: Channel, to: &str, text: &str, id: String) -> (Option<Rule>, Option<Message>) {
    let now_ms = simulator.clock.now_ms();
    simulator.update(|state| {
        let rule = state.script.take(Operation::Sms, &only_digits(to));
        if rule.as_ref().is_some_and(|rule| !rule.fault.accepts()) {
            return (rule, None);
        }
        let message = message(channel, to, text, id, now_ms);
        state.messages.push(message.clone());
        (rule, Some(message))
    })
}

fn message(channel: Channel, to: &str, text: &str, id: String, at_ms: u64) -> Message {
    Message {
        channel,
        id,
        to: to.to_owned(),
        code: code_in(text),
        text: text.to_owned(),
        template: None,
        language: None,
        callback_data: None,
        delivery: Delivery::Accepted,
        failure: None,
        at_ms,
    }
}

/// Responds with the scripted fault, or with `response` if there is none. A scripted error counts
/// as none, because `response` already has it in the provider's own format.
async fn respond(simulator: &Simulator, rule: Option<Rule>, response: impl FnOnce() -> Response) -> Response {
    let rule = rule.map(|rule| match rule.fault {
        Fault::Error { .. } => Rule { fault: Fault::Slow, ..rule },
        _ => rule,
    });
    simulator.respond(rule, response).await.unwrap_or_else(IntoResponse::into_response)
}

/// Whether `to` is a plus and 8 to 15 digits. Both providers accept nothing else.
fn is_e164(to: &str) -> bool {
    to.strip_prefix('+').is_some_and(|digits| {
        (8..=15).contains(&digits.len()) && !digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit())
    })
}
