//! The holds in force, so that they can be listed and published: subjects that stay refused until a time. In shards, since many are made at once in an attack
//! and each is one change of its record.
//!
//! **Invariant:** of one subject the newest change counts, a lift as well as a hold.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::{Damaged, Packer, Unpacker, holds_key, shifted};
use crate::transaction::{Key, Value};

const FORMAT: u8 = 1;
/// How many records the holds are spread over.
pub const SHARDS: u8 = 64;
/// The most holds of one shard: 64,000 in all. Over it those that end first make way; the origin refuses without them, too.
const MAX_OF_SHARD: usize = 1000;

/// Holds by subject (`phone:<hash>` or `address:<address>`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HoldList(pub BTreeMap<String, Entry>);

/// One subject's newest change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// When it was made, as Unix millisecond.
    pub changed_at_ms: u64,
    /// The Unix millisecond at which the hold ends.
    pub until_ms: u64,
    /// An operator lifted it before that.
    pub lifted: bool,
}

/// The shard of a subject.
pub fn shard_key(subject: &str) -> Key {
    let [first, ..] = <[u8; 32]>::from(Sha256::digest(subject));
    holds_key(first % SHARDS)
}

impl HoldList {
    /// Reads a record; an absent one is empty.
    pub fn read(value: Option<&Value>) -> Result<Self, Damaged> {
        value.map_or(Ok(Self::default()), |value| Self::unpack(value).ok_or(Damaged("holds")))
    }

    /// The bytes to keep.
    pub fn to_value(&self) -> Value {
        let mut packer = Packer::new(FORMAT);
        for (subject, entry) in &self.0 {
            packer.text(subject);
            packer.u48(entry.changed_at_ms);
            packer.u48(entry.until_ms);
            packer.byte(entry.lifted.into());
        }
        packer.value()
    }

    fn unpack(value: &[u8]) -> Option<Self> {
        let mut unpacker = Unpacker::new(value, FORMAT)?;
        let mut entries = BTreeMap::new();
        while !unpacker.is_empty() {
            let subject = unpacker.text()?;
            entries.insert(subject, Entry { changed_at_ms: unpacker.u48()?, until_ms: unpacker.u48()?, lifted: unpacker.flag()? });
        }
        Some(Self(entries))
    }

    /// Whether the subject is held at `now_ms`, and until when.
    pub fn held_until_ms(&self, subject: &str, now_ms: u64) -> Option<u64> {
        self.0.get(subject).filter(|entry| !entry.lifted && now_ms < entry.until_ms).map(|entry| entry.until_ms)
    }

    /// The subjects held at `now_ms`, and until when.
    pub fn in_force(&self, now_ms: u64) -> impl Iterator<Item = (&String, u64)> {
        let held = self.0.iter().filter(move |(_, entry)| !entry.lifted && now_ms < entry.until_ms);
        held.map(|(subject, entry)| (subject, entry.until_ms))
    }

    /// Holds a subject, and forgets what has ended.
    pub fn hold(&mut self, subject: &str, until_ms: u64, now_ms: u64) {
        self.0.retain(|_, entry| now_ms < entry.until_ms);
        self.0.insert(subject.to_owned(), Entry { changed_at_ms: now_ms, until_ms, lifted: false });
        while self.0.len() > MAX_OF_SHARD {
            let first = self.0.iter().min_by_key(|(_, entry)| entry.until_ms).map(|(subject, _)| subject.clone());
            first.map(|subject| self.0.remove(&subject));
        }
    }

    /// Lifts a hold; whether there was one. That it was lifted is remembered for as long as the hold would have lasted.
    pub fn lift(&mut self, subject: &str, now_ms: u64) -> bool {
        let held = self.0.get_mut(subject).filter(|entry| !entry.lifted && now_ms < entry.until_ms);
        held.map(|entry| *entry = Entry { changed_at_ms: now_ms.max(entry.changed_at_ms), lifted: true, ..*entry }).is_some()
    }

    /// Milliseconds until nothing in it is in force.
    pub fn ttl_ms(&self, now_ms: u64) -> u64 {
        let ends_ms = self.0.values().map(|entry| entry.until_ms).max();
        ends_ms.unwrap_or_default().saturating_sub(now_ms).max(1)
    }

    /// What two copies know together.
    #[must_use]
    pub fn merge(mut self, other: Self) -> Self {
        for (subject, entry) in other.0 {
            let known = self.0.entry(subject).or_insert(entry);
            *known = (*known).max(entry);
        }
        self
    }

    /// The same in the time of another clock.
    #[must_use]
    pub fn shift(mut self, by_ms: i64) -> Self {
        for entry in self.0.values_mut() {
            (entry.changed_at_ms, entry.until_ms) = (shifted(entry.changed_at_ms, by_ms), shifted(entry.until_ms, by_ms));
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_are_pinned_and_read_back() {
        let mut list = HoldList::default();
        list.hold("address:a", 300, 1);
        assert_eq!(&*list.to_value(), b"\x01\x09address:a\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x01\x2c\x00", "write a migration");
        assert_eq!(HoldList::read(Some(&list.to_value())), Ok(list));
        assert_eq!(HoldList::read(Some(&[1, 3].as_slice().into())), Err(Damaged("holds")));
    }

    #[test]
    fn a_lifted_hold_stays_lifted_whatever_copy_comes_late() {
        let mut held = HoldList::default();
        held.hold("a", 300, 1);
        let mut lifted = held.clone();
        assert!(lifted.lift("a", 2));
        assert!(!lifted.lift("a", 2));
        for merged in [held.clone().merge(lifted.clone()), lifted.merge(held)] {
            assert_eq!(merged.held_until_ms("a", 2), None);
        }
    }

    #[test]
    fn a_shard_stays_small() {
        let mut list = HoldList::default();
        (0..MAX_OF_SHARD as u64 + 10).for_each(|n| list.hold(&format!("address:{n}"), 1000 + n, 1));
        assert_eq!(list.0.len(), MAX_OF_SHARD);
        assert_eq!(list.held_until_ms("address:3", 1), None, "those that end first make way");
    }
}
