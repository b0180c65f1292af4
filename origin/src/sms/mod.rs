//! Codes as text messages, for when WhatsApp cannot carry them: Africa's Talking and Twilio behind [`Channel`]. Off unless configured. Not the
//! choice of a channel, and no delivery reports: Africa's Talking does not sign them.
//!
//! **Invariant:** one text leaves at most once for each [`Channel::send`], and never more of them than the budget: a text costs ten times what a
//! WhatsApp message costs.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use otp_shared::wire;
use reqwest::redirect;

use crate::{
    app::channel::{Channel, Message, Refusal, Sent},
    clock::Clock,
    domain::locale::Locale,
    whatsapp::breaker::Breaker,
};

mod africas_talking;
mod budget;
mod text;
mod twilio;

pub use self::{africas_talking::AfricasTalking, budget::Budget, twilio::Twilio};

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(2);
/// How long an idle connection is kept: using one that the provider is just closing would lose an answer.
const IDLE: Duration = Duration::from_secs(20);
/// A call that has less time than this is not worth beginning: its answer would be lost.
const CALL: Duration = Duration::from_secs(1);
/// When somebody has to mend something, this is how soon it may have been.
const MENDING_S: u64 = 60;

/// Who carries the text.
#[derive(Debug, Clone)]
pub enum Provider {
    /// Africa's Talking.
    AfricasTalking(AfricasTalking),
    /// Twilio.
    Twilio(Twilio),
}

/// What a provider's answer says. Both providers' answers are read into this.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Answer {
    /// Taken, and named.
    Accepted { message_id: String },
    /// This number cannot get texts.
    Undeliverable { code: i64 },
    /// Refused for a while.
    Busy { code: i64 },
    /// Refused until somebody mends our account or configuration.
    Misuse { code: i64 },
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

struct State {
    budget: Budget,
    breaker: Breaker,
}

impl Sms {
    /// A channel over `provider` that sends no more than `budget`.
    pub fn new(provider: Provider, budget: Budget, clock: Arc<dyn Clock>) -> Arc<Self> {
        // A redirect or a retry below us would be a second text.
        let http = reqwest::Client::builder()
            .redirect(redirect::Policy::none())
            .retry(reqwest::retry::never())
            .connect_timeout(CONNECT)
            .pool_idle_timeout(IDLE)
            .build()
            .expect("the roots of trust are compiled in");
        Arc::new(Self { provider, http, clock, state: Mutex::new(State { budget, breaker: Breaker::default() }) })
    }

    async fn call(&self, message: &Message, deadline: Duration) -> Option<Answer> {
        let text = text::of(&message.code, message.locale.as_ref(), message.lifetime);
        let request = match &self.provider {
            Provider::AfricasTalking(provider) => provider.request(&self.http, message.to, &text),
            Provider::Twilio(provider) => provider.request(&self.http, message.to, &text, message.lifetime),
        };
        let response = match request.timeout(deadline).send().await {
            Ok(response) => response,
            Err(error) if error.is_connect() || error.is_builder() => return None,
            Err(_) => return Some(Answer::Lost),
        };
        let status = response.status().as_u16();
        let Ok(body) = response.bytes().await else { return Some(Answer::Lost) };
        Some(match &self.provider {
            Provider::AfricasTalking(_) => africas_talking::read(status, &body),
            Provider::Twilio(_) => twilio::read(&body),
        })
    }

    /// What an answer means for the text, having told the state what it means for the others. `None`: no connection came about.
    fn judge(&self, answer: Option<Answer>) -> Sent {
        let now_ms = self.clock.now_ms();
        let mut state = self.state();
        let sent = state.judge(answer, now_ms);
        if matches!(sent, Sent::Refused(_)) {
            state.budget.give_back(now_ms);
        }
        sent
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Seconds until a text may leave; `None`: now.
    fn wait_s(&self, now_ms: u64) -> Option<u64> {
        let breaker_s = self.breaker.obstacle_ms(now_ms).map(|wait_ms| wait_ms.div_ceil(1_000));
        breaker_s.or(self.budget.wait_s(now_ms))
    }

    /// Charges a text that leaves now; the error is the seconds until one may.
    fn admit(&mut self, now_ms: u64) -> Result<(), u64> {
        if let Some(wait_s) = self.wait_s(now_ms) {
            return Err(wait_s);
        }
        self.budget.take(now_ms)?;
        self.breaker.admit(now_ms).map_err(|wait_ms| wait_ms.div_ceil(1_000))
    }

    fn judge(&mut self, answer: Option<Answer>, now_ms: u64) -> Sent {
        match answer {
            Some(Answer::Accepted { message_id }) => {
                self.breaker.succeed();
                Sent::Accepted { message_id }
            }
            Some(Answer::Undeliverable { code }) => {
                tracing::warn!(target: "otp::sms", code, "the number cannot get texts");
                self.breaker.succeed();
                Sent::Refused(Refusal::Undeliverable)
            }
            Some(Answer::Busy { code }) => {
                tracing::warn!(target: "otp::sms", code, "the provider is busy");
                Sent::Refused(Refusal::Unavailable { retry_after_s: 1 })
            }
            Some(Answer::Misuse { code }) => {
                tracing::error!(target: "otp::sms", code, "the provider refuses our texts");
                Sent::Refused(Refusal::Unavailable { retry_after_s: MENDING_S })
            }
            Some(Answer::Lost) => {
                tracing::warn!(target: "otp::sms", "the answer to a text was lost");
                self.breaker.fail(now_ms);
                Sent::Unconfirmed
            }
            None => {
                self.breaker.fail(now_ms);
                let retry_after_s = self.wait_s(now_ms).unwrap_or(1);
                Sent::Refused(Refusal::Unavailable { retry_after_s })
            }
        }
    }
}

#[async_trait]
impl Channel for Sms {
    fn name(&self) -> wire::Channel {
        wire::Channel::Sms
    }

    fn obstacle(&self, _locale: Option<&Locale>) -> Option<Refusal> {
        let wait_s = self.state().wait_s(self.clock.now_ms());
        wait_s.map(|retry_after_s| Refusal::Unavailable { retry_after_s })
    }

    async fn send(&self, message: &Message, deadline: Duration) -> Sent {
        let admitted = if deadline < CALL { Err(1) } else { self.state().admit(self.clock.now_ms()) };
        match admitted {
            Ok(()) => self.judge(self.call(message, deadline).await),
            Err(retry_after_s) => Sent::Refused(Refusal::Unavailable { retry_after_s }),
        }
    }
}
