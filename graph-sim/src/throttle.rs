//! Meta's two rates as arithmetic: messages a second from the business number, and messages to one person.
//! Time is an argument; nothing here reads a clock.

use std::collections::HashMap;

use crate::error::GraphError;

/// Milliseconds that one message to a person costs.
const PAIR_EVERY_MS: u64 = 6_000;
/// Messages to one person within [`PAIR_EVERY_MS`], borrowed from the time to come.
const PAIR_BURST: u64 = 45;

/// Both limits; each is off until it is switched on.
#[derive(Debug, Default)]
pub struct Throttle {
    /// Messages a second; None: no limit.
    pub throughput_mps: Option<u32>,
    /// Whether the pair limit holds.
    pub pairs: bool,
    second: Window,
    people: HashMap<String, Window>,
}

/// How many messages left since a time.
#[derive(Clone, Copy, Debug, Default)]
struct Window {
    since_ms: u64,
    sent: u64,
}

impl Throttle {
    /// Charges a message to `digits`, or says which limit stands against it; a refusal charges nothing.
    pub fn charge(&mut self, digits: &str, now_ms: u64) -> Result<(), GraphError> {
        let second = self.second.roll(now_ms, |window| window.since_ms + 1_000);
        if self.throughput_mps.is_some_and(|mps| second.sent >= u64::from(mps)) {
            return Err(GraphError::new(130_429).subcode(2_494_055).details("Cloud API message throughput has been reached."));
        }
        let pair = self.people.get(digits).copied().unwrap_or_default().roll(now_ms, Window::repaid_ms);
        if self.pairs && pair.refuses(now_ms) {
            return Err(GraphError::new(131_056).details(
                "Message failed to send because there were too many messages sent from this phone number to the same phone number in a short period of time.",
            ));
        }
        self.second = second.one_more();
        self.people.insert(digits.to_owned(), pair.one_more());
        Ok(())
    }
}

impl Window {
    /// This window, or an empty one that begins now if it is over.
    fn roll(self, now_ms: u64, end_ms: impl Fn(&Self) -> u64) -> Self {
        if self.sent > 0 && now_ms < end_ms(&self) { self } else { Self { since_ms: now_ms, sent: 0 } }
    }

    /// When the quota of what was sent has come in.
    fn repaid_ms(&self) -> u64 {
        self.since_ms + PAIR_EVERY_MS * self.sent
    }

    /// A burst may go on for six seconds; after that it is repaid first.
    fn refuses(&self, now_ms: u64) -> bool {
        self.sent >= PAIR_BURST || (self.sent > 0 && now_ms >= self.since_ms + PAIR_EVERY_MS)
    }

    fn one_more(self) -> Self {
        Self { sent: self.sent + 1, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAN: &str = "250788123456";

    fn pairs() -> Throttle {
        Throttle { pairs: true, ..Throttle::default() }
    }

    fn code(result: Result<(), GraphError>) -> Option<u32> {
        result.err().map(|error| error.code)
    }

    #[test]
    fn nothing_is_limited_until_it_is_switched_on() {
        let mut throttle = Throttle::default();
        assert!((0..500).all(|_| throttle.charge(FAN, 0).is_ok()));
    }

    #[test]
    fn the_number_sends_so_many_a_second() {
        let mut throttle = Throttle { throughput_mps: Some(2), ..Throttle::default() };
        assert_eq!(code(throttle.charge(FAN, 0)), None);
        assert_eq!(code(throttle.charge("250788000001", 500)), None);
        assert_eq!(code(throttle.charge("250788000002", 999)), Some(130_429));
        assert_eq!(code(throttle.charge("250788000002", 1_000)), None);
    }

    #[test]
    fn one_person_gets_one_message_in_six_seconds_at_leisure() {
        let mut throttle = pairs();
        assert!((0..100).all(|n| throttle.charge(FAN, n * 6_000).is_ok()));
    }

    #[test]
    fn a_burst_ends_at_forty_five() {
        let mut throttle = pairs();
        assert!((0..45).all(|n| throttle.charge(FAN, n).is_ok()));
        assert_eq!(code(throttle.charge(FAN, 45)), Some(131_056));
        assert_eq!(code(throttle.charge("250788000001", 45)), None);
    }

    #[test]
    fn twenty_at_once_are_repaid_in_two_minutes() {
        let mut throttle = pairs();
        assert!((0..20).all(|_| throttle.charge(FAN, 0).is_ok()));
        assert_eq!(code(throttle.charge(FAN, 6_000)), Some(131_056));
        assert_eq!(code(throttle.charge(FAN, 119_999)), Some(131_056));
        assert_eq!(code(throttle.charge(FAN, 120_000)), None);
    }
}
