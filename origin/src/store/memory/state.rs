//! Everything memory holds, and its steps, each under one lock. Not the lock.
//!
//! **Invariant:** no step reads a clock: the time comes with the call.

use otp_shared::limits::Limit;

use super::{
    challenges::{NOTED_US, Spent, rank},
    judge::{Judge, KNOWN_US, until_ms},
    records::Records,
    replay::{JudgedRequest, REMEMBERED_US, VERIFY_ANSWER_US},
    table::{Full, Table},
};
use crate::{
    domain::{
        judgement::{
            ChallengeKey, DeliveryRecord, Hold, MessageKey, Quotas, Receipt, RequestCall, RequestVerdict, Settlement, VerifyCall,
            VerifyVerdict,
        },
        operator::Change,
    },
    store::{Lease, OperatorCopy, StoreError},
};

/// Everything memory holds.
#[derive(Debug)]
pub struct State {
    pub(super) judge: Judge,
    pub(super) records: Records,
    pub(super) revoked: Table<String, ()>,
    pub(super) seen: Table<String, ()>,
    /// Settlements that Redis has not heard of, by call id.
    pub(super) owed: Table<[u8; 16], Settlement>,
    /// Receipts that Redis has not heard of, by message and rank.
    pub(super) owed_receipts: Table<(MessageKey, u8), Receipt>,
}

impl State {
    pub(super) fn new(quotas: Quotas, replica: String, hold_threshold: u32, capacity: usize) -> Self {
        Self {
            judge: Judge::new(quotas, replica, hold_threshold, capacity),
            records: Records::default(),
            revoked: Table::new(capacity),
            seen: Table::new(capacity),
            owed: Table::new(capacity),
            owed_receipts: Table::new(capacity),
        }
    }

    /// [`crate::store::Store::request`]
    pub fn request(&mut self, call: &RequestCall, now_us: u64) -> RequestVerdict {
        self.judge.request(call, self.records.version(), now_us)
    }

    /// [`crate::store::Store::settle`]
    pub fn settle(&mut self, settlement: &Settlement, now_us: u64) {
        self.judge.settle(settlement, now_us);
    }

    /// The same, to be told to Redis when it is back.
    pub fn settle_and_owe(&mut self, settlement: &Settlement, now_us: u64) {
        self.judge.settle(settlement, now_us);
        self.owed.put(settlement.request.call.id, settlement.clone(), settlement.request.expires_at_ms * 1000, now_us);
    }

    /// [`crate::store::Store::verify`]
    pub fn verify(&mut self, call: &VerifyCall, now_us: u64) -> Result<VerifyVerdict, StoreError> {
        self.judge.verify(call, self.records.version(), now_us).map_err(no_room)
    }

    /// [`crate::store::Store::charge`]
    pub fn charge(&mut self, limit: Limit, key: &str, now_us: u64) -> Result<(), u64> {
        self.judge.limits.try_charge(limit, key, now_us).map_err(|at_us| until_ms(at_us, now_us))
    }

    /// [`crate::store::Store::receipt`]
    pub fn receipt(&mut self, receipt: &Receipt, now_us: u64) -> bool {
        self.judge.receipt(receipt, now_us)
    }

    /// The same, to be told to Redis when it is back: also what memory knows nothing of, for Redis may.
    pub fn receipt_and_owe(&mut self, receipt: &Receipt, now_us: u64) -> bool {
        self.owed_receipts.put((receipt.message, rank(receipt.delivery)), receipt.clone(), now_us + NOTED_US, now_us);
        self.judge.receipt(receipt, now_us)
    }

    /// [`crate::store::Store::disown`]
    pub fn disown(&mut self, message: MessageKey, sends: u32, now_us: u64) -> bool {
        self.judge.disown(message, sends, now_us)
    }

    /// [`crate::store::Store::first_time`]
    pub fn first_time(&mut self, id: &str, ttl_ms: u64, now_us: u64) -> bool {
        let first = self.seen.get(&id.to_owned(), now_us).is_none();
        if first {
            self.seen.put(id.to_owned(), (), now_us + ttl_ms * 1000, now_us);
        }
        first
    }

    /// [`crate::store::Store::revoke`]
    pub fn revoke(&mut self, session: &str, until_ms: u64, now_us: u64) -> Result<(), StoreError> {
        self.revoked.try_put(session.to_owned(), (), until_ms * 1000, now_us).map_err(no_room)
    }

    /// [`crate::store::Store::revoked`]
    pub fn revoked(&self, session: &str, now_us: u64) -> bool {
        self.revoked.get(&session.to_owned(), now_us).is_some()
    }

    /// [`crate::store::Store::merge_operator`]
    pub fn merge_operator(&mut self, changes: &[Change], now_us: u64) -> u64 {
        self.records.merge(changes, now_us / 1000)
    }

    /// [`crate::store::Store::delivery`]
    pub fn delivery(&self, challenge: ChallengeKey, now_us: u64) -> Option<DeliveryRecord> {
        self.judge.challenges.delivery(challenge, now_us)
    }

    /// [`crate::store::Store::operator`]
    pub fn operator(&self) -> OperatorCopy {
        self.records.copy()
    }

    /// [`crate::store::Store::operator_version`]
    pub fn operator_version(&self) -> u64 {
        self.records.version()
    }

    /// [`crate::store::Store::audit`]
    pub fn audit(&self, limit: usize) -> Vec<Change> {
        self.records.audit(limit)
    }

    /// [`crate::store::Store::lease`]
    pub fn lease(&mut self, replica: &str, ttl_ms: u64, now_us: u64) -> Option<Lease> {
        self.records.lease(replica, ttl_ms, now_us / 1000)
    }

    /// [`crate::store::Store::holds`]
    pub fn holds(&self, now_us: u64) -> Vec<Hold> {
        self.judge.holds.in_force(now_us)
    }

    /// [`crate::store::Store::lift_hold`]
    pub fn lift_hold(&mut self, subject: &str, now_us: u64) -> bool {
        self.judge.holds.lift(subject, now_us)
    }

    /// Takes over the operator state that Redis has.
    pub fn adopt(&mut self, copy: &OperatorCopy, now_us: u64) {
        self.records.adopt(copy, now_us / 1000);
    }

    /// Remembers what Redis answered to a request: its nonce, its verdict, and that its idempotency key is taken.
    pub fn mirror_request(&mut self, call: &RequestCall, verdict: &RequestVerdict, now_us: u64) {
        if matches!(verdict, RequestVerdict::Interrupted(_)) {
            return;
        }
        _ = self.judge.replay.see(&call.call, now_us);
        if matches!(verdict, RequestVerdict::Send { .. }) {
            self.judge.replay.in_flight(&call.call, now_us);
        }
        let judged = JudgedRequest { verdict: verdict.clone(), charge: None };
        self.judge.replay.requests.put(call.call.id, judged, now_us + REMEMBERED_US, now_us);
    }

    /// Remembers what Redis answered to a guess, above all what is spent, and returns what to tell: what was accepted here while that answer was
    /// on its way is not accepted again.
    pub fn mirror_guess(&mut self, call: &VerifyCall, verdict: VerifyVerdict, spent: Option<&Spent>, now_us: u64) -> VerifyVerdict {
        if matches!(verdict, VerifyVerdict::Interrupted(_)) {
            return verdict;
        }
        let judge = &mut self.judge;
        let overtaken = judge.accepted.get(&call.challenge, now_us).is_some_and(|accepted| *accepted != call.call.id);
        let verdict = if verdict == VerifyVerdict::Accepted && overtaken { VerifyVerdict::Unknown } else { verdict };
        if let Some(spent) = spent.filter(|spent| **spent != Spent::default())
            && judge.challenges.merge_spent(call.challenge, spent, call.expires_at_ms, now_us).is_err()
        {
            tracing::warn!(target: "otp::store", "memory is full: a guess is remembered by redis alone");
        }
        _ = judge.replay.see(&call.call, now_us);
        judge.replay.verifies.put(call.call.id, verdict.clone(), now_us + REMEMBERED_US, now_us);
        if verdict == VerifyVerdict::Accepted {
            judge.known.put(call.phone, (), now_us + KNOWN_US, now_us);
            judge.replay.answered(&call.call, &call.answer, now_us + VERIFY_ANSWER_US, now_us);
        }
        verdict
    }
}

fn no_room(_: Full) -> StoreError {
    StoreError::Unavailable("memory is full of records that have not ended".into())
}
