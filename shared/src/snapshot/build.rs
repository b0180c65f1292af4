//! Writing a snapshot.

use std::cmp::Reverse;
use std::net::IpAddr;

use super::hash::{KeyId, PhoneHash, PhoneHasher};
use super::ranges::{Stretch, disjoint};
use super::section::{MAX_KEY_LEN, NO_END, SECTIONS, Section, prefix_key, v4_range, v4_range_key, v6_key};
use super::{CHECKSUM, FORMAT, HEADER, MAGIC, checksum};
use crate::address::{Address, Cidr};
use crate::subject::Subject;

/// Gathers entries in any order and any number of times, and writes them as the bytes of a [`Snapshot`](super::Snapshot).
///
/// Of entries for the same subject the one that ends last is kept. One that has ended by the issue time is left out.
#[derive(Debug, Clone)]
pub struct SnapshotBuilder {
    key_id: KeyId,
    version: u64,
    issued_s: u64,
    rows: Vec<Row>,
}

/// Ordered by section, then key, then the latest end first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Row {
    section: Section,
    /// Zeros follow the section's own length of key.
    key: [u8; MAX_KEY_LEN],
    until: Reverse<u32>,
}

impl SnapshotBuilder {
    /// A snapshot without entries. `key_id` is that of the hasher of every phone to come; `issued_s` is now, in Unix seconds.
    pub fn new(key_id: KeyId, version: u64, issued_s: u64) -> Self {
        Self { key_id, version, issued_s, rows: Vec::new() }
    }

    /// Refuses a subject until a Unix second (exclusive), or without end. The hasher must be that of the snapshot's key id: the edge could
    /// not find a number that was hashed by another.
    pub fn blacklist(&mut self, subject: &Subject, until_s: Option<u64>, hasher: &PhoneHasher) -> &mut Self {
        debug_assert_eq!(hasher.key_id(), self.key_id, "a phone hashed under a key that the snapshot does not name");
        let until = until_s.map_or(NO_END, second);
        match subject {
            Subject::Phone(phone) => self.push(Section::BlacklistPhones, &hasher.hash(phone).as_u64().to_be_bytes(), until),
            Subject::Ip(Address::V4(address)) => self.push(Section::BlacklistV4, &address.octets(), until),
            Subject::Ip(Address::V6Net64(net)) => self.push(Section::BlacklistV6, net, until),
            Subject::Cidr(cidr) => self.push_network(cidr, until),
            Subject::Prefix(prefix) => self.push(Section::BlacklistPrefixes, &prefix_key(*prefix), until),
            Subject::Country(country) => self.push(Section::BlacklistCountries, &country.as_bytes(), until),
        }
    }

    /// Holds a number until a Unix second (exclusive).
    pub fn hold_phone(&mut self, hash: PhoneHash, until_s: u64) -> &mut Self {
        self.push(Section::HeldPhones, &hash.as_u64().to_be_bytes(), second(until_s))
    }

    /// Holds an address until a Unix second (exclusive).
    pub fn hold_address(&mut self, address: Address, until_s: u64) -> &mut Self {
        match address {
            Address::V4(address) => self.push(Section::HeldV4, &address.octets(), second(until_s)),
            Address::V6Net64(net) => self.push(Section::HeldV6, &net, second(until_s)),
        }
    }

    /// The bytes, the same for the same entries in whatever order they came.
    pub fn encode(&self) -> Vec<u8> {
        let rows = self.settled_rows();
        let mut bytes = self.header();
        for section in SECTIONS {
            let count = rows.iter().filter(|row| row.section == section).count();
            bytes.extend(u32::try_from(count).unwrap_or(u32::MAX).to_be_bytes());
        }
        debug_assert_eq!(bytes.len(), HEADER);
        for row in &rows {
            bytes.extend(row.key.iter().take(row.section.key_len()));
            bytes.extend(row.until.0.to_be_bytes());
        }
        sealed(bytes)
    }

    fn push_network(&mut self, cidr: &Cidr, until: u32) -> &mut Self {
        match cidr.network() {
            IpAddr::V4(network) => {
                let first = network.to_bits();
                let last = first | u32::MAX.checked_shr(cidr.length().into()).unwrap_or(0);
                self.push(Section::BlacklistV4Ranges, &v4_range_key(first, last), until)
            }
            IpAddr::V6(network) => self.push(Section::BlacklistV6Networks, &v6_key(cidr.length(), network), until),
        }
    }

    fn push(&mut self, section: Section, key: &[u8], until: u32) -> &mut Self {
        if until == NO_END || u64::from(until) > self.issued_s {
            self.rows.push(Row { section, key: padded(key), until: Reverse(until) });
        }
        self
    }

    /// The rows as they are written: sorted, one a key, and the ranges disjoint.
    fn settled_rows(&self) -> Vec<Row> {
        let is_range = |row: &Row| row.section == Section::BlacklistV4Ranges;
        let (ranges, mut rows): (Vec<Row>, Vec<Row>) = self.rows.iter().partition(|row| is_range(row));
        rows.extend(disjoint(&ranges.iter().filter_map(stretch).collect::<Vec<_>>()).into_iter().map(range_row));
        rows.sort_unstable();
        rows.dedup_by_key(|row| (row.section, row.key));
        rows
    }

    /// All of it but the counts; the checksum is still zero.
    fn header(&self) -> Vec<u8> {
        let mut bytes = Vec::from(MAGIC);
        bytes.extend(FORMAT.to_be_bytes());
        bytes.extend([0; CHECKSUM.end - CHECKSUM.start]);
        bytes.extend(self.key_id.to_bytes());
        bytes.extend(self.version.to_be_bytes());
        bytes.extend(self.issued_s.to_be_bytes());
        bytes
    }
}

/// A second that fits a row: in 2106, the last one but "no end".
fn second(until_s: u64) -> u32 {
    u32::try_from(until_s).unwrap_or(NO_END).min(NO_END - 1)
}

fn padded(key: &[u8]) -> [u8; MAX_KEY_LEN] {
    let mut padded = [0; MAX_KEY_LEN];
    for (to, from) in padded.iter_mut().zip(key) {
        *to = *from;
    }
    padded
}

fn stretch(row: &Row) -> Option<Stretch> {
    let (first, last) = v4_range(row.key.first_chunk::<8>()?)?;
    Some(Stretch { first: u32::from_be_bytes(first), last: u32::from_be_bytes(last), until: row.until.0 })
}

fn range_row(stretch: Stretch) -> Row {
    let key = padded(&v4_range_key(stretch.first, stretch.last));
    Row { section: Section::BlacklistV4Ranges, key, until: Reverse(stretch.until) }
}

fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let checksum = checksum(&bytes).to_be_bytes();
    if let Some(place) = bytes.get_mut(CHECKSUM) {
        place.copy_from_slice(&checksum);
    }
    bytes
}
