//! Operator state and its audit, as memory keeps them. Who may change them is not decided here.
//!
//! **Invariant:** a version stands for one content of the state: where the content becomes another, so does the version.

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

    /// Merges changes and returns the version, which is `new_version` if that changed anything; changes that are new go to the audit, oldest first.
    pub fn merge(&mut self, changes: &[Change], now_ms: u64, new_version: u64) -> u64 {
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
            self.version = new_version;
        }
        self.version
    }

    /// Takes over a copy: under its own version, unless more is known here than it has. Then both together are `new_version`.
    pub fn adopt(&mut self, copy: &OperatorCopy, now_ms: u64, new_version: u64) {
        self.state.collect_garbage(now_ms);
        for change in &copy.changes {
            self.state.merge(change.clone());
        }
        let same = copy.changes.iter().filter(|change| self.state.get(&change.target) == Some(change)).count();
        self.version = if same == self.state.changes().count() { copy.version } else { new_version };
        self.state.collect_garbage(now_ms);
        self.filled |= copy.filled;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::operator::{Stamp, Target};

    fn change(value: &str) -> Change {
        Change {
            target: Target::Blacklist { kind: "ip".into(), value: value.into() },
            stamp: Stamp { ms: 1000, counter: 0, id: value.into() },
            actor: "ops".into(),
            note: String::new(),
            present: true,
            until_ms: None,
        }
    }

    fn merged(changes: &[Change], version: u64) -> OperatorRecords {
        let mut records = OperatorRecords::default();
        records.merge(changes, 1000, version);
        records
    }

    #[test]
    fn a_version_is_taken_over_only_with_the_same_content() {
        let (one, two) = (change("192.0.2.1"), change("192.0.2.2"));
        let theirs = merged(&[one.clone(), two.clone()], 7).copy();
        let mut less = merged(std::slice::from_ref(&one), 3);
        less.adopt(&theirs, 1000, 9);
        assert_eq!((less.version(), less.copy().changes), (7, theirs.changes));
        let mut more = merged(&[two], 3);
        more.adopt(&merged(&[one], 7).copy(), 1000, 9);
        assert_eq!((more.version(), more.copy().changes.len()), (9, 2), "both together are neither of the two");
    }
}
