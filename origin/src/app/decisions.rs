//! Why somebody was refused, or was not: the newest decisions of this replica, for an operator who is asked. Not a log and not an audit: it is bounded,
//! and forgotten at a restart.
//!
//! **Invariant:** a decision holds no code and no full number: numbers are their keyed hash and their masked form.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use otp_shared::{
    phone::Phone,
    wire::{Channel, Delivery, OtpAccepted, OtpRequest, Verified, VerifyRequest},
};
use serde::Serialize;

use super::{App, caller::Caller, refusal::Refused};
use crate::domain::evaluation::PhoneKey;

/// How many decisions are kept; about 300 bytes each.
const KEPT: usize = 10_000;

/// What a fan wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Operation {
    /// A code.
    Request,
    /// To have a code checked.
    Verify,
}

/// One decision.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Decision {
    /// When, as Unix millisecond.
    pub at_ms: u64,
    /// What the fan wanted.
    #[serde(rename = "asked")]
    pub operation: Operation,
    /// `allowed`, the problem code of the refusal, or `hung_up` when the caller left before the answer.
    pub outcome: &'static str,
    /// The number, masked; absent when it did not parse.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// The address, or the IPv6 /64.
    pub address: String,
    /// The limit that refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<&'static str>,
    /// Seconds until the same would have passed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after_s: Option<u64>,
    /// The refusal also held the subject until this Unix second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held_until_s: Option<u64>,
    /// The kind of blacklist entry that refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blacklisted_by: Option<&'static str>,
    /// How the message travels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<Channel>,
    /// What was known of the message when the answer was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delivery: Option<Delivery>,
    /// Guesses left.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempts_left: Option<u32>,
    /// How long the answer took, in milliseconds.
    pub took_ms: u64,
    #[serde(skip)]
    key: Option<PhoneKey>,
}

/// Which decisions are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DecisionFilter {
    /// Everybody's.
    All,
    /// This number's.
    Phone(PhoneKey),
    /// This address's, in the form that limits use.
    Address(String),
}

/// The newest decisions.
#[derive(Default)]
pub struct Decisions(Mutex<VecDeque<Decision>>);

impl Decisions {
    /// The newest first, at most `limit`.
    pub fn newest(&self, filter: &DecisionFilter, limit: usize) -> Vec<Decision> {
        self.lock().iter().filter(|decision| filter.includes(decision)).take(limit).cloned().collect()
    }

    fn note(&self, decision: Decision) {
        let mut kept = self.lock();
        kept.truncate(KEPT - 1);
        kept.push_front(decision);
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Decision>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl DecisionFilter {
    fn includes(&self, decision: &Decision) -> bool {
        match self {
            Self::All => true,
            Self::Phone(key) => decision.key == Some(*key),
            Self::Address(address) => decision.address == *address,
        }
    }
}

impl Decision {
    fn new(app: &App, operation: Operation, phone: &str, caller: &Caller) -> Self {
        let phone = Phone::parse(phone).ok();
        Self {
            at_ms: app.clock.now_ms(),
            operation,
            outcome: "hung_up",
            phone: phone.map(|phone| phone.masked()),
            key: phone.map(|phone| app.secrets.keys.phone(phone)),
            address: caller.network().address,
            limit: None,
            retry_after_s: None,
            held_until_s: None,
            blacklisted_by: None,
            channel: None,
            delivery: None,
            attempts_left: None,
            took_ms: 0,
        }
    }

    fn refuse(&mut self, refused: &Refused) {
        self.outcome = refused.code().as_str();
        self.retry_after_s = refused.retry_after_s();
        match refused {
            Refused::Limited { limit, hold, .. } => {
                self.limit = Some(limit.name());
                self.held_until_s = hold.as_ref().map(|hold| hold.until_ms.div_ceil(1000));
            }
            Refused::Blacklisted(kind) => self.blacklisted_by = Some(kind),
            Refused::CodeIncorrect { attempts_left } => self.attempts_left = Some(*attempts_left),
            _ => {}
        }
    }
}

/// A decision on its way. Noted when dropped, so that one whose caller hangs up is not lost.
struct Pending<'a> {
    app: &'a App,
    decision: Decision,
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        let mut decision = self.decision.clone();
        decision.took_ms = self.app.clock.now_ms().saturating_sub(decision.at_ms);
        self.app.telemetry.decisions.note(decision);
    }
}

impl App {
    /// [`App::request_code`], measured and recorded.
    pub async fn recorded_request(self: &Arc<Self>, body: OtpRequest, caller: Caller) -> Result<OtpAccepted, Refused> {
        let mut pending = Pending { app: self, decision: Decision::new(self, Operation::Request, &body.phone, &caller) };
        let answer = self.telemetry.timings.request.time(self.request_code(body, caller)).await;
        match &answer {
            Ok(accepted) => {
                pending.decision.outcome = "allowed";
                (pending.decision.channel, pending.decision.delivery) = (Some(accepted.channel), Some(accepted.delivery));
                pending.decision.attempts_left = Some(accepted.attempts_left);
            }
            Err(refused) => pending.decision.refuse(refused),
        }
        answer
    }

    /// [`App::verify_code`], measured and recorded.
    pub async fn recorded_verify(&self, body: VerifyRequest, caller: Caller) -> Result<Verified, Refused> {
        let mut pending = Pending { app: self, decision: Decision::new(self, Operation::Verify, &body.phone, &caller) };
        let answer = self.telemetry.timings.verify.time(self.verify_code(body, caller)).await;
        match &answer {
            Ok(_) => pending.decision.outcome = "allowed",
            Err(refused) => pending.decision.refuse(refused),
        }
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decision(address: usize, key: u8) -> Decision {
        Decision {
            at_ms: 0,
            operation: Operation::Request,
            outcome: "allowed",
            phone: None,
            address: address.to_string(),
            limit: None,
            retry_after_s: None,
            held_until_s: None,
            blacklisted_by: None,
            channel: None,
            delivery: None,
            attempts_left: None,
            took_ms: 0,
            key: Some(PhoneKey([key; 16])),
        }
    }

    #[test]
    fn the_newest_come_first_and_the_oldest_make_way() {
        let decisions = Decisions::default();
        for address in 0..KEPT + 5 {
            decisions.note(decision(address, 1));
        }
        let kept = decisions.newest(&DecisionFilter::All, usize::MAX);
        assert_eq!((kept.len(), kept[0].address.as_str()), (KEPT, (KEPT + 4).to_string().as_str()));
        assert_eq!(kept.last().unwrap().address, "5");
    }

    #[test]
    fn they_are_found_by_number_and_by_address() {
        let decisions = Decisions::default();
        (0..4).for_each(|address| decisions.note(decision(address, u8::from(address > 1))));
        let of = |filter| decisions.newest(&filter, 10).into_iter().map(|decision| decision.address).collect::<Vec<_>>();
        assert_eq!(of(DecisionFilter::Phone(PhoneKey([1; 16]))), ["3", "2"]);
        assert_eq!(of(DecisionFilter::Address("0".to_owned())), ["0"]);
        assert_eq!(decisions.newest(&DecisionFilter::All, 2).len(), 2);
    }
}
