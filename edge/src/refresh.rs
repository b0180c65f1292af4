//! When to read the snapshots again, and how long a request may wait for the first ones. Not the reading itself.
//!
//! **Invariant:** one refresh at a time, and none can wedge the isolate: a refresh whose request was killed is forgotten after
//! [`GIVE_UP_MS`].

/// How long the first requests of an isolate wait for its first snapshots, in milliseconds.
pub const PATIENCE_MS: u64 = 150;
/// After this, a refresh that has not ended never will: its request was killed. Longer than the reading's own time limit.
pub const GIVE_UP_MS: u64 = 10_000;
/// How soon a failed refresh is tried again, unless the regular interval is shorter.
pub const RETRY_MS: u64 = 5_000;

/// The schedule of one isolate. All times in milliseconds since the Unix epoch.
#[derive(Debug, Default)]
pub struct Refresh {
    first_ms: Option<u64>,
    since_ms: Option<u64>,
    ended: Option<Ended>,
}

#[derive(Debug, Clone, Copy)]
struct Ended {
    at_ms: u64,
    good: bool,
}

impl Refresh {
    /// Whether the caller is to start a refresh now; if so, it has begun.
    pub fn begin(&mut self, now_ms: u64, every_ms: u64) -> bool {
        let begins = !self.is_running(now_ms) && self.is_due(now_ms, every_ms);
        if begins {
            self.since_ms = Some(now_ms);
            self.first_ms.get_or_insert(now_ms);
        }
        begins
    }

    /// The refresh is over; `good` when both snapshots were read.
    pub fn end(&mut self, now_ms: u64, good: bool) {
        self.since_ms = None;
        self.ended = Some(Ended { at_ms: now_ms, good });
    }

    /// Whether a request should go on waiting for the isolate's first snapshots. Once any refresh has ended, nobody waits again.
    pub fn is_worth_waiting(&self, now_ms: u64) -> bool {
        self.ended.is_none() && self.first_ms.is_some_and(|first_ms| now_ms < first_ms.saturating_add(PATIENCE_MS))
    }

    fn is_running(&self, now_ms: u64) -> bool {
        self.since_ms.is_some_and(|since_ms| now_ms < since_ms.saturating_add(GIVE_UP_MS))
    }

    fn is_due(&self, now_ms: u64, every_ms: u64) -> bool {
        self.ended.is_none_or(|ended| {
            let pause_ms = if ended.good { every_ms } else { every_ms.min(RETRY_MS) };
            now_ms >= ended.at_ms.saturating_add(pause_ms)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: u64 = 1_790_000_000_000;
    const EVERY_MS: u64 = 30_000;

    #[test]
    fn the_first_request_starts_a_refresh_and_no_second_one_does() {
        let mut refresh = Refresh::default();
        assert!(refresh.begin(NOW_MS, EVERY_MS));
        assert!(!refresh.begin(NOW_MS, EVERY_MS));
    }

    #[test]
    fn a_good_refresh_lasts_the_interval() {
        let mut refresh = Refresh::default();
        refresh.begin(NOW_MS, EVERY_MS);
        refresh.end(NOW_MS, true);
        assert!(!refresh.begin(NOW_MS + EVERY_MS - 1, EVERY_MS));
        assert!(refresh.begin(NOW_MS + EVERY_MS, EVERY_MS));
    }

    #[test]
    fn a_failed_refresh_is_tried_again_sooner() {
        let mut refresh = Refresh::default();
        refresh.begin(NOW_MS, EVERY_MS);
        refresh.end(NOW_MS, false);
        assert!(!refresh.begin(NOW_MS + RETRY_MS - 1, EVERY_MS));
        assert!(refresh.begin(NOW_MS + RETRY_MS, EVERY_MS));
    }

    #[test]
    fn a_refresh_that_never_ends_is_forgotten() {
        let mut refresh = Refresh::default();
        refresh.begin(NOW_MS, EVERY_MS);
        assert!(!refresh.begin(NOW_MS + GIVE_UP_MS - 1, EVERY_MS));
        assert!(refresh.begin(NOW_MS + GIVE_UP_MS, EVERY_MS));
    }

    #[test]
    fn only_the_first_requests_of_an_isolate_wait_and_not_for_long() {
        let mut refresh = Refresh::default();
        assert!(!refresh.is_worth_waiting(NOW_MS));
        refresh.begin(NOW_MS, EVERY_MS);
        assert!(refresh.is_worth_waiting(NOW_MS + PATIENCE_MS - 1));
        assert!(!refresh.is_worth_waiting(NOW_MS + PATIENCE_MS));
        refresh.end(NOW_MS, false);
        assert!(!refresh.is_worth_waiting(NOW_MS));
    }

    #[test]
    fn a_second_attempt_makes_nobody_wait_again() {
        let mut refresh = Refresh::default();
        refresh.begin(NOW_MS, EVERY_MS);
        let later_ms = NOW_MS + GIVE_UP_MS;
        assert!(refresh.begin(later_ms, EVERY_MS));
        assert!(!refresh.is_worth_waiting(later_ms));
    }
}
