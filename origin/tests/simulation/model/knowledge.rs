//! What one place knows: a server, or a replica's memory.

use std::collections::{BTreeMap, BTreeSet};

use super::{Model, Now};

/// For how long a record outlives its challenge, in milliseconds.
const GRACE_MS: u64 = 59_000;

/// What a call did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    Nothing,
    Sent,
    Wrong,
    Accepted,
}

#[derive(Debug, Clone, Copy)]
pub struct Seen {
    pub at: Now,
    pub effect: Effect,
    /// How long after `at` it is certainly remembered.
    pub life_ms: u64,
    /// Its nonce is remembered.
    pub nonce: bool,
}

/// What one place knows.
#[derive(Debug, Clone, Default)]
pub struct Knowledge {
    pub calls: BTreeMap<usize, Seen>,
    /// Sends that were charged to the cells of this place.
    pub own: Vec<(usize, Now)>,
    pub signed_out: BTreeSet<String>,
    pub answers: BTreeMap<[u8; 16], (Now, u64)>,
    pub refunds: BTreeMap<usize, Now>,
    /// Unsolicited messages that an address was charged for here, as the server committed it.
    pub reports: Vec<(usize, Now)>,
}

impl Knowledge {
    /// What is left after a flush of `otp:*`.
    pub fn flush(&mut self) {
        self.calls.retain(|_, seen| seen.effect >= Effect::Wrong);
        self.calls.values_mut().for_each(|seen| seen.nonce = false);
        self.own.clear();
        self.reports.clear();
        self.answers.clear();
        self.refunds.clear();
    }
}

impl Model {
    pub(super) fn learn(&self, known: &mut Knowledge, number: usize, effect: Effect, clock_ms: u64) {
        let call = &self.calls[number];
        let flushed = call.issued.flushes != self.flushes;
        if flushed && effect < Effect::Wrong {
            return;
        }
        let life_ms = call.expires_at_ms.saturating_sub(clock_ms) + GRACE_MS;
        let seen = Seen { at: Now { jumped_ms: self.noticed_ms, ..self.now }, effect, life_ms, nonce: !flushed };
        let entry = known.calls.entry(number).or_insert(seen);
        if entry.effect < effect {
            *entry = seen;
        }
    }

    /// A replica has told a server all it knows.
    pub fn met(&mut self, known: &mut Knowledge, replica: usize) {
        self.meetings += 1;
        let theirs = &self.replicas[replica];
        for (number, seen) in &theirs.calls {
            let entry = known.calls.entry(*number).or_insert(*seen);
            if entry.effect < seen.effect {
                *entry = *seen;
            }
        }
        known.signed_out.extend(theirs.signed_out.iter().cloned());
        for (key, answer) in &theirs.answers {
            known.answers.entry(*key).or_insert(*answer);
        }
        for (number, at) in &theirs.refunds {
            known.refunds.entry(*number).or_insert(*at);
        }
    }
}
