//! Operator state, its audit and the publisher's lease, as memory keeps them. Not who may change them.
//!
//! **Invariant:** the versions this gives only grow, even over a restart: they start from the clock.

use std::collections::VecDeque;

use crate::{
    domain::operator::{Change, OperatorState},
    store::{Lease, OperatorCopy},
};

/// Audit records kept.
pub const AUDIT_KEPT: usize = 100_000;

/// Operator state and what goes with it.
#[derive(Debug, Default)]
pub struct Records {
    state: OperatorState,
    version: u64,
    filled: bool,
    audit: VecDeque<Change>,
    holder: Option<(String, u64)>,
    last_lease: u64,
    /// Merges of changes that nobody else has heard of.
    merges: u64,
}

impl Records {
    /// The version of the operator state.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Merges so far: a number that moves when this copy learned something here.
    pub fn merges(&self) -> u64 {
        self.merges
    }

    /// The whole state.
    pub fn copy(&self) -> OperatorCopy {
        OperatorCopy { version: self.version, filled: self.filled, changes: self.state.changes().cloned().collect() }
    }

    /// Merges changes; those that are new go to the audit, oldest first.
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

    /// Takes or renews the lease, unless another holds it.
    pub fn lease(&mut self, replica: &str, ttl_ms: u64, now_ms: u64) -> Option<Lease> {
        if self.holder.as_ref().is_some_and(|(holder, until)| holder != replica && now_ms < *until) {
            return None;
        }
        self.holder = Some((replica.to_owned(), now_ms + ttl_ms));
        self.last_lease = now_ms.max(self.last_lease + 1);
        Some(Lease { version: self.last_lease })
    }
}

/// In the order in which they were made.
pub fn in_order(changes: &[Change]) -> Vec<&Change> {
    let mut sorted: Vec<_> = changes.iter().collect();
    sorted.sort_by(|one, other| one.stamp.cmp(&other.stamp));
    sorted
}
