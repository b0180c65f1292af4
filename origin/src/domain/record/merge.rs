//! How a record that this replica kept merges with the one that a store has: what memory did while Redis was away, and what an older copy of Redis lacks.
//!
//! **Invariant:** merging is commutative, idempotent and monotone, so order, repetition and delay do no harm.

use otp_shared::limits::Limit;

use super::{
    LAST_LEASE, LEASE, answer::AnswerRecord, attempts::Attempts, call::CallRecord, challenge::ChallengeRecord, holds::HoldList, marker,
    marker_end_ms, message::MessageRecord, phone::PhoneRecord, refusals::Refusals, shifted,
};
use crate::{
    domain::{evaluation::Quotas, limits},
    transaction::{Key, Value, arrival_us, counter::Counter},
};

const MINUTE_MS: u64 = 60_000;
/// By how much clocks that are taken for the same may differ.
const GUESS_NOISE_MS: u64 = 2000;
/// The longest life of a challenge, and a minute.
const CHALLENGE_MS: u64 = 16 * MINUTE_MS;

/// The quotas by which what is left of a limit is capped.
#[derive(Debug, Clone)]
pub struct Merging {
    /// The limits in force.
    pub quotas: Quotas,
}

/// What a key holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Phone,
    Challenge,
    Message,
    Attempts,
    Answer,
    Holds,
    Refusals,
    Cell(Limit),
    Counter,
    /// Its presence counts until the end that it tells.
    Marker,
    /// The first value stands.
    First,
    /// Merged elsewhere, or not at all: the store's own stands.
    Foreign,
}

impl Kind {
    fn of(key: &str) -> Self {
        let (family, rest) = key.split_once("{v1}:").unwrap_or((key, ""));
        let kind = rest.split(':').next().unwrap_or_default();
        match (family, kind) {
            ("otp:", "phone") => Self::Phone,
            ("otp:", "challenge") => Self::Challenge,
            ("otp:", "message") => Self::Message,
            ("otp:", "answer") => Self::Answer,
            ("otp:", "holds") => Self::Holds,
            ("otp:", "refused") => Self::Refusals,
            ("otp:", "recipients") | ("verified:", _) => Self::Counter,
            ("otp:", "cell") => limit_of(rest).map_or(Self::Foreign, Self::Cell),
            ("otp:", "call" | "seen") => Self::First,
            ("known:" | "revoked:", _) => Self::Marker,
            ("spent:", _) => Self::Attempts,
            _ => Self::Foreign,
        }
    }
}

fn limit_of(rest: &str) -> Option<Limit> {
    let name = rest.strip_prefix("cell:")?.split(':').next()?;
    Limit::ALL.into_iter().find(|limit| limit.name() == name)
}

/// Whether a replica mirrors the record: what belongs to the whole fleet alone is never brought back from one replica's memory.
pub fn is_mirrored(key: &str) -> bool {
    key != LEASE && key != LAST_LEASE && Kind::of(key) != Kind::Foreign
}

/// Whether this version can read the record. A cell or counter that is damaged is read as an empty one.
pub fn is_readable(key: &str, value: &Value) -> bool {
    let value = Some(value);
    match Kind::of(key) {
        Kind::Phone => PhoneRecord::read(value).is_ok(),
        Kind::Challenge => ChallengeRecord::read(value).is_ok(),
        Kind::Message => MessageRecord::read(value).is_ok(),
        Kind::Answer => AnswerRecord::read(value).is_ok(),
        Kind::Attempts => Attempts::read(value).is_ok(),
        Kind::Holds => HoldList::read(value).is_ok(),
        Kind::Refusals => Refusals::read(value).is_ok(),
        Kind::First => !key.contains(":call:") || CallRecord::read(value).is_ok(),
        Kind::Cell(_) | Kind::Counter | Kind::Marker | Kind::Foreign => true,
    }
}

impl Merging {
    /// The record that both copies make together, at the store's Unix microsecond `now_us`. `shift_us` is by how much the store's clock is ahead of the one by
    /// which `ours` was written. A copy that cannot be read gives way to the other.
    pub fn merge(&self, key: &Key, theirs: Option<&Value>, ours: &Value, shift_us: i64, now_us: u64) -> Value {
        let merged = match Kind::of(key) {
            Kind::Phone => both(theirs, ours, PhoneRecord::read, |record| record.shift(shift_us / 1000), PhoneRecord::merge)
                .map(|record| record.to_value()),
            // Its times are those of the replicas' clocks, not of the store's.
            Kind::Challenge => {
                both(theirs, ours, ChallengeRecord::read, |record| record, ChallengeRecord::merge).map(|record| record.to_value())
            }
            Kind::Message => merge_some(theirs, ours, MessageRecord::read, MessageRecord::merge).map(|record| record.to_value()),
            Kind::Answer => merge_some(theirs, ours, AnswerRecord::read, AnswerRecord::merge).map(|record| record.to_value()),
            Kind::Attempts => both(theirs, ours, Attempts::read, |record| record, Attempts::merge).map(|record| record.to_value()),
            Kind::Holds => {
                both(theirs, ours, HoldList::read, |list| list.shift(shift_us / 1000), HoldList::merge).map(|list| list.to_value())
            }
            Kind::Refusals => {
                both(theirs, ours, Refusals::read, |record| record.shift(shift_us / 1000), Refusals::merge).map(Refusals::to_value)
            }
            Kind::Cell(limit) => self.merge_cells(limit, theirs, ours, shift_us, now_us),
            Kind::Counter => Some(merge_counters(key, theirs, ours, now_us)),
            Kind::Marker => later_marker(theirs, ours, shift_us / 1000),
            Kind::First | Kind::Foreign => None,
        };
        merged.or_else(|| theirs.cloned()).unwrap_or_else(|| ours.clone())
    }

    /// Whether what is left of a record is more than a replica that only read it would guess. Such a replica may have told the store, with a shorter end.
    pub fn has_own_end(&self, key: &Key, left_us: Option<u64>) -> bool {
        matches!(Kind::of(key), Kind::Answer | Kind::First) && left_us.is_some_and(|left_us| left_us > (MINUTE_MS + GUESS_NOISE_MS) * 1000)
    }

    /// For how long a merged record is to be kept, in milliseconds: at least as long as this replica would, and as long as records of its kind are.
    pub fn ttl_ms(&self, key: &Key, value: &Value, left_us: Option<u64>, now_us: u64) -> u64 {
        let left_ms = left_us.unwrap_or_default().div_ceil(1000);
        let of_kind_ms = match Kind::of(key) {
            Kind::Phone => limits::phone_ttl_ms(&self.quotas),
            Kind::Challenge | Kind::Attempts => CHALLENGE_MS,
            Kind::Message => super::message::TTL_MS,
            Kind::Counter => limits::window_of(key).ttl_ms(),
            Kind::Cell(_) => arrival_us(Some(value)).unwrap_or_default().saturating_sub(now_us).div_ceil(1000),
            Kind::Holds => HoldList::read(Some(value)).map_or(0, |list| list.ttl_ms(now_us / 1000)),
            Kind::Marker => marker_end_ms(value).unwrap_or_default().saturating_sub(now_us / 1000).max(MINUTE_MS),
            Kind::Answer | Kind::Refusals | Kind::First | Kind::Foreign => MINUTE_MS,
        };
        left_ms.max(of_kind_ms).max(1)
    }

    /// What is left of ours moves over, but never more than the limit's window: a clock that jumped must not close a door for days.
    fn merge_cells(&self, limit: Limit, theirs: Option<&Value>, ours: &Value, shift_us: i64, now_us: u64) -> Option<Value> {
        let window_us = self.quotas.of(limit).window_ms() * 1000;
        let ours = arrival_us(Some(ours))?.saturating_add_signed(shift_us).min(now_us + window_us);
        let later = arrival_us(theirs).map_or(ours, |theirs| theirs.max(ours));
        Some(later.to_string().into_bytes().into())
    }
}

fn later_marker(theirs: Option<&Value>, ours: &Value, shift_ms: i64) -> Option<Value> {
    let ours_ms = shifted(marker_end_ms(ours)?, shift_ms);
    Some(marker(theirs.and_then(marker_end_ms).map_or(ours_ms, |theirs_ms| theirs_ms.max(ours_ms))))
}

fn both<T>(
    theirs: Option<&Value>,
    ours: &Value,
    read: impl Fn(Option<&Value>) -> Result<T, super::Damaged>,
    shift: impl Fn(T) -> T,
    merge: impl Fn(T, T) -> T,
) -> Option<T> {
    let ours = shift(read(Some(ours)).ok()?);
    match theirs {
        None => Some(ours),
        Some(theirs) => read(Some(theirs)).ok().map(|theirs| merge(theirs, ours)),
    }
}

fn merge_some<T>(
    theirs: Option<&Value>,
    ours: &Value,
    read: impl Fn(Option<&Value>) -> Result<Option<T>, super::Damaged>,
    merge: impl Fn(T, T) -> T,
) -> Option<T> {
    let ours = read(Some(ours)).ok()??;
    match read(theirs) {
        Ok(None) => Some(ours),
        Ok(Some(theirs)) => Some(merge(theirs, ours)),
        Err(_) => None,
    }
}

fn merge_counters(key: &Key, theirs: Option<&Value>, ours: &Value, now_us: u64) -> Value {
    let window = limits::window_of(key);
    Counter::read(theirs, window, now_us).merge(Counter::read(Some(ours), window, now_us)).to_value()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        evaluation::{ChallengeKey, PhoneKey},
        record,
    };

    #[test]
    fn every_key_has_its_kind() {
        let check = |key: Key, kind: Kind| assert_eq!(Kind::of(&key), kind, "{key}");
        check(record::phone_key(PhoneKey([1; 16])), Kind::Phone);
        check(record::challenge_key(ChallengeKey([1; 16])), Kind::Challenge);
        check(record::message_key(super::super::MessageKey([1; 16])), Kind::Message);
        check(record::attempts_key(ChallengeKey([1; 16])), Kind::Attempts);
        check(record::answer_key(&[1; 16]), Kind::Answer);
        check(record::call_key(&[1; 16]), Kind::First);
        check(record::known_key(PhoneKey([1; 16])), Kind::Marker);
        check(record::seen_key("a"), Kind::First);
        check(record::revoked_key("a"), Kind::Marker);
        check(record::cell_key(Limit::RequestIp, "2001:db8::/64"), Kind::Cell(Limit::RequestIp));
        check(record::verified_key("2001:db8::/64"), Kind::Counter);
        check(record::recipients_key(true), Kind::Counter);
        check(record::refusals_key("address:203.0.113.7"), Kind::Refusals);
        check(record::holds_key(3), Kind::Holds);
        for key in [LEASE, LAST_LEASE, "operator:{v1}:version", "audit:{v1}", "unknown"] {
            assert!(!is_mirrored(key), "{key}");
        }
    }

    #[test]
    fn what_is_left_of_a_cell_moves_over_within_its_window() {
        let merging = Merging { quotas: Quotas::default() };
        let key = record::cell_key(Limit::RequestGlobal, "all");
        let cell = |us: u64| -> Value { us.to_string().into_bytes().into() };
        let now = 1_000_000_000;
        let merged = |theirs: Option<u64>, ours: u64, shift| {
            arrival_us(Some(&merging.merge(&key, theirs.map(cell).as_ref(), &cell(ours), shift, now))).unwrap()
        };
        assert_eq!(merged(None, now + 5, 0), now + 5);
        assert_eq!(merged(Some(now + 9), now + 5, 0), now + 9);
        assert_eq!(merged(Some(now + 9), now + 5, 100), now + 105, "ours was written by a slower clock");
        assert_eq!(merged(None, now * 50, 0), now + 60_000_000, "capped by the window");
    }

    #[test]
    fn a_marker_lasts_as_long_as_the_longest_copy() {
        let merging = Merging { quotas: Quotas::default() };
        let key = record::revoked_key("session");
        let (short, long, older) = (marker(1_000), marker(90_000_000), Value::from(*b"1"));
        for (theirs, ours) in [(&short, &long), (&long, &short), (&older, &long), (&long, &older)] {
            let merged = merging.merge(&key, Some(theirs), ours, 0, 0);
            assert_eq!(merged, long);
            assert_eq!(merging.ttl_ms(&key, &merged, None, 0), 90_000_000, "a replica that only read it knows its end, too");
        }
        assert_eq!(merging.ttl_ms(&key, &older, Some(5_000_000), 0), MINUTE_MS);
    }

    #[test]
    fn an_answer_is_told_again_for_its_own_end() {
        let merging = Merging { quotas: Quotas::default() };
        let (answer, phone) = (record::answer_key(&[1; 16]), record::phone_key(PhoneKey([1; 16])));
        let guessed_us = merging.ttl_ms(&answer, &marker(1), None, 0) * 1000;
        assert!(merging.has_own_end(&answer, Some(guessed_us * 2)));
        assert!(!merging.has_own_end(&answer, Some(guessed_us + 999_999)), "nobody who guessed shortens another's end");
        assert!(!merging.has_own_end(&phone, Some(guessed_us * 10)), "all replicas keep it for as long");
    }

    #[test]
    fn what_cannot_be_read_gives_way() {
        let merging = Merging { quotas: Quotas::default() };
        let key = record::attempts_key(ChallengeKey([1; 16]));
        let good = Attempts::default().count(1, true).to_value();
        let newer: Value = [9].as_slice().into();
        assert_eq!(merging.merge(&key, Some(&newer), &good, 0, 0), newer, "a newer format is not overwritten");
        assert_eq!(merging.merge(&key, Some(&good), &newer, 0, 0), good);
    }
}
