//! How often a subject came back while refused. Enough of it is a hold.
//!
//! **Invariant:** a refusal never prolongs what it counts: everything ends when the limit itself does.

use super::{Damaged, Packer, Unpacker, shifted};
use crate::transaction::Value;

const FORMAT: u8 = 1;

/// Refusals of one subject.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Refusals {
    /// How many; stops at the threshold of a hold.
    pub count: u8,
    /// The Unix millisecond at which they are forgotten: the end of the limit that refused.
    pub until_ms: u64,
}

impl Refusals {
    /// Reads a record; an absent one is empty.
    pub fn read(value: Option<&Value>) -> Result<Self, Damaged> {
        let unpack = |value: &Value| {
            let mut unpacker = Unpacker::new(value, FORMAT)?;
            let refusals = Self { count: unpacker.byte()?, until_ms: unpacker.u48()? };
            unpacker.end(refusals)
        };
        value.map_or(Ok(Self::default()), |value| unpack(value).ok_or(Damaged("refusals")))
    }

    /// The bytes to keep.
    pub fn to_value(self) -> Value {
        let mut packer = Packer::new(FORMAT);
        packer.byte(self.count);
        packer.u48(self.until_ms);
        packer.value()
    }

    /// What is left of them at `now_ms`.
    #[must_use]
    pub fn in_force(self, now_ms: u64) -> Self {
        if now_ms < self.until_ms { self } else { Self::default() }
    }

    /// One more, by a limit that ends at `ends_at_ms`. Once `threshold` is reached nothing moves until it ends, so that a flood writes nothing.
    #[must_use]
    pub fn count(self, ends_at_ms: u64, threshold: u32, now_ms: u64) -> Self {
        let known = self.in_force(now_ms);
        let threshold = u8::try_from(threshold).unwrap_or(u8::MAX);
        if known.count >= threshold {
            return known;
        }
        Self { count: known.count + 1, until_ms: ends_at_ms }
    }

    /// Whether they are a hold.
    pub fn hold(self, threshold: u32, now_ms: u64) -> bool {
        now_ms < self.until_ms && u32::from(self.count) >= threshold.min(u32::from(u8::MAX))
    }

    /// What two copies know together: those that end later, and of equals the more.
    #[must_use]
    pub fn merge(self, other: Self) -> Self {
        if (other.until_ms, other.count) > (self.until_ms, self.count) { other } else { self }
    }

    /// The same in the time of another clock.
    #[must_use]
    pub fn shift(mut self, by_ms: i64) -> Self {
        self.until_ms = shifted(self.until_ms, by_ms);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_threshold_makes_a_hold_and_nothing_prolongs_it() {
        let once = Refusals::default().count(100, 2, 0);
        assert!(!once.hold(2, 0));
        let twice = once.count(120, 2, 10);
        assert!(twice.hold(2, 119));
        assert!(!twice.hold(2, 120));
        assert_eq!(twice.count(500, 2, 20), twice, "a flood changes nothing");
        assert_eq!(twice.count(500, 2, 120), Refusals { count: 1, until_ms: 500 }, "it starts over when the limit has ended");
    }

    #[test]
    fn the_bytes_are_pinned() {
        let value = Refusals { count: 3, until_ms: 1_790_000_000_000 }.to_value();
        assert_eq!(otp_shared::signature::hex(&value), "010301a0c4506c00", "replicas of two versions read it: write a migration");
        assert_eq!(Refusals::read(Some(&value)), Ok(Refusals { count: 3, until_ms: 1_790_000_000_000 }));
        assert_eq!(Refusals::read(Some(&[2, 3].as_slice().into())), Err(Damaged("refusals")));
    }
}
