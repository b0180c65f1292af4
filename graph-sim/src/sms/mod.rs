//! The two SMS providers that a code falls back to. Their messages arrive on the same phones.
//!
//! Not here: delivery reports. Africa's Talking does not sign them and nothing here depends on them.

mod africastalking;
mod twilio;

use std::sync::Arc;

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::post;

use crate::message::{Channel, Delivery, Message, code_in};
use crate::script::{Fault, Operation, Rule, only_digits};
use crate::state::World;

pub(super) fn router() -> Router<Arc<World>> {
    Router::new()
        .route("/version1/messaging/bulk", post(africastalking::bulk))
        .route("/version1/messaging", post(africastalking::legacy))
        .route("/2010-04-01/Accounts/{sid}/Messages.json", post(twilio::send))
}

/// Takes one text for one number past the script. Without an error in the rule's way it has arrived.
fn take(world: &World, channel: Channel, to: &str, text: &str, id: String) -> (Option<Rule>, Option<Message>) {
    let now_ms = world.clock.now_ms();
    world.change(|state| {
        let rule = state.script.take(Operation::Sms, &only_digits(to));
        if rule.as_ref().is_some_and(|rule| !rule.fault.accepts()) {
            return (rule, None);
        }
        let message = arrive(channel, to, text, id, now_ms);
        state.messages.push(message.clone());
        (rule, Some(message))
    })
}

fn arrive(channel: Channel, to: &str, text: &str, id: String, at_ms: u64) -> Message {
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

/// The scripted answer, or `ordinary`, which tells an error in the provider's own way.
async fn answer(world: &World, rule: Option<Rule>, ordinary: impl FnOnce() -> Response) -> Response {
    let rule = rule.map(|rule| match rule.fault {
        Fault::Error { .. } => Rule { fault: Fault::Slow, ..rule },
        _ => rule,
    });
    world.answer(rule, ordinary).await.unwrap_or_else(IntoResponse::into_response)
}

/// Whether `to` is a plus and 8 to 15 digits: both providers take nothing else.
fn is_e164(to: &str) -> bool {
    to.strip_prefix('+').is_some_and(|digits| {
        (8..=15).contains(&digits.len()) && !digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit())
    })
}
