//! The keys under which the platform's rate-limit bindings count, and the refusal when one says stop. Not the counting.
//!
//! The tight binding counts a number *and* an address together, so that neither a stranger elsewhere nor a neighbour behind the same
//! carrier's address can use up a fan's share by the number or the address alone. At verify the challenge is part of the key: whoever
//! shares the address and knows the number still does not know the challenge, and cannot keep its owner from verifying.
//! The loose one counts an address alone, because a carrier puts thousands of fans behind one.
//!
//! **Invariant:** no key holds a number in the clear.

use std::net::IpAddr;

use otp_shared::{
    address::Address,
    problem::{Problem, ProblemCode},
    signature::hex,
    snapshot::PhoneHash,
};

use crate::refusal::Refusal;

/// A rate-limit binding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binding {
    /// `BURST`: by number and address.
    Tight,
    /// `BURST_ADDRESS`: by address.
    Loose,
}

impl Binding {
    /// Its name in `wrangler.toml`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tight => "BURST",
            Self::Loose => "BURST_ADDRESS",
        }
    }

    /// The period it counts over, in seconds, as in `wrangler.toml`: after it, a retry can succeed.
    pub fn period_s(self) -> u64 {
        match self {
            Self::Tight => 10,
            Self::Loose => 60,
        }
    }

    /// What the caller is told when it says stop.
    pub fn refusal(self) -> Refusal {
        let problem = Problem::new(ProblemCode::Burst, "Too many requests at once; wait a moment.").retry_after_s(self.period_s());
        Refusal::from(problem).because(self.name())
    }
}

/// The keys of one request, in the order in which they are asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BurstKeys(pub [(Binding, String); 2]);

/// More of a challenge id than this does not make a key more distinct.
const CHALLENGE_CHARS: usize = 64;

impl BurstKeys {
    /// The keys of a request about `phone` from `address`; `challenge` at verify.
    pub fn new(phone: PhoneHash, address: IpAddr, challenge: Option<&str>) -> Self {
        let address = Address::from(address).to_string();
        let phone = hex(&phone.as_u64().to_be_bytes());
        let challenge: String = challenge.unwrap_or_default().chars().take(CHALLENGE_CHARS).collect();
        Self([(Binding::Tight, format!("{phone} {address} {challenge}")), (Binding::Loose, address)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tight(phone: u64, address: &str, challenge: Option<&str>) -> String {
        let BurstKeys([(_, key), _]) = BurstKeys::new(PhoneHash::from_u64(phone), address.parse().unwrap(), challenge);
        key
    }

    #[test]
    fn number_and_address_count_together() {
        let key = tight(1, "203.0.113.7", None);
        assert_ne!(key, tight(2, "203.0.113.7", None));
        assert_ne!(key, tight(1, "203.0.113.8", None));
        assert_eq!(key, tight(1, "203.0.113.7", None));
    }

    #[test]
    fn a_neighbour_who_knows_the_number_does_not_use_up_the_owners_verifications() {
        assert_ne!(tight(1, "203.0.113.7", Some("owner's")), tight(1, "203.0.113.7", Some("made up")));
    }

    #[test]
    fn an_ipv6_client_cannot_rotate_within_its_64() {
        assert_eq!(tight(1, "2001:db8:1:2::1", None), tight(1, "2001:db8:1:2:ffff::9", None));
    }

    #[test]
    fn a_key_stays_short_whatever_is_sent() {
        assert!(tight(1, "2001:db8:1:2::1", Some(&"é".repeat(4_000))).chars().count() < 128);
    }

    #[test]
    fn the_retry_is_told_by_the_binding_that_refused() {
        assert_eq!(Binding::Tight.refusal().problem.retry_after_s, Some(10));
        assert_eq!(Binding::Loose.refusal().problem.retry_after_s, Some(60));
    }
}
