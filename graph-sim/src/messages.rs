//! What arrived on the phones, how far each message got, and `/messages`, which lists it.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};

use crate::script::only_digits;
use crate::simulator::Simulator;

/// A message that the simulator accepted, whatever response its sender got.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    /// The provider that carried it.
    pub channel: Channel,
    /// The `wamid`, or the text-message provider's id.
    pub id: String,
    /// The recipient: a plus and digits.
    pub to: String,
    /// The passcode in it. For a text message: its first run of four digits or more, empty if there
    /// is none.
    pub code: String,
    /// What the phone shows.
    pub text: String,
    /// The template's name; absent for a text message.
    pub template: Option<String>,
    /// The template's language; absent for a text message.
    pub language: Option<String>,
    /// `biz_opaque_callback_data`.
    pub callback_data: Option<String>,
    /// How far it got, according to the receipts that were posted.
    pub delivery: Delivery,
    /// Meta's error code, if `delivery` is `failed`.
    pub failure: Option<u32>,
    /// When it arrived, in Unix milliseconds.
    pub at_ms: u64,
}

/// The provider that carries a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Channel {
    /// WhatsApp's Cloud API.
    Whatsapp,
    /// Africa's Talking.
    AfricasTalking,
    /// Twilio.
    Twilio,
}

/// How far a message got. The order matters: see [`Message::advance`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Delivery {
    /// Accepted from the sender; no receipt was posted yet.
    Accepted,
    /// Sent to the phone.
    Sent,
    /// Shown on the phone.
    Delivered,
    /// Read by the person.
    Read,
    /// It will not be delivered.
    Failed,
}

impl Message {
    /// Records a receipt. The state only moves forward, because receipts come in any order, and a
    /// message that was delivered cannot fail afterwards.
    pub fn advance(&mut self, to: Delivery, failure: Option<u32>) {
        let arrived = matches!(self.delivery, Delivery::Delivered | Delivery::Read);
        if to > self.delivery && !(to == Delivery::Failed && arrived) {
            self.delivery = to;
            self.failure = failure;
        }
    }
}

/// The first run of four digits or more in `text`, or an empty string.
pub fn code_in(text: &str) -> String {
    text.split(|c: char| !c.is_ascii_digit()).find(|run| run.len() >= 4).unwrap_or_default().to_owned()
}

/// The query of `GET /messages`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MessageQuery {
    /// A number with its country code, in any spelling. Absent: every number.
    to: Option<String>,
    /// Unix milliseconds: only messages that arrived later. Absent: all.
    since: Option<u64>,
}

/// `GET /messages`: newest last.
pub(crate) async fn list(State(simulator): State<Arc<Simulator>>, Query(query): Query<MessageQuery>) -> Json<Vec<Message>> {
    let messages = match &query.to {
        // A plus in a query string decodes to a space; comparing digits makes both spellings work.
        Some(to) => simulator.messages_to(&only_digits(to)),
        None => simulator.messages(),
    };
    let since = query.since.unwrap_or_default();
    Json(messages.into_iter().filter(|message| message.at_ms > since).collect())
}

/// `DELETE /messages`.
pub(crate) async fn clear(State(simulator): State<Arc<Simulator>>) -> StatusCode {
    simulator.clear_messages();
    StatusCode::NO_CONTENT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_found_in_the_text() {
        assert_eq!(code_in("Rayon: 012345 is your code, for 5 min"), "012345");
        assert_eq!(code_in("no code"), "");
    }
}
