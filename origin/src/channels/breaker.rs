//! The circuit breaker of a channel: remembers that its provider is away, or that our account is
//! stopped, so that no fan waits for what others already found out. Not for throttles: those slow
//! sends down, they do not stop them.
//!
//! **Invariant:** an open breaker lets one send through at the end of each pause, and one success
//! closes it: it can never stay open by itself.

/// Failures in a row that open it.
const FAILURES_TO_OPEN: u32 = 5;
/// How long one probe may take before the next is let through.
const PROBE_MS: u64 = 10_000;

/// Why nothing is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The provider does not answer, or not sensibly.
    Outage,
    /// The provider works on our account; it ends by itself within a minute.
    Maintenance,
    /// The provider sends nothing for us until an operator acts.
    Halted {
        /// What the operator does about it.
        advice: &'static str,
    },
}

/// Closed, or open since a time.
#[derive(Debug, Default)]
pub struct Breaker {
    failures: u32,
    open: Option<Open>,
}

/// An open breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Open {
    /// Why it opened.
    pub cause: Cause,
    /// When it opened, in Unix milliseconds.
    pub since_ms: u64,
    /// When the next probe may go, in Unix milliseconds.
    pub until_ms: u64,
    /// Whether a probe is on its way.
    probing: bool,
    /// Probes that failed.
    failed_probes: u32,
}

impl Breaker {
    /// Milliseconds until a send is let through; `None`: now.
    pub fn wait_ms(&self, now_ms: u64) -> Option<u64> {
        self.open.map(|open| open.until_ms.saturating_sub(now_ms)).filter(|wait_ms| *wait_ms > 0)
    }

    /// Lets a send through, or returns the milliseconds it would have to wait. While the breaker is
    /// open, the send that is let through is the probe.
    pub fn admit(&mut self, now_ms: u64) -> Result<(), u64> {
        if let Some(wait_ms) = self.wait_ms(now_ms) {
            return Err(wait_ms);
        }
        if let Some(open) = &mut self.open {
            (open.until_ms, open.probing) = (now_ms + PROBE_MS, true);
        }
        Ok(())
    }

    /// The provider answered as if all were well. `true`: the breaker was open.
    pub fn record_success(&mut self) -> bool {
        self.failures = 0;
        self.open.take().is_some()
    }

    /// A send failed for an unknown reason. `true`: that opened the breaker.
    pub fn record_failure(&mut self, now_ms: u64) -> bool {
        self.failures = self.failures.saturating_add(1);
        let enough = self.open.is_some() || self.failures >= FAILURES_TO_OPEN;
        enough && self.trip(self.open.map_or(Cause::Outage, |open| open.cause), now_ms)
    }

    /// The provider said that nothing will leave for now. `true`: that opened the breaker, or
    /// changed its cause.
    pub fn trip(&mut self, cause: Cause, now_ms: u64) -> bool {
        let same = self.open.filter(|open| open.cause == cause);
        // A send that left before the breaker opened says nothing new when it fails too.
        if same.is_some_and(|open| !open.probing) {
            return false;
        }
        let failed_probes = same.map_or(0, |open| open.failed_probes + 1);
        let since_ms = same.map_or(now_ms, |open| open.since_ms);
        let until_ms = now_ms + cause.pause_ms(failed_probes);
        self.open = Some(Open { cause, since_ms, until_ms, probing: false, failed_probes });
        same.is_none()
    }

    /// Why and since when it is open; `None`: it is closed.
    pub fn open(&self) -> Option<Open> {
        self.open
    }
}

impl Cause {
    /// The word of `/otp/status` and of the metric.
    pub fn name(self) -> &'static str {
        match self {
            Self::Outage => "outage",
            Self::Maintenance => "maintenance",
            Self::Halted { .. } => "halted",
        }
    }

    /// What an operator does about it; `None`: it ends by itself.
    pub fn advice(self) -> Option<&'static str> {
        match self {
            Self::Halted { advice } => Some(advice),
            Self::Outage | Self::Maintenance => None,
        }
    }

    /// Doubles with every probe that failed: outages from 5 s to 1 min, halts from 1 to 10 min.
    fn pause_ms(self, failed_probes: u32) -> u64 {
        let (first_s, last_s) = match self {
            Self::Outage => (5_u64, 60),
            Self::Maintenance => (60, 60),
            Self::Halted { .. } => (60, 600),
        };
        first_s.saturating_mul(1 << failed_probes.min(10)).min(last_s) * 1_000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HALT: Cause = Cause::Halted { advice: "pay the bill" };

    fn opened() -> Breaker {
        let mut breaker = Breaker::default();
        assert_eq!((1..=FAILURES_TO_OPEN).filter(|_| breaker.record_failure(0)).count(), 1, "it opens once");
        breaker
    }

    #[test]
    fn a_few_failures_in_a_row_open_it() {
        let mut breaker = Breaker::default();
        for _ in 0..3 {
            assert!((1..FAILURES_TO_OPEN).all(|_| !breaker.record_failure(0)));
            assert_eq!(breaker.admit(0), Ok(()));
            assert!(!breaker.record_success());
        }
        assert_eq!(opened().admit(1_000), Err(4_000));
    }

    #[test]
    fn one_probe_at_a_time_goes_through() {
        let mut breaker = opened();
        assert_eq!(breaker.wait_ms(5_000), None);
        assert_eq!(breaker.admit(5_000), Ok(()));
        assert_eq!(breaker.admit(5_001), Err(9_999));
        assert!(breaker.record_success());
        assert_eq!(breaker.admit(5_002), Ok(()));
    }

    #[test]
    fn a_probe_that_never_ends_gives_way_to_the_next() {
        let mut breaker = opened();
        assert_eq!(breaker.admit(5_000), Ok(()));
        assert_eq!(breaker.admit(15_000), Ok(()));
    }

    #[test]
    fn the_pauses_double_up_to_a_minute() {
        let (mut breaker, mut now_ms) = (opened(), 0);
        for pause_s in [5, 10, 20, 40, 60, 60] {
            assert_eq!(breaker.wait_ms(now_ms), Some(pause_s * 1_000));
            now_ms += pause_s * 1_000;
            assert_eq!(breaker.admit(now_ms), Ok(()));
            assert!(!breaker.record_failure(now_ms));
        }
        assert_eq!(breaker.open().map(|open| open.since_ms), Some(0));
    }

    #[test]
    fn what_left_before_it_opened_prolongs_nothing() {
        let mut breaker = opened();
        assert!((0..100).all(|_| !breaker.record_failure(4_000)));
        assert_eq!(breaker.admit(5_000), Ok(()));
    }

    #[test]
    fn a_halt_opens_it_at_once_and_for_longer() {
        let mut breaker = Breaker::default();
        assert!(breaker.trip(HALT, 0));
        assert_eq!(breaker.admit(0), Err(60_000));
        assert_eq!(breaker.admit(60_000), Ok(()));
        assert!(!breaker.trip(HALT, 60_100));
        assert_eq!(breaker.admit(60_100), Err(120_000));
    }

    #[test]
    fn a_halt_that_follows_an_outage_takes_its_place() {
        let mut breaker = opened();
        assert!(breaker.trip(HALT, 1_000));
        assert_eq!(breaker.open().map(|open| (open.cause, open.since_ms)), Some((HALT, 1_000)));
    }
}
