//! Meta's two rate limits: messages a second from the business number (throughput), and messages to
//! one person (pair rate limit). Pure arithmetic: time is an argument.

use std::collections::HashMap;

use crate::error::GraphError;

/// A person may get one message in this time.
const PAIR_INTERVAL_MS: u64 = 6_000;
/// A person may get so many messages within one interval. They are borrowed: the next message has
/// to wait until each of them has had its [`PAIR_INTERVAL_MS`].
const PAIR_BURST: u64 = 45;

/// Both limits. By default neither applies.
#[derive(Debug, Default)]
pub struct RateLimits {
    /// Messages a second. Absent: no limit.
    pub throughput_mps: Option<u32>,
    /// Whether the pair rate limit applies.
    pub pair_limit: bool,
    current_second: Window,
    /// By the person's digits.
    pairs: HashMap<String, Window>,
}

/// How many messages were sent since a time.
#[derive(Clone, Copy, Debug, Default)]
struct Window {
    since_ms: u64,
    sent: u64,
}

impl RateLimits {
    /// Counts a message to `digits`. A refused message does not count.
    ///
    /// # Errors
    /// 130429 for the throughput, 131056 for the pair rate limit.
    pub fn charge(&mut self, digits: &str, now_ms: u64) -> Result<(), GraphError> {
        let second = self.current_second.roll(now_ms, |window| window.since_ms + 1_000);
        if self.throughput_mps.is_some_and(|mps| second.sent >= u64::from(mps)) {
            return Err(GraphError::new(130_429).subcode(2_494_055).details("Cloud API message throughput has been reached."));
        }
        let pair = self.pairs.get(digits).copied().unwrap_or_default().roll(now_ms, Window::repaid_ms);
        if self.pair_limit && pair.refuses(now_ms) {
            return Err(GraphError::new(131_056).details(
                "Message failed to send because there were too many messages sent from this phone number to the same phone number in a short period of time.",
            ));
        }
        self.current_second = second.one_more();
        self.pairs.insert(digits.to_owned(), pair.one_more());
        Ok(())
    }
}

impl Window {
    /// This window, or an empty one that begins now if it is over.
    fn roll(self, now_ms: u64, end_ms: impl Fn(&Self) -> u64) -> Self {
        if self.sent > 0 && now_ms < end_ms(&self) { self } else { Self { since_ms: now_ms, sent: 0 } }
    }

    /// When every message of this window has had its interval.
    fn repaid_ms(&self) -> u64 {
        self.since_ms + PAIR_INTERVAL_MS * self.sent
    }

    /// A burst may last one interval. After that it has to be repaid before the next message.
    fn refuses(&self, now_ms: u64) -> bool {
        self.sent >= PAIR_BURST || (self.sent > 0 && now_ms >= self.since_ms + PAIR_INTERVAL_MS)
    }

    fn one_more(self) -> Self {
        Self { sent: self.sent + 1, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAN: &str = "250788123456";

    fn pairs() -> RateLimits {
        RateLimits { pair_limit: true, ..RateLimits::default() }
    }

    fn code(result: Result<(), GraphError>) -> Option<u32> {
        result.err().map(|error| error.code)
    }

    #[test]
    fn nothing_is_limited_until_it_is_switched_on() {
        let mut rate_limits = RateLimits::default();
        assert!((0..500).all(|_| rate_limits.charge(FAN, 0).is_ok()));
    }

    #[test]
    fn the_number_sends_so_many_a_second() {
        let mut rate_limits = RateLimits { throughput_mps: Some(2), ..RateLimits::default() };
        assert_eq!(code(rate_limits.charge(FAN, 0)), None);
        assert_eq!(code(rate_limits.charge("250788000001", 500)), None);
        assert_eq!(code(rate_limits.charge("250788000002", 999)), Some(130_429));
        assert_eq!(code(rate_limits.charge("250788000002", 1_000)), None);
    }

    #[test]
    fn one_person_gets_one_message_in_six_seconds_at_leisure() {
        let mut rate_limits = pairs();
        assert!((0..100).all(|n| rate_limits.charge(FAN, n * 6_000).is_ok()));
    }

    #[test]
    fn a_burst_ends_at_forty_five() {
        let mut rate_limits = pairs();
        assert!((0..45).all(|n| rate_limits.charge(FAN, n).is_ok()));
        assert_eq!(code(rate_limits.charge(FAN, 45)), Some(131_056));
        assert_eq!(code(rate_limits.charge("250788000001", 45)), None);
    }

    #[test]
    fn twenty_at_once_are_repaid_in_two_minutes() {
        let mut rate_limits = pairs();
        assert!((0..20).all(|_| rate_limits.charge(FAN, 0).is_ok()));
        assert_eq!(code(rate_limits.charge(FAN, 6_000)), Some(131_056));
        assert_eq!(code(rate_limits.charge(FAN, 119_999)), Some(131_056));
        assert_eq!(code(rate_limits.charge(FAN, 120_000)), None);
    }
}
