//! How a new connection comes to decide: everything that this replica knows is told to the store at its other end first.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::{task::JoinHandle, time::timeout};

use super::Fallback;
use crate::{
    domain::record::merge::{is_mirrored, is_readable},
    store::{
        OperatorCopy, Store, StoreError,
        remote::{Generation, Remote},
    },
    transaction::{Key, Outcome, Transaction, Value, Values, Write},
};

/// How long a start may take before the remote store is said to be away.
const START: Duration = Duration::from_secs(1);
/// Records that a resync reads and commits at once.
const AT_ONCE: usize = 100;
/// Differences of skew that are no jump of a clock.
const SKEW_NOISE_MS: i64 = 1000;
/// How often a batch is merged again because other replicas were faster.
const ROUNDS: usize = 100;

/// Keeps a [`Fallback`] connected; ends when it is dropped.
pub struct Supervisor(JoinHandle<()>);

impl Drop for Supervisor {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A record that the remote store may not know.
pub struct Untold {
    pub key: Key,
    pub value: Value,
    pub left_us: Option<u64>,
    pub change: u64,
}

impl<R: Remote> Fallback<R> {
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
        mirror.end_resync();
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

    /// Tells what memory decided though the connection is admitted. If that fails the connection is lost, and a resync tells it.
    pub(super) async fn tell_at_once(&self) -> Result<(), StoreError> {
        let Some(generation) = self.remote.admitted() else { return Ok(()) };
        while let Some(records) = self.untold_records() {
            self.tell(generation, records).await?;
        }
        Ok(())
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
            // Replicas of a newer version may know more than we can read.
            if before.as_ref().is_some_and(|before| !is_readable(&record.key, before)) {
                return None;
            }
            let after = self.merging.merge(&record.key, before.as_ref(), &record.value, shift_us, theirs.now_us);
            if before.as_ref() == Some(&after) && !self.merging.has_own_end(&record.key, record.left_us) {
                return None;
            }
            let ttl_ms = self.merging.ttl_ms(&record.key, &after, record.left_us, theirs.now_us);
            Some(Write { key: record.key.clone(), before: before.into(), after: Some(after), ttl_ms: Some(ttl_ms) })
        };
        records.iter().filter_map(write).collect()
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
