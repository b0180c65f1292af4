//! Repeats: of a nonce, and of an idempotency key.

use otp_origin::domain::evaluation::Interruption;

use super::{Knowledge, Model, NONCE_MS, VERIFIED_ANSWER_MS};

/// For how long an unanswered request blocks its idempotency key, in milliseconds.
const IN_FLIGHT_MS: u64 = 30_000;
/// By how much a resync may prolong a record, in milliseconds.
const PROLONGED_MS: u64 = 60_000;
/// By how much two replicas' clocks may differ before they jump, in milliseconds.
const CLOCKS_MS: u64 = 4000;

impl Model {
    /// A repeat may be told this answer from now on.
    pub fn answering(&mut self, number: usize, answer: &str) {
        if let Some(key) = self.calls[number].idempotency {
            self.answers.entry(key).or_default().insert(answer.to_owned());
        }
    }

    pub(super) fn check_interruption(&mut self, number: usize, interruption: &Interruption) {
        let Some(key) = self.calls[number].idempotency else { return };
        match interruption {
            Interruption::Repeat(answer) => {
                let given = self.answers.get(&key).is_some_and(|given| given.contains(answer));
                self.check(given, || format!("9. call {number} was repeated with an answer that nobody gave"));
                let most_ms = VERIFIED_ANSWER_MS + CLOCKS_MS + self.now.jumped_ms + PROLONGED_MS * self.meetings;
                let lives = |id: &[u8; 16], at| *id != self.calls[number].id && self.now.least_since(at) < most_ms;
                let alive = self.calls.iter().any(|call| call.idempotency == Some(key) && lives(&call.id, call.issued.at));
                self.check(alive, || format!("9. call {number} was repeated long after its answer had ended"));
            }
            Interruption::InProgress => {
                let open = self.calls.iter().any(|call| {
                    call.idempotency == Some(key)
                        && self.now.least_since(call.issued.at) <= IN_FLIGHT_MS * 2 + 1000
                        && call.id != self.calls[number].id
                });
                self.check(open, || format!("9. call {number} is told to be in progress, and no call with its key is"));
            }
            _ => {}
        }
    }

    pub(super) fn check_nonce(&mut self, known: &Knowledge, number: usize) {
        let nonce = self.calls[number].nonce;
        let replayed = known.calls.iter().find(|(other, seen)| {
            **other != number && self.calls[**other].nonce == nonce && seen.nonce && self.now.most_since(seen.at) < NONCE_MS
        });
        let replayed = replayed.map(|(other, _)| *other);
        self.check(replayed.is_none(), || format!("8. the nonce of call {number} was that of call {}", replayed.unwrap_or_default()));
    }
}
