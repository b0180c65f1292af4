//! Subjects that come back while refused, and those held for it. Not the limits behind them.
//!
//! **Invariant:** a refusal never prolongs a hold: it ends when the limit itself would.

use super::table::Table;
use crate::domain::judgement::Hold;

/// Refusals and holds by subject.
#[derive(Debug)]
pub struct Holds {
    refusals: Table<String, u32>,
    held: Table<String, ()>,
    threshold: u32,
}

impl Holds {
    /// Nobody is held; `threshold` refusals hold a subject.
    pub fn new(threshold: u32, capacity: usize) -> Self {
        Self { refusals: Table::new(capacity), held: Table::new(capacity), threshold }
    }

    /// Counts a refusal of a subject whose limit ends then; the hold, if it is one now.
    pub fn refused(&mut self, subject: &str, ends_us: u64, now_us: u64) -> Option<Hold> {
        let key = subject.to_owned();
        let count = self.refusals.get(&key, now_us).copied().unwrap_or_default().saturating_add(1);
        self.refusals.put(key.clone(), count, ends_us, now_us);
        if count < self.threshold {
            return None;
        }
        self.held.put(key, (), ends_us, now_us);
        Some(Hold { subject: subject.to_owned(), until_ms: ends_us.div_ceil(1000) })
    }

    /// The subject's limits pass again, or an operator says so; whether it was held.
    pub fn lift(&mut self, subject: &str, now_us: u64) -> bool {
        let key = subject.to_owned();
        self.refusals.remove(&key, now_us);
        self.held.remove(&key, now_us).is_some()
    }

    /// The holds in force.
    pub fn in_force(&self, now_us: u64) -> Vec<Hold> {
        self.held.iter(now_us).map(|(subject, (), end)| Hold { subject: subject.clone(), until_ms: end.div_ceil(1000) }).collect()
    }
}
