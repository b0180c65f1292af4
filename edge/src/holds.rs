//! The holds that the origin told this isolate in its answers, remembered for a minute: by then the snapshot tells the whole world.
//! Not the snapshot's holds, and not a limit: nothing is counted here.
//!
//! **Invariant:** a hold ends by itself, no later than [`REMEMBER_S`] seconds after it was told, and refusals never prolong it.

use otp_shared::{
    address::Address,
    headers::{HeldSubject, HoldNotice},
    phone::Phone,
};

/// The longest an isolate goes on the word of one answer, in seconds.
pub const REMEMBER_S: u64 = 60;

/// The most holds remembered at once: about a megabyte. More are not learned for up to a minute; the origin still refuses them.
const CAPACITY: usize = 10_000;

/// Who is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Held {
    Phone(Phone),
    Address(Address),
}

/// The remembered holds of one isolate.
#[derive(Debug, Default)]
pub struct Holds {
    /// Sorted by who is held. Not a hash map: wasm gives it no random seed, and the keys are the attacker's to choose.
    until_s: Vec<(Held, u64)>,
}

impl Holds {
    /// Takes the notice that came with the answer to a request of `phone` from `address`.
    pub fn remember(&mut self, notice: HoldNotice, phone: Option<Phone>, address: Option<Address>, now_s: u64) {
        let held = match notice.subject {
            HeldSubject::Phone => phone.map(Held::Phone),
            HeldSubject::Address => address.map(Held::Address),
        };
        let until_s = notice.until_s.min(now_s.saturating_add(REMEMBER_S));
        if let Some(held) = held.filter(|_| until_s > now_s) {
            self.insert(held, until_s, now_s);
        }
    }

    /// Until when either is held, if one is: the later end, so that a retry at that time meets neither.
    pub fn until_s(&self, phone: Option<Phone>, address: Option<Address>, now_s: u64) -> Option<u64> {
        let ends = [phone.map(Held::Phone), address.map(Held::Address)].into_iter().flatten();
        ends.filter_map(|held| self.get(held)).filter(|&until_s| until_s > now_s).max()
    }

    fn get(&self, held: Held) -> Option<u64> {
        let index = self.find(held).ok()?;
        self.until_s.get(index).map(|(_, until_s)| *until_s)
    }

    fn insert(&mut self, held: Held, until_s: u64, now_s: u64) {
        if self.until_s.len() >= CAPACITY {
            self.until_s.retain(|(_, until_s)| *until_s > now_s);
        }
        match self.find(held) {
            Ok(index) => {
                if let Some((_, known_until_s)) = self.until_s.get_mut(index) {
                    *known_until_s = until_s;
                }
            }
            Err(index) if self.until_s.len() < CAPACITY => self.until_s.insert(index, (held, until_s)),
            Err(_) => {}
        }
    }

    fn find(&self, held: Held) -> Result<usize, usize> {
        self.until_s.binary_search_by(|(known, _)| known.cmp(&held))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_S: u64 = 1_790_000_000;

    fn phone(text: &str) -> Option<Phone> {
        Phone::parse(text).ok()
    }

    fn address() -> Option<Address> {
        Address::parse("203.0.113.7").ok()
    }

    fn told(subject: HeldSubject, until_s: u64) -> Holds {
        let mut holds = Holds::default();
        holds.remember(HoldNotice { subject, until_s }, phone("+250788123456"), address(), NOW_S);
        holds
    }

    #[test]
    fn a_held_number_is_held_from_every_address() {
        let holds = told(HeldSubject::Phone, NOW_S + 20);
        assert_eq!(holds.until_s(phone("+250788123456"), None, NOW_S), Some(NOW_S + 20));
        assert_eq!(holds.until_s(phone("+250788123457"), address(), NOW_S), None);
    }

    #[test]
    fn a_held_address_is_held_for_every_number() {
        let holds = told(HeldSubject::Address, NOW_S + 20);
        assert_eq!(holds.until_s(phone("+250788123457"), address(), NOW_S), Some(NOW_S + 20));
        assert_eq!(holds.until_s(phone("+250788123456"), None, NOW_S), None);
    }

    #[test]
    fn a_hold_ends_by_itself_at_its_second() {
        let holds = told(HeldSubject::Phone, NOW_S + 20);
        assert!(holds.until_s(phone("+250788123456"), None, NOW_S + 19).is_some());
        assert_eq!(holds.until_s(phone("+250788123456"), None, NOW_S + 20), None);
    }

    #[test]
    fn a_long_hold_is_remembered_for_a_minute_only() {
        let holds = told(HeldSubject::Phone, NOW_S + 86_400);
        assert_eq!(holds.until_s(phone("+250788123456"), None, NOW_S), Some(NOW_S + REMEMBER_S));
    }

    #[test]
    fn a_hold_that_is_over_is_not_taken() {
        assert!(told(HeldSubject::Phone, NOW_S).until_s.is_empty());
    }

    #[test]
    fn a_full_memory_drops_what_is_over_and_grows_no_further() {
        let mut holds = Holds::default();
        let told = |holds: &mut Holds, number: usize, now_s: u64| {
            let notice = HoldNotice { subject: HeldSubject::Phone, until_s: now_s + 10 };
            holds.remember(notice, phone(&format!("+250{:09}", 700_000_000 + number)), None, now_s);
        };
        (0..=CAPACITY).for_each(|number| told(&mut holds, number, NOW_S));
        assert_eq!(holds.until_s.len(), CAPACITY);
        told(&mut holds, CAPACITY, NOW_S + 10);
        assert_eq!(holds.until_s.len(), 1);
    }
}
