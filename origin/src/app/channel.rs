//! The port through which codes leave: one trait, implemented by WhatsApp and by each text message provider. Not the choice between them: that is `delivery`.
//!
//! **Invariant:** [`Sent::Unconfirmed`] is final. Without an idempotency key at the provider a replay is a second message and a second charge.

use std::time::Duration;

use async_trait::async_trait;
use otp_shared::{phone::Phone, wire};

use crate::domain::{challenge::Code, locale::Locale};

/// One message with a code.
#[derive(Debug, Clone)]
pub struct Message {
    /// Whom to.
    pub to: Phone,
    /// What; never printed.
    pub code: Code,
    /// The fan's language, if told.
    pub locale: Option<Locale>,
    /// Comes back in receipts. Holds neither number nor code.
    pub reference: String,
    /// How long the code still lives.
    pub lifetime: Duration,
}

/// What is known of a send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sent {
    /// The provider took it and named it.
    Accepted {
        /// The provider's name for it.
        message_id: String,
    },
    /// It left, the answer was lost: the code may arrive.
    Unconfirmed,
    /// It did not leave.
    Refused(Refusal),
}

/// Why a message did not leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The number cannot be reached over this channel.
    Undeliverable,
    /// No approved template fits.
    TemplateNotApproved,
    /// The provider is down, throttles, or refuses us; worth trying again after so many seconds.
    Unavailable {
        /// Seconds.
        retry_after_s: u64,
    },
}

/// A way for codes to leave.
#[async_trait]
pub trait Channel: Send + Sync {
    /// The name in answers and receipts.
    fn name(&self) -> wire::Channel;

    /// Whether a send now has a chance; asked before any limit is charged. `None`: yes.
    fn obstacle(&self, message_locale: Option<&Locale>) -> Option<Refusal>;

    /// Sends, within `deadline`.
    async fn send(&self, message: &Message, deadline: Duration) -> Sent;
}
