//! A sliding log: who, and when, newest last. It counts exactly where GCRA would let nearly twice the cap through a first window.
//!
//! **Invariant:** a member is there once, under its newest time.

use std::collections::{BTreeMap, BTreeSet};

use otp_shared::limits::Quota;

/// Members by the Unix microsecond at which they were counted.
#[derive(Debug, Clone)]
pub struct Log<M> {
    times: BTreeMap<M, u64>,
    in_order: BTreeSet<(u64, M)>,
}

impl<M> Default for Log<M> {
    fn default() -> Self {
        Self { times: BTreeMap::new(), in_order: BTreeSet::new() }
    }
}

impl<M: Ord + Copy> Log<M> {
    /// When `member` was counted.
    pub fn time(&self, member: &M) -> Option<u64> {
        self.times.get(member).copied()
    }

    /// The microsecond from which one more fits, if it does not at `now_us`.
    pub fn free_at(&self, quota: Quota, now_us: u64) -> Option<u64> {
        // The count-th newest, found from the old end: a log is seldom longer than its count.
        let older = self.in_order.len().checked_sub(usize::try_from(quota.count).unwrap_or(usize::MAX))?;
        let (time, _) = self.in_order.iter().nth(older)?;
        Some(time + window_us(quota)).filter(|&at| at > now_us)
    }

    /// Counts `member` at that time, or moves it there.
    pub fn set(&mut self, member: M, time_us: u64) {
        if let Some(before) = self.times.insert(member, time_us) {
            self.in_order.remove(&(before, member));
        }
        self.in_order.insert((time_us, member));
    }

    /// Takes `member` out.
    pub fn remove(&mut self, member: &M) {
        if let Some(time) = self.times.remove(member) {
            self.in_order.remove(&(time, *member));
        }
    }

    /// Undoes `set(member, set_us)` unless something later moved it again.
    pub fn restore(&mut self, member: M, set_us: u64, before_us: Option<u64>) {
        if self.time(&member) != Some(set_us) {
            return;
        }
        match before_us {
            Some(before) => self.set(member, before),
            None => self.remove(&member),
        }
    }

    /// Forgets what was counted at or before that time.
    pub fn forget_until(&mut self, time_us: u64) {
        while let Some(&(time, member)) = self.in_order.first().filter(|(time, _)| *time <= time_us) {
            self.in_order.remove(&(time, member));
            self.times.remove(&member);
        }
    }

    /// Forgets the oldest until there is room for one more within `capacity`.
    pub fn forget_beyond(&mut self, capacity: usize) {
        while self.times.len() >= capacity {
            let Some((_, member)) = self.in_order.pop_first() else { return };
            self.times.remove(&member);
        }
    }

    /// Members and their times, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = (M, u64)> {
        self.in_order.iter().map(|&(time, member)| (member, time))
    }
}

/// Length of the window in microseconds.
pub const fn window_us(quota: Quota) -> u64 {
    quota.window_ms() * 1000
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const QUOTA: Quota = Quota { count: 3, window_s: 10 };

    fn full() -> Log<u8> {
        let mut log = Log::default();
        for (member, second) in [(1, 1), (2, 4), (3, 5)] {
            log.set(member, second * 1_000_000);
        }
        log
    }

    #[test]
    fn a_full_log_frees_when_its_nth_newest_leaves() {
        let log = full();
        assert_eq!(log.free_at(QUOTA, 6_000_000), Some(11_000_000));
        assert_eq!(log.free_at(QUOTA, 11_000_000), None, "the window is half open");
    }

    #[test]
    fn a_member_given_back_frees_its_place_and_no_other() {
        let mut log = full();
        log.remove(&3);
        assert_eq!(log.free_at(QUOTA, 6_000_000), None);
        log.set(4, 6_000_000);
        assert_eq!(log.free_at(QUOTA, 6_000_000), Some(11_000_000));
    }

    #[test]
    fn a_restore_does_not_undo_what_came_later() {
        let mut log = full();
        log.set(2, 7_000_000);
        log.set(2, 8_000_000);
        log.restore(2, 7_000_000, Some(4_000_000));
        assert_eq!(log.time(&2), Some(8_000_000));
        log.restore(2, 8_000_000, Some(4_000_000));
        assert_eq!(log.time(&2), Some(4_000_000));
    }

    proptest! {
        #[test]
        fn no_window_ever_holds_more_than_the_count(gaps in proptest::collection::vec(0u64..4_000_000, 1..60)) {
            let mut log = Log::default();
            let mut now = 0;
            let mut passed: Vec<u64> = Vec::new();
            for (member, gap) in gaps.into_iter().enumerate() {
                now += gap;
                if log.free_at(QUOTA, now).is_none() {
                    log.set(member, now);
                    passed.push(now);
                }
                let within = passed.iter().filter(|&&time| time + window_us(QUOTA) > now).count();
                prop_assert!(within <= 3);
            }
        }
    }
}
