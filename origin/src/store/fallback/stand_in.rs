//! Memory decides a call though the remote store answers, because a record there is damaged or of a newer format (an upgrade that was rolled back). It decides as
//! in an outage: with this replica's share. What it writes is told to the remote store at once, merged as after an outage.

use async_trait::async_trait;

use super::Fallback;
use crate::{
    store::{Store, StoreError, remote::Remote},
    transaction::{Key, Outcome, Side, Transaction, Value, Values},
};

/// Memory, whatever the remote store does.
pub struct StandIn<'a, R>(pub &'a Fallback<R>);

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<R: Remote> Store for StandIn<'_, R> {
    async fn read(&self, keys: &[Key]) -> Result<Values, StoreError> {
        Ok(self.0.lock().table.read(keys, self.now_us()))
    }

    async fn commit(&self, transaction: &Transaction) -> Result<Outcome, StoreError> {
        let now_us = self.now_us();
        let outcome = self.0.commit_in_memory(&mut self.0.lock(), transaction, now_us)?;
        if matches!(outcome, Outcome::Committed(_))
            && let Err(error) = self.0.tell_at_once().await
        {
            tracing::warn!(target: "otp::store", %error, "redis is told later what memory decided");
        }
        Ok(outcome)
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

    fn stand_in(&self) -> Option<Box<dyn Store + '_>> {
        None
    }
}
