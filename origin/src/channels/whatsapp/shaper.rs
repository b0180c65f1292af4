//! Keeps the business number under Meta's messages a second: 80 for a number, 1,000 after an
//! upgrade, counted by Meta over in and out. Not fairness between fans, and not the pair rate
//! limit.
//!
//! A place is reserved and then waited for (GCRA), so that no sleeper has to compete again when it
//! wakes.
//!
//! **Invariant:** in any window of time, reserved places are at most rate × window + burst; and a
//! refusal reserves nothing.

/// A quarter of a second's messages may leave at once.
const BURST_US: u64 = 250_000;
/// The rate is cut at most once in this time: the refusals that follow the first say nothing new.
const CUT_EVERY_MS: u64 = 1_000;

/// The rate of one business number, as far as this replica may use it.
#[derive(Debug)]
pub struct Shaper {
    ceiling_per_s: u32,
    rate_per_s: u32,
    /// GCRA's theoretical arrival time, in Unix microseconds.
    tat_us: u64,
    /// When the rate last changed, in Unix milliseconds.
    changed_ms: u64,
}

impl Shaper {
    /// At most `ceiling_per_s` messages a second; at least 1.
    pub fn new(ceiling_per_s: u32) -> Self {
        let ceiling_per_s = ceiling_per_s.max(1);
        Self { ceiling_per_s, rate_per_s: ceiling_per_s, tat_us: 0, changed_ms: 0 }
    }

    /// Reserves the next place if it comes within `max_wait_ms`, and returns the milliseconds to
    /// wait for it. The error is the milliseconds after which one would be in reach.
    pub fn reserve(&mut self, now_ms: u64, max_wait_ms: u64) -> Result<u64, u64> {
        self.recover(now_ms);
        let wait_ms = self.wait_ms(now_ms);
        if wait_ms > max_wait_ms {
            return Err(wait_ms - max_wait_ms);
        }
        self.tat_us = self.tat_us.max(now_ms * 1_000) + 1_000_000 / u64::from(self.rate_per_s);
        Ok(wait_ms)
    }

    /// Milliseconds until the next place.
    pub fn wait_ms(&self, now_ms: u64) -> u64 {
        self.tat_us.saturating_sub(BURST_US).saturating_sub(now_ms * 1_000).div_ceil(1_000)
    }

    /// Meta throttled: a quarter less from now on.
    pub fn slow_down(&mut self, now_ms: u64) {
        self.recover(now_ms);
        if now_ms >= self.changed_ms + CUT_EVERY_MS || self.rate_per_s == self.ceiling_per_s {
            self.rate_per_s = (self.rate_per_s * 3 / 4).max(1);
            self.changed_ms = now_ms;
        }
    }

    /// Messages a second at present.
    pub fn rate_per_s(&self) -> u32 {
        self.rate_per_s
    }

    /// A twentieth of the ceiling comes back with every second that Meta did not throttle.
    fn recover(&mut self, now_ms: u64) {
        let seconds = now_ms.saturating_sub(self.changed_ms) / 1_000;
        if self.rate_per_s < self.ceiling_per_s && seconds > 0 {
            let step = u64::from(self.ceiling_per_s.div_ceil(20));
            let gained = u32::try_from(seconds.saturating_mul(step)).unwrap_or(u32::MAX);
            self.rate_per_s = self.rate_per_s.saturating_add(gained).min(self.ceiling_per_s);
            self.changed_ms += seconds * 1_000;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW_MS: u64 = 1_790_000_000_000;

    #[test]
    fn a_quarter_of_a_second_leaves_at_once_and_the_rest_in_turn() {
        let mut shaper = Shaper::new(80);
        let waits: Vec<_> = (0..102).map(|_| shaper.reserve(NOW_MS, 8_000).unwrap()).collect();
        assert_eq!(waits.iter().filter(|wait| **wait == 0).count(), 21);
        assert_eq!(waits[101], 1_013);
    }

    #[test]
    fn who_would_wait_too_long_is_told_when_to_return_and_takes_no_place() {
        let mut shaper = Shaper::new(1);
        while shaper.reserve(NOW_MS, 5_000).is_ok() {}
        let Err(later_ms) = shaper.reserve(NOW_MS, 5_000) else { panic!("full") };
        assert_eq!(shaper.reserve(NOW_MS, 5_000), Err(later_ms));
        assert_eq!(shaper.reserve(NOW_MS + later_ms, 5_000), Ok(5_000));
    }

    #[test]
    fn a_throttle_slows_it_down_and_quiet_seconds_bring_it_back() {
        let mut shaper = Shaper::new(80);
        shaper.slow_down(NOW_MS);
        shaper.slow_down(NOW_MS + 10);
        assert_eq!(shaper.rate_per_s(), 60, "one burst of refusals is one cut");
        shaper.slow_down(NOW_MS + 999);
        shaper.reserve(NOW_MS + 1_000, 0).unwrap();
        assert_eq!(shaper.rate_per_s(), 64);
        shaper.reserve(NOW_MS + 5_000, 0).unwrap();
        assert_eq!(shaper.rate_per_s(), 80);
    }

    #[test]
    fn it_never_stands_still() {
        let mut shaper = Shaper::new(0);
        for second in 0..100 {
            shaper.slow_down(NOW_MS + second * 1_000);
        }
        assert_eq!(shaper.rate_per_s(), 1);
    }

    proptest! {
        #[test]
        fn no_second_holds_more_than_the_rate_and_the_burst(rate in 1_u32..200, gaps in prop::collection::vec(0_u64..40, 1..400)) {
            let mut shaper = Shaper::new(rate);
            let (mut now_ms, mut left) = (NOW_MS, Vec::new());
            for gap_ms in gaps {
                now_ms += gap_ms;
                left.extend(shaper.reserve(now_ms, 3_000).ok().map(|wait_ms| now_ms + wait_ms));
            }
            // The burst, the place at the window's edge, and one for rounding to milliseconds.
            let most = usize::try_from(rate + rate / 4 + 2).unwrap();
            for from in &left {
                let within = left.iter().filter(|at| (*from..from + 1_000).contains(*at)).count();
                prop_assert!(within <= most, "{within} in a second at {rate}/s");
            }
        }
    }
}
