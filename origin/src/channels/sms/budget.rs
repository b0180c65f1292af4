//! How many texts may leave: a ceiling an hour and one a day, because a text costs what ten
//! WhatsApp messages cost. Not the fans' limits.
//!
//! **Invariant:** in no clock hour and no day (UTC) does more leave than its ceiling.

const HOUR_S: u64 = 3_600;
const DAY_S: u64 = 86_400;

/// The two ceilings of this replica, and what was taken of them.
#[derive(Debug, Clone)]
pub struct Budget {
    hour: Window,
    day: Window,
}

#[derive(Debug, Clone)]
struct Window {
    length_s: u64,
    ceiling: u32,
    /// Windows since the Unix epoch.
    number: u64,
    taken: u32,
}

impl Budget {
    /// At most `an_hour` and `a_day`.
    pub fn new(an_hour: u32, a_day: u32) -> Self {
        Self { hour: Window::new(HOUR_S, an_hour), day: Window::new(DAY_S, a_day) }
    }

    /// Seconds until a text may leave; `None`: now.
    pub fn wait_s(&self, now_ms: u64) -> Option<u64> {
        self.hour.wait_s(now_ms).max(self.day.wait_s(now_ms))
    }

    /// Takes one text out of both ceilings, or of neither: the error is the seconds until one may
    /// leave.
    pub fn take(&mut self, now_ms: u64) -> Result<(), u64> {
        if let Some(wait_s) = self.wait_s(now_ms) {
            return Err(wait_s);
        }
        self.windows(now_ms).for_each(|window| window.taken += 1);
        Ok(())
    }

    /// Gives a text back that was taken and did not leave.
    pub fn refund(&mut self, now_ms: u64) {
        self.windows(now_ms).for_each(|window| window.taken = window.taken.saturating_sub(1));
    }

    fn windows(&mut self, now_ms: u64) -> impl Iterator<Item = &mut Window> {
        [&mut self.hour, &mut self.day].into_iter().map(move |window| window.at(now_ms))
    }
}

impl Window {
    fn new(length_s: u64, ceiling: u32) -> Self {
        Self { length_s, ceiling, number: 0, taken: 0 }
    }

    /// This window, emptied if another one has begun.
    fn at(&mut self, now_ms: u64) -> &mut Self {
        let number = now_ms / 1_000 / self.length_s;
        if number != self.number {
            (self.number, self.taken) = (number, 0);
        }
        self
    }

    fn wait_s(&self, now_ms: u64) -> Option<u64> {
        let (number, into_s) = (now_ms / 1_000 / self.length_s, now_ms / 1_000 % self.length_s);
        let taken = if number == self.number { self.taken } else { 0 };
        (taken >= self.ceiling).then_some(self.length_s - into_s)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIDNIGHT_MS: u64 = 20_000 * DAY_S * 1_000;
    const HOUR_MS: u64 = HOUR_S * 1_000;

    #[test]
    fn the_hour_ends_and_the_next_one_begins_full() {
        let mut budget = Budget::new(2, 100);
        assert_eq!((budget.take(MIDNIGHT_MS), budget.take(MIDNIGHT_MS + 1_000)), (Ok(()), Ok(())));
        assert_eq!(budget.take(MIDNIGHT_MS + 600_000), Err(3_000));
        assert_eq!(budget.take(MIDNIGHT_MS + HOUR_MS), Ok(()));
    }

    #[test]
    fn the_day_is_the_longer_wait() {
        let mut budget = Budget::new(2, 3);
        for at_ms in [0, 0, HOUR_MS] {
            assert_eq!(budget.take(MIDNIGHT_MS + at_ms), Ok(()));
        }
        assert_eq!(budget.take(MIDNIGHT_MS + 2 * HOUR_MS), Err(22 * HOUR_S));
        assert_eq!(budget.take(MIDNIGHT_MS + 24 * HOUR_MS), Ok(()));
    }

    #[test]
    fn a_text_that_did_not_leave_is_refunded() {
        let mut budget = Budget::new(1, 1);
        assert_eq!(budget.take(MIDNIGHT_MS), Ok(()));
        budget.refund(MIDNIGHT_MS);
        assert_eq!(budget.take(MIDNIGHT_MS), Ok(()));
        assert!(budget.take(MIDNIGHT_MS).is_err());
    }

    #[test]
    fn none_is_a_budget_too() {
        assert_eq!(Budget::new(0, 0).take(MIDNIGHT_MS + 1_000), Err(DAY_S - 1));
    }
}
