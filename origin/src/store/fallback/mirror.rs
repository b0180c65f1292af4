//! What a replica knows by itself: what it committed or was told, and what it decided while the remote store was away.

use super::resync::Untold;
use crate::{
    domain::{
        operator::Change,
        record::{
            OPERATOR_VERSION,
            merge::{Merging, is_mirrored, is_readable},
        },
    },
    store::{
        OperatorCopy,
        memory::{OperatorRecords, Table},
        new_version,
    },
    transaction::{Key, Value, Values, Write},
};

/// What this replica knows by itself.
pub struct Mirror {
    pub table: Table,
    pub operator: OperatorRecords,
    /// Absences so far: each counts its guesses apart, so that a lost answer and its repeat in memory do not pass for one.
    pub absences: u32,
    /// Operator merges that the remote store was told of.
    pub operator_told: Option<u64>,
}

impl Mirror {
    /// Whatever the store at the other end is, all records are told to it; how many there are.
    pub fn begin_resync(&mut self, now_us: u64) -> usize {
        self.table.mark_all_dirty(now_us);
        self.operator_told = None;
        self.table.dirty(now_us).filter(|record| is_mirrored(record.key)).count()
    }

    pub fn is_told(&self, now_us: u64) -> bool {
        let records_told = !self.table.dirty(now_us).any(|record| is_mirrored(record.key));
        records_told && self.operator_told == Some(self.operator.merges())
    }

    pub fn take_told(&mut self, records: &[Untold], written: &[Write], in_our_time: impl Fn(&Key, &Value) -> Value, now_us: u64) {
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

    /// What belongs to the whole fleet alone is never told: the store's own stands from now on.
    pub fn end_resync(&mut self) {
        self.absences += 1;
        self.table.clean_unless(is_mirrored);
    }

    /// From now on the records are in the time of a store whose clock is so far ahead of memory's: what is left of each stays.
    pub fn move_clock(&mut self, by_us: i64, merging: &Merging, now_us: u64) {
        if by_us != 0 {
            self.table.move_clock(by_us, |key, value| merging.merge(key, None, value, by_us, now_us));
        }
    }

    /// What the remote store told is believed from now on.
    pub fn believe(&mut self, values: &Values, merging: &Merging) {
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

    pub fn adopt(&mut self, copy: &OperatorCopy, now_us: u64) {
        self.operator.adopt(copy, now_us / 1000, new_version());
        self.put_version(now_us);
    }

    pub fn merge_operator(&mut self, changes: &[Change], now_us: u64) -> u64 {
        let version = self.operator.merge(changes, now_us / 1000, new_version());
        self.put_version(now_us);
        version
    }

    /// Transactions expect the version as they do any other record.
    pub fn put_version(&mut self, now_us: u64) {
        match self.operator.version() {
            0 => self.table.forget(OPERATOR_VERSION),
            version => self.table.put_clean(OPERATOR_VERSION.into(), version.to_string().into_bytes().into(), None, now_us),
        }
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
