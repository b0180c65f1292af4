//! Guesses at a challenge, and whether its code was used. Counted by each side of a split apart and summed, a G-counter, so that merging loses no guess.
//!
//! **Invariant:** what was used stays used, and no count goes down.

use std::collections::BTreeMap;

use super::{Damaged, Packer, Unpacker};
use crate::transaction::Value;

const FORMAT: u8 = 1;

/// Of one challenge.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attempts {
    /// A right guess was accepted.
    pub used: bool,
    /// Guesses by who counted them.
    pub by_slot: BTreeMap<u32, u8>,
}

impl Attempts {
    /// Reads a record; an absent one is empty.
    pub fn read(value: Option<&Value>) -> Result<Self, Damaged> {
        value.map_or(Ok(Self::default()), |value| Self::unpack(value).ok_or(Damaged("guesses")))
    }

    /// The bytes to keep.
    pub fn to_value(&self) -> Value {
        let mut packer = Packer::new(FORMAT);
        packer.byte(self.used.into());
        for (slot, count) in &self.by_slot {
            packer.u32(*slot);
            packer.byte(*count);
        }
        packer.value()
    }

    fn unpack(value: &[u8]) -> Option<Self> {
        let mut unpacker = Unpacker::new(value, FORMAT)?;
        let used = unpacker.flag()?;
        let mut by_slot = BTreeMap::new();
        while !unpacker.is_empty() {
            by_slot.insert(unpacker.u32()?, unpacker.byte()?);
        }
        Some(Self { used, by_slot })
    }

    /// Everybody's guesses.
    pub fn total(&self) -> u32 {
        self.by_slot.values().map(|count| u32::from(*count)).sum()
    }

    /// One more guess, counted by `slot`.
    #[must_use]
    pub fn count(mut self, slot: u32, used: bool) -> Self {
        let count = self.by_slot.entry(slot).or_default();
        *count = count.saturating_add(1);
        self.used |= used;
        self
    }

    /// What two copies know together.
    #[must_use]
    pub fn merge(mut self, other: Self) -> Self {
        for (slot, count) in other.by_slot {
            let known = self.by_slot.entry(slot).or_default();
            *known = (*known).max(count);
        }
        self.used |= other.used;
        self
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_attempts() -> impl Strategy<Value = Attempts> {
        (proptest::collection::btree_map(0u32..3, 0u8..5, 0..3), any::<bool>()).prop_map(|(by_slot, used)| Attempts { used, by_slot })
    }

    #[test]
    fn the_bytes_are_pinned() {
        let value = Attempts::default().count(0x0102_0304, true).to_value();
        assert_eq!(&*value, &[1, 1, 1, 2, 3, 4, 1], "replicas of two versions read it: write a migration");
        assert_eq!(Attempts::read(Some(&[2].as_slice().into())), Err(Damaged("guesses")));
        assert_eq!(Attempts::read(Some(&[1, 7].as_slice().into())), Err(Damaged("guesses")));
    }

    proptest! {
        #[test]
        fn a_record_is_read_back(record in any_attempts()) {
            prop_assert_eq!(Attempts::read(Some(&record.to_value())), Ok(record));
        }

        #[test]
        fn copies_merge_in_any_order_and_any_number_of_times(a in any_attempts(), b in any_attempts(), c in any_attempts()) {
            prop_assert_eq!(a.clone().merge(a.clone()), a.clone());
            prop_assert_eq!(a.clone().merge(b.clone()), b.clone().merge(a.clone()));
            prop_assert_eq!(a.clone().merge(b.clone()).merge(c.clone()), a.clone().merge(b.clone().merge(c.clone())));
            prop_assert!(a.clone().merge(b.clone()).total() >= a.total().max(b.total()), "no guess is lost");
        }
    }
}
