//! What was sent to a number, exactly: the cooldown and the caps of an hour and a day are counted from it, since GCRA would let nearly twice a cap through in
//! a first window.
//!
//! **Invariant:** one send is one entry, whoever tells of it and however often; a refunded one stays refunded.

use otp_shared::limits::Quota;

use super::{Damaged, Packer, Unpacker, shifted};
use crate::transaction::Value;

const FORMAT: u8 = 1;
/// More entries than any cap lets through: a damaged length cannot make a record grow.
const MAX_SENDS: usize = 10_000;

/// One message to the number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Send {
    /// Unix millisecond.
    pub at_ms: u64,
    /// Tells apart the number's sends.
    pub tag: u32,
    /// Known not to have left, so that it counts no more.
    pub refunded: bool,
}

/// Of one number.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PhoneRecord {
    /// Oldest first.
    pub sends: Vec<Send>,
    /// When the number was counted among the day's recipients, as Unix millisecond; 0: it was not.
    pub recipient_since_ms: u64,
}

impl PhoneRecord {
    /// Reads a record; an absent one is empty.
    pub fn read(value: Option<&Value>) -> Result<Self, Damaged> {
        value.map_or(Ok(Self::default()), |value| Self::unpack(value).ok_or(Damaged("a number")))
    }

    /// The bytes to keep.
    pub fn to_value(&self) -> Value {
        let mut packer = Packer::new(FORMAT);
        packer.u48(self.recipient_since_ms);
        for send in &self.sends {
            packer.u48(send.at_ms);
            packer.u32(send.tag);
            packer.byte(send.refunded.into());
        }
        packer.value()
    }

    fn unpack(value: &[u8]) -> Option<Self> {
        let mut unpacker = Unpacker::new(value, FORMAT)?;
        let recipient_since_ms = unpacker.u48()?;
        let mut sends = Vec::new();
        while !unpacker.is_empty() && sends.len() < MAX_SENDS {
            sends.push(Send { at_ms: unpacker.u48()?, tag: unpacker.u32()?, refunded: unpacker.flag()? });
        }
        unpacker.end(Self { sends, recipient_since_ms })
    }

    /// Notes a send, and forgets those older than `window_ms`.
    pub fn note(&mut self, tag: u32, now_ms: u64, window_ms: u64) {
        self.sends.retain(|send| send.at_ms + window_ms > now_ms && send.tag != tag);
        self.sends.push(Send { at_ms: now_ms, tag, refunded: false });
        self.sends.sort_unstable();
    }

    /// Whether it was that send by which the number was counted among the day's recipients.
    pub fn was_counted_by(&self, tag: u32) -> bool {
        self.sends.iter().any(|send| send.tag == tag && send.at_ms == self.recipient_since_ms)
    }

    /// A send that is known not to have left counts no more. `false`: it is not there, or was refunded before.
    pub fn refund(&mut self, tag: u32) -> bool {
        let counted = self.sends.iter_mut().find(|send| send.tag == tag && !send.refunded);
        counted.map(|send| send.refunded = true).is_some()
    }

    /// The Unix millisecond from which one more fits into `quota`, if it does not at `now_ms`.
    pub fn free_at_ms(&self, quota: Quota, now_ms: u64) -> Option<u64> {
        let nth = usize::try_from(quota.count.saturating_sub(1)).unwrap_or(usize::MAX);
        let nth_newest = self.sends.iter().rev().filter(|send| !send.refunded).nth(nth)?;
        Some(nth_newest.at_ms + quota.window_ms()).filter(|at_ms| *at_ms > now_ms)
    }

    /// What two copies know together.
    #[must_use]
    pub fn merge(mut self, other: Self) -> Self {
        for send in other.sends {
            match self.sends.iter_mut().find(|known| known.tag == send.tag) {
                Some(known) => {
                    known.refunded |= send.refunded;
                    known.at_ms = known.at_ms.max(send.at_ms);
                }
                None => self.sends.push(send),
            }
        }
        self.sends.sort_unstable();
        self.recipient_since_ms = self.recipient_since_ms.max(other.recipient_since_ms);
        self
    }

    /// The same in the time of another clock.
    #[must_use]
    pub fn shift(mut self, by_ms: i64) -> Self {
        self.sends.iter_mut().for_each(|send| send.at_ms = shifted(send.at_ms, by_ms));
        self.recipient_since_ms = shifted(self.recipient_since_ms, by_ms);
        self
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOUR: Quota = Quota { count: 2, window_s: 3600 };

    fn record(sends: &[(u64, u32)]) -> PhoneRecord {
        let mut record = PhoneRecord::default();
        for (at_ms, tag) in sends {
            record.note(*tag, *at_ms, 86_400_000);
        }
        record
    }

    #[test]
    fn the_bytes_are_pinned() {
        let mut record = record(&[(1_790_000_000_000, 7)]);
        record.recipient_since_ms = 1_790_000_000_000;
        record.refund(7);
        let hex = otp_shared::signature::hex(&record.to_value());
        let message = "replicas of two versions run side by side during a roll-out: write a migration";
        assert_eq!(hex, "0101a0c4506c0001a0c4506c000000000701", "{message}");
    }

    #[test]
    fn the_cap_is_exact() {
        let record = record(&[(1_000, 1), (2_000, 2)]);
        assert_eq!(record.free_at_ms(HOUR, 2_000), Some(3_601_000));
        assert_eq!(record.free_at_ms(HOUR, 3_601_000), None);
    }

    #[test]
    fn a_refunded_send_counts_no_more_and_only_once() {
        let mut record = record(&[(1_000, 1), (2_000, 2)]);
        assert!(record.refund(1));
        assert!(!record.refund(1));
        assert!(!record.refund(9));
        assert_eq!(record.free_at_ms(HOUR, 2_000), None);
    }

    #[test]
    fn damage_is_told() {
        for damaged in [&b""[..], &[2], &[1, 0], &[1; 12], &[0xff; 40]] {
            assert_eq!(PhoneRecord::read(Some(&damaged.into())), Err(Damaged("a number")), "{damaged:?}");
        }
    }

    fn any_record() -> impl Strategy<Value = PhoneRecord> {
        let send = (0u64..5, 0u32..4, any::<bool>()).prop_map(|(at_ms, tag, refunded)| Send { at_ms, tag, refunded });
        (proptest::collection::vec(send, 0..4), 0u64..3).prop_map(|(sends, recipient_since_ms)| {
            let empty = PhoneRecord { sends: Vec::new(), recipient_since_ms };
            sends.into_iter().fold(empty, |record, send| record.merge(PhoneRecord { sends: vec![send], ..PhoneRecord::default() }))
        })
    }

    proptest! {
        #[test]
        fn a_record_is_read_back(record in any_record()) {
            prop_assert_eq!(PhoneRecord::read(Some(&record.to_value())), Ok(record));
        }

        #[test]
        fn copies_merge_in_any_order_and_any_number_of_times(a in any_record(), b in any_record(), c in any_record()) {
            prop_assert_eq!(a.clone().merge(a.clone()), a.clone());
            prop_assert_eq!(a.clone().merge(b.clone()), b.clone().merge(a.clone()));
            prop_assert_eq!(a.clone().merge(b.clone()).merge(c.clone()), a.clone().merge(b.clone().merge(c.clone())));
            prop_assert!(a.clone().merge(b.clone()).sends.len() >= a.sends.len().max(b.sends.len()), "no send is lost");
        }
    }
}
