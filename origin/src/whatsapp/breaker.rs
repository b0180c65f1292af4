//! Remembers that Meta is away, or that the account is stopped, so that no fan waits for what others already found out.
//! Not for throttles: those slow down, they do not stop.
//!
//! **Invariant:** an open breaker lets one send through at the end of each pause, and one success closes it: it can never stay open by itself.

use super::errors::Halt;

/// Failures in a row that open it.
const PATIENCE: u32 = 5;
/// How long one probe may take before the next is let through.
const PROBE_MS: u64 = 10_000;

/// Why nothing is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The service does not answer, or not sensibly.
    Outage,
    /// The number is being moved to a higher throughput.
    Maintenance,
    /// Somebody has to act.
    Halted(Halt),
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
    /// Why.
    pub cause: Cause,
    /// Unix milliseconds.
    pub since_ms: u64,
    /// The next probe, in Unix milliseconds.
    pub until_ms: u64,
    /// Whether a probe is on its way.
    probing: bool,
    /// Probes that failed.
    probes: u32,
}

impl Breaker {
    /// Milliseconds until a send is let through; `None`: now.
    pub fn obstacle_ms(&self, now_ms: u64) -> Option<u64> {
        self.open.map(|open| open.until_ms.saturating_sub(now_ms)).filter(|wait_ms| *wait_ms > 0)
    }

    /// Lets a send through, or says how many milliseconds it would have to wait. While open, the one that is let through is the probe.
    pub fn admit(&mut self, now_ms: u64) -> Result<(), u64> {
        if let Some(wait_ms) = self.obstacle_ms(now_ms) {
            return Err(wait_ms);
        }
        if let Some(open) = &mut self.open {
            (open.until_ms, open.probing) = (now_ms + PROBE_MS, true);
        }
        Ok(())
    }

    /// Meta answered as if all were well. `true`: it was open.
    pub fn succeed(&mut self) -> bool {
        self.failures = 0;
        self.open.take().is_some()
    }

    /// A send failed and nobody knows why. `true`: that opened it.
    pub fn fail(&mut self, now_ms: u64) -> bool {
        self.failures = self.failures.saturating_add(1);
        let enough = self.open.is_some() || self.failures >= PATIENCE;
        enough && self.trip(self.open.map_or(Cause::Outage, |open| open.cause), now_ms)
    }

    /// Meta said that nothing will leave for now. `true`: that opened it, or changed the cause.
    pub fn trip(&mut self, cause: Cause, now_ms: u64) -> bool {
        let same = self.open.filter(|open| open.cause == cause);
        // What left before it opened says nothing new when it fails too.
        if same.is_some_and(|open| !open.probing) {
            return false;
        }
        let probes = same.map_or(0, |open| open.probes + 1);
        let since_ms = same.map_or(now_ms, |open| open.since_ms);
        self.open = Some(Open { cause, since_ms, until_ms: now_ms + cause.pause_ms(probes), probing: false, probes });
        same.is_none()
    }

    /// Why it is open, if it is.
    pub fn open(&self) -> Option<Open> {
        self.open
    }
}

impl Cause {
    /// In the words of `/otp/status`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Outage => "outage",
            Self::Maintenance => "maintenance",
            Self::Halted(_) => "halted",
        }
    }

    /// What an operator does about it, if anything.
    pub fn advice(self) -> Option<&'static str> {
        match self {
            Self::Halted(halt) => Some(halt.advice()),
            Self::Outage | Self::Maintenance => None,
        }
    }

    /// Doubles with every probe that failed: outages from 5 s to 1 min, halts from 1 to 10 min.
    fn pause_ms(self, probes: u32) -> u64 {
        let (first_s, last_s) = match self {
            Self::Outage => (5_u64, 60),
            Self::Maintenance => (60, 60),
            Self::Halted(_) => (60, 600),
        };
        first_s.saturating_mul(1 << probes.min(10)).min(last_s) * 1_000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HALT: Cause = Cause::Halted(Halt::Payment);

    fn opened() -> Breaker {
        let mut breaker = Breaker::default();
        assert_eq!((1..=PATIENCE).filter(|_| breaker.fail(0)).count(), 1, "it opens once");
        breaker
    }

    #[test]
    fn a_few_failures_in_a_row_open_it() {
        let mut breaker = Breaker::default();
        for _ in 0..3 {
            assert!((1..PATIENCE).all(|_| !breaker.fail(0)));
            assert_eq!(breaker.admit(0), Ok(()));
            assert!(!breaker.succeed());
        }
        assert_eq!(opened().admit(1_000), Err(4_000));
    }

    #[test]
    fn one_probe_at_a_time_goes_through() {
        let mut breaker = opened();
        assert_eq!(breaker.obstacle_ms(5_000), None);
        assert_eq!(breaker.admit(5_000), Ok(()));
        assert_eq!(breaker.admit(5_001), Err(9_999));
        assert!(breaker.succeed());
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
            assert_eq!(breaker.obstacle_ms(now_ms), Some(pause_s * 1_000));
            now_ms += pause_s * 1_000;
            assert_eq!(breaker.admit(now_ms), Ok(()));
            assert!(!breaker.fail(now_ms));
        }
        assert_eq!(breaker.open().map(|open| open.since_ms), Some(0));
    }

    #[test]
    fn what_left_before_it_opened_prolongs_nothing() {
        let mut breaker = opened();
        assert!((0..100).all(|_| !breaker.fail(4_000)));
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
