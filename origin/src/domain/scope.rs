//! The scope check: which blacklist entries cover so many people that an operator has to confirm them. A typing
//! error at night must not refuse everybody.
//!
//! **Invariant:** one number, one address and one carrier's range never need confirmation.

use std::net::IpAddr;

use otp_shared::{country::Country, subject::Subject};

use super::numbering::{self, Countries};

/// The shortest network that needs no confirmation: what the largest holders were given.
const MIN_V4_BITS: u8 = 8;
/// The same for IPv6: regional registries give providers no more than a /19.
const MIN_V6_BITS: u8 = 19;
/// The fewest digits of a prefix that needs no confirmation.
const MIN_PREFIX_DIGITS: usize = 3;

/// What an entry covers that needs confirmation, in words that follow "That covers"; `None`: nothing.
pub fn too_wide(subject: &Subject, served: &Countries) -> Option<&'static str> {
    match subject {
        Subject::Phone(_) | Subject::Ip(_) => None,
        Subject::Cidr(cidr) => {
            let fewest = if matches!(cidr.network(), IpAddr::V4(_)) { MIN_V4_BITS } else { MIN_V6_BITS };
            (cidr.length() < fewest).then_some("a network wider than /8 (IPv4) or /19 (IPv6)")
        }
        Subject::Prefix(prefix) => {
            let digits = prefix.to_string().trim_start_matches('+').to_owned();
            if digits.len() < MIN_PREFIX_DIGITS {
                return Some("every number that begins with fewer than three digits");
            }
            covers_a_country(&digits, served).then_some("every number of a country that is served")
        }
        Subject::Country(country) => served.serve(*country).then_some("every number of a country that is served"),
    }
}

/// Where every country is served, none of them is special: short prefixes are caught by their length.
fn covers_a_country(digits: &str, served: &Countries) -> bool {
    let begins = |country: &Country| numbering::calling_code(*country).is_some_and(|code| code.starts_with(digits));
    match served {
        Countries::All => false,
        Countries::Only(countries) => countries.iter().any(begins),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_covers_too_many_is_known() {
        let check = |kind, value, served: &str, wide: bool| {
            let subject = Subject::parse(kind, value).unwrap();
            assert_eq!(too_wide(&subject, &Countries::parse(served).unwrap()).is_some(), wide, "{kind} {value}");
        };
        check("phone", "+250788000000", "RW", false);
        check("ip", "203.0.113.7", "RW", false);
        check("cidr", "10.0.0.0/8", "RW", false);
        check("cidr", "10.0.0.0/7", "RW", true);
        check("cidr", "0.0.0.0/0", "RW", true);
        check("cidr", "2001:db8::/19", "RW", false);
        check("cidr", "2000::/18", "RW", true);
        check("prefix", "+25073", "RW", false);
        check("prefix", "+25", "RW", true);
        check("prefix", "+250", "RW", true);
        check("prefix", "+254", "RW", false);
        check("prefix", "+250", "all", false);
        check("country", "RW", "RW,KE", true);
        check("country", "UG", "RW,KE", false);
        check("country", "UG", "all", true);
    }
}
