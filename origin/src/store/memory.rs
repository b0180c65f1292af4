//! The embedded store: everything in this process, one lock, one atomic step a call. Alone when no Redis is configured, and the stand-in while Redis is away.
//! Not durable: it forgets all at a restart.
//!
//! **Invariant:** its verdicts are those of the scripts in `redis/`; `contract` holds both to it. Its size is bounded.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use otp_shared::{limits::Limit, wire::Delivery};

use super::{Lease, OperatorCopy, Store, StoreError, StoreState};
use crate::{
    clock::Clock,
    domain::{
        judgement::{ChallengeKey, DeliveryRecord, Hold, Quotas, RequestCall, RequestVerdict, Settlement, VerifyCall, VerifyVerdict},
        operator::Change,
    },
};

mod challenges;
mod holds;
mod judge;
mod limits;
mod log;
mod records;
mod replay;
mod table;

pub use challenges::{Spent, rank};
pub use records::{AUDIT_KEPT, in_order};

use judge::{Judge, until_ms};
use records::Records;
use table::Table;

/// The embedded store.
pub struct Memory {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

struct State {
    judge: Judge,
    records: Records,
    revoked: Table<String, ()>,
    seen: Table<String, ()>,
}

impl Memory {
    /// Empty. `replica` names the slot its guesses are counted in, `hold_threshold` refusals hold a subject, and of each kind of record at
    /// most `capacity` are kept: those that end first make way, except for what was spent, which is never forgotten early.
    pub fn new(clock: Arc<dyn Clock>, quotas: Quotas, replica: String, hold_threshold: u32, capacity: usize) -> Self {
        let judge = Judge::new(quotas, replica, hold_threshold, capacity);
        let state = State { judge, records: Records::default(), revoked: Table::new(capacity), seen: Table::new(capacity) };
        Self { clock, state: Mutex::new(state) }
    }

    /// A panic elsewhere while the lock was held leaves no step half done that a later one could not live with.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now_us(&self) -> u64 {
        self.clock.now_ms() * 1000
    }
}

#[async_trait]
impl Store for Memory {
    async fn request(&self, call: &RequestCall) -> Result<RequestVerdict, StoreError> {
        let mut state = self.lock();
        let version = state.records.version();
        Ok(state.judge.request(call, version, self.now_us()))
    }

    async fn settle(&self, settlement: &Settlement) -> Result<(), StoreError> {
        self.lock().judge.settle(settlement, self.now_us());
        Ok(())
    }

    async fn verify(&self, call: &VerifyCall) -> Result<VerifyVerdict, StoreError> {
        let mut state = self.lock();
        let version = state.records.version();
        let full = |_| StoreError::Unavailable("memory is full of challenges that have not ended".into());
        state.judge.verify(call, version, self.now_us()).map_err(full)
    }

    async fn charge(&self, limit: Limit, key: &str) -> Result<Result<(), u64>, StoreError> {
        let now_us = self.now_us();
        Ok(self.lock().judge.limits.try_charge(limit, key, now_us).map_err(|at_us| until_ms(at_us, now_us)))
    }

    async fn delivery(&self, challenge: ChallengeKey) -> Result<Option<DeliveryRecord>, StoreError> {
        Ok(self.lock().judge.challenges.delivery(challenge, self.now_us()))
    }

    async fn receipt(&self, challenge: ChallengeKey, delivery: Delivery) -> Result<bool, StoreError> {
        Ok(self.lock().judge.challenges.receipt(challenge, delivery, self.now_us()))
    }

    async fn first_time(&self, id: &str, ttl_ms: u64) -> Result<bool, StoreError> {
        let now_us = self.now_us();
        let mut state = self.lock();
        let first = state.seen.get(&id.to_owned(), now_us).is_none();
        if first {
            state.seen.put(id.to_owned(), (), now_us + ttl_ms * 1000, now_us);
        }
        Ok(first)
    }

    async fn revoke(&self, session: &str, until_ms: u64) -> Result<(), StoreError> {
        let full = |_| StoreError::Unavailable("memory is full of revocations".into());
        self.lock().revoked.try_put(session.to_owned(), (), until_ms * 1000, self.now_us()).map_err(full)
    }

    async fn revoked(&self, session: &str) -> Result<bool, StoreError> {
        Ok(self.lock().revoked.get(&session.to_owned(), self.now_us()).is_some())
    }

    async fn operator(&self) -> Result<OperatorCopy, StoreError> {
        Ok(self.lock().records.copy())
    }

    async fn merge_operator(&self, changes: &[Change]) -> Result<u64, StoreError> {
        Ok(self.lock().records.merge(changes, self.clock.now_ms()))
    }

    async fn audit(&self, limit: usize) -> Result<Vec<Change>, StoreError> {
        Ok(self.lock().records.audit(limit))
    }

    async fn lease(&self, replica: &str, ttl_ms: u64) -> Result<Option<Lease>, StoreError> {
        Ok(self.lock().records.lease(replica, ttl_ms, self.clock.now_ms()))
    }

    async fn holds(&self) -> Result<Vec<Hold>, StoreError> {
        Ok(self.lock().judge.holds.in_force(self.now_us()))
    }

    async fn lift_hold(&self, subject: &str) -> Result<bool, StoreError> {
        Ok(self.lock().judge.holds.lift(subject, self.now_us()))
    }

    fn state(&self) -> StoreState {
        StoreState::MemoryEmbedded
    }

    fn skew_ms(&self) -> i64 {
        0
    }
}
