//! The attempts of one send: which translation, when, and whether again. Each step is a decision
//! under the lock, without I/O, and then a wait without it.
//!
//! 1. Take the next translation of the template, best first.
//! 2. Ask the breaker, the pair rate limit and the shaper, and wait for the place they give.
//! 3. Call once.
//! 4. After Meta's explicit refusal call again or take the next translation; else it is done.
//!
//! **Invariant:** a lost response ends the send as [`Sent::Unconfirmed`].

use std::time::Duration;

use otp_shared::phone::Phone;
use tokio::time::{Instant, sleep};

use super::{
    State, WhatsApp,
    client::{Rejection, SendResult},
    errors::Class,
    message,
    template_status::{Observation, Source},
};
use crate::channels::{Message, OPERATOR_RETRY_S, Refusal, Sent, breaker::Cause, http_client::MIN_CALL_TIME};

/// How long a fan may queue for a place. With the time of the call it is well inside the deadline
/// of 8 s.
const MAX_QUEUE_MS: u64 = 6_000;
/// The pause before the first repeat; it doubles.
const BACKOFF_MS: u64 = 500;
/// How often a connection that failed is tried again. Few, because another channel may be waiting.
const MAX_RECONNECTS: u32 = 2;

/// What follows from one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
enum NextStep {
    Done(Sent),
    OtherLanguage,
    /// The same message once more, after so many milliseconds.
    Repeat(u64),
}

/// One attempt's place in its send.
struct Attempt<'a> {
    to: Phone,
    language: &'a str,
    /// Repeats before this one.
    repeats: u32,
}

impl WhatsApp {
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
            // The lock ends with this statement, before the wait.
            let admitted = self.state().admit(message.to, self.clock.now_ms(), max_wait_ms(ends));
            match admitted {
                Ok(wait_ms) => pause(wait_ms).await,
                Err(wait_ms) => return Some(Sent::Refused(Refusal::unavailable(wait_ms))),
            }
            let result = self.client.send(&body, ends.saturating_duration_since(Instant::now())).await;
            match self.evaluate(&result, &attempt) {
                NextStep::Done(sent) => return Some(sent),
                NextStep::OtherLanguage => return None,
                NextStep::Repeat(wait_ms) if wait_ms > max_wait_ms(ends) => return Some(Sent::Refused(Refusal::unavailable(wait_ms))),
                NextStep::Repeat(wait_ms) => pause(wait_ms).await,
            }
            attempt.repeats += 1;
        }
    }

    /// What a result means for this message. Tells the state what it means for the next ones.
    fn evaluate(&self, result: &SendResult, attempt: &Attempt) -> NextStep {
        let next = self.state().evaluate(result, attempt, &self.config.template, self.clock.now_ms());
        if next == NextStep::OtherLanguage {
            self.recheck.notify_one();
        }
        next
    }
}

impl State {
    /// Why a send has no chance now; `None`: it has one.
    pub(super) fn unavailable_reason(&self, now_ms: u64) -> Option<Refusal> {
        if self.templates.blocked() {
            return Some(Refusal::TemplateNotApproved);
        }
        let excess_ms = self.shaper.wait_ms(now_ms).saturating_sub(MAX_QUEUE_MS);
        let queue_ms = Some(excess_ms).filter(|excess_ms| *excess_ms > 0);
        self.breaker.wait_ms(now_ms).or(queue_ms).map(Refusal::unavailable)
    }

    /// Takes a place for a call, and returns the milliseconds to wait for it. The error is the
    /// milliseconds after which a send would have a chance.
    fn admit(&mut self, to: Phone, now_ms: u64, max_wait_ms: u64) -> Result<u64, u64> {
        let pair_ms = self.pair_rate_limit.wait_ms(to, now_ms);
        if max_wait_ms == 0 || pair_ms > max_wait_ms {
            return Err(pair_ms.max(1));
        }
        // Asked before the shaper, so that an open breaker uses up no place; told after it, so that
        // a send that finds no place does not count as the probe.
        if let Some(wait_ms) = self.breaker.wait_ms(now_ms) {
            return Err(wait_ms);
        }
        let queue_ms = self.shaper.reserve(now_ms, max_wait_ms)?;
        self.breaker.admit(now_ms)?;
        Ok(queue_ms.max(pair_ms))
    }

    fn evaluate(&mut self, result: &SendResult, attempt: &Attempt, template: &str, now_ms: u64) -> NextStep {
        match result {
            SendResult::Accepted { message_id, status } => {
                log_held_back(status.as_deref());
                self.counts.accepted += 1;
                self.pair_rate_limit.accepted(attempt.to);
                self.record_success();
                NextStep::Done(Sent::Accepted { message_id: message_id.clone() })
            }
            // The service says that it failed: the fan is told so, and asks again or is sent a
            // text. We never repeat it by ourselves, because it may have taken the message.
            SendResult::Unreadable { status: 500.. } => self.service_failed(now_ms),
            SendResult::Unreadable { .. } | SendResult::Lost(_) => {
                tracing::warn!(target: "otp::whatsapp", ?result, "the answer to a send was lost");
                self.counts.unconfirmed += 1;
                self.record_failure(now_ms);
                NextStep::Done(Sent::Unconfirmed)
            }
            SendResult::NotSent => {
                self.record_failure(now_ms);
                if attempt.repeats < MAX_RECONNECTS {
                    NextStep::Repeat(backoff_ms(attempt.repeats))
                } else {
                    NextStep::Done(Sent::Refused(Refusal::unavailable(BACKOFF_MS)))
                }
            }
            SendResult::Rejected(rejection) => {
                log_rejection(rejection, attempt.language);
                *self.counts.errors.entry(rejection.code).or_default() += 1;
                self.rejected(rejection, attempt, template, now_ms)
            }
        }
    }

    fn rejected(&mut self, rejection: &Rejection, attempt: &Attempt, template: &str, now_ms: u64) -> NextStep {
        match Class::of(rejection.code) {
            Class::Throttled => {
                self.shaper.slow_down(now_ms);
                let retry_after_ms = rejection.retry_after_s.unwrap_or(0).saturating_mul(1_000);
                NextStep::Repeat(backoff_ms(attempt.repeats).max(retry_after_ms))
            }
            Class::Pair => NextStep::Repeat(self.pair_rate_limit.refused(attempt.to, now_ms)),
            Class::Maintenance => self.stopped(Cause::Maintenance, now_ms),
            Class::Halted(halt) => self.stopped(halt.into(), now_ms),
            Class::Ambiguous => self.service_failed(now_ms),
            Class::Undeliverable | Class::Country => {
                self.record_success();
                NextStep::Done(Sent::Refused(Refusal::Undeliverable))
            }
            Class::Template(fault) => {
                self.record_success();
                let reason = Some(format!("({})", rejection.code));
                let observation = Observation { status: fault.into(), at_s: now_ms / 1_000, source: Source::Graph, reason };
                self.templates.observe(template, attempt.language, observation);
                NextStep::OtherLanguage
            }
            // The breaker is told of neither: a stranger who found a number that Meta dislikes
            // could open it for everybody.
            Class::Misuse | Class::Unknown => NextStep::Done(Sent::Refused(Refusal::until_operator_acts())),
        }
    }

    fn service_failed(&mut self, now_ms: u64) -> NextStep {
        self.record_failure(now_ms);
        NextStep::Done(Sent::Refused(Refusal::unavailable(self.breaker.wait_ms(now_ms).unwrap_or(BACKOFF_MS))))
    }

    fn stopped(&mut self, cause: Cause, now_ms: u64) -> NextStep {
        self.trip(cause, now_ms);
        let wait_ms = self.breaker.wait_ms(now_ms).unwrap_or(OPERATOR_RETRY_S * 1_000);
        NextStep::Done(Sent::Refused(Refusal::unavailable(wait_ms)))
    }

    /// Meta is there and lets this account send.
    fn record_success(&mut self) {
        if self.breaker.record_success() {
            tracing::info!(target: "otp::whatsapp", "WhatsApp answers again");
        }
    }

    fn record_failure(&mut self, now_ms: u64) {
        if self.breaker.record_failure(now_ms) {
            tracing::error!(target: "otp::whatsapp", "WhatsApp does not answer: nothing is sent until a probe succeeds");
        }
    }

    pub(super) fn trip(&mut self, cause: Cause, now_ms: u64) {
        if self.breaker.trip(cause, now_ms) {
            tracing::error!(target: "otp::whatsapp", cause = cause.name(), advice = cause.advice(), "WhatsApp sends nothing for us");
        }
    }
}

/// Waits `ms` milliseconds. Zero registers no timer: tokio's are of whole milliseconds, rounded up,
/// so that a sleep of zero still costs one.
async fn pause(ms: u64) {
    if ms > 0 {
        sleep(Duration::from_millis(ms)).await;
    }
}

/// Milliseconds that a call may wait and still be answered before `ends`.
fn max_wait_ms(ends: Instant) -> u64 {
    let left = ends.saturating_duration_since(Instant::now()).saturating_sub(MIN_CALL_TIME);
    u64::try_from(left.as_millis()).unwrap_or(u64::MAX)
}

fn backoff_ms(repeats: u32) -> u64 {
    BACKOFF_MS << repeats.min(10)
}

fn log_rejection(rejection: &Rejection, language: &str) {
    let Rejection { code, trace, .. } = rejection;
    let (class, trace) = (Class::of(*code), trace.as_deref());
    if class.wants_attention() {
        tracing::error!(target: "otp::whatsapp", code, ?class, language, trace, "WhatsApp refused a message");
    } else {
        tracing::warn!(target: "otp::whatsapp", code, ?class, language, trace, "WhatsApp refused a message");
    }
}

fn log_held_back(status: Option<&str>) {
    if let Some(status) = status.filter(|status| *status != "accepted") {
        tracing::warn!(target: "otp::whatsapp", status, "WhatsApp took a message and holds it back");
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn a_wait_of_zero_registers_no_timer() {
        assert_eq!(pause(0).now_or_never(), Some(()), "ready at once, where there is no runtime and so no timer");
    }

    #[test]
    #[should_panic(expected = "no reactor running")]
    fn any_other_wait_registers_one() {
        pause(1).now_or_never();
    }
}
