//! Whose turn it is to publish.

use super::{Place, START_MS};
use crate::domain::{lease, record::LEASE};

const TTL_MS: u64 = 10_000;

fn take(place: &mut Place, replica: &str) -> Option<u64> {
    place.run(|view| Ok(lease::take(replica, TTL_MS, view))).map(|lease| lease.version)
}

#[test]
fn one_has_it_and_every_version_is_greater_than_all_before() {
    let mut place = Place::with([]);
    assert_eq!(take(&mut place, "a"), Some(START_MS));
    assert_eq!(take(&mut place, "b"), None, "a has it");
    assert_eq!(take(&mut place, "a"), Some(START_MS + 1), "renewed in the same millisecond");
    // The lease ends: the store drops it.
    place.records.remove(LEASE);
    place.now_us -= 60_000_000;
    assert_eq!(take(&mut place, "b"), Some(START_MS + 2), "a clock that went back makes no smaller version");
    place.pass_ms(120_000);
    assert_eq!(take(&mut place, "b"), Some(place.now_ms()));
}
