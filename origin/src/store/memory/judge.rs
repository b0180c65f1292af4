//! The atomic steps of memory: a request, its settlement, a guess. The scripts `request.lua`, `settle.lua` and `verify.lua` do the same in the same order.
//!
//! **Invariant:** a step either charges every limit or none, and nothing is told of a guess that was not counted.

use otp_shared::limits::Limit;

use super::{
    challenges::{Challenges, Charged},
    holds::Holds,
    limits::Limits,
    replay::{JudgedRequest, REMEMBERED_US, Replay, VERIFY_ANSWER_US},
    table::{Full, Table},
};
use crate::domain::judgement::{
    Call, ChallengeKey, DeliveryRecord, Hold, Interruption, MessageKey, PhoneKey, Quotas, Receipt, RequestCall, RequestVerdict,
    SendOutcome, Settlement, VerifyCall, VerifyVerdict,
};

/// How long a number that verified is known.
pub const KNOWN_US: u64 = 90 * 86_400 * 1_000_000;

/// Everything that judging reads and writes, except operator state.
#[derive(Debug)]
pub struct Judge {
    pub(super) limits: Limits,
    pub(super) challenges: Challenges,
    pub(super) replay: Replay,
    pub(super) holds: Holds,
    pub(super) known: Table<PhoneKey, ()>,
    /// The guess that was accepted here, not by Redis.
    pub(super) accepted: Table<ChallengeKey, [u8; 16]>,
    replica: String,
}

impl Judge {
    /// Nothing seen yet.
    pub fn new(quotas: Quotas, replica: String, hold_threshold: u32, capacity: usize) -> Self {
        Self {
            limits: Limits::new(quotas, capacity),
            challenges: Challenges::new(capacity),
            replay: Replay::new(capacity),
            holds: Holds::new(hold_threshold, capacity),
            known: Table::new(capacity),
            accepted: Table::new(capacity),
            replica,
        }
    }

    /// May a message be sent?
    pub fn request(&mut self, call: &RequestCall, operator_version: u64, now_us: u64) -> RequestVerdict {
        if let Some(first) = self.replay.requests.get(&call.call.id, now_us) {
            return first.verdict.clone();
        }
        if let Err(interruption) = self.admit(&call.call, operator_version, now_us) {
            return RequestVerdict::Interrupted(interruption);
        }
        let judged = self.judge(call, now_us);
        let verdict = judged.verdict.clone();
        self.replay.requests.put(call.call.id, judged, now_us + REMEMBERED_US, now_us);
        verdict
    }

    /// Notes what became of a send.
    pub fn settle(&mut self, settlement: &Settlement, now_us: u64) {
        let request = &settlement.request;
        let judged = self.replay.requests.get_mut(&request.call.id, now_us);
        let first_time = judged.as_ref().is_none_or(|judged| judged.charge.is_some());
        let charge = judged.and_then(|judged| judged.charge.take());
        match &settlement.outcome {
            SendOutcome::Left { channel, delivery, message, at_ms } => {
                let record = DeliveryRecord { channel: *channel, delivery: *delivery, reason: None, sent_at_ms: *at_ms };
                let failed = self.challenges.left(request, record, *message, now_us);
                self.give_back(failed, now_us);
            }
            SendOutcome::Undeliverable if first_time => self.limits.give_back_phone(request.phone, request.call.id, now_us),
            SendOutcome::Undeliverable => {}
            SendOutcome::Failed => {
                if first_time {
                    self.limits.give_back_phone(request.phone, request.call.id, now_us);
                }
                if let Some(charge) = charge {
                    self.limits.give_back_rest(request, &charge, now_us);
                }
                self.challenges.forget_share(request.challenge, request.call.id, now_us);
            }
        }
        match &settlement.answer {
            Some(answer) => self.replay.answered(&request.call, answer, request.expires_at_ms * 1000, now_us),
            None => self.replay.abandoned(&request.call, now_us),
        }
    }

    /// Takes in a receipt; `false`: of nothing that is known.
    pub fn receipt(&mut self, receipt: &Receipt, now_us: u64) -> bool {
        let Ok(failed) = self.challenges.receipt(receipt, now_us) else { return false };
        self.give_back(failed, now_us);
        true
    }

    /// Charges the address that asked for the message.
    pub fn disown(&mut self, message: MessageKey, sends: u32, now_us: u64) -> bool {
        let Some(address) = self.challenges.take_requester(message, now_us) else { return false };
        self.limits.charge_more(&address, sends, now_us);
        true
    }

    fn give_back(&mut self, failed: Option<Charged>, now_us: u64) {
        if let Some(Charged { phone, call }) = failed {
            self.limits.give_back_phone(phone, call, now_us);
        }
    }

    /// Is this guess accepted?
    pub fn verify(&mut self, call: &VerifyCall, operator_version: u64, now_us: u64) -> Result<VerifyVerdict, Full> {
        if let Some(first) = self.replay.verifies.get(&call.call.id, now_us) {
            return Ok(first.clone());
        }
        if let Err(interruption) = self.admit(&call.call, operator_version, now_us) {
            return Ok(VerifyVerdict::Interrupted(interruption));
        }
        let verdict = self.guess(call, now_us)?;
        self.replay.verifies.put(call.call.id, verdict.clone(), now_us + REMEMBERED_US, now_us);
        Ok(verdict)
    }

    /// The version comes before the nonce: a call judged by old operator state costs nothing, and its nonce is good for the next id.
    fn admit(&mut self, call: &Call, operator_version: u64, now_us: u64) -> Result<(), Interruption> {
        if call.operator_version != operator_version {
            return Err(Interruption::StaleOperatorState);
        }
        self.replay.see(call, now_us)?;
        self.replay.repeated(call, now_us)
    }

    fn judge(&mut self, call: &RequestCall, now_us: u64) -> JudgedRequest {
        let spent = self.challenges.spent(call.challenge, now_us);
        let guesses = self.limits.quotas().of(Limit::VerifyChallenge).count;
        let ends_us = call.expires_at_ms * 1000;
        if call.resend && (now_us >= ends_us || spent.used) {
            return uncharged(RequestVerdict::Unknown);
        }
        if call.resend && spent.total() >= guesses {
            return uncharged(RequestVerdict::Locked { retry_after_ms: until_ms(ends_us, now_us) });
        }
        let known = self.known.get(&call.phone, now_us).is_some();
        let refusals = self.limits.refusals(call, known, now_us);
        if !refusals.is_empty() {
            return uncharged(self.refuse(call, &refusals, now_us));
        }
        let charge = self.send(call, known, now_us);
        JudgedRequest { verdict: RequestVerdict::Send { attempts_left: guesses.saturating_sub(spent.total()) }, charge: Some(charge) }
    }

    fn send(&mut self, call: &RequestCall, known: bool, now_us: u64) -> super::limits::Charge {
        let charge = self.limits.charge(call, known, now_us);
        self.challenges.sending(call.challenge, charge.share(call), call.expires_at_ms, now_us);
        self.replay.in_flight(&call.call, now_us);
        for subject in [&call.phone_hold, &call.address_hold] {
            self.holds.lift(subject, now_us);
        }
        charge
    }

    fn refuse(&mut self, call: &RequestCall, refusals: &[(Limit, u64)], now_us: u64) -> RequestVerdict {
        let (limit, at_us) = last(refusals.iter()).unwrap_or((Limit::RequestGlobal, now_us));
        let phone = self.count_refusal(&call.phone_hold, refusals, is_of_phone, now_us);
        let address = self.count_refusal(&call.address_hold, refusals, is_of_address, now_us);
        let hold = match (phone, address) {
            (Some(phone), Some(address)) if address.until_ms > phone.until_ms => Some(address),
            (phone, address) => phone.or(address),
        };
        RequestVerdict::Refused { limit, retry_after_ms: until_ms(at_us, now_us), hold }
    }

    fn count_refusal(&mut self, subject: &str, refusals: &[(Limit, u64)], own: fn(Limit) -> bool, now_us: u64) -> Option<Hold> {
        let (_, ends_us) = last(refusals.iter().filter(|(limit, _)| own(*limit)))?;
        self.holds.refused(subject, ends_us, now_us)
    }

    fn guess(&mut self, call: &VerifyCall, now_us: u64) -> Result<VerifyVerdict, Full> {
        if let Err(at_us) = self.limits.try_charge(Limit::VerifyIp, &call.origin.address, now_us) {
            return Ok(VerifyVerdict::Refused { limit: Limit::VerifyIp, retry_after_ms: until_ms(at_us, now_us) });
        }
        let mut spent = self.challenges.spent(call.challenge, now_us);
        let guesses = self.limits.quotas().of(Limit::VerifyChallenge).count;
        let ends_us = call.expires_at_ms * 1000;
        if now_us >= ends_us || spent.used {
            return Ok(VerifyVerdict::Unknown);
        }
        if spent.total() >= guesses {
            return Ok(VerifyVerdict::Locked { retry_after_ms: until_ms(ends_us, now_us) });
        }
        *spent.attempts.entry(self.replica.clone()).or_default() += 1;
        spent.used = call.correct;
        let attempts_left = guesses.saturating_sub(spent.total());
        self.challenges.set_spent(call.challenge, spent, call.expires_at_ms, now_us)?;
        if !call.correct {
            return Ok(VerifyVerdict::Incorrect { attempts_left });
        }
        self.accept(call, now_us);
        Ok(VerifyVerdict::Accepted)
    }

    fn accept(&mut self, call: &VerifyCall, now_us: u64) {
        self.accepted.put(call.challenge, call.call.id, call.expires_at_ms * 1000, now_us);
        self.known.put(call.phone, (), now_us + KNOWN_US, now_us);
        if let Some(share) = self.challenges.take_share(call.challenge, now_us) {
            self.limits.reward(&share, now_us);
        }
        self.replay.answered(&call.call, &call.answer, now_us + VERIFY_ANSWER_US, now_us);
    }
}

const fn uncharged(verdict: RequestVerdict) -> JudgedRequest {
    JudgedRequest { verdict, charge: None }
}

/// Milliseconds until then, rounded up so that a retry after them passes.
pub fn until_ms(at_us: u64, now_us: u64) -> u64 {
    at_us.saturating_sub(now_us).div_ceil(1000)
}

/// The limit that ends last; of equals the first.
fn last<'a>(refusals: impl Iterator<Item = &'a (Limit, u64)>) -> Option<(Limit, u64)> {
    refusals.copied().reduce(|latest, each| if each.1 > latest.1 { each } else { latest })
}

const fn is_of_phone(limit: Limit) -> bool {
    matches!(limit, Limit::RequestPhoneCooldown | Limit::RequestPhoneHour | Limit::RequestPhoneDay)
}

const fn is_of_address(limit: Limit) -> bool {
    matches!(limit, Limit::RequestIp | Limit::RequestSite)
}
