//! A counter of a rolling window, as text that a script can move without parsing all of it. It never counts too few: what was counted leaves between
//! one window and one window and a slot later.
//!
//! The value is the newest slot's number (10 digits), the total (10 digits), and the count of each slot (8 digits), at the slot's number modulo
//! their count. The slot's number is the Unix microsecond divided by the slot's length.

use super::{Step, Value};

/// A rolling window, cut into slots of equal length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Microseconds of one slot.
    pub slot_us: u64,
    /// How many slots are kept: those of the window and one more, in which the oldest leave.
    pub slots: u32,
}

const NUMBER: usize = 10;
const TOTAL: usize = 10;
/// Digits of one slot's count.
pub const SLOT: usize = 8;
/// Where the slots begin.
pub const SLOTS_AT: usize = NUMBER + TOTAL;

impl Window {
    /// A window of `window_us` in `parts`.
    pub const fn new(window_us: u64, parts: u32) -> Self {
        Self { slot_us: window_us.div_ceil(parts as u64), slots: parts + 1 }
    }

    /// How long a counter is worth keeping after its last step, in milliseconds.
    pub const fn ttl_ms(self) -> u64 {
        (self.slot_us * (self.slots as u64 + 1)).div_ceil(1000)
    }
}

/// A counter that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counter {
    window: Window,
    /// The newest slot's number.
    newest: u64,
    /// Counts at their slot's number modulo their count.
    slots: Vec<u32>,
}

impl Counter {
    /// The counter as it is at `now_us`; empty when the value is absent or not a counter of this window.
    pub fn read(value: Option<&Value>, window: Window, now_us: u64) -> Self {
        let mut counter = value.and_then(|value| Self::parse(value, window)).unwrap_or_else(|| Self::empty(window, now_us));
        counter.slide(now_us / window.slot_us);
        counter
    }

    /// The value to keep.
    pub fn to_value(&self) -> Value {
        let mut text = vec![b'0'; SLOTS_AT + SLOT * self.slots.len()];
        let (head, slots) = text.split_at_mut(SLOTS_AT);
        let (newest, total) = head.split_at_mut(NUMBER);
        write_digits(newest, self.newest);
        write_digits(total, self.total());
        for (digits, count) in slots.chunks_mut(SLOT).zip(&self.slots) {
            write_digits(digits, u64::from(*count));
        }
        text.into()
    }

    /// How many are in the window.
    pub fn total(&self) -> u64 {
        self.slots.iter().map(|count| u64::from(*count)).sum()
    }

    /// The same, one step further.
    #[must_use]
    pub fn step(mut self, by: Step) -> Self {
        let slot = match by {
            Step::Up => self.newest,
            Step::Down { counted_at_us } => counted_at_us / self.window.slot_us,
        };
        let kept = slot <= self.newest && slot + u64::from(self.window.slots) > self.newest;
        if let Some(count) = self.at(slot).filter(|_| kept) {
            *count = if by == Step::Up { count.saturating_add(1) } else { count.saturating_sub(1) };
        }
        self
    }

    /// The Unix microsecond from which one more fits under `cap`, if it does not now.
    pub fn free_at_us(&self, cap: u32) -> Option<u64> {
        let mut total = self.total();
        let window = u64::from(self.window.slots);
        let mut slot = (self.newest + 1).saturating_sub(window);
        while total >= u64::from(cap) && total > 0 {
            total -= u64::from(self.count(slot));
            slot += 1;
            if total < u64::from(cap) {
                return Some((slot - 1 + window) * self.window.slot_us);
            }
        }
        None
    }

    /// What two copies know together: of each slot the greater count.
    #[must_use]
    pub fn merge(mut self, mut other: Self) -> Self {
        let newest = self.newest.max(other.newest);
        self.slide(newest);
        other.slide(newest);
        for (count, theirs) in self.slots.iter_mut().zip(other.slots) {
            *count = (*count).max(theirs);
        }
        self
    }

    fn empty(window: Window, now_us: u64) -> Self {
        Self { window, newest: now_us / window.slot_us, slots: vec![0; window.slots as usize] }
    }

    /// As the script reads it: of the right length, with a number in front; a slot that is no number has counted nothing.
    fn parse(value: &[u8], window: Window) -> Option<Self> {
        let (head, slots) = value.split_at_checked(SLOTS_AT).filter(|(_, slots)| slots.len() == SLOT * window.slots as usize)?;
        let (newest, _total) = (read_digits(&head[..NUMBER])?, read_digits(&head[NUMBER..])?);
        let count = |slot: &[u8]| read_digits(slot).and_then(|count| u32::try_from(count).ok());
        Some(Self { window, newest, slots: slots.chunks(SLOT).map(|slot| count(slot).unwrap_or_default()).collect() })
    }

    /// Forgets the slots that have left when `newest` is the newest. A clock that went back moves nothing.
    fn slide(&mut self, newest: u64) {
        let passed = newest.saturating_sub(self.newest).min(u64::from(self.window.slots));
        for slot in 1..=passed {
            if let Some(count) = self.at(self.newest + slot) {
                *count = 0;
            }
        }
        self.newest = self.newest.max(newest);
    }

    fn index(&self, slot: u64) -> usize {
        usize::try_from(slot % u64::from(self.window.slots)).unwrap_or_default()
    }

    fn at(&mut self, slot: u64) -> Option<&mut u32> {
        let index = self.index(slot);
        self.slots.get_mut(index)
    }

    fn count(&self, slot: u64) -> u32 {
        self.slots.get(self.index(slot)).copied().unwrap_or_default()
    }
}

/// Overwrites zeros with the last digits of a number.
fn write_digits(zeros: &mut [u8], mut number: u64) {
    for digit in zeros.iter_mut().rev() {
        *digit = b'0' + u8::try_from(number % 10).expect("a digit");
        number /= 10;
    }
}

/// At most 19 digits; `None`: it is something else.
fn read_digits(text: &[u8]) -> Option<u64> {
    let digit = |byte: &u8| byte.is_ascii_digit().then(|| u64::from(byte - b'0'));
    text.iter().try_fold(0, |number, byte| Some(number * 10 + digit(byte)?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WINDOW: Window = Window::new(100, 10);

    fn value(steps: &[u64]) -> Option<Value> {
        steps.iter().fold(None, |value, at| Some(Counter::read(value.as_ref(), WINDOW, *at).step(Step::Up).to_value()))
    }

    fn total(steps: &[u64], now_us: u64) -> u64 {
        Counter::read(value(steps).as_ref(), WINDOW, now_us).total()
    }

    #[test]
    fn the_value_is_pinned() {
        let small = Window::new(20, 2);
        let counter = Counter::read(None, small, 45).step(Step::Up).step(Step::Up);
        let message = "replicas of two versions and the script read it: write a migration";
        assert_eq!(&*counter.to_value(), b"00000000040000000002000000000000000200000000", "{message}");
    }

    #[test]
    fn what_was_counted_leaves_after_the_window() {
        assert_eq!(total(&[5, 5, 15], 15), 3);
        assert_eq!(total(&[5, 5, 15], 105), 3, "within the window");
        assert_eq!(total(&[5, 5, 15], 110), 1);
        assert_eq!(total(&[5, 5, 15], 120), 0);
        assert_eq!(total(&[5], 10_000), 0);
    }

    #[test]
    fn a_step_back_takes_away_what_was_counted_then() {
        let counter = Counter::read(value(&[5, 25]).as_ref(), WINDOW, 25);
        assert_eq!(counter.clone().step(Step::Down { counted_at_us: 5 }).total(), 1);
        assert_eq!(counter.clone().step(Step::Down { counted_at_us: 15 }).total(), 2, "nothing was counted then");
        let later = Counter::read(Some(&counter.to_value()), WINDOW, 200);
        assert_eq!(later.step(Step::Down { counted_at_us: 5 }).total(), 0, "it has left already");
    }

    #[test]
    fn damage_is_an_empty_counter() {
        let slots = [b"x".repeat(108), b"00000000040000000002".iter().copied().chain(b"x".repeat(88)).collect()];
        let texts = ["", "1", "0000000004", "00000000040000000002x", &"é".repeat(100)].map(|text| text.as_bytes().to_vec());
        for damaged in slots.into_iter().chain(texts) {
            assert_eq!(Counter::read(Some(&damaged.clone().into()), WINDOW, 45).total(), 0);
        }
    }

    proptest! {
        #[test]
        fn it_never_counts_too_few_and_tells_when_there_is_room(mut steps in proptest::collection::vec(0u64..300, 1..40), cap in 1u32..20) {
            steps.sort_unstable();
            let now = *steps.last().unwrap();
            let counter = Counter::read(value(&steps).as_ref(), WINDOW, now);
            let exact = steps.iter().filter(|at| **at + 100 > now).count() as u64;
            let at_most = steps.iter().filter(|at| **at + 110 > now).count() as u64;
            prop_assert!((exact..=at_most).contains(&counter.total()));
            match counter.free_at_us(cap) {
                None => prop_assert!(counter.total() < u64::from(cap)),
                Some(at) => {
                    prop_assert!(Counter::read(Some(&counter.to_value()), WINDOW, at).total() < u64::from(cap));
                    prop_assert!(Counter::read(Some(&counter.to_value()), WINDOW, at - 1).total() >= u64::from(cap));
                }
            }
        }

        #[test]
        fn copies_merge_in_any_order_and_any_number_of_times(a in proptest::collection::vec(0u64..300, 0..20), b in proptest::collection::vec(0u64..300, 0..20)) {
            let read = |mut steps: Vec<u64>| {
                steps.sort_unstable();
                Counter::read(value(&steps).as_ref(), WINDOW, 300)
            };
            let (a, b) = (read(a), read(b));
            prop_assert_eq!(a.clone().merge(b.clone()), b.clone().merge(a.clone()));
            prop_assert_eq!(a.clone().merge(b.clone()).merge(b.clone()), a.clone().merge(b.clone()));
            prop_assert!(a.clone().merge(b.clone()).total() >= a.total().max(b.total()));
        }
    }
}
