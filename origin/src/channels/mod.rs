//! How a code leaves: the port, [`Channel`], and its two adapters, WhatsApp and text messages. Both
//! share one HTTP client and one breaker. Not the choice between them: that is a use case.
//!
//! **Invariant:** [`Sent::Unconfirmed`] is final. No provider takes an idempotency key, so a second
//! attempt may be a second message and a second charge.

use std::time::Duration;

use async_trait::async_trait;
use otp_shared::{phone::Phone, wire};

use crate::domain::{challenge::Passcode, locale::Locale};

mod breaker;
mod http_client;
pub mod sms;
pub mod whatsapp;

/// What a fan is told to wait when an operator has to act first: nobody knows how long that takes.
const OPERATOR_RETRY_S: u64 = 60;

/// One message with a code.
#[derive(Debug, Clone)]
pub struct Message {
    /// The receiver.
    pub to: Phone,
    /// Never printed.
    pub code: Passcode,
    /// The fan's language; `None`: the app did not say.
    pub locale: Option<Locale>,
    /// Comes back in receipts. Holds neither number nor code.
    pub reference: String,
    /// How long the code is still valid.
    pub lifetime: Duration,
}

/// What is known of a message after a send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sent {
    /// The provider took it.
    Accepted {
        /// The provider's id for it; receipts name it.
        message_id: String,
    },
    /// It left, but the response was lost: the code may arrive.
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
    /// The provider is down, throttles, or refuses us.
    Unavailable {
        /// Seconds until a send has a chance again, at least 1.
        retry_after_s: u64,
    },
}

impl Refusal {
    /// Unavailable for `wait_ms` milliseconds, rounded up to seconds.
    fn unavailable(wait_ms: u64) -> Self {
        Self::Unavailable { retry_after_s: wait_ms.div_ceil(1_000).max(1) }
    }

    /// Unavailable until an operator acts.
    const fn until_operator_acts() -> Self {
        Self::Unavailable { retry_after_s: OPERATOR_RETRY_S }
    }
}

/// A way for codes to leave.
#[async_trait]
pub trait Channel: Send + Sync {
    /// The name in responses and receipts.
    fn name(&self) -> wire::Channel;

    /// Why a send has no chance now; `None`: it has one. Asked before any limit is charged.
    fn unavailable_reason(&self, locale: Option<&Locale>) -> Option<Refusal>;

    /// Sends, and returns before `deadline` has passed.
    async fn send(&self, message: &Message, deadline: Duration) -> Sent;
}
