//! Guesses at a challenge, and the codes that were accepted.

use otp_origin::domain::evaluation::VerifyVerdict;
use otp_shared::limits::Limit;

use super::{Effect, Knowledge, Model, Progress, Teller, VERIFIED_ANSWER_MS, knowledge::Seen};

impl Model {
    pub fn told_verify(&mut self, teller: Teller, number: usize, verdict: &VerifyVerdict) {
        self.calls[number].progress = Progress::Told;
        let call = self.calls[number].clone();
        let mut known = std::mem::take(&mut self.replicas[teller.replica]);
        if call.is_repeated {
            self.replicas[teller.replica] = known;
            return;
        }
        let effect = match verdict {
            VerifyVerdict::Accepted => Effect::Accepted,
            VerifyVerdict::Incorrect { .. } => Effect::Wrong,
            VerifyVerdict::Locked { .. } | VerifyVerdict::Unknown => Effect::Nothing,
            VerifyVerdict::Refused { .. } | VerifyVerdict::Interrupted(_) => {
                if let VerifyVerdict::Interrupted(interruption) = verdict {
                    self.check_interruption(number, interruption);
                }
                self.replicas[teller.replica] = known;
                return;
            }
        };
        if !teller.connected {
            self.check_nonce(&known, number);
        }
        if effect >= Effect::Wrong {
            self.check_guess(&known, number, effect);
            let locked = self.locked.get(&(teller.replica, call.challenge)).is_some_and(|order| call.issued.order > *order);
            self.check(!locked, || {
                format!("2. replica {} told a lock of challenge {}, and counted call {number} later", teller.replica, call.challenge)
            });
        }
        if let VerifyVerdict::Incorrect { attempts_left } = verdict {
            let counted = if teller.connected { call.counted.unwrap_or_default() } else { self.guesses(&known, number) + 1 };
            let most = self.allowed().saturating_sub(counted);
            self.check(*attempts_left <= most, || {
                format!("2. call {number} was told {attempts_left} guesses left, and at most {most} are")
            });
        }
        if let VerifyVerdict::Locked { .. } = verdict {
            self.order += 1;
            self.locked.entry((teller.replica, call.challenge)).or_insert(self.order);
        }
        self.learn(&mut known, number, effect, teller.clock_ms);
        if effect == Effect::Accepted
            && let Some(key) = call.idempotency
        {
            known.answers.insert(key, (self.now, VERIFIED_ANSWER_MS));
        }
        self.replicas[teller.replica] = known;
    }

    fn allowed(&self) -> u32 {
        self.quotas.of(Limit::VerifyChallenge).count
    }

    /// Guesses at the challenge of that call, without it.
    pub(super) fn guesses(&self, known: &Knowledge, number: usize) -> u32 {
        let of_challenge = self.alive(known, number).filter(|(_, seen)| seen.effect >= Effect::Wrong);
        u32::try_from(of_challenge.count()).unwrap_or(u32::MAX)
    }

    /// What is certainly remembered of other calls about the same challenge.
    fn alive<'a>(&'a self, known: &'a Knowledge, number: usize) -> impl Iterator<Item = (&'a usize, &'a Seen)> {
        let challenge = self.calls[number].challenge;
        known.calls.iter().filter(move |(other, seen)| {
            **other != number && self.calls[**other].challenge == challenge && self.now.most_since(seen.at) < seen.life_ms
        })
    }

    pub(super) fn check_guess(&mut self, known: &Knowledge, number: usize, effect: Effect) {
        let accepted = self.alive(known, number).find(|(_, seen)| seen.effect == Effect::Accepted).map(|(other, _)| *other);
        if let Some(other) = accepted {
            self.check(effect != Effect::Accepted, || format!("1. the code of call {other} is accepted again by call {number}"));
        }
        let (guesses, allowed) = (self.guesses(known, number), self.allowed());
        self.check(guesses < allowed, || format!("2. call {number} is guess {} at its challenge, of {allowed}", guesses + 1));
    }
}
