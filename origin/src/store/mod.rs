//! What the origin remembers, as records that are read and transactions that are committed. A store knows no rule: which records there are, what they
//! mean and when they refuse is the domain's. Operator state is kept apart, since whole copies of it are merged.
//!
//! **Invariant:** [`Store::commit`] is one atomic step, and on Redis one round trip.

use async_trait::async_trait;

use crate::{
    clock,
    domain::{evaluation::ChallengeKey, operator::Change, record::attempts::Attempts},
    transaction::{Key, Outcome, Side, Transaction, Value, Values},
};

#[cfg(test)]
pub(crate) mod contract;
pub mod fallback;
pub mod memory;
pub mod redis;
pub mod remote;

/// Why the store did not answer. Whether the call took effect is not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Not reached, no answer in time, or a deadline that had passed when the call ran.
    #[error("the store is not available: {0}")]
    Unavailable(String),
    /// It holds or answered what no version of ours writes.
    #[error("the store's data is not understood: {0}")]
    Corrupt(String),
}

/// How the store does, in the words of `/otp/status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub enum StoreState {
    /// Redis answers.
    #[serde(rename = "connected")]
    Connected,
    /// Redis does not; memory stands in.
    #[serde(rename = "memory fallback")]
    MemoryFallback,
    /// No Redis is configured.
    #[serde(rename = "memory (embedded)")]
    MemoryEmbedded,
}

/// The operator state as a store holds it: every subject's newest change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OperatorCopy {
    /// Names this content: another number after every change, and never that of another content. It tells neither order nor time.
    pub version: u64,
    /// Whether the copy has its epoch mark: without it, the store is empty or new and must be filled before anything is published from it.
    pub filled: bool,
    /// In no order.
    pub changes: Vec<Change>,
}

/// A version for a content of the operator state. It is random: of two servers that were one (a split, a restored copy), and of a server and a replica's memory,
/// a count or a clock would give the same number to different contents. 46 bits, because replicas of the release before have Redis write it as JSON, which keeps 14
/// digits; 0 is the state before any change.
fn new_version() -> u64 {
    (u64::from_be_bytes(clock::random()) >> 18).max(1)
}

/// Records and transactions.
#[async_trait]
pub trait Store: Send + Sync {
    /// What is under each key now.
    async fn read(&self, keys: &[Key]) -> Result<Values, StoreError>;

    /// Commits all of it, or nothing.
    async fn commit(&self, transaction: &Transaction) -> Result<Outcome, StoreError>;

    /// What this replica believes is under `key`, without asking: what it committed or was told last. A decision on it is never told before the store
    /// has confirmed it.
    fn believe(&self, key: &Key) -> Option<Value>;

    /// The store's Unix microsecond, as far as this replica knows without asking.
    fn now_us(&self) -> u64;

    /// Who decides at present.
    fn side(&self) -> Side;

    /// What decides when a record of the store cannot be read. `None`: nothing does.
    fn stand_in(&self) -> Option<Box<dyn Store + '_>> {
        None
    }
}

/// Replicas of the record layout before this one, which may run beside it during a rolling update and know nothing of its records.
#[async_trait]
pub trait OlderReplicas: Send + Sync {
    /// What they counted of a challenge. Nothing when there are none, or the store is away.
    async fn attempts(&self, challenge: ChallengeKey) -> Attempts;

    /// Counts a guess where they see it, before it is decided here; what others had counted there by then. The challenge ends in `left_ms`.
    async fn count(&self, challenge: ChallengeKey, correct: bool, left_ms: u64) -> Attempts;
}

/// The operator state, its audit, and the store's health.
#[async_trait]
pub trait OperatorStore: Send + Sync {
    /// The whole operator state.
    async fn operator(&self) -> Result<OperatorCopy, StoreError>;

    /// The version of the operator state: when it is the one a replica knows, there is nothing to read.
    async fn operator_version(&self) -> Result<u64, StoreError>;

    /// Merges changes, newest per subject winning, sets the epoch mark, and returns the new version. Changes that are new go to the audit.
    async fn merge_operator(&self, changes: &[Change]) -> Result<u64, StoreError>;

    /// The newest audit records first, as they were made.
    async fn audit(&self, limit: usize) -> Result<Vec<Change>, StoreError>;

    /// How the store does, without asking it.
    fn state(&self) -> StoreState;

    /// Milliseconds by which the store's clock is ahead of ours (negative: behind), when last seen.
    fn skew_ms(&self) -> i64;
}
