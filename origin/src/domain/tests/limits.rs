//! The limits of a send: which refuses, until when, and what is charged.

use otp_shared::limits::Limit;
use proptest::prelude::*;

use super::{Place, START_MS};
use crate::domain::{
    evaluation::{ClientNetwork, PhoneKey, RequestCall, RequestVerdict},
    guess::KNOWN_MS,
    limits::{Refusal, is_counted, last, until_ms},
    record::{known_key, marker},
};

const A: &str = "203.0.113.1";
const B: &str = "203.0.113.2";

/// The number that asks, and from where.
type Asked = (u8, &'static str);

/// Each limit, the window of its quota of two, and three requests of which it alone refuses the last.
const EACH: [(Limit, u64, [Asked; 3]); 7] = [
    (Limit::RequestPhoneCooldown, 60, [(1, A), (1, A), (1, B)]),
    (Limit::RequestPhoneHour, 3600, [(1, A), (1, B), (1, A)]),
    (Limit::RequestPhoneDay, 86_400, [(1, A), (1, B), (1, A)]),
    (Limit::RequestIp, 600, [(1, A), (2, A), (3, A)]),
    (Limit::RequestSite, 600, [(1, A), (2, B), (3, "203.0.113.3")]),
    (Limit::RequestGlobal, 60, [(1, A), (2, B), (3, "203.0.113.3")]),
    (Limit::RequestRecipients, 86_400, [(1, A), (2, B), (3, "203.0.113.3")]),
];

fn ask(place: &mut Place, phone: u8, address: &str) -> RequestCall {
    let call = place.ask(phone, address);
    RequestCall { network: ClientNetwork { site: Some("2001:db8::/48".to_owned()), ..call.network.clone() }, ..call }
}

fn know(place: &mut Place, phone: u8) {
    let end_ms = place.now_ms() + KNOWN_MS;
    place.records.insert(known_key(PhoneKey([phone; 16])), marker(end_ms));
}

#[test]
fn each_limit_refuses_what_is_over_it_and_passes_when_it_said() {
    for (limit, window_s, requests) in EACH {
        let mut place = Place::with([(limit, 2, window_s)]);
        (1..=3).for_each(|phone| know(&mut place, phone));
        for (phone, address) in &requests[..2] {
            let call = ask(&mut place, *phone, address);
            place.send(&call);
        }
        let (phone, address) = requests[2];
        let call = ask(&mut place, phone, address);
        let (told, retry_after_ms) = place.refusal(&call);
        assert_eq!(told, limit);
        assert!((1..=window_s * 1000 + 3_600_000).contains(&retry_after_ms), "{limit:?}: {retry_after_ms}");
        place.pass_ms(retry_after_ms - 1);
        let early = ask(&mut place, phone, address);
        assert_eq!(place.refusal(&early).0, limit, "a millisecond too early");
        place.pass_ms(1);
        let later = ask(&mut place, phone, address);
        place.send(&later);
    }
}

#[test]
fn a_number_that_never_verified_has_half_of_what_everybody_shares() {
    for limit in [Limit::RequestGlobal, Limit::RequestRecipients] {
        let mut place = Place::with([(limit, 4, 86_400)]);
        know(&mut place, 9);
        for phone in [1, 2] {
            let call = place.ask(phone, A);
            place.send(&call);
        }
        let (stranger, known) = (place.ask(3, A), place.ask(9, A));
        assert_eq!(place.refusal(&stranger).0, limit);
        place.send(&known);
    }
}

#[test]
fn a_replica_that_counts_apart_has_its_share() {
    for (shares, sends) in [(1, 6), (2, 3), (3, 2), (7, 1)] {
        let mut place = Place::with([(Limit::RequestIp, 6, 600)]);
        place.side.shares = shares;
        let passed = (0..10).filter(|phone| {
            let call = place.ask(*phone, A);
            matches!(place.request(&call), RequestVerdict::Send { .. })
        });
        assert_eq!(passed.count(), sends, "of {shares} shares");
    }
}

#[test]
fn what_verified_at_an_address_raises_its_quota_to_half_of_it() {
    let mut place = Place::with([(Limit::RequestIp, 2, 600)]);
    for phone in 0..8 {
        let call = place.ask(phone, A);
        place.send(&call);
        place.guess(&call, true);
    }
    // Eight verified, so that four may be under way at once.
    for phone in 100..104 {
        let call = place.ask(phone, A);
        place.send(&call);
    }
    let fifth = place.ask(104, A);
    assert_eq!(place.refusal(&fifth).0, Limit::RequestIp);
}

#[test]
fn a_refusal_by_a_raised_quota_holds_even_if_what_raised_it_has_gone_by_then() {
    const HOUR_MS: u64 = 3_600_000;
    let mut place = Place::with([(Limit::RequestIp, 2, 600)]);
    for phone in 0..8 {
        let call = place.ask(phone, A);
        place.send(&call);
        place.guess(&call, true);
    }
    // What verified leaves with its hour, a day later; this is a minute before.
    place.now_us = (place.now_ms() / HOUR_MS + 25) * HOUR_MS * 1000 - 60_000_000;
    for phone in 100..104 {
        let call = place.ask(phone, A);
        place.send(&call);
    }
    let refused = place.ask(104, A);
    let (_, retry_after_ms) = place.refusal(&refused);
    place.pass_ms(retry_after_ms);
    let later = place.ask(104, A);
    place.send(&later);
}

#[test]
fn the_limit_that_ends_last_is_told() {
    let mut place = Place::with([(Limit::RequestPhoneCooldown, 1, 60), (Limit::RequestIp, 1, 600)]);
    let first = place.ask(1, A);
    place.send(&first);
    let again = place.ask(1, A);
    assert_eq!(place.refusal(&again), (Limit::RequestIp, 600_000));
    let refusal = |limit, at_us| Refusal { limit, at_us };
    let of = [refusal(Limit::RequestIp, 5), refusal(Limit::RequestSite, 9), refusal(Limit::RequestGlobal, 9)];
    assert_eq!(last(of), Some(of[1]), "of equals the first");
    assert_eq!(last([]), None);
}

#[test]
fn times_are_rounded_so_that_a_retry_passes() {
    for (at_us, now_us, expected_ms) in [(1000, 1000, 0), (1000, 2000, 0), (1001, 1000, 1), (2000, 1000, 1), (2001, 1000, 2)] {
        assert_eq!(until_ms(at_us, now_us), expected_ms, "from {now_us} to {at_us}");
    }
    for (since_ms, now_ms, expected) in [(0, START_MS, false), (5, 5, true), (5, 86_400_004, true), (5, 86_400_005, false)] {
        assert_eq!(is_counted(since_ms, now_ms), expected, "counted at {since_ms}, asked at {now_ms}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn whoever_waits_for_as_long_as_was_told_is_sent_a_code(
        quotas in proptest::collection::vec((0usize..7, 1u32..4, prop::sample::select(vec![1u64, 10, 60, 600, 86_400])), 0..5),
        steps in proptest::collection::vec((1u8..4, 0usize..2, 0u64..90_000, any::<bool>()), 1..25),
    ) {
        let mut place = Place::with(quotas.into_iter().map(|(limit, count, window_s)| (EACH[limit].0, count, window_s)));
        for (phone, address, pause_ms, verify) in steps {
            place.pass_ms(pause_ms);
            let call = ask(&mut place, phone, [A, B][address]);
            let before = place.records.clone();
            let RequestVerdict::Refused { retry_after_ms, .. } = place.request(&call) else {
                if verify {
                    place.guess(&call, true);
                }
                continue;
            };
            let charged = |key: &str| ["cell:", "recipients", "phone:", "challenge:"].iter().any(|part| key.starts_with(&format!("otp:{{v1}}:{part}")));
            for (key, value) in place.records.iter().filter(|(key, _)| charged(key)) {
                prop_assert_eq!(before.get(key), Some(value), "a refusal charges nothing: {}", key);
            }
            place.pass_ms(retry_after_ms);
            let later = ask(&mut place, phone, [A, B][address]);
            let sent = place.request(&later);
            prop_assert!(matches!(sent, RequestVerdict::Send { .. }), "{:?} after {} ms", sent, retry_after_ms);
        }
    }
}
