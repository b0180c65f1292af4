//! Memory alone, while the remote store answers: what decides when a record there is damaged or of a newer format, as after an upgrade that was taken back. It
//! decides as in an outage: with this replica's share, and what it writes is told to the remote store at the next resync.

use async_trait::async_trait;

use super::Fallback;
use crate::{
    store::{Store, StoreError, remote::Remote},
    transaction::{Key, Outcome, Side, Transaction, Value, Values},
};

/// See the module.
pub struct StandIn<'a, R>(pub &'a Fallback<R>);

#[async_trait]
impl<R: Remote> Store for StandIn<'_, R> {
    async fn read(&self, keys: &[Key]) -> Result<Values, StoreError> {
        Ok(self.0.lock().table.read(keys, self.now_us()))
    }

    async fn commit(&self, transaction: &Transaction) -> Result<Outcome, StoreError> {
        let now_us = self.now_us();
        self.0.commit_in_memory(&mut self.0.lock(), transaction, now_us)
    }

    fn believe(&self, key: &Key) -> Option<Value> {
        self.0.believe(key)
    }

    fn now_us(&self) -> u64 {
        self.0.now_us()
    }

    fn side(&self) -> Side {
        self.0.side_of_memory()
    }
}
