//! The embedded store: everything in this process, one lock, one atomic step a call. Alone when no Redis is configured, and the stand-in while Redis is away.
//! Not durable: it forgets all at a restart.
//!
//! **Invariant:** its verdicts are those of the scripts in `redis/`; `contract` holds both to it. Its size is bounded.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use otp_shared::limits::Limit;

use super::{Lease, OperatorCopy, Store, StoreError, StoreState};
use crate::{
    clock::Clock,
    domain::{
        judgement::{
            ChallengeKey, DeliveryRecord, Hold, MessageKey, Quotas, Receipt, RequestCall, RequestVerdict, Settlement, VerifyCall,
            VerifyVerdict,
        },
        operator::Change,
    },
};

mod challenges;
mod export;
mod holds;
mod judge;
mod limits;
mod log;
mod records;
mod replay;
mod state;
mod table;

pub use challenges::{Spent, rank};
pub use export::{News, Told};
pub use records::{AUDIT_KEPT, in_order};
pub use state::State;

/// The embedded store.
pub struct Memory {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

impl Memory {
    /// Empty. `replica` names the slot its guesses are counted in, `hold_threshold` refusals hold a subject, and of each kind of record at
    /// most `capacity` are kept: those that end first make way, except for what was spent or revoked, which is never forgotten early.
    pub fn new(clock: Arc<dyn Clock>, quotas: Quotas, replica: String, hold_threshold: u32, capacity: usize) -> Self {
        Self { clock, state: Mutex::new(State::new(quotas, replica, hold_threshold, capacity)) }
    }

    /// One atomic step, told the Unix microsecond.
    pub fn step<T>(&self, step: impl FnOnce(&mut State, u64) -> T) -> T {
        // A panic elsewhere while the lock was held leaves no step half done that a later one could not live with.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        step(&mut state, self.clock.now_ms() * 1000)
    }
}

#[async_trait]
impl Store for Memory {
    async fn request(&self, call: &RequestCall) -> Result<RequestVerdict, StoreError> {
        Ok(self.step(|state, now_us| state.request(call, now_us)))
    }

    async fn settle(&self, settlement: &Settlement) -> Result<(), StoreError> {
        self.step(|state, now_us| state.settle(settlement, now_us));
        Ok(())
    }

    async fn verify(&self, call: &VerifyCall) -> Result<VerifyVerdict, StoreError> {
        self.step(|state, now_us| state.verify(call, now_us))
    }

    async fn charge(&self, limit: Limit, key: &str) -> Result<Result<(), u64>, StoreError> {
        Ok(self.step(|state, now_us| state.charge(limit, key, now_us)))
    }

    async fn delivery(&self, challenge: ChallengeKey) -> Result<Option<DeliveryRecord>, StoreError> {
        Ok(self.step(|state, now_us| state.delivery(challenge, now_us)))
    }

    async fn receipt(&self, receipt: &Receipt) -> Result<bool, StoreError> {
        Ok(self.step(|state, now_us| state.receipt(receipt, now_us)))
    }

    async fn disown(&self, message: MessageKey, sends: u32) -> Result<bool, StoreError> {
        Ok(self.step(|state, now_us| state.disown(message, sends, now_us)))
    }

    async fn first_time(&self, id: &str, ttl_ms: u64) -> Result<bool, StoreError> {
        Ok(self.step(|state, now_us| state.first_time(id, ttl_ms, now_us)))
    }

    async fn revoke(&self, session: &str, until_ms: u64) -> Result<(), StoreError> {
        self.step(|state, now_us| state.revoke(session, until_ms, now_us))
    }

    async fn revoked(&self, session: &str) -> Result<bool, StoreError> {
        Ok(self.step(|state, now_us| state.revoked(session, now_us)))
    }

    async fn operator(&self) -> Result<OperatorCopy, StoreError> {
        Ok(self.step(|state, _| state.operator()))
    }

    async fn operator_version(&self) -> Result<u64, StoreError> {
        Ok(self.step(|state, _| state.operator_version()))
    }

    async fn merge_operator(&self, changes: &[Change]) -> Result<u64, StoreError> {
        Ok(self.step(|state, now_us| state.merge_operator(changes, now_us)))
    }

    async fn audit(&self, limit: usize) -> Result<Vec<Change>, StoreError> {
        Ok(self.step(|state, _| state.audit(limit)))
    }

    async fn lease(&self, replica: &str, ttl_ms: u64) -> Result<Option<Lease>, StoreError> {
        Ok(self.step(|state, now_us| state.lease(replica, ttl_ms, now_us)))
    }

    async fn holds(&self) -> Result<Vec<Hold>, StoreError> {
        Ok(self.step(|state, now_us| state.holds(now_us)))
    }

    async fn lift_hold(&self, subject: &str) -> Result<bool, StoreError> {
        Ok(self.step(|state, now_us| state.lift_hold(subject, now_us)))
    }

    fn state(&self) -> StoreState {
        StoreState::MemoryEmbedded
    }

    fn skew_ms(&self) -> i64 {
        0
    }
}
