//! The attempts of one send: which translation, when, and whether again. Each step is a pure decision ([`WhatsApp::judge`]) and a wait.
//!
//! 1. the next translation of the template, best first   2. the breaker, the person's pause, a place under the number's rate
//! 3. one call   4. again after Meta's explicit refusal, or the next translation, or done
//!
//! **Invariant:** a lost answer ends the send as [`Sent::Unconfirmed`].

use std::{collections::BTreeMap, time::Duration};

use otp_shared::phone::Phone;
use serde::Serialize;
use tokio::time::{Instant, sleep};

use super::{
    State, WhatsApp,
    breaker::{Breaker, Cause},
    client::{Answer, Lost, Rejection},
    errors::Class,
    message,
    shaper::Shaper,
    standing::{Heard, Source},
};
use crate::app::channel::{Message, Refusal, Sent};

/// A call that has less time than this is not worth beginning: its answer would be lost.
const CALL: Duration = Duration::from_secs(1);
/// How long a fan may queue for a place; with the time for the call it is well inside the deadline of 8 s.
const QUEUE_MS: u64 = 6_000;
/// The pause before the first repeat; it doubles.
const BACKOFF_MS: u64 = 500;
/// How often a connection that did not come about is tried again: another channel may be waiting.
const RECONNECTS: u32 = 2;
/// When somebody has to mend something, this is how soon it may have been.
const MENDING_S: u64 = 60;

/// What became of the messages since the start.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub accepted: u64,
    pub unconfirmed: u64,
    pub errors: BTreeMap<u32, u64>,
}

/// The `whatsapp` of `/otp/status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SendingStatus {
    /// `sending`, `outage`, `maintenance` or `halted`.
    pub state: &'static str,
    /// Since when it is not `sending`, in Unix seconds.
    pub since: Option<u64>,
    /// Seconds until the next attempt.
    pub retry_after_s: Option<u64>,
    /// What an operator does about it.
    pub advice: Option<&'static str>,
    /// Messages a second at present.
    pub sends_per_s: u32,
    /// Messages that Meta took since the start.
    pub accepted: u64,
    /// Messages whose answer was lost since the start.
    pub unconfirmed: u64,
    /// Refusals since the start, by Meta's code.
    pub errors: BTreeMap<u32, u64>,
}

/// What follows from an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Next {
    Done(Sent),
    OtherLanguage,
    /// The same message once more, after so many milliseconds.
    Again(u64),
}

/// One attempt's place in its send.
struct Attempt<'a> {
    to: Phone,
    language: &'a str,
    /// Repeats before this one.
    repeats: u32,
}

impl WhatsApp {
    pub(super) fn obstacle_now(&self) -> Option<Refusal> {
        let now_ms = self.clock.now_ms();
        let state = self.state();
        if state.templates.barred() {
            return Some(Refusal::TemplateNotApproved);
        }
        let queue_ms = state.shaper.wait_ms(now_ms).checked_sub(QUEUE_MS).filter(|over_ms| *over_ms > 0);
        state.breaker.obstacle_ms(now_ms).or(queue_ms).map(unavailable)
    }

    pub(super) async fn send_within(&self, message: &Message, deadline: Duration) -> Sent {
        let ends = Instant::now() + deadline;
        let languages = self.state().templates.candidates(message.locale.as_ref());
        for language in languages {
            if let Some(sent) = self.send_in(&language, message, ends).await {
                return sent;
            }
        }
        Sent::Refused(Refusal::TemplateNotApproved)
    }

    /// `None`: not in this language.
    async fn send_in(&self, language: &str, message: &Message, ends: Instant) -> Option<Sent> {
        let body = message::body(message, &self.config.template, language);
        let mut attempt = Attempt { to: message.to, language, repeats: 0 };
        loop {
            match self.admit(message.to, patience(ends)) {
                Ok(wait_ms) => sleep(Duration::from_millis(wait_ms)).await,
                Err(wait_ms) => return Some(Sent::Refused(unavailable(wait_ms))),
            }
            let answer = self.client.send(&body, ends.saturating_duration_since(Instant::now())).await;
            match self.judge(&answer, &attempt) {
                Next::Done(sent) => return Some(sent),
                Next::OtherLanguage => return None,
                Next::Again(pause_ms) if pause_ms > patience(ends) => return Some(Sent::Refused(unavailable(pause_ms))),
                Next::Again(pause_ms) => sleep(Duration::from_millis(pause_ms)).await,
            }
            attempt.repeats += 1;
        }
    }

    /// The milliseconds to wait before the call; the error: those after which a send would have a chance.
    fn admit(&self, to: Phone, patience_ms: u64) -> Result<u64, u64> {
        let now_ms = self.clock.now_ms();
        let mut state = self.state();
        let pair_ms = state.pairs.wait_ms(to, now_ms);
        if patience_ms == 0 || pair_ms > patience_ms {
            return Err(pair_ms.max(1));
        }
        if let Some(wait_ms) = state.breaker.obstacle_ms(now_ms) {
            return Err(wait_ms);
        }
        let queue_ms = state.shaper.reserve(now_ms, patience_ms)?;
        state.breaker.admit(now_ms)?;
        Ok(queue_ms.max(pair_ms))
    }

    /// What an answer means for the message, having told the state what it means for the others.
    fn judge(&self, answer: &Answer, attempt: &Attempt) -> Next {
        let now_ms = self.clock.now_ms();
        let mut state = self.state();
        match answer {
            Answer::Accepted { message_id, status } => {
                note_status(status.as_deref());
                state.accepted(attempt.to);
                Next::Done(Sent::Accepted { message_id: message_id.clone() })
            }
            // The service says that it failed: the fan is told so, and asks again or is sent a text. We never repeat it by ourselves.
            Answer::Lost(Lost::Unreadable { status: 500.. }) => state.broken(now_ms),
            Answer::Lost(lost) => {
                state.lost(*lost, now_ms);
                Next::Done(Sent::Unconfirmed)
            }
            Answer::NotSent => {
                state.failed(now_ms);
                let again = attempt.repeats < RECONNECTS;
                if again { Next::Again(backoff_ms(attempt.repeats)) } else { Next::Done(Sent::Refused(unavailable(BACKOFF_MS))) }
            }
            Answer::Rejected(rejection) => {
                note(rejection, attempt.language);
                *state.tally.errors.entry(rejection.code).or_default() += 1;
                let next = state.rejected(rejection, attempt, &self.config.template, now_ms);
                if next == Next::OtherLanguage {
                    self.doubt.notify_one();
                }
                next
            }
        }
    }
}

impl State {
    fn accepted(&mut self, to: Phone) {
        self.tally.accepted += 1;
        self.pairs.accepted(to);
        self.answered();
    }

    fn lost(&mut self, lost: Lost, now_ms: u64) {
        tracing::warn!(target: "otp::whatsapp", ?lost, "the answer to a send was lost");
        self.tally.unconfirmed += 1;
        self.failed(now_ms);
    }

    fn broken(&mut self, now_ms: u64) -> Next {
        self.failed(now_ms);
        Next::Done(Sent::Refused(unavailable(self.breaker.obstacle_ms(now_ms).unwrap_or(BACKOFF_MS))))
    }

    fn failed(&mut self, now_ms: u64) {
        if self.breaker.fail(now_ms) {
            tracing::error!(target: "otp::whatsapp", "WhatsApp does not answer: nothing is sent until a probe succeeds");
        }
    }

    /// Meta is there and lets this account send.
    fn answered(&mut self) {
        if self.breaker.succeed() {
            tracing::info!(target: "otp::whatsapp", "WhatsApp answers again");
        }
    }

    fn rejected(&mut self, rejection: &Rejection, attempt: &Attempt, template: &str, now_ms: u64) -> Next {
        match Class::of(rejection.code) {
            Class::Throttled => {
                self.shaper.slow_down(now_ms);
                let told_ms = rejection.retry_after_s.unwrap_or(0).saturating_mul(1_000);
                Next::Again(backoff_ms(attempt.repeats).max(told_ms))
            }
            Class::Pair => Next::Again(self.pairs.refused(attempt.to, now_ms)),
            Class::Maintenance => self.stopped(Cause::Maintenance, now_ms),
            Class::Halted(halt) => self.stopped(Cause::Halted(halt), now_ms),
            Class::Ambiguous => self.broken(now_ms),
            Class::Undeliverable | Class::Country => {
                self.answered();
                Next::Done(Sent::Refused(Refusal::Undeliverable))
            }
            Class::Template(fault) => {
                self.answered();
                let heard = Heard {
                    standing: fault.into(),
                    at_s: now_ms / 1_000,
                    source: Source::Graph,
                    reason: Some(format!("({})", rejection.code)),
                };
                self.templates.hear(template, attempt.language, heard);
                Next::OtherLanguage
            }
            // The breaker hears of neither: a stranger who found a number that Meta dislikes could open it for everybody.
            Class::Misuse | Class::Unknown => Next::Done(Sent::Refused(Refusal::Unavailable { retry_after_s: MENDING_S })),
        }
    }

    fn stopped(&mut self, cause: Cause, now_ms: u64) -> Next {
        self.stop(cause, now_ms);
        let wait_ms = self.breaker.obstacle_ms(now_ms).unwrap_or(MENDING_S * 1_000);
        Next::Done(Sent::Refused(unavailable(wait_ms)))
    }

    pub(super) fn stop(&mut self, cause: Cause, now_ms: u64) {
        if self.breaker.trip(cause, now_ms) {
            tracing::error!(target: "otp::whatsapp", ?cause, advice = cause.advice(), "WhatsApp sends nothing for us");
        }
    }
}

impl SendingStatus {
    pub(super) fn new(breaker: &Breaker, shaper: &Shaper, tally: &Tally, now_ms: u64) -> Self {
        let open = breaker.open();
        Self {
            state: open.map_or("sending", |open| open.cause.name()),
            since: open.map(|open| open.since_ms / 1_000),
            retry_after_s: open.map(|open| seconds(open.until_ms.saturating_sub(now_ms))),
            advice: open.and_then(|open| open.cause.advice()),
            sends_per_s: shaper.rate_per_s(),
            accepted: tally.accepted,
            unconfirmed: tally.unconfirmed,
            errors: tally.errors.clone(),
        }
    }
}

/// Milliseconds that may be waited before a call that must still be answered in time.
fn patience(ends: Instant) -> u64 {
    let left = ends.saturating_duration_since(Instant::now()).saturating_sub(CALL);
    u64::try_from(left.as_millis()).unwrap_or(u64::MAX)
}

fn backoff_ms(repeats: u32) -> u64 {
    BACKOFF_MS << repeats.min(10)
}

fn unavailable(wait_ms: u64) -> Refusal {
    Refusal::Unavailable { retry_after_s: seconds(wait_ms) }
}

fn seconds(ms: u64) -> u64 {
    ms.div_ceil(1_000).max(1)
}

fn note(rejection: &Rejection, language: &str) {
    let Rejection { code, trace, .. } = rejection;
    let (class, trace) = (Class::of(*code), trace.as_deref());
    if class.wants_attention() {
        tracing::error!(target: "otp::whatsapp", code, ?class, language, trace, "WhatsApp refused a message");
    } else {
        tracing::warn!(target: "otp::whatsapp", code, ?class, language, trace, "WhatsApp refused a message");
    }
}

fn note_status(status: Option<&str>) {
    if let Some(status) = status.filter(|status| *status != "accepted") {
        tracing::warn!(target: "otp::whatsapp", status, "WhatsApp took a message and holds it back");
    }
}
