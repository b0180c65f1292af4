//! Webhooks about messages: the receipts after a message was accepted, and what people write back.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::messages::{Channel, Delivery, Message};
use crate::payload;
use crate::recipient::wa_id;
use crate::script::only_digits;
use crate::simulator::Simulator;
use crate::webhook::{Posted, WebhookError};

/// The status of a message in a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "camelCase")]
pub enum Receipt {
    /// Sent to the phone.
    Sent,
    /// Shown on the phone.
    Delivered,
    /// Read by the person.
    Read,
    /// It will not be delivered.
    Failed {
        /// Meta's error code, such as 131026.
        code: u32,
    },
}

/// What a person may send to the business.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum Inbound {
    /// The text `STOP`.
    Stop,
    /// The text `START`.
    Start,
    /// Any other text.
    Text {
        /// The text.
        text: String,
    },
    /// The button "I didn't request a code" under a message.
    DidNotRequestCode {
        /// The `wamid` of that message.
        id: String,
    },
}

/// The receipts that follow an accepted message by themselves in automatic mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AutomaticReceipts {
    /// `sent`, then `delivered`.
    Delivered,
    /// `sent`, then `failed` with this code.
    Failed { code: u32 },
    /// `sent` and nothing more.
    SentOnly,
    /// No receipt at all.
    None,
}

impl Receipt {
    /// Meta's name of this status.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::Read => "read",
            Self::Failed { .. } => "failed",
        }
    }

    fn delivery(self) -> (Delivery, Option<u32>) {
        match self {
            Self::Sent => (Delivery::Sent, None),
            Self::Delivered => (Delivery::Delivered, None),
            Self::Read => (Delivery::Read, None),
            Self::Failed { code } => (Delivery::Failed, Some(code)),
        }
    }
}

impl Simulator {
    /// Posts one receipt. Callers may post them in any order and more than once.
    ///
    /// # Errors
    /// [`WebhookError::UnknownMessage`]; or the webhook was not accepted, and then the message has
    /// its new state nevertheless.
    pub async fn receipt(&self, id: &str, receipt: Receipt) -> Result<Posted, WebhookError> {
        self.receipts(&[(id.to_owned(), receipt)]).await
    }

    /// Posts several receipts as one webhook, in this order.
    ///
    /// # Errors
    /// As [`Simulator::receipt`].
    pub async fn receipts(&self, receipts: &[(String, Receipt)]) -> Result<Posted, WebhookError> {
        let now_ms = self.clock.now_ms();
        let statuses = receipts.iter().map(|(id, receipt)| Ok(payload::status(&self.advance(id, *receipt)?, *receipt, now_ms)));
        let statuses = statuses.collect::<Result<Vec<Value>, WebhookError>>()?;
        let members = Map::from_iter([("statuses".to_owned(), statuses.into())]);
        self.post_webhook(&payload::change(&self.settings, "messages", &payload::messages(&self.settings, members), now_ms)).await
    }

    /// Posts what a person sent to the business. `from` is their number, in any spelling.
    ///
    /// # Errors
    /// The webhook was not accepted.
    pub async fn inbound(&self, from: &str, inbound: &Inbound) -> Result<Posted, WebhookError> {
        let now_ms = self.clock.now_ms();
        let from = wa_id(&only_digits(from));
        let members = payload::inbound(&from, &self.ids.wamid(&from), self.content(inbound), now_ms);
        self.post_webhook(&payload::change(&self.settings, "messages", &payload::messages(&self.settings, members), now_ms)).await
    }

    /// Posts a change of any field: for events that have no method here.
    ///
    /// # Errors
    /// The webhook was not accepted.
    pub async fn event(&self, field: &str, value: &Value) -> Result<Posted, WebhookError> {
        self.post_webhook(&payload::change(&self.settings, field, value, self.clock.now_ms())).await
    }

    /// Posts `receipts` in the background, if automatic mode is on. They do not wait for the
    /// response of the send, because Meta's receipts overtake it, too.
    pub(crate) fn post_automatically(self: &Arc<Self>, message: &Message, receipts: AutomaticReceipts) {
        let enabled = {
            let state = self.lock();
            state.automatic && state.webhook.is_some()
        };
        if !enabled {
            return;
        }
        let (simulator, id) = (Arc::clone(self), message.id.clone());
        self.spawn(async move {
            for receipt in receipts.in_order() {
                if let Err(error) = simulator.receipt(&id, receipt).await {
                    eprintln!("gave up on the receipt '{}': {error}", receipt.name());
                }
            }
        });
    }

    /// Records the receipt, and returns the message as it is then.
    fn advance(&self, id: &str, receipt: Receipt) -> Result<Message, WebhookError> {
        let (delivery, failure) = receipt.delivery();
        self.update(|state| {
            let is_it = |message: &&mut Message| message.id == id && message.channel == Channel::Whatsapp;
            let message = state.messages.iter_mut().find(is_it);
            let message = message.ok_or_else(|| WebhookError::UnknownMessage(id.to_owned()))?;
            message.advance(delivery, failure);
            Ok(message.clone())
        })
    }

    /// The part of an inbound message that depends on its kind.
    fn content(&self, inbound: &Inbound) -> Value {
        let text = |body: &str| json!({ "type": "text", "text": { "body": body } });
        match inbound {
            Inbound::Stop => text("STOP"),
            Inbound::Start => text("START"),
            Inbound::Text { text: body } => text(body),
            Inbound::DidNotRequestCode { id } => json!({
                "context": { "from": self.settings.business.digits, "id": id },
                "type": "button",
                "button": { "payload": "DID_NOT_REQUEST_CODE", "text": "I didn't request a code" },
            }),
        }
    }
}

impl AutomaticReceipts {
    fn in_order(self) -> Vec<Receipt> {
        match self {
            Self::Delivered => vec![Receipt::Sent, Receipt::Delivered],
            Self::Failed { code } => vec![Receipt::Sent, Receipt::Failed { code }],
            Self::SentOnly => vec![Receipt::Sent],
            Self::None => vec![],
        }
    }
}
