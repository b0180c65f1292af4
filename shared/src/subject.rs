//! What can be blacklisted, and how it is spelled: in the admin API as a type and a value, in KV as one key.
//!
//! Not the entry: note, author and end belong to the operator state, at the origin.
//!
//! **Invariant:** [`Subject::kind`] and [`Subject::value`] are canonical and parse back to the same subject, so two spellings are one entry.

use crate::address::{Address, AddressError, Cidr};
use crate::country::{Country, CountryError};
use crate::kv::KV_BLACKLIST_PREFIX;
use crate::phone::{Phone, PhoneError, PhonePrefix};

/// Someone, or a range of someones, whom the blacklist refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// One number.
    Phone(Phone),
    /// One IPv4 address or one IPv6 /64.
    Ip(Address),
    /// A network.
    Cidr(Cidr),
    /// All numbers that begin so.
    Prefix(PhonePrefix),
    /// All numbers of a country. (The edge knows it only by unshared calling codes.)
    Country(Country),
}

/// Why a kind and a value, or a KV key, name no [`Subject`]. Holds nothing of the value, so it may be logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SubjectError {
    /// The kind is none of the five.
    #[error("unknown type: phone, ip, cidr, prefix or country")]
    Kind,
    /// The key is not `blacklist:<type>:<value>`.
    #[error("not a key of the form blacklist:<type>:<value>")]
    Key,
    /// A phone or prefix that does not parse.
    #[error(transparent)]
    Phone(#[from] PhoneError),
    /// An address or network that does not parse.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// A country that does not parse.
    #[error(transparent)]
    Country(#[from] CountryError),
}

impl Subject {
    /// Reads the admin API's `type` and `value`; blanks around the value do not matter.
    pub fn parse(kind: &str, value: &str) -> Result<Self, SubjectError> {
        let value = value.trim();
        match kind {
            "phone" => Ok(Self::Phone(Phone::parse(value)?)),
            "ip" => Ok(Self::Ip(Address::parse(value)?)),
            "cidr" => Ok(Self::Cidr(Cidr::parse(value)?)),
            "prefix" => Ok(Self::Prefix(PhonePrefix::parse(value)?)),
            "country" => Ok(Self::Country(Country::parse(value)?)),
            _ => Err(SubjectError::Kind),
        }
    }

    /// `phone`, `ip`, `cidr`, `prefix` or `country`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Phone(_) => "phone",
            Self::Ip(_) => "ip",
            Self::Cidr(_) => "cidr",
            Self::Prefix(_) => "prefix",
            Self::Country(_) => "country",
        }
    }

    /// The canonical value, in full: never log a phone's.
    pub fn value(&self) -> String {
        match self {
            Self::Phone(phone) => phone.e164(),
            Self::Ip(address) => address.to_string(),
            Self::Cidr(cidr) => cidr.to_string(),
            Self::Prefix(prefix) => prefix.to_string(),
            Self::Country(country) => country.to_string(),
        }
    }

    /// The KV key under which ops write the entry by hand, such as `blacklist:phone:+250788000000`.
    pub fn kv_key(&self) -> String {
        format!("{KV_BLACKLIST_PREFIX}{}:{}", self.kind(), self.value())
    }

    /// Reads a KV key. Any spelling that parses will do: ops type these.
    pub fn from_kv_key(key: &str) -> Result<Self, SubjectError> {
        let entry = key.strip_prefix(KV_BLACKLIST_PREFIX).ok_or(SubjectError::Key)?;
        let (kind, value) = entry.split_once(':').ok_or(SubjectError::Key)?;
        Self::parse(kind, value)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_kind_has_one_canonical_key() {
        let cases = [
            ("phone", "00250 788 000 000", "blacklist:phone:+250788000000"),
            ("phone", "+5211234567890", "blacklist:phone:+521234567890"),
            ("ip", "203.0.113.7", "blacklist:ip:203.0.113.7"),
            ("ip", " 203.0.113.7 ", "blacklist:ip:203.0.113.7"),
            ("ip", "2001:db8:1:2:3::9", "blacklist:ip:2001:db8:1:2::/64"),
            ("ip", "2001:db8:1:2::/64", "blacklist:ip:2001:db8:1:2::/64"),
            ("cidr", "203.0.113.7/24", "blacklist:cidr:203.0.113.0/24"),
            ("cidr", "2001:db8::/32", "blacklist:cidr:2001:db8::/32"),
            ("prefix", "+250 78", "blacklist:prefix:+25078"),
            ("country", "rw", "blacklist:country:RW"),
        ];
        for (kind, value, key) in cases {
            let subject = Subject::parse(kind, value).unwrap_or_else(|error| panic!("{kind} {value}: {error}"));
            assert_eq!((subject.kind(), subject.kv_key().as_str()), (kind, key), "stored keys: write a migration");
            assert_eq!(Subject::from_kv_key(key), Ok(subject));
        }
    }

    #[test]
    fn a_key_typed_in_another_spelling_is_the_same_subject() {
        let canonical = Subject::from_kv_key("blacklist:phone:+250788000000").unwrap();
        assert_eq!(Subject::from_kv_key("blacklist:phone:00250-788-000-000"), Ok(canonical));
    }

    #[test]
    fn what_names_no_subject_is_refused_and_says_why() {
        let cases = [
            ("phone", "250788000000", SubjectError::Phone(PhoneError::MissingPlus)),
            ("phone", "", SubjectError::Phone(PhoneError::Empty)),
            ("ip", "203.0.113.0/24", SubjectError::Address(AddressError::NotOneAddress)),
            ("cidr", "203.0.113.7", SubjectError::Address(AddressError::NoLength)),
            ("prefix", "+", SubjectError::Phone(PhoneError::TooShort)),
            ("country", "Rwanda", SubjectError::Country(CountryError)),
            ("Phone", "+250788000000", SubjectError::Kind),
            ("email", "fan@example.com", SubjectError::Kind),
            ("", "", SubjectError::Kind),
        ];
        for (kind, value, error) in cases {
            assert_eq!(Subject::parse(kind, value), Err(error), "{kind} {value}");
        }
    }

    #[test]
    fn what_is_no_blacklist_key_is_refused() {
        let cases = [
            ("snapshot:origin", SubjectError::Key),
            ("blacklist", SubjectError::Key),
            ("blacklist:", SubjectError::Key),
            ("blacklist:+250788000000", SubjectError::Key),
            ("Blacklist:phone:+250788000000", SubjectError::Key),
            ("blacklist::+250788000000", SubjectError::Kind),
            ("blacklist:phone:", SubjectError::Phone(PhoneError::Empty)),
            ("blacklist:ip:203.0.113.7:443", SubjectError::Address(AddressError::NotAnAddress)),
        ];
        for (key, error) in cases {
            assert_eq!(Subject::from_kv_key(key), Err(error), "{key}");
        }
    }

    #[test]
    fn an_error_and_a_debug_print_hold_no_number() {
        let error = Subject::parse("phone", "+250788123456x").unwrap_err().to_string();
        let debug = format!("{:?}", Subject::parse("phone", "+250788123456").unwrap());
        assert!(!error.contains("788") && !debug.contains("788123"), "{error} {debug}");
    }

    proptest! {
        #[test]
        fn any_key_is_parsed_without_panic_and_its_canonical_form_parses_back(
            kind in "phone|ip|cidr|prefix|country|[a-z]{0,4}",
            value in prop_oneof!["\\+[0-9]{1,16}", "[0-9.]{7,15}(/[0-9]{1,3})?", "[0-9a-f:]{2,20}(/[0-9]{1,3})?", "[A-Z]{2}", ".*"],
        ) {
            if let Ok(subject) = Subject::from_kv_key(&format!("blacklist:{kind}:{value}")) {
                prop_assert_eq!(Subject::from_kv_key(&subject.kv_key()), Ok(subject));
                prop_assert_eq!(Subject::parse(subject.kind(), &subject.value()), Ok(subject));
            }
        }
    }
}
