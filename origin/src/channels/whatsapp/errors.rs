//! Meta's error codes, each with what it means for a send. Not the reaction to it: that is
//! `sending`'s.
//!
//! **Invariant:** the code alone decides. Sources disagree about the HTTP status of nearly every
//! code, so none is looked at.
//! Source: developers.facebook.com/documentation/business-messaging/whatsapp/support/error-codes

use crate::channels::breaker::Cause;

/// What an error code means for the message that met it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Too many calls or messages a second. Refused for certain: the same message may be tried
    /// again after a pause, and all sends slow down.
    Throttled,
    /// Too many messages to this one person. Refused for certain: tried again after 4^X seconds,
    /// for this person only.
    Pair,
    /// The number is being moved to a higher throughput, for up to a minute.
    Maintenance,
    /// Nothing will leave until somebody acts; asking again and again makes it worse.
    Halted(Halt),
    /// The service failed, most likely without taking the message: reported as failed, and never
    /// repeated by ourselves, because it may have.
    Ambiguous,
    /// This person cannot be reached over WhatsApp.
    Undeliverable,
    /// The account may not write to this country.
    Country,
    /// The template cannot be used in this language; another one may do.
    Template(TemplateFault),
    /// The request was wrong: our mistake, in code or configuration.
    Misuse,
    /// Not in the list of 2026-09. Refused, not tried again.
    Unknown,
}

/// Why nothing leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Halt {
    /// The token is wrong, expired or revoked.
    Credentials,
    /// The token lacks a permission.
    Permission,
    /// The account is restricted or locked, or the number is gone.
    Account,
    /// Restricted for spam or quality.
    Quality,
    /// The bill is not paid.
    Payment,
    /// The number or its display name is not registered.
    Registration,
}

/// What is wrong with the template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TemplateFault {
    /// Not there, or not approved, in that language.
    Missing,
    /// Paused for quality; comes back by itself.
    Paused,
    /// Disabled for good.
    Disabled,
}

impl Class {
    /// Reads `error.code`.
    pub const fn of(code: u32) -> Self {
        match code {
            4 | 80_007 | 130_429 => Self::Throttled,
            131_056 => Self::Pair,
            131_057 => Self::Maintenance,
            1 | 2 | 131_000 | 131_016 | 133_004 => Self::Ambiguous,
            // The last three are limits of marketing; whoever meets them cannot be reached with
            // this template either.
            131_021 | 131_026 | 130_403 | 130_472 | 131_049 | 131_050 => Self::Undeliverable,
            130_497 => Self::Country,
            132_001 => Self::Template(TemplateFault::Missing),
            132_015 => Self::Template(TemplateFault::Paused),
            132_016 => Self::Template(TemplateFault::Disabled),
            100
            | 131_008
            | 131_009
            | 131_030
            | 131_047
            | 131_051..=131_053
            | 131_062
            | 132_000
            | 132_005
            | 132_007
            | 132_012
            | 132_068
            | 132_069
            | 134_011
            | 135_000 => Self::Misuse,
            _ => match Halt::of(code) {
                Some(halt) => Self::Halted(halt),
                None => Self::Unknown,
            },
        }
    }

    /// Whether somebody has to look at it.
    pub const fn wants_attention(self) -> bool {
        matches!(self, Self::Halted(_) | Self::Country | Self::Misuse | Self::Unknown)
    }
}

impl Halt {
    const fn of(code: u32) -> Option<Self> {
        Some(match code {
            0 | 190 => Self::Credentials,
            3 | 10 | 200..=299 | 131_005 => Self::Permission,
            33 | 368 | 131_031 => Self::Account,
            131_048 | 131_064 => Self::Quality,
            131_042 => Self::Payment,
            131_037 | 131_045 | 133_000 | 133_005 | 133_006 | 133_008..=133_010 | 133_015 | 133_016 => Self::Registration,
            _ => return None,
        })
    }

    /// What an operator does about it.
    pub const fn advice(self) -> &'static str {
        match self {
            Self::Credentials => "renew WHATSAPP_TOKEN",
            Self::Permission => "give the token's system user whatsapp_business_messaging",
            Self::Account => "see the account's restriction in WhatsApp Manager",
            Self::Quality => "see the number's quality in WhatsApp Manager",
            Self::Payment => "settle the payment method in WhatsApp Manager",
            Self::Registration => "register the number and its display name in WhatsApp Manager",
        }
    }
}

impl From<Halt> for Cause {
    fn from(halt: Halt) -> Self {
        Self::Halted { advice: halt.advice() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_of_the_list_has_its_class() {
        use Class::*;
        let rows: &[(&[u32], Class)] = &[
            (&[0, 190], Halted(Halt::Credentials)),
            (&[3, 10, 200, 250, 299, 131_005], Halted(Halt::Permission)),
            (&[4, 80_007, 130_429], Throttled),
            (&[131_056], Pair),
            (&[131_048, 131_064], Halted(Halt::Quality)),
            (&[33, 368, 131_031], Halted(Halt::Account)),
            (&[130_497], Country),
            (&[131_042], Halted(Halt::Payment)),
            (&[1, 2, 131_000, 131_016, 133_004], Ambiguous),
            (&[131_057], Maintenance),
            (&[100, 131_008, 131_009, 131_051, 131_062, 132_000, 132_005, 132_007, 132_012], Misuse),
            (&[131_030, 131_047, 131_052, 131_053, 132_068, 132_069, 134_011, 135_000], Misuse),
            (&[131_021, 131_026, 130_403, 130_472, 131_049, 131_050], Undeliverable),
            (&[131_037, 131_045, 133_010], Halted(Halt::Registration)),
            (&[133_000, 133_005, 133_006, 133_008, 133_009, 133_015, 133_016], Halted(Halt::Registration)),
            (&[132_001], Template(TemplateFault::Missing)),
            (&[132_015], Template(TemplateFault::Paused)),
            (&[132_016], Template(TemplateFault::Disabled)),
            (&[5, 199, 300, 500, 131_001, 131_027, 132_002, 999_999, u32::MAX], Unknown),
        ];
        for (codes, class) in rows {
            for code in *codes {
                assert_eq!(Class::of(*code), *class, "{code}");
            }
        }
    }

    #[test]
    fn only_what_an_operator_can_change_calls_one() {
        for (code, calls) in [(190, true), (130_497, true), (100, true), (7, true), (131_026, false), (130_429, false), (132_015, false)] {
            assert_eq!(Class::of(code).wants_attention(), calls, "{code}");
        }
    }
}
