//! What has arrived on the phones, and how far each message got.

use serde::{Deserialize, Serialize};

/// A message that was accepted, whatever its sender was answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    /// The road it took.
    pub channel: Channel,
    /// The `wamid`, or the SMS provider's id.
    pub id: String,
    /// Whom it reached: a plus and digits.
    pub to: String,
    /// The code in it: for an SMS the first run of four digits or more, empty when there is none.
    pub code: String,
    /// What the phone shows.
    pub text: String,
    /// The template's name; none for an SMS.
    pub template: Option<String>,
    /// The template's language; none for an SMS.
    pub language: Option<String>,
    /// `biz_opaque_callback_data`.
    pub callback_data: Option<String>,
    /// How far it got, as far as the webhooks told.
    pub delivery: Delivery,
    /// The code of the failure, once it failed.
    pub failure: Option<u32>,
    /// Unix milliseconds of its arrival.
    pub at_ms: u64,
}

/// The road a message took.
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

/// How far a message got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Delivery {
    /// Taken from the sender.
    Accepted,
    /// On its way.
    Sent,
    /// On the phone.
    Delivered,
    /// Seen.
    Read,
    /// Never to arrive.
    Failed,
}

impl Message {
    /// Moves on, never back: receipts come in any order, and what was delivered cannot fail.
    pub fn advance(&mut self, to: Delivery, failure: Option<u32>) {
        let arrived = matches!(self.delivery, Delivery::Delivered | Delivery::Read);
        if to > self.delivery && !(to == Delivery::Failed && arrived) {
            self.delivery = to;
            self.failure = failure;
        }
    }
}

/// The first run of four digits or more.
pub fn code_in(text: &str) -> String {
    text.split(|c: char| !c.is_ascii_digit()).find(|run| run.len() >= 4).unwrap_or_default().to_owned()
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
