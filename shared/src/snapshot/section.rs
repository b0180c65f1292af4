//! The sections of a snapshot: what their keys are, when their rows are valid, and how they are searched.

use std::net::{IpAddr, Ipv6Addr};

use crate::address::Cidr;
use crate::country::Country;
use crate::phone::{Phone, PhonePrefix};

/// The `until` of a row that does not end. As the largest value, it also outlasts every other.
pub(super) const NO_END: u32 = u32::MAX;
const UNTIL_LEN: usize = 4;

/// In the order of the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Section {
    /// Key: phone hash, 8.
    BlacklistPhones,
    /// Key: address, 4.
    BlacklistV4,
    /// Key: /64, 8.
    BlacklistV6,
    /// Key: first and last address, 4 + 4.
    BlacklistV4Ranges,
    /// Key: length and network, 1 + 16. Sorted so, the networks of one length are a group of their own.
    BlacklistV6Networks,
    /// Key: count of digits, and the digits as an integer, 1 + 8. Grouped likewise.
    BlacklistPrefixes,
    /// Key: ISO 3166-1 alpha-2, 2.
    BlacklistCountries,
    /// Key: phone hash, 8.
    HeldPhones,
    /// Key: address, 4.
    HeldV4,
    /// Key: /64, 8.
    HeldV6,
}

pub(super) const SECTIONS: [Section; 10] = [
    Section::BlacklistPhones,
    Section::BlacklistV4,
    Section::BlacklistV6,
    Section::BlacklistV4Ranges,
    Section::BlacklistV6Networks,
    Section::BlacklistPrefixes,
    Section::BlacklistCountries,
    Section::HeldPhones,
    Section::HeldV4,
    Section::HeldV6,
];

/// The longest key.
pub(super) const MAX_KEY_LEN: usize = 17;

impl Section {
    pub(super) fn key_len(self) -> usize {
        match self {
            Self::BlacklistV4 | Self::HeldV4 => 4,
            Self::BlacklistPhones | Self::HeldPhones | Self::BlacklistV6 | Self::HeldV6 | Self::BlacklistV4Ranges => 8,
            Self::BlacklistV6Networks => MAX_KEY_LEN,
            Self::BlacklistPrefixes => 9,
            Self::BlacklistCountries => 2,
        }
    }

    pub(super) fn row_len(self) -> usize {
        self.key_len() + UNTIL_LEN
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::BlacklistPhones => "blacklisted phones",
            Self::BlacklistV4 => "blacklisted IPv4 addresses",
            Self::BlacklistV6 => "blacklisted IPv6 addresses",
            Self::BlacklistV4Ranges => "blacklisted IPv4 ranges",
            Self::BlacklistV6Networks => "blacklisted IPv6 networks",
            Self::BlacklistPrefixes => "blacklisted prefixes",
            Self::BlacklistCountries => "blacklisted countries",
            Self::HeldPhones => "held phones",
            Self::HeldV4 => "held IPv4 addresses",
            Self::HeldV6 => "held IPv6 addresses",
        }
    }

    /// Whether the key is one that a writer of this format makes.
    fn is_key(self, key: &[u8]) -> bool {
        match self {
            Self::BlacklistV4Ranges => v4_range(key).is_some_and(|(first, last)| first <= last),
            Self::BlacklistV6Networks => is_v6_network(key),
            Self::BlacklistPrefixes => is_prefix(key),
            Self::BlacklistCountries => key.first_chunk().is_some_and(|code| Country::from_bytes(*code).is_some()),
            _ => true,
        }
    }

    /// Whether the one key may stand right before the other.
    fn in_order(self, before: &[u8], after: &[u8]) -> bool {
        match (self, v4_range(before), v4_range(after)) {
            (Self::BlacklistV4Ranges, Some((_, last)), Some((first, _))) => last < first,
            _ => before < after,
        }
    }
}

/// The rows of one section, searched in place.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    section: Section,
    key_len: usize,
    row_len: usize,
    bytes: &'a [u8],
}

impl<'a> Rows<'a> {
    pub(super) fn new(section: Section, bytes: &'a [u8]) -> Self {
        Self { section, key_len: section.key_len(), row_len: section.row_len(), bytes }
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len() / self.row_len
    }

    /// Whether every key is well formed, and sorted without repetition or overlap.
    pub(super) fn are_valid(&self) -> bool {
        let keys = || self.bytes.chunks_exact(self.row_len).filter_map(|row| row.get(..self.key_len));
        keys().all(|key| self.section.is_key(key)) && keys().zip(keys().skip(1)).all(|(a, b)| self.section.in_order(a, b))
    }

    /// The until-second of the row with exactly this key.
    pub(super) fn find(&self, key: &[u8]) -> Option<u32> {
        let row = self.partition_point(|other| other < key);
        if self.key(row)? == key { self.until(row) } else { None }
    }

    /// The until-second of the range that has the address; ranges are disjoint, so it is the last one that begins no later.
    pub(super) fn find_range(&self, address: [u8; 4]) -> Option<u32> {
        let row = self.partition_point(|range| range.first_chunk() <= Some(&address)).checked_sub(1)?;
        let (_, last) = v4_range(self.key(row)?)?;
        if address <= last { self.until(row) } else { None }
    }

    /// The latest until-second over all lengths, where the key of each length is made by `key_of`. A key begins with its length.
    pub(super) fn find_by_length<const N: usize>(&self, key_of: impl Fn(u8) -> Option<[u8; N]>) -> Option<u32> {
        self.lengths().filter_map(|length| self.find(&key_of(length)?)).max()
    }

    /// Every length that occurs, each found by one search for the end of the group before it.
    fn lengths(&self) -> impl Iterator<Item = u8> {
        let length_at = |row| self.key(row)?.first().copied();
        std::iter::successors(length_at(0), move |length| length_at(self.partition_point(|key| key.first() <= Some(length))))
    }

    /// The first row for whose key `before` does not hold.
    fn partition_point(&self, before: impl Fn(&[u8]) -> bool) -> usize {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = usize::midpoint(low, high);
            if self.key(middle).is_some_and(&before) { low = middle + 1 } else { high = middle }
        }
        low
    }

    fn key(&self, row: usize) -> Option<&'a [u8]> {
        let start = row.checked_mul(self.row_len)?;
        self.bytes.get(start..start + self.key_len)
    }

    fn until(&self, row: usize) -> Option<u32> {
        let start = row.checked_mul(self.row_len)? + self.key_len;
        self.bytes.get(start..)?.first_chunk().copied().map(u32::from_be_bytes)
    }
}

/// The key of the network of `length` bits that an IPv6 address is in.
pub(super) fn v6_network(address: IpAddr, length: u8) -> Option<[u8; MAX_KEY_LEN]> {
    match Cidr::new(address, length).network() {
        IpAddr::V6(network) => Some(v6_key(length, network)),
        IpAddr::V4(_) => None,
    }
}

/// The key of a network.
pub(super) fn v6_key(length: u8, network: Ipv6Addr) -> [u8; MAX_KEY_LEN] {
    key_of_length(length, &network.octets())
}

/// The key of the prefix of `length` digits that a number begins with.
pub(super) fn prefix_of(phone: Phone, length: u8) -> Option<[u8; 9]> {
    Some(key_of_length(length, &phone.leading(length.into())?.to_be_bytes()))
}

/// The key of a prefix.
pub(super) fn prefix_key(prefix: PhonePrefix) -> [u8; 9] {
    // At most 14 digits.
    let length = u8::try_from(prefix.count()).unwrap_or(u8::MAX);
    key_of_length(length, &prefix.as_u64().to_be_bytes())
}

fn key_of_length<const N: usize>(length: u8, rest: &[u8]) -> [u8; N] {
    let mut key = [length; N];
    for (to, from) in key.iter_mut().skip(1).zip(rest) {
        *to = *from;
    }
    key
}

/// The key of the IPv4 addresses from the first to the last, both included.
pub(super) fn v4_range_key(first: u32, last: u32) -> [u8; 8] {
    (u64::from(first) << 32 | u64::from(last)).to_be_bytes()
}

/// The inverse of [`v4_range_key`], as octets.
pub(super) fn v4_range(key: &[u8]) -> Option<([u8; 4], [u8; 4])> {
    Some((*key.first_chunk()?, *key.last_chunk()?))
}

fn is_v6_network(key: &[u8]) -> bool {
    let Some((length, network)) = key.split_first() else { return false };
    let network = network.first_chunk::<16>().map(|octets| Ipv6Addr::from(*octets));
    *length <= 128 && network.and_then(|network| v6_network(network.into(), *length)).is_some_and(|cleared| cleared == key)
}

fn is_prefix(key: &[u8]) -> bool {
    let digits = key.last_chunk().copied().map(u64::from_be_bytes);
    digits.and_then(PhonePrefix::from_u64).is_some_and(|prefix| prefix_key(prefix) == key)
}
