//! A remote store with memory standing in while it is away. The rules are the same on both sides: a decision that the remote store did not answer is made
//! again on what memory knows, with this replica's share of the limits.
//!
//! 1. While the remote store answers, what this replica commits or is told is kept in memory too: it is what later decisions believe.
//! 2. A call that is not answered in time is decided in memory, and so are all that follow, at once; what they write is dirty.
//! 3. A new connection is resynced before calls use it, whatever became of the store meanwhile: the same, an old copy, a new master, nothing. Every record
//!    of memory is read there, merged by its own rule, and committed, until none is left.
//! 4. Only then is it admitted, in the same step that ends deciding in memory.
//!
//! **Invariant:** one side decides a transaction. While the remote store answers, memory decides only the calls whose record there cannot be read (`stand_in`). An
//! answer of the remote store that comes after memory took over is not told: the decision is made again.

use std::{
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use futures_util::future::select;
use tokio::sync::watch;

use super::{
    OlderReplicas, OperatorCopy, OperatorStore, Store, StoreError, StoreState,
    memory::{Mark, OperatorRecords, Table},
    remote::{Generation, Remote},
};
use crate::{
    clock::Clock,
    domain::{
        evaluation::ChallengeKey,
        operator::Change,
        record::{attempts::Attempts, merge::Merging},
    },
    transaction::{Key, Outcome, Side, Transaction, Value, Values},
};

mod mirror;
mod resync;
mod stand_in;

use mirror::Mirror;
pub use resync::Supervisor;

/// How long a decision in memory waits while the last records are told.
const CUTOVER: Duration = Duration::from_millis(100);
/// A call is tried again when the connection came back while it was failing.
const TRIES: usize = 3;

/// A remote store, and memory while it is away.
pub struct Fallback<R> {
    remote: R,
    memory: Mutex<Mirror>,
    clock: Arc<dyn Clock>,
    slot: u32,
    replicas: u32,
    merging: Merging,
    /// By how much the clock of memory's records is ahead of ours: the remote clock, as last seen while it decided. It stands still while memory decides, so
    /// that all records are in one time when they are told to a store with another.
    skew_ms: AtomicI64,
    /// Set while the last records are told: whoever would decide in memory waits a moment.
    cutover: watch::Sender<bool>,
    told_of_room: AtomicBool,
}

/// How a [`Fallback`] is set up.
pub struct Setup {
    /// Who counts guesses: one process's own, for after a restart memory has forgotten what the last one counted.
    pub slot: u32,
    /// How many replicas share the limits while they count apart.
    pub replicas: u32,
    /// How records merge.
    pub merging: Merging,
    /// Records that memory keeps.
    pub capacity: usize,
}

impl<R: Remote> Fallback<R> {
    /// Not connected: memory decides until a connection was resynced.
    pub fn new(remote: R, clock: Arc<dyn Clock>, setup: Setup) -> Self {
        let Setup { slot, replicas, merging, capacity } = setup;
        let operator = OperatorRecords::default();
        let mirror = Mirror { table: Table::new(capacity), operator, absences: 1, operator_told: None };
        let (cutover, _) = watch::channel(false);
        let skew_ms = remote.skew_ms().into();
        Self { remote, memory: Mutex::new(mirror), clock, slot, replicas, merging, skew_ms, cutover, told_of_room: AtomicBool::new(false) }
    }

    /// Decides in memory, unless the remote store decides.
    async fn in_memory<T>(&self, decide: impl FnOnce(&mut Mirror, u64) -> T) -> Option<T> {
        let mut cutover = self.cutover.subscribe();
        if *cutover.borrow_and_update() {
            let ended = pin!(async { _ = cutover.wait_for(|set| !set).await });
            select(ended, self.clock.sleep(CUTOVER)).await;
        }
        let now_us = self.now_us();
        let mut mirror = self.lock();
        if self.remote.admitted().is_some() { None } else { Some(decide(&mut mirror, now_us)) }
    }

    /// Keeps what the remote store answered; `false` when memory has taken over since the call was made.
    fn keep(&self, generation: Generation, transaction: &Transaction, outcome: &Outcome) -> bool {
        self.take_over(generation, |mirror| match outcome {
            Outcome::Committed(committed) => {
                if mirror.table.mirror(transaction, committed).is_err() {
                    self.tell_of_room();
                }
            }
            Outcome::Changed(values) | Outcome::Full(values) => mirror.believe(values, &self.merging),
        })
    }

    /// One step: memory takes over an answer, unless it has decided something by itself since the call was made.
    fn take_over(&self, generation: Generation, take: impl FnOnce(&mut Mirror)) -> bool {
        let mut mirror = self.lock();
        let is_current = self.remote.admitted() == Some(generation);
        if is_current {
            take(&mut mirror);
        }
        is_current
    }

    /// The call itself has not failed: the remote store has it.
    fn tell_of_room(&self) {
        if !self.told_of_room.swap(true, Ordering::Relaxed) {
            tracing::warn!(target: "otp::store", "memory is full: what it has no room for is remembered by redis alone");
        }
    }

    fn memory_slot(&self, absences: u32) -> u32 {
        // Spread by a large odd number, so that the slots of two replicas do not meet.
        self.slot ^ absences.wrapping_mul(0x9e37_79b9)
    }

    async fn read_in_memory(&self, keys: &[Key]) -> Option<Values> {
        self.in_memory(|mirror, now_us| mirror.table.read(keys, now_us)).await
    }

    fn commit_in_memory(&self, mirror: &mut Mirror, transaction: &Transaction, now_us: u64) -> Result<Outcome, StoreError> {
        if transaction.slot != self.memory_slot(mirror.absences) {
            // Decided for the whole fleet: memory knows less, and its shares are smaller.
            return Ok(Outcome::Changed(mirror.table.read(transaction.keys(), now_us)));
        }
        Ok(mirror.table.commit(transaction, now_us, Mark::Dirty)?)
    }

    fn side_of_memory(&self) -> Side {
        Side { slot: self.memory_slot(self.lock().absences), shares: self.replicas }
    }

    fn lock(&self) -> MutexGuard<'_, Mirror> {
        // A panic elsewhere while the lock was held leaves no step half done that a later one could not live with.
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<R: Remote> Store for Fallback<R> {
    async fn read(&self, keys: &[Key]) -> Result<Values, StoreError> {
        let mut failure = StoreError::Unavailable("redis comes and goes".into());
        for _ in 0..TRIES {
            let Some(generation) = self.remote.admitted() else {
                match self.read_in_memory(keys).await {
                    Some(values) => return Ok(values),
                    None => continue,
                }
            };
            match self.remote.read(keys).await {
                Ok(values) if self.take_over(generation, |mirror| mirror.believe(&values, &self.merging)) => return Ok(values),
                Ok(_) => {}
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    async fn commit(&self, transaction: &Transaction) -> Result<Outcome, StoreError> {
        let mut failure = StoreError::Unavailable("redis comes and goes".into());
        for _ in 0..TRIES {
            let Some(generation) = self.remote.admitted() else {
                match self.in_memory(|mirror, now_us| self.commit_in_memory(mirror, transaction, now_us)).await {
                    Some(outcome) => return outcome,
                    None => continue,
                }
            };
            if transaction.slot != self.slot {
                let keys: Vec<_> = transaction.keys().into_iter().cloned().collect();
                return Ok(Outcome::Changed(self.read(&keys).await?));
            }
            match self.remote.commit(transaction).await {
                Ok(outcome) if self.keep(generation, transaction, &outcome) => return Ok(outcome),
                Ok(_) => {}
                Err(StoreError::Corrupt(what)) => return Err(StoreError::Corrupt(what)),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    fn believe(&self, key: &Key) -> Option<Value> {
        self.lock().table.get(key, self.now_us()).cloned()
    }

    fn now_us(&self) -> u64 {
        if self.remote.admitted().is_some() {
            self.skew_ms.store(self.remote.skew_ms(), Ordering::Relaxed);
            return self.remote.now_us();
        }
        self.clock.now_ms().saturating_add_signed(self.skew_ms.load(Ordering::Relaxed)) * 1000
    }

    fn side(&self) -> Side {
        if self.remote.admitted().is_some() { Side { slot: self.slot, shares: 1 } } else { self.side_of_memory() }
    }

    fn stand_in(&self) -> Option<Box<dyn Store + '_>> {
        Some(Box::new(stand_in::StandIn(self)))
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<R: Remote> OperatorStore for Fallback<R> {
    async fn operator(&self) -> Result<OperatorCopy, StoreError> {
        if self.remote.admitted().is_some()
            && let Ok(copy) = self.remote.operator().await
        {
            self.lock().adopt(&copy, self.now_us());
            return Ok(copy);
        }
        match self.in_memory(|mirror, _| mirror.operator.copy()).await {
            Some(copy) => Ok(copy),
            None => self.remote.operator().await,
        }
    }

    async fn operator_version(&self) -> Result<u64, StoreError> {
        if self.remote.admitted().is_some()
            && let Ok(version) = self.remote.operator_version().await
        {
            return Ok(version);
        }
        match self.in_memory(|mirror, _| mirror.operator.version()).await {
            Some(version) => Ok(version),
            None => self.remote.operator_version().await,
        }
    }

    /// Unlike the others, this fails when the remote store goes in the middle of it: memory alone is not durable, and the caller has to know.
    async fn merge_operator(&self, changes: &[Change]) -> Result<u64, StoreError> {
        if self.remote.admitted().is_none()
            && let Some(version) = self.in_memory(|mirror, now_us| mirror.merge_operator(changes, now_us)).await
        {
            return Ok(version);
        }
        let version = self.remote.merge_operator(changes).await?;
        let now_us = self.now_us();
        // Other replicas' changes may stand behind the store's version, so it is noted only when the whole state is read.
        self.lock().merge_operator(changes, now_us);
        Ok(version)
    }

    async fn audit(&self, limit: usize) -> Result<Vec<Change>, StoreError> {
        if self.remote.admitted().is_some()
            && let Ok(audit) = self.remote.audit(limit).await
        {
            return Ok(audit);
        }
        match self.in_memory(|mirror, _| mirror.operator.audit(limit)).await {
            Some(audit) => Ok(audit),
            None => self.remote.audit(limit).await,
        }
    }

    fn state(&self) -> StoreState {
        if self.remote.admitted().is_some() { StoreState::Connected } else { StoreState::MemoryFallback }
    }

    fn skew_ms(&self) -> i64 {
        self.remote.skew_ms()
    }
}

#[async_trait]
impl<R: Remote + OlderReplicas> OlderReplicas for Fallback<R> {
    async fn attempts(&self, challenge: ChallengeKey) -> Attempts {
        self.remote.attempts(challenge).await
    }

    async fn count(&self, challenge: ChallengeKey, correct: bool, left_ms: u64) -> Attempts {
        self.remote.count(challenge, correct, left_ms).await
    }
}
