//! What stands between the rules and a store in some tests.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;

use crate::{
    store::{Store, StoreError},
    transaction::{Key, Outcome, Side, Transaction, Value, Values},
};

/// A store whose answer to every other commit is lost: what it has then is told, as to a replica that was connected anew meanwhile.
pub struct LosesAnswers {
    store: Arc<dyn Store>,
    lost: AtomicBool,
}

impl LosesAnswers {
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store, lost: AtomicBool::new(false) }
    }
}

#[async_trait]
impl Store for LosesAnswers {
    async fn read(&self, keys: &[Key]) -> Result<Values, StoreError> {
        self.store.read(keys).await
    }

    async fn commit(&self, transaction: &Transaction) -> Result<Outcome, StoreError> {
        let outcome = self.store.commit(transaction).await?;
        if !matches!(outcome, Outcome::Committed(_)) || self.lost.fetch_xor(true, Ordering::Relaxed) {
            return Ok(outcome);
        }
        let keys: Vec<_> = transaction.keys().into_iter().cloned().collect();
        Ok(Outcome::Changed(self.store.read(&keys).await?))
    }

    fn believe(&self, key: &Key) -> Option<Value> {
        self.store.believe(key)
    }

    fn now_us(&self) -> u64 {
        self.store.now_us()
    }

    fn side(&self) -> Side {
        self.store.side()
    }
}

/// Redis with nothing that stands in for it: on a busy machine it may not answer for a moment, and is asked again.
pub struct AsksAgain(pub Arc<dyn Store>);

const PAUSE: Duration = Duration::from_millis(20);
const TRIES: usize = 500;

#[async_trait]
impl Store for AsksAgain {
    async fn read(&self, keys: &[Key]) -> Result<Values, StoreError> {
        for _ in 0..TRIES {
            match self.0.read(keys).await {
                Err(StoreError::Unavailable(_)) => tokio::time::sleep(PAUSE).await,
                told => return told,
            }
        }
        self.0.read(keys).await
    }

    async fn commit(&self, transaction: &Transaction) -> Result<Outcome, StoreError> {
        for _ in 0..TRIES {
            match self.0.commit(transaction).await {
                Err(StoreError::Unavailable(_)) => tokio::time::sleep(PAUSE).await,
                told => return told,
            }
        }
        self.0.commit(transaction).await
    }

    fn believe(&self, key: &Key) -> Option<Value> {
        self.0.believe(key)
    }

    fn now_us(&self) -> u64 {
        self.0.now_us()
    }

    fn side(&self) -> Side {
        self.0.side()
    }
}
