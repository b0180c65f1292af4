//! Every limit of the product as one enum, its quota, and GCRA as arithmetic. Not a store: who counts, and where, is the origin's affair.
//!
//! **Invariant:** a refusal always knows the millisecond from which the same request would pass.

use serde::Serialize;

/// One limit: its name on the wire, its variable, its default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Limit {
    /// The pause between two messages to one number.
    RequestPhoneCooldown,
    /// Messages to one number in an hour; exact.
    RequestPhoneHour,
    /// Messages to one number in a day; exact.
    RequestPhoneDay,
    /// Unverified sends asked for by one address (an IPv6 /64). Grows with what verifies there.
    RequestIp,
    /// The same for an IPv6 /48, looser.
    RequestSite,
    /// All sends: the ceiling of cost. Half is kept for numbers that verified before.
    RequestGlobal,
    /// Different numbers in a day: Meta's messaging limit. Half is kept likewise.
    RequestRecipients,
    /// Guesses for the life of one challenge; its window is that life.
    VerifyChallenge,
    /// Verifications tried by one address.
    VerifyIp,
    /// Wrong admin tokens from one address.
    AdminAuth,
}

/// So many in a sliding window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// At least 1.
    pub count: u32,
    /// Length of the window in seconds, at least 1.
    pub window_s: u64,
}

/// Why a text is no [`Quota`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a limit is written COUNT/WINDOW with the units s, m, h or d, as in 5/1h; both at least 1")]
pub struct QuotaError;

const DAY_S: u64 = 86_400;

impl Limit {
    /// Every limit.
    pub const ALL: [Self; 10] = [
        Self::RequestPhoneCooldown,
        Self::RequestPhoneHour,
        Self::RequestPhoneDay,
        Self::RequestIp,
        Self::RequestSite,
        Self::RequestGlobal,
        Self::RequestRecipients,
        Self::VerifyChallenge,
        Self::VerifyIp,
        Self::AdminAuth,
    ];

    /// The name in refusals, metrics and documents.
    pub const fn name(self) -> &'static str {
        match self {
            Self::RequestPhoneCooldown => "request.phone.cooldown",
            Self::RequestPhoneHour => "request.phone.hour",
            Self::RequestPhoneDay => "request.phone.day",
            Self::RequestIp => "request.ip",
            Self::RequestSite => "request.site",
            Self::RequestGlobal => "request.global",
            Self::RequestRecipients => "request.recipients",
            Self::VerifyChallenge => "verify.challenge",
            Self::VerifyIp => "verify.ip",
            Self::AdminAuth => "admin.auth",
        }
    }

    /// The environment variable that changes it: `OTP_LIMIT_REQUEST_PHONE_HOUR`.
    pub fn variable(self) -> String {
        format!("OTP_LIMIT_{}", self.name().replace('.', "_").to_ascii_uppercase())
    }

    /// The quota when the variable is unset.
    pub const fn default_quota(self) -> Quota {
        let (count, window_s) = match self {
            Self::RequestPhoneCooldown => (1, 60),
            Self::RequestPhoneHour => (5, 3600),
            Self::RequestPhoneDay => (10, DAY_S),
            Self::RequestIp => (30, 600),
            Self::RequestSite => (120, 600),
            Self::RequestGlobal => (600, 60),
            Self::RequestRecipients => (2000, DAY_S),
            Self::VerifyChallenge => (5, 900),
            Self::VerifyIp => (60, 60),
            Self::AdminAuth => (10, 60),
        };
        Quota { count, window_s }
    }

    /// What a refused person is told.
    pub const fn text(self) -> &'static str {
        match self {
            Self::RequestPhoneCooldown => "A code was just sent to this number; wait before asking for another.",
            Self::RequestPhoneHour => "Too many codes were sent to this number in the last hour.",
            Self::RequestPhoneDay => "Too many codes were sent to this number in the last day.",
            Self::RequestIp | Self::RequestSite => "Too many codes were asked for from this network and not used.",
            Self::RequestGlobal => "Very many people are asking for codes right now.",
            Self::RequestRecipients => "The daily number of people that codes can be sent to is reached.",
            Self::VerifyChallenge => "All guesses of this code are used; ask for a new one.",
            Self::VerifyIp => "Too many codes were tried from this network.",
            Self::AdminAuth => "Too many wrong admin tokens from this address.",
        }
    }
}

impl Quota {
    /// Reads `5/1h`.
    pub fn parse(text: &str) -> Result<Self, QuotaError> {
        let (count, window) = text.trim().split_once('/').ok_or(QuotaError)?;
        let count = number(count)?;
        let unit = window.chars().last().ok_or(QuotaError)?;
        let unit_s = match unit {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'd' => DAY_S,
            _ => return Err(QuotaError),
        };
        let length = number(window.strip_suffix(unit).unwrap_or_default())?;
        let window_s = u64::from(length).checked_mul(unit_s).filter(|&s| s <= 31 * DAY_S).ok_or(QuotaError)?;
        Ok(Self { count, window_s })
    }

    /// Length of the window in milliseconds.
    pub const fn window_ms(self) -> u64 {
        self.window_s * 1000
    }

    /// One replica's part when `replicas` count apart: at least 1.
    #[must_use]
    pub fn share(self, replicas: u32) -> Self {
        Self { count: (self.count / replicas.max(1)).max(1), ..self }
    }

    /// The half that is open to numbers that never verified: at least 1.
    #[must_use]
    pub fn half(self) -> Self {
        self.share(2)
    }

    /// GCRA's emission interval, in microseconds, rounded up so that the rate is never exceeded.
    pub fn emission_us(self) -> u64 {
        (self.window_ms() * 1000).div_ceil(u64::from(self.count.max(1)))
    }
}

/// Strict: `u32::from_str` also takes a plus.
fn number(text: &str) -> Result<u32, QuotaError> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(QuotaError);
    }
    text.parse().ok().filter(|&n| n > 0).ok_or(QuotaError)
}

impl std::fmt::Display for Quota {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (length, unit) = match self.window_s {
            s if s % DAY_S == 0 => (s / DAY_S, 'd'),
            s if s % 3600 == 0 => (s / 3600, 'h'),
            s if s % 60 == 0 => (s / 60, 'm'),
            s => (s, 's'),
        };
        write!(f, "{}/{length}{unit}", self.count)
    }
}

impl Serialize for Quota {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What GCRA says of one more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gcra {
    /// It fits; store this theoretical arrival time (microseconds).
    Pass {
        /// The new theoretical arrival time.
        arrival_us: u64,
    },
    /// It does not; it will from then on (microseconds).
    Refuse {
        /// The first microsecond at which it passes.
        at_us: u64,
    },
}

/// The generic cell rate algorithm (ITU-T I.371) with the quota's count as burst: `arrival_us` is what the last pass stored, if anything.
/// Times are Unix microseconds.
pub fn gcra(quota: Quota, arrival_us: Option<u64>, now_us: u64) -> Gcra {
    let emission = quota.emission_us();
    let arrival = arrival_us.unwrap_or(now_us).max(now_us) + emission;
    let allowed_from = arrival.saturating_sub(emission * u64::from(quota.count));
    if allowed_from <= now_us { Gcra::Pass { arrival_us: arrival } } else { Gcra::Refuse { at_us: allowed_from } }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_quota_reads_what_it_writes() {
        for text in ["5/1h", "1/60s", "10/24h", "600/1m", "2000/1d"] {
            let quota = Quota::parse(text).unwrap();
            assert_eq!(Quota::parse(&quota.to_string()), Ok(quota), "{text}");
        }
        assert_eq!(Quota::parse("5/1h"), Ok(Quota { count: 5, window_s: 3600 }));
    }

    #[test]
    fn what_is_no_quota_is_refused() {
        for text in ["", "5", "5/", "/1h", "0/1h", "5/0h", "5/1", "5/1w", "-5/1h", "+5/1h", "5/1hh", "5/99999d", "99999999999/1h", "5/1é"]
        {
            assert_eq!(Quota::parse(text), Err(QuotaError), "{text}");
        }
    }

    #[test]
    fn a_share_is_never_nothing() {
        let quota = Quota { count: 5, window_s: 60 };
        assert_eq!(quota.share(2).count, 2);
        assert_eq!(quota.share(9).count, 1);
        assert_eq!(quota.share(0).count, 5);
    }

    #[test]
    fn names_and_variables_are_told_apart() {
        let names: std::collections::BTreeSet<_> = Limit::ALL.iter().map(|limit| limit.variable()).collect();
        assert_eq!(names.len(), Limit::ALL.len());
        assert!(names.contains("OTP_LIMIT_REQUEST_PHONE_HOUR"));
    }

    proptest! {
        #[test]
        fn gcra_lets_a_burst_through_and_then_the_rate(count in 1u32..50, window_s in 1u64..1000, start in 0u64..1 << 50) {
            let quota = Quota { count, window_s };
            let mut arrival = None;
            for _ in 0..count {
                let Gcra::Pass { arrival_us } = gcra(quota, arrival, start) else { panic!("the burst fits") };
                arrival = Some(arrival_us);
            }
            prop_assert!(matches!(gcra(quota, arrival, start), Gcra::Refuse { .. }), "one over the burst is refused");
        }

        #[test]
        fn a_refusal_passes_when_it_said_and_not_before(count in 1u32..50, window_s in 1u64..1000, ahead in 0u64..1 << 40, now in 0u64..1 << 50) {
            let quota = Quota { count, window_s };
            if let Gcra::Refuse { at_us } = gcra(quota, Some(now + ahead), now) {
                let pass = |at| matches!(gcra(quota, Some(now + ahead), at), Gcra::Pass { .. });
                prop_assert!(pass(at_us));
                prop_assert!(!pass(at_us - 1));
            }
        }
    }
}
