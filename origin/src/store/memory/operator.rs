//! Operator state and its audit, as memory keeps them. Who may change them is not decided here.
//!
//! **Invariant:** the versions this gives only grow, even over a restart: they start from the clock.

use std::collections::VecDeque;

use crate::{
    domain::operator::{Change, OperatorState},
    store::OperatorCopy,
};

/// Audit records kept.
pub const AUDIT_KEPT: usize = 100_000;

/// Operator state and what goes with it.
#[derive(Debug, Default)]
pub struct OperatorRecords {
    state: OperatorState,
    version: u64,
    filled: bool,
    audit: VecDeque<Change>,
    merges: u64,
}

impl OperatorRecords {
    /// The version of the operator state.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Merges so far: a number that moves when this copy learned something that nobody else has heard of.
    pub fn merges(&self) -> u64 {
        self.merges
    }

    /// The whole state.
    pub fn copy(&self) -> OperatorCopy {
        OperatorCopy { version: self.version, filled: self.filled, changes: self.state.changes().cloned().collect() }
    }

    /// Merges changes and returns the version; changes that are new go to the audit, oldest first.
    pub fn merge(&mut self, changes: &[Change], now_ms: u64) -> u64 {
        let mut new = !self.filled;
        self.merges += 1;
        for change in in_order(changes).into_iter().filter(|change| !change.is_garbage(now_ms)) {
            if self.state.merge(change.clone()) {
                new = true;
                self.audit.push_front(change.clone());
            }
        }
        self.audit.truncate(AUDIT_KEPT);
        self.state.collect_garbage(now_ms);
        self.filled = true;
        if new {
            self.version = now_ms.max(self.version + 1);
        }
        self.version
    }

    /// Takes over a copy under its own version.
    pub fn adopt(&mut self, copy: &OperatorCopy, now_ms: u64) {
        for change in &copy.changes {
            self.state.merge(change.clone());
        }
        self.state.collect_garbage(now_ms);
        self.filled |= copy.filled;
        self.version = copy.version;
    }

    /// The newest records first.
    pub fn audit(&self, limit: usize) -> Vec<Change> {
        self.audit.iter().take(limit).cloned().collect()
    }
}

/// In the order in which they were made.
pub fn in_order(changes: &[Change]) -> Vec<&Change> {
    let mut sorted: Vec<_> = changes.iter().collect();
    sorted.sort_by(|one, other| one.stamp.cmp(&other.stamp));
    sorted
}
