//! The verdicts that the edge keeps in memory: who is blacklisted, and who is held until when. One blob of bytes, written by the origin (or
//! by the Worker's cron, from what ops wrote by hand), broadcast through KV, searched in place.
//!
//! Not a place of judgement: it can only say "no", and may be a minute old. Raw numbers are not in it, only keyed hashes of them; that keeps
//! them out of KV, but is not anonymity: whoever has the key can try all numbers.
//!
//! ## Bytes
//!
//! All integers are big-endian, so that comparing bytes compares numbers.
//!
//! | at | bytes | |
//! |---|---|---|
//! | 0 | 4 | magic, `OTPS` |
//! | 4 | 4 | format, 1 |
//! | 8 | 4 | CRC-32 (IEEE) of the bytes 0 to 8 and from 12 to the end |
//! | 12 | 4 | id of the key of the phone hashes |
//! | 16 | 8 | version: the higher one wins |
//! | 24 | 8 | when it was issued, Unix seconds |
//! | 32 | 4 × 10 | rows in each section, in the order of `Section` |
//! | 72 | … | the sections; a row is its key and then, in 4 bytes, the second until which it holds, `ffffffff` for no end |
//!
//! **Invariant:** a [`Snapshot`] decoded without error: its rows are sorted by key without repetition, its ranges do not overlap, and no
//! look-up can fail. Rows whose time has passed never match.

mod build;
mod crc;
mod hash;
mod ranges;
mod section;
#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::fmt;
use std::net::IpAddr;
use std::ops::Range;

pub use build::SnapshotBuilder;
pub use hash::{KeyId, PhoneHash, PhoneHasher};
use section::{NO_END, Rows, SECTIONS, Section};

use crate::address::Address;
use crate::country::Country;
use crate::phone::Phone;

const MAGIC: [u8; 4] = *b"OTPS";
const FORMAT: u32 = 1;
/// Where the checksum begins and ends: the only bytes it does not cover.
const CHECKSUM: Range<usize> = 8..12;
const COUNTS: usize = 32;
const HEADER: usize = COUNTS + 4 * SECTIONS.len();

/// A blacklist and holds, decoded in place. The default is empty: it refuses nobody.
#[derive(Clone, Default)]
pub struct Snapshot {
    bytes: Vec<u8>,
    key_id: KeyId,
    version: u64,
    issued_s: u64,
    sections: [Range<usize>; SECTIONS.len()],
}

/// Whom a request concerns. What is `None` matches nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Caller {
    /// The number, and its hash under the key that the snapshot names: see [`Snapshot::key_id`].
    pub phone: Option<(Phone, PhoneHash)>,
    /// The client's address.
    pub address: Option<IpAddr>,
}

/// A refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Match {
    /// `phone`, `ip`, `cidr`, `prefix` or `country`.
    pub kind: &'static str,
    /// Until which Unix second, exclusive; `None` for no end.
    pub until_s: Option<u64>,
}

/// Why bytes are no [`Snapshot`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// Shorter than the header.
    #[error("the snapshot is cut short within its header")]
    Truncated,
    /// Something else altogether.
    #[error("not a snapshot: it does not begin with OTPS")]
    Magic,
    /// Written by a newer or older program.
    #[error("the snapshot has format {0}, this program reads format {FORMAT}")]
    Format(u32),
    /// The rows told by the header are not the bytes that follow it.
    #[error("the snapshot is not as long as its header says")]
    Length,
    /// Damaged on the way.
    #[error("the snapshot's checksum is wrong")]
    Checksum,
    /// Intact, but its writer broke the format's promises.
    #[error("the snapshot has a row in {0} that is malformed, repeated, overlapping or out of order")]
    Row(&'static str),
}

impl Snapshot {
    /// A snapshot that refuses nobody: what an isolate has before its first read.
    pub fn empty() -> Self {
        Self::default()
    }

    /// Takes the bytes over after checking all of them, once, so that look-ups need not check any.
    pub fn decode(bytes: Vec<u8>) -> Result<Self, SnapshotError> {
        let snapshot = Self {
            key_id: KeyId::from_bytes(read(&bytes, 12)?),
            version: u64::from_be_bytes(read(&bytes, 16)?),
            issued_s: u64::from_be_bytes(read(&bytes, 24)?),
            sections: layout(&bytes)?,
            bytes,
        };
        for section in SECTIONS {
            if !snapshot.rows(section).are_valid() {
                return Err(SnapshotError::Row(section.name()));
            }
        }
        Ok(snapshot)
    }

    /// The version that bytes claim, unchecked: enough to see that nothing changed without decoding all of it.
    pub fn peek_version(bytes: &[u8]) -> Option<u64> {
        let known = bytes.starts_with(&MAGIC) && read(bytes, 4) == Ok(FORMAT.to_be_bytes());
        read(bytes, 16).ok().filter(|_| known).map(u64::from_be_bytes)
    }

    /// Its place in the order of snapshots: the higher one wins.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// When it was issued, in Unix seconds.
    pub fn issued_s(&self) -> u64 {
        self.issued_s
    }

    /// The key of its phone hashes. A hash under another key finds nothing: pick the hasher by this id, and when there is none, say so.
    pub fn key_id(&self) -> KeyId {
        self.key_id
    }

    /// How many rows it has, in all sections.
    pub fn len(&self) -> usize {
        SECTIONS.into_iter().map(|section| self.rows(section).len()).sum()
    }

    /// Whether it refuses nobody.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes it was decoded from; none for [`Snapshot::empty`].
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether an operator refuses this caller: the entry that ends last, if any has not ended at `now_s` (Unix seconds).
    pub fn blacklisted(&self, caller: &Caller, now_s: u64) -> Option<Match> {
        let address = caller.address.map(|address| address.to_canonical());
        let found = [
            ("phone", self.find_phone(Section::BlacklistPhones, caller)),
            ("ip", self.find_address(Section::BlacklistV4, Section::BlacklistV6, caller)),
            ("cidr", address.and_then(|address| self.find_network(address))),
            ("prefix", caller.phone.and_then(|(phone, _)| self.find_prefix(phone))),
            ("country", caller.phone.and_then(|(phone, _)| self.find_country(phone))),
        ];
        last_to_end(found, now_s)
    }

    /// Whether the origin holds this caller, and if so, by the hold that ends last.
    pub fn held(&self, caller: &Caller, now_s: u64) -> Option<Match> {
        let found =
            [("phone", self.find_phone(Section::HeldPhones, caller)), ("ip", self.find_address(Section::HeldV4, Section::HeldV6, caller))];
        last_to_end(found, now_s)
    }

    fn find_phone(&self, section: Section, caller: &Caller) -> Option<u32> {
        let (_, hash) = caller.phone?;
        self.rows(section).find(&hash.as_u64().to_be_bytes())
    }

    fn find_address(&self, v4: Section, v6: Section, caller: &Caller) -> Option<u32> {
        match Address::from(caller.address?) {
            Address::V4(address) => self.rows(v4).find(&address.octets()),
            Address::V6Net64(net) => self.rows(v6).find(&net),
        }
    }

    fn find_network(&self, address: IpAddr) -> Option<u32> {
        match address {
            IpAddr::V4(address) => self.rows(Section::BlacklistV4Ranges).find_range(address.octets()),
            IpAddr::V6(_) => self.rows(Section::BlacklistV6Networks).find_by_length(|length| section::v6_network(address, length)),
        }
    }

    fn find_prefix(&self, phone: Phone) -> Option<u32> {
        self.rows(Section::BlacklistPrefixes).find_by_length(|length| section::prefix_of(phone, length))
    }

    fn find_country(&self, phone: Phone) -> Option<u32> {
        self.rows(Section::BlacklistCountries).find(&Country::of(&phone)?.as_bytes())
    }

    fn rows(&self, section: Section) -> Rows<'_> {
        let range = self.sections.get(section as usize).cloned().unwrap_or_default();
        Rows::new(section, self.bytes.get(range).unwrap_or_default())
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut printed = f.debug_struct("Snapshot");
        printed.field("key_id", &self.key_id).field("version", &self.version).field("issued_s", &self.issued_s);
        printed.field("len", &self.len()).finish_non_exhaustive()
    }
}

/// Of what was found of each kind, what has not ended and ends last; of equals the first.
fn last_to_end<const N: usize>(found: [(&'static str, Option<u32>); N], now_s: u64) -> Option<Match> {
    let live = found.into_iter().filter_map(|(kind, until)| Some((kind, until.filter(|until| is_live(*until, now_s))?)));
    let (kind, until) = live.min_by_key(|(_, until)| Reverse(*until))?;
    Some(Match { kind, until_s: (until != NO_END).then_some(until.into()) })
}

fn is_live(until: u32, now_s: u64) -> bool {
    until == NO_END || now_s < until.into()
}

/// Checks the header and says where each section lies.
fn layout(bytes: &[u8]) -> Result<[Range<usize>; SECTIONS.len()], SnapshotError> {
    if read(bytes, 0)? != MAGIC {
        return Err(SnapshotError::Magic);
    }
    let format = u32::from_be_bytes(read(bytes, 4)?);
    if format != FORMAT {
        return Err(SnapshotError::Format(format));
    }
    let sections = sections(bytes)?;
    if u32::from_be_bytes(read(bytes, CHECKSUM.start)?) == checksum(bytes) { Ok(sections) } else { Err(SnapshotError::Checksum) }
}

fn sections(bytes: &[u8]) -> Result<[Range<usize>; SECTIONS.len()], SnapshotError> {
    let mut sections: [Range<usize>; SECTIONS.len()] = Default::default();
    let mut end = HEADER;
    for (section, range) in SECTIONS.into_iter().zip(&mut sections) {
        let rows = u32::from_be_bytes(read(bytes, COUNTS + 4 * section as usize)?);
        let length = usize::try_from(rows).ok().and_then(|rows| rows.checked_mul(section.row_len()));
        let start = end;
        end = length.and_then(|length| start.checked_add(length)).ok_or(SnapshotError::Length)?;
        *range = start..end;
    }
    if end == bytes.len() { Ok(sections) } else { Err(SnapshotError::Length) }
}

/// The CRC-32 of everything but the checksum itself. It finds damage, not malice: who may write to KV is Cloudflare's to guard.
fn checksum(bytes: &[u8]) -> u32 {
    crc::crc32([bytes.get(..CHECKSUM.start).unwrap_or_default(), bytes.get(CHECKSUM.end..).unwrap_or_default()])
}

fn read<const N: usize>(bytes: &[u8], at: usize) -> Result<[u8; N], SnapshotError> {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).copied().ok_or(SnapshotError::Truncated)
}
