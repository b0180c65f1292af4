//! The embedded store: everything in this process, one lock, one atomic step a call. Not durable: it forgets all at a restart.
//!
//! **Invariant:** its outcomes are those of `redis/commit.lua`; `contract` holds both to it. Its size is bounded.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::{OperatorCopy, OperatorStore, Store, StoreError, StoreState, new_version};
use crate::{
    clock::Clock,
    domain::{operator::Change, record::OPERATOR_VERSION},
    transaction::{Key, Outcome, Side, Transaction, Value, Values},
};

mod operator;
mod table;

pub use operator::{AUDIT_KEPT, OperatorRecords, in_order};
pub use table::{Mark, NoRoom, Record, Table};

/// The embedded store.
pub struct Memory {
    clock: Arc<dyn Clock>,
    slot: u32,
    state: Mutex<State>,
}

struct State {
    table: Table,
    operator: OperatorRecords,
}

impl Memory {
    /// Empty. `slot` is who counts guesses here. At most `capacity` records are kept: those that end first make way, except for what was spent or revoked.
    pub fn new(clock: Arc<dyn Clock>, slot: u32, capacity: usize) -> Self {
        Self { clock, slot, state: Mutex::new(State { table: Table::new(capacity), operator: OperatorRecords::default() }) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere while the lock was held leaves no step half done that a later one could not live with.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl From<NoRoom> for StoreError {
    fn from(error: NoRoom) -> Self {
        Self::Unavailable(error.to_string())
    }
}

#[async_trait]
impl Store for Memory {
    async fn read(&self, keys: &[Key]) -> Result<Values, StoreError> {
        Ok(self.lock().table.read(keys, self.now_us()))
    }

    async fn commit(&self, transaction: &Transaction) -> Result<Outcome, StoreError> {
        Ok(self.lock().table.commit(transaction, self.now_us(), Mark::Clean)?)
    }

    fn believe(&self, key: &Key) -> Option<Value> {
        self.lock().table.get(key, self.now_us()).cloned()
    }

    fn now_us(&self) -> u64 {
        self.clock.now_ms() * 1000
    }

    fn side(&self) -> Side {
        Side { slot: self.slot, shares: 1 }
    }
}

#[async_trait]
impl OperatorStore for Memory {
    async fn operator(&self) -> Result<OperatorCopy, StoreError> {
        Ok(self.lock().operator.copy())
    }

    async fn operator_version(&self) -> Result<u64, StoreError> {
        Ok(self.lock().operator.version())
    }

    async fn merge_operator(&self, changes: &[Change]) -> Result<u64, StoreError> {
        let mut state = self.lock();
        let version = state.operator.merge(changes, self.clock.now_ms(), new_version());
        // Transactions expect the version as they do any other record.
        state.table.put_clean(OPERATOR_VERSION.into(), version.to_string().into_bytes().into(), None, self.now_us());
        Ok(version)
    }

    async fn audit(&self, limit: usize) -> Result<Vec<Change>, StoreError> {
        Ok(self.lock().operator.audit(limit))
    }

    fn state(&self) -> StoreState {
        StoreState::MemoryEmbedded
    }

    fn skew_ms(&self) -> i64 {
        0
    }
}
