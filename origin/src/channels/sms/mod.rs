//! Codes as text messages, for when WhatsApp cannot carry them: Africa's Talking and Twilio behind
//! [`Channel`]. Off unless configured. Not the choice of a channel, and no delivery reports:
//! Africa's Talking does not sign them.
//!
//! **Invariant:** a [`Channel::send`] sends at most one text, and all of them together never more
//! than the budget: a text costs ten times what a WhatsApp message costs.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use otp_shared::wire;

use super::{
    Channel, Message, Refusal, Sent,
    breaker::Breaker,
    http_client::{self, CallOutcome, MIN_CALL_TIME, Response},
};
use crate::{clock::Clock, domain::locale::Locale};

mod africas_talking;
mod budget;
mod text;
mod twilio;

pub use self::{africas_talking::AfricasTalking, budget::Budget, twilio::Twilio};

/// Who carries the text.
#[derive(Debug, Clone)]
pub enum Provider {
    /// Africa's Talking.
    AfricasTalking(AfricasTalking),
    /// Twilio.
    Twilio(Twilio),
}

/// What became of one call, in the same words for both providers. Each `code` is the provider's
/// own.
#[derive(Debug, Clone, PartialEq, Eq)]
enum SendResult {
    /// The provider took the text and named it.
    Accepted { message_id: String },
    /// This number cannot get texts.
    Undeliverable { code: i64 },
    /// Refused for a while.
    Busy { code: i64 },
    /// Refused until an operator changes our account or configuration.
    Misuse { code: i64 },
    /// No connection: nothing left.
    NotSent,
    /// It may have left.
    Lost,
}

/// Sends codes as texts.
pub struct Sms {
    provider: Provider,
    http: reqwest::Client,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

/// What changes. Behind one lock, which is never held over an await.
struct State {
    budget: Budget,
    breaker: Breaker,
}

impl Sms {
    /// A channel over `provider` that sends no more than `budget`.
    pub fn new(provider: Provider, budget: Budget, clock: Arc<dyn Clock>) -> Arc<Self> {
        let state = Mutex::new(State { budget, breaker: Breaker::default() });
        Arc::new(Self { provider, http: http_client::build(), clock, state })
    }

    async fn call(&self, message: &Message, timeout: Duration) -> SendResult {
        let text = text::render(&message.code, message.locale.as_ref(), message.lifetime);
        let request = match &self.provider {
            Provider::AfricasTalking(provider) => provider.request(&self.http, message.to, &text),
            Provider::Twilio(provider) => provider.request(&self.http, message.to, &text, message.lifetime),
        };
        match http_client::call(request, timeout).await {
            CallOutcome::Answered(response) => self.provider.read(&response),
            CallOutcome::NotSent => SendResult::NotSent,
            CallOutcome::Lost(_) => SendResult::Lost,
        }
    }

    /// What a result means for this text. Tells the state what it means for the next ones.
    fn evaluate(&self, result: SendResult) -> Sent {
        let now_ms = self.clock.now_ms();
        let mut state = self.state();
        let sent = state.evaluate(result, now_ms);
        if matches!(sent, Sent::Refused(_)) {
            state.budget.refund(now_ms);
        }
        sent
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Provider {
    fn read(&self, response: &Response) -> SendResult {
        match self {
            Self::AfricasTalking(_) => africas_talking::read(response),
            Self::Twilio(_) => twilio::read(&response.body),
        }
    }
}

impl State {
    /// Why no text may leave now; `None`: one may.
    fn unavailable_reason(&self, now_ms: u64) -> Option<Refusal> {
        let breaker = self.breaker.wait_ms(now_ms).map(Refusal::unavailable);
        breaker.or_else(|| self.budget.wait_s(now_ms).map(|retry_after_s| Refusal::Unavailable { retry_after_s }))
    }

    /// Charges a text that leaves now.
    fn admit(&mut self, now_ms: u64) -> Result<(), Refusal> {
        self.unavailable_reason(now_ms).map_or(Ok(()), Err)?;
        self.budget.take(now_ms).map_err(|retry_after_s| Refusal::Unavailable { retry_after_s })?;
        self.breaker.admit(now_ms).map_err(Refusal::unavailable)
    }

    fn evaluate(&mut self, result: SendResult, now_ms: u64) -> Sent {
        match result {
            SendResult::Accepted { message_id } => {
                self.breaker.record_success();
                Sent::Accepted { message_id }
            }
            SendResult::Undeliverable { code } => {
                tracing::warn!(target: "otp::sms", code, "the number cannot get texts");
                self.breaker.record_success();
                Sent::Refused(Refusal::Undeliverable)
            }
            SendResult::Busy { code } => {
                tracing::warn!(target: "otp::sms", code, "the provider is busy");
                Sent::Refused(Refusal::Unavailable { retry_after_s: 1 })
            }
            SendResult::Misuse { code } => {
                tracing::error!(target: "otp::sms", code, "the provider refuses our texts");
                Sent::Refused(Refusal::until_operator_acts())
            }
            SendResult::Lost => {
                tracing::warn!(target: "otp::sms", "the answer to a text was lost");
                self.breaker.record_failure(now_ms);
                Sent::Unconfirmed
            }
            SendResult::NotSent => {
                self.breaker.record_failure(now_ms);
                Sent::Refused(self.unavailable_reason(now_ms).unwrap_or(Refusal::Unavailable { retry_after_s: 1 }))
            }
        }
    }
}

#[async_trait]
impl Channel for Sms {
    fn name(&self) -> wire::Channel {
        wire::Channel::Sms
    }

    fn unavailable_reason(&self, _locale: Option<&Locale>) -> Option<Refusal> {
        self.state().unavailable_reason(self.clock.now_ms())
    }

    async fn send(&self, message: &Message, deadline: Duration) -> Sent {
        if deadline < MIN_CALL_TIME {
            return Sent::Refused(Refusal::Unavailable { retry_after_s: 1 });
        }
        // The lock ends with this statement, before the call.
        let admitted = self.state().admit(self.clock.now_ms());
        match admitted {
            Ok(()) => self.evaluate(self.call(message, deadline).await),
            Err(refusal) => Sent::Refused(refusal),
        }
    }
}
