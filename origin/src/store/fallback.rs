//! A remote store with memory standing in while it is away. The rules are the same on both sides: a decision that the remote store did not answer is made
//! again on what memory knows, with this replica's share of the limits.
//!
//! 1. While the remote store answers, what this replica commits or is told is kept in memory too: it is what later decisions believe.
//! 2. A call that is not answered in time is decided in memory, and so are all that follow, at once; what they write is dirty.
//! 3. A new connection is resynced before calls use it, whatever became of the store meanwhile: the same, an old copy, a new master, nothing. Every record
//!    of memory is read there, merged by its own rule, and committed, until none is left.
//! 4. Only then is it admitted, in the same step that ends deciding in memory.
//!
//! **Invariant:** at any instant either memory decides or the remote store does, and an answer of the remote store that comes after memory took over is not told: the
//! decision is made again.

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
use tokio::{sync::watch, task::JoinHandle, time::timeout};

use super::{
    OlderReplicas, OperatorCopy, OperatorStore, Store, StoreError, StoreState,
    memory::{Mark, OperatorRecords, Table},
    new_version,
    remote::{Generation, Remote},
};
use crate::{
    clock::Clock,
    domain::{
        evaluation::ChallengeKey,
        operator::Change,
        record::{
            OPERATOR_VERSION,
            attempts::Attempts,
            merge::{Merging, is_mirrored, is_readable},
        },
    },
    transaction::{Key, Outcome, Side, Transaction, Value, Values, Write},
};

mod stand_in;

/// How long a decision in memory waits while the last records are told.
const CUTOVER: Duration = Duration::from_millis(100);
/// How long a start may take before the remote store is said to be away.
const START: Duration = Duration::from_secs(1);
/// A call is tried again when the connection came back while it was failing.
const TRIES: usize = 3;
/// Records that a resync reads and commits at once.
const AT_ONCE: usize = 100;
/// Differences of skew that are no jump of a clock.
const SKEW_NOISE_MS: i64 = 1000;
/// How often a batch is merged again because other replicas were faster.
const ROUNDS: usize = 100;

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

/// What this replica knows by itself.
struct Mirror {
    table: Table,
    operator: OperatorRecords,
    /// Absences so far: each counts its guesses apart, so that a lost answer and its repeat in memory do not pass for one.
    absences: u32,
    /// Operator merges that the remote store was told of.
    operator_told: Option<u64>,
}

/// Keeps a [`Fallback`] connected; ends when it is dropped.
pub struct Supervisor(JoinHandle<()>);

impl Drop for Supervisor {
    fn drop(&mut self) {
        self.0.abort();
    }
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

    /// Resyncs and admits every new connection, in the background of the running tokio runtime.
    pub fn supervise(self: &Arc<Self>) -> Supervisor
    where
        R: 'static,
    {
        Supervisor(tokio::spawn(Arc::clone(self).keep_connected()))
    }

    /// Waits until the remote store decides; `false` when it did not within `at_most`.
    pub async fn wait_ready(&self, at_most: Duration) -> bool {
        let connected = async {
            while self.remote.admitted().is_none() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(at_most, connected).await.is_ok()
    }

    async fn keep_connected(self: Arc<Self>) {
        let mut generations = self.remote.generations();
        _ = timeout(START, generations.wait_for(Option::is_some)).await;
        let mut shown = None;
        loop {
            let generation = *generations.borrow_and_update();
            let resynced = match generation {
                Some(generation) => self.resync(generation).await,
                None => Err(StoreError::Unavailable("no connection".into())),
            };
            if let (Some(generation), Err(error)) = (generation, &resynced) {
                self.remote.give_up(generation, &error.to_string());
            }
            show(&mut shown, resynced);
            if generations.changed().await.is_err() {
                return;
            }
        }
    }

    /// Tells the store at the other end of a connection what this replica knows, and admits the connection.
    pub async fn resync(&self, generation: Generation) -> Result<(), StoreError> {
        let resynced = self.tell_all(generation).await;
        self.cutover.send_replace(false);
        resynced
    }

    /// The first round tells everything, the following ones what came meanwhile; those with decisions held back, so that they end.
    async fn tell_all(&self, generation: Generation) -> Result<(), StoreError> {
        let mut epoch = None;
        let mut of_first_round = self.lock().begin_resync(self.now_us());
        loop {
            if let Some(copy) = self.untold_operator_state() {
                let merged = self.remote.merge_over(generation, &copy.changes, copy.filled).await?;
                self.lock().adopt(&merged.copy, self.now_us());
                epoch = merged.epoch;
            }
            while let Some(records) = self.untold_records() {
                let told = records.len();
                self.tell(generation, records).await?;
                // Memory may write as fast as records are told: the first round must end all the same.
                of_first_round = of_first_round.saturating_sub(told);
                if of_first_round == 0 {
                    self.cutover.send_replace(true);
                }
            }
            if self.admit(generation, epoch.as_ref())? {
                return Ok(());
            }
            self.cutover.send_replace(true);
        }
    }

    /// One step: either something is left to tell, or the connection is admitted and memory decides no more.
    fn admit(&self, generation: Generation, epoch: Option<&String>) -> Result<bool, StoreError> {
        let mut mirror = self.lock();
        if !mirror.is_told(self.now_us()) {
            return Ok(false);
        }
        let shift_us = self.shift_us();
        if !self.remote.admit(generation, epoch.cloned()) {
            return Err(StoreError::Unavailable("the connection broke while it was resynced".into()));
        }
        mirror.absences += 1;
        mirror.move_clock(shift_us, &self.merging, self.remote.now_us());
        self.skew_ms.store(self.remote.skew_ms(), Ordering::Relaxed);
        Ok(true)
    }

    fn untold_operator_state(&self) -> Option<OperatorCopy> {
        let mut mirror = self.lock();
        let merges = mirror.operator.merges();
        (mirror.operator_told.replace(merges) != Some(merges)).then(|| mirror.operator.copy())
    }

    fn untold_records(&self) -> Option<Vec<Untold>> {
        let now_us = self.now_us();
        let mirror = self.lock();
        let records = mirror.table.dirty(now_us).filter(|record| is_mirrored(record.key)).take(AT_ONCE);
        let untold: Vec<_> = records
            .map(|record| Untold { key: record.key.clone(), value: record.value.clone(), left_us: record.left_us, change: record.change })
            .collect();
        (!untold.is_empty()).then_some(untold)
    }

    /// Merges records into the store, again and again while other replicas change the same ones.
    async fn tell(&self, generation: Generation, records: Vec<Untold>) -> Result<(), StoreError> {
        let shift_us = self.shift_us();
        let keys: Vec<_> = records.iter().map(|record| record.key.clone()).collect();
        let mut theirs = self.remote.read_over(generation, &keys).await?;
        for _ in 0..ROUNDS {
            let merged = self.merged(&records, &theirs, shift_us);
            if merged.is_empty() {
                self.take_told(&records, &[], shift_us);
                return Ok(());
            }
            let transaction = Transaction { slot: self.slot, write: merged, ..Transaction::default() };
            theirs = match self.remote.commit_over(generation, &transaction).await? {
                Outcome::Committed(_) => {
                    self.take_told(&records, &transaction.write, shift_us);
                    return Ok(());
                }
                Outcome::Changed(values) | Outcome::Full(values) => {
                    // Only what is written comes back; the rest stands as it was read.
                    theirs.values.extend(values.values);
                    Values { now_us: values.now_us, values: theirs.values }
                }
            };
        }
        Err(StoreError::Unavailable("other replicas keep changing the records".into()))
    }

    /// By how much the store's clock is ahead of that of memory's records.
    fn shift_us(&self) -> i64 {
        let shift_ms = self.remote.skew_ms() - self.skew_ms.load(Ordering::Relaxed);
        // Skews are measured, so they differ by a little from one connection to the next: moving records by that would write every one of them anew.
        if shift_ms.abs() < SKEW_NOISE_MS { 0 } else { shift_ms * 1000 }
    }

    /// Until the connection is admitted, memory's records stay in memory's time.
    fn take_told(&self, records: &[Untold], written: &[Write], shift_us: i64) {
        let now_us = self.now_us();
        let in_our_time = |key: &Key, value: &Value| {
            if shift_us == 0 { value.clone() } else { self.merging.merge(key, None, value, -shift_us, now_us) }
        };
        self.lock().take_told(records, written, in_our_time, now_us);
    }

    /// What is to be written so that the store knows what both know.
    fn merged(&self, records: &[Untold], theirs: &Values, shift_us: i64) -> Vec<Write> {
        let write = |record: &Untold| {
            let before = theirs.values.get(&record.key).cloned().flatten();
            let after = self.merging.merge(&record.key, before.as_ref(), &record.value, shift_us, theirs.now_us);
            if before.as_ref() == Some(&after) && !self.merging.has_own_end(&record.key, record.left_us) {
                return None;
            }
            let ttl_ms = self.merging.ttl_ms(&record.key, &after, record.left_us, theirs.now_us);
            Some(Write { key: record.key.clone(), before: before.into(), after: Some(after), ttl_ms: Some(ttl_ms) })
        };
        records.iter().filter_map(write).collect()
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

/// A record that the remote store may not know.
struct Untold {
    key: Key,
    value: Value,
    left_us: Option<u64>,
    change: u64,
}

impl Mirror {
    /// Whatever the store at the other end is, all records are told to it; how many there are.
    fn begin_resync(&mut self, now_us: u64) -> usize {
        self.table.mark_all_dirty(now_us);
        self.operator_told = None;
        self.table.dirty(now_us).filter(|record| is_mirrored(record.key)).count()
    }

    fn is_told(&self, now_us: u64) -> bool {
        let records_told = !self.table.dirty(now_us).any(|record| is_mirrored(record.key));
        records_told && self.operator_told == Some(self.operator.merges())
    }

    fn take_told(&mut self, records: &[Untold], written: &[Write], in_our_time: impl Fn(&Key, &Value) -> Value, now_us: u64) {
        for record in records {
            if !self.table.clean(&record.key, record.change) {
                continue;
            }
            if let Some(write) = written.iter().find(|write| write.key == record.key)
                && let Some(after) = &write.after
            {
                self.table.put_clean(record.key.clone(), in_our_time(&record.key, after), write.ttl_ms, now_us);
            }
        }
    }

    /// From now on the records are in the time of a store whose clock is so far ahead of memory's: what is left of each stays.
    fn move_clock(&mut self, by_us: i64, merging: &Merging, now_us: u64) {
        if by_us != 0 {
            self.table.move_clock(by_us, |key, value| merging.merge(key, None, value, by_us, now_us));
        }
    }

    /// What the remote store told is believed from now on.
    fn believe(&mut self, values: &Values, merging: &Merging) {
        for (key, value) in values.values.iter().filter(|(key, _)| is_mirrored(key)) {
            // What cannot be read here is worth less than what is known.
            if value.as_ref().is_some_and(|value| !is_readable(key, value)) {
                continue;
            }
            // A read tells no end: what is known already keeps its own, which may be far longer than that of its kind.
            if value.is_some() && self.table.get(key, values.now_us) == value.as_ref() {
                continue;
            }
            let value = value.as_ref().map(|value| (value.clone(), merging.ttl_ms(key, value, None, values.now_us)));
            self.table.put_told(key.clone(), value, values.now_us);
        }
    }

    fn adopt(&mut self, copy: &OperatorCopy, now_us: u64) {
        self.operator.adopt(copy, now_us / 1000, new_version());
        self.put_version(now_us);
    }

    fn merge_operator(&mut self, changes: &[Change], now_us: u64) -> u64 {
        let version = self.operator.merge(changes, now_us / 1000, new_version());
        self.put_version(now_us);
        version
    }

    /// Transactions expect the version as they do any other record.
    fn put_version(&mut self, now_us: u64) {
        match self.operator.version() {
            0 => self.table.forget(OPERATOR_VERSION),
            version => self.table.put_clean(OPERATOR_VERSION.into(), version.to_string().into_bytes().into(), None, now_us),
        }
    }
}

/// One line for every change.
fn show(shown: &mut Option<bool>, resynced: Result<(), StoreError>) {
    if *shown == Some(resynced.is_ok()) {
        return;
    }
    *shown = Some(resynced.is_ok());
    match resynced {
        Ok(()) => tracing::info!(target: "otp::store", "redis is connected"),
        Err(error) => tracing::warn!(target: "otp::store", %error, "redis is away: memory stands in"),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{evaluation::Quotas, record};

    const DAY_MS: u64 = 86_400_000;

    #[test]
    fn a_record_that_is_read_again_keeps_its_end() {
        let merging = Merging { quotas: Quotas::default() };
        let operator = OperatorRecords::default();
        let mut mirror = Mirror { table: Table::new(10), operator, absences: 1, operator_told: None };
        let key = record::revoked_key("session");
        let marker = record::marker(30 * DAY_MS);
        mirror.table.put_clean(key.clone(), marker.clone(), Some(30 * DAY_MS), 0);
        mirror.believe(&Values { now_us: 5, values: [(key.clone(), Some(marker))].into() }, &merging);
        assert!(mirror.table.get(&key, 29 * DAY_MS * 1000).is_some(), "a sign-out lasts as long as the cookie");
    }

    #[test]
    fn a_store_with_another_clock_ends_nothing_early() {
        let merging = Merging { quotas: Quotas::default() };
        let operator = OperatorRecords::default();
        let mut mirror = Mirror { table: Table::new(10), operator, absences: 1, operator_told: None };
        let (session, call) = (record::revoked_key("session"), record::call_key(&[1; 16]));
        mirror.table.put_clean(session.clone(), record::marker(DAY_MS), Some(DAY_MS), 0);
        mirror.table.put_clean(call.clone(), b"answer".as_slice().into(), Some(90_000), 0);
        let ahead_us = 900_000_000;
        mirror.move_clock(ahead_us, &merging, 900_000_000);
        let at_us = |ms: u64| ms * 1000 + ahead_us.unsigned_abs();
        assert!(mirror.table.get(&call, at_us(89_000)).is_some() && mirror.table.get(&call, at_us(90_000)).is_none());
        assert_eq!(
            mirror.table.get(&session, at_us(DAY_MS - 1000)),
            Some(&record::marker(DAY_MS + 900_000)),
            "it tells its end in the new time"
        );
    }
}
