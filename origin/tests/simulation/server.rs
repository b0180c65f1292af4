//! The simulated server: what a Redis holds, with its own clock. It can be copied, restored, emptied and flushed.

use std::sync::Arc;

use otp_origin::{
    domain::{operator::Change, record::OPERATOR_VERSION},
    store::memory::{Mark, OperatorRecords, Table},
    transaction::{Key, Outcome, Transaction, Values},
};

use crate::model::Knowledge;

/// More records than a schedule makes.
pub const CAPACITY: usize = 100_000;

/// A server, and what the simulation knows was told to it.
pub struct Server {
    pub table: Table,
    pub operator: OperatorRecords,
    /// Set when its operator state was filled; another one after it was emptied.
    pub epoch: Option<String>,
    pub clock_ms: u64,
    /// As on Redis, no two calls happen in the same microsecond.
    passed_us: u64,
    pub is_up: bool,
    /// Connections of an earlier start are broken.
    pub start: u64,
    pub known: Knowledge,
    /// Given up by their callers, and still on their way: each has a deadline in this server's microseconds.
    pub delayed: Vec<(u64, usize, Transaction)>,
}

impl Server {
    pub fn new(clock_ms: u64) -> Self {
        Self {
            table: Table::new(CAPACITY),
            operator: OperatorRecords::default(),
            epoch: None,
            clock_ms,
            passed_us: 0,
            is_up: true,
            start: 0,
            known: Knowledge::default(),
            delayed: Vec::new(),
        }
    }

    pub fn now_us(&self) -> u64 {
        self.clock_ms * 1000 + self.passed_us
    }

    fn tick(&mut self) -> u64 {
        // The millisecond stays the one that the model knows: more calls than that are rare.
        self.passed_us = (self.passed_us + 1).min(999);
        self.now_us()
    }

    /// The same records in another place; nothing is on its way there.
    pub fn copy(&self) -> Self {
        let mut copy = Self::new(self.clock_ms);
        for record in self.table.iter(self.now_us()) {
            let ttl_ms = record.left_us.map(|left_us| left_us.div_ceil(1000));
            copy.table.put_clean(record.key.clone(), record.value.clone(), ttl_ms, self.now_us());
        }
        copy.operator.adopt(&self.operator.copy(), self.clock_ms, self.operator.version());
        copy.epoch.clone_from(&self.epoch);
        copy.start = self.start;
        copy.known = self.known.clone();
        copy
    }

    /// Forgets what the runbook lets an operator flush.
    pub fn flush(&mut self, prefix: &str) {
        let keys: Vec<Key> = self.table.iter(self.now_us()).map(|record| Arc::clone(record.key)).collect();
        keys.iter().filter(|key| key.starts_with(prefix)).for_each(|key| self.table.forget(key));
        self.known.flush();
    }

    pub fn empty(&mut self) {
        *self = Self { is_up: self.is_up, start: self.start, ..Self::new(self.clock_ms) };
    }

    /// Was this transaction committed before, by its id?
    pub fn has_committed(&self, transaction: &Transaction) -> bool {
        transaction.id.as_ref().is_some_and(|id| self.table.get(&id.key, self.now_us()) == Some(&id.token))
    }

    pub fn commit(&mut self, transaction: &Transaction) -> Outcome {
        let now_us = self.tick();
        self.table.commit(transaction, now_us, Mark::Clean).expect("there is room")
    }

    pub fn read(&mut self, keys: &[Key]) -> Values {
        let now_us = self.tick();
        self.table.read(keys, now_us)
    }

    pub fn merge(&mut self, changes: &[Change], fill: bool, mark: &str, new_version: u64) -> u64 {
        let was_filled = self.operator.copy().filled;
        if !fill && changes.is_empty() && !was_filled {
            return self.operator.version();
        }
        let version = self.operator.merge(changes, self.clock_ms, new_version);
        self.table.put_clean(OPERATOR_VERSION.into(), version.to_string().into_bytes().into(), None, self.now_us());
        if fill && self.epoch.is_none() {
            self.epoch = Some(mark.to_owned());
        }
        version
    }
}
