//! A store that may be away: what [`super::fallback`] needs of it besides records and operator state.
//!
//! **Invariant:** a connection is used for calls only after it was admitted, and a lost one is never admitted again.

use async_trait::async_trait;
use tokio::sync::watch;

use super::{OperatorCopy, OperatorStore, Store, StoreError};
use crate::{
    domain::operator::Change,
    transaction::{Key, Outcome, Transaction, Values},
};

/// One connection out of all that were made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Generation(pub u64);

/// The operator state after a merge.
#[derive(Debug, Clone)]
pub struct Merged {
    /// What the store has now.
    pub copy: OperatorCopy,
    /// Its epoch mark; `None` when nobody has filled it yet.
    pub epoch: Option<String>,
    /// It had no epoch mark before: it is new or was emptied.
    pub was_empty: bool,
}

/// A store at the other end of a connection.
#[async_trait]
pub trait Remote: Store + OperatorStore {
    /// Which connection there is, admitted or not.
    fn generations(&self) -> watch::Receiver<Option<Generation>>;

    /// The connection that calls use.
    fn admitted(&self) -> Option<Generation>;

    /// Calls may use that connection from now on, and expect that epoch mark; `false` when it is gone already.
    fn admit(&self, generation: Generation, epoch: Option<String>) -> bool;

    /// Takes that connection out of use.
    fn give_up(&self, generation: Generation, why: &str);

    /// Reads over that connection.
    async fn read_over(&self, generation: Generation, keys: &[Key]) -> Result<Values, StoreError>;

    /// Commits over that connection.
    async fn commit_over(&self, generation: Generation, transaction: &Transaction) -> Result<Outcome, StoreError>;

    /// Merges operator changes over that connection; with `fill`, sets an epoch mark where there is none.
    async fn merge_over(&self, generation: Generation, changes: &[Change], fill: bool) -> Result<Merged, StoreError>;
}
