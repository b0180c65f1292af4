//! What becomes of a message after it was accepted, told to the webhook: receipts, and what people write back.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::courier::{Posted, WebhookError};
use crate::message::{Channel, Delivery, Message};
use crate::payload;
use crate::recipient::wa_id;
use crate::script::only_digits;
use crate::state::World;

/// One status of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "camelCase")]
pub enum Receipt {
    /// On its way.
    Sent,
    /// On the phone.
    Delivered,
    /// Seen.
    Read,
    /// Never to arrive.
    Failed {
        /// Meta's code of the reason, such as 131026.
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
        /// What it says.
        text: String,
    },
    /// The button "I didn't request a code" under a message.
    DidNotRequestCode {
        /// The `wamid` of that message.
        id: String,
    },
}

/// What follows an accepted message by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Delivered,
    Failed { code: u32 },
    OnlySent,
    Nothing,
}

impl Receipt {
    /// Meta's word.
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

impl World {
    /// Tells the webhook one receipt. Order and repetition are the caller's choice.
    pub async fn receipt(&self, id: &str, receipt: Receipt) -> Result<Posted, WebhookError> {
        self.receipts(&[(id.to_owned(), receipt)]).await
    }

    /// Tells the webhook several receipts in one body, in this order.
    pub async fn receipts(&self, receipts: &[(String, Receipt)]) -> Result<Posted, WebhookError> {
        let now_ms = self.clock.now_ms();
        let statuses = receipts.iter().map(|(id, receipt)| Ok(payload::status(&self.advance(id, *receipt)?, *receipt, now_ms)));
        let statuses = statuses.collect::<Result<Vec<Value>, WebhookError>>()?;
        let members = Map::from_iter([("statuses".to_owned(), statuses.into())]);
        self.post_webhook(&payload::change(&self.settings, "messages", &payload::messages(&self.settings, members), now_ms)).await
    }

    /// Tells the webhook that a person wrote.
    pub async fn inbound(&self, from: &str, inbound: &Inbound) -> Result<Posted, WebhookError> {
        let now_ms = self.clock.now_ms();
        let from = wa_id(&only_digits(from));
        let members = payload::inbound(&from, &self.ids.wamid(&from), self.content(inbound), now_ms);
        self.post_webhook(&payload::change(&self.settings, "messages", &payload::messages(&self.settings, members), now_ms)).await
    }

    /// Tells the webhook any change of any field, for what has no method of its own.
    pub async fn event(&self, field: &str, value: &Value) -> Result<Posted, WebhookError> {
        self.post_webhook(&payload::change(&self.settings, field, value, self.clock.now_ms())).await
    }

    /// In automatic mode, lets `fate` take its course beside the answer: a receipt may well overtake it, as Meta's do.
    pub(crate) fn follow(self: &Arc<Self>, message: &Message, fate: Fate) {
        let wanted = {
            let state = self.lock();
            state.automatic && state.webhook.is_some()
        };
        if !wanted {
            return;
        }
        let (world, id) = (Arc::clone(self), message.id.clone());
        self.spawn(async move {
            for receipt in fate.receipts() {
                if let Err(error) = world.receipt(&id, receipt).await {
                    eprintln!("gave up on the receipt '{}': {error}", receipt.name());
                }
            }
        });
    }

    fn advance(&self, id: &str, receipt: Receipt) -> Result<Message, WebhookError> {
        let (delivery, failure) = receipt.delivery();
        self.change(|state| {
            let ours = |message: &&mut Message| message.id == id && message.channel == Channel::Whatsapp;
            let message = state.messages.iter_mut().find(ours);
            let message = message.ok_or_else(|| WebhookError::UnknownMessage(id.to_owned()))?;
            message.advance(delivery, failure);
            Ok(message.clone())
        })
    }

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

impl Fate {
    fn receipts(self) -> Vec<Receipt> {
        match self {
            Self::Delivered => vec![Receipt::Sent, Receipt::Delivered],
            Self::Failed { code } => vec![Receipt::Sent, Receipt::Failed { code }],
            Self::OnlySent => vec![Receipt::Sent],
            Self::Nothing => vec![],
        }
    }
}
