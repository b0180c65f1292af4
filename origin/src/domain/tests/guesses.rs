//! Guesses: how many count, which is accepted, and what a right one gives back.

use otp_shared::limits::Limit;
use proptest::prelude::*;

use super::{CHALLENGE_MS, Place};
use crate::{
    domain::{
        evaluation::{RequestCall, RequestVerdict, VerifyVerdict},
        record::{attempts::Attempts, attempts_key, cell_key, known_key},
    },
    transaction::arrival_us,
};

fn sent(place: &mut Place) -> RequestCall {
    let call = place.ask(1, "203.0.113.1");
    place.send(&call);
    call
}

#[test]
fn each_case_of_a_guess() {
    use VerifyVerdict::{Accepted, Incorrect, Locked, Unknown};
    // Guesses before it, used, right, milliseconds that have passed, and what it is told.
    let cases = [
        (0, false, true, 0, Accepted),
        (4, false, true, 0, Accepted),
        (0, false, true, CHALLENGE_MS - 1, Accepted),
        (0, false, true, CHALLENGE_MS, Unknown),
        (0, false, false, 0, Incorrect { attempts_left: 4 }),
        (4, false, false, 0, Incorrect { attempts_left: 0 }),
        (5, false, true, 1000, Locked { retry_after_ms: CHALLENGE_MS - 1000 }),
        (5, false, false, 0, Locked { retry_after_ms: CHALLENGE_MS }),
        (1, true, true, 0, Unknown),
        (5, true, true, 0, Unknown),
    ];
    for (before, used, correct, passed_ms, expected) in cases {
        let mut place = Place::with([]);
        let call = sent(&mut place);
        let attempts = Attempts { used, by_slot: [(7, before)].into() };
        place.records.insert(attempts_key(call.challenge), attempts.to_value());
        place.pass_ms(passed_ms);
        assert_eq!(place.guess(&call, correct), expected, "after {before}, used {used}, right {correct}, {passed_ms} ms");
    }
}

#[test]
fn a_right_guess_makes_the_number_known_and_gives_the_share_back_to_who_asked() {
    let mut place = Place::with([(Limit::RequestIp, 1, 600)]);
    let call = sent(&mut place);
    let cell = cell_key(Limit::RequestIp, "203.0.113.1");
    assert!(arrival_us(place.records.get(&cell)).unwrap() > place.now_us);
    assert_eq!(place.guess_from(&call, true, "203.0.113.2"), VerifyVerdict::Accepted);
    assert_eq!(arrival_us(place.records.get(&cell)), Some(place.now_us));
    assert!(place.records.contains_key(&known_key(call.phone)));
}

#[test]
fn wrong_guesses_use_up_their_address_and_right_ones_pass_all_the_same() {
    let mut place = Place::with([(Limit::VerifyIp, 3, 60)]);
    let calls: Vec<_> = (0..3).map(|_| sent(&mut place)).collect();
    for _ in 0..3 {
        assert!(matches!(place.guess(&calls[0], false), VerifyVerdict::Incorrect { .. }));
    }
    let refused = VerifyVerdict::Refused { limit: Limit::VerifyIp, retry_after_ms: 20_000 };
    assert_eq!(place.guess(&calls[0], false), refused);
    assert_eq!(place.guess(&calls[1], true), VerifyVerdict::Accepted);
    assert_eq!(place.guess(&calls[1], true), refused, "a guess at a used challenge counts as wrong");
    place.pass_ms(20_000);
    assert_eq!(place.guess(&calls[1], true), VerifyVerdict::Unknown);
    assert_eq!(place.guess(&calls[0], false), VerifyVerdict::Refused { limit: Limit::VerifyIp, retry_after_ms: 20_000 });
}

#[test]
fn each_case_of_a_resend() {
    use RequestVerdict::{Locked, Unknown};
    let passes = |verdict: &RequestVerdict| matches!(verdict, RequestVerdict::Send { attempts_left: 3, .. });
    // Guesses before it, used, milliseconds that have passed, and what it is told; `None`: another message is sent.
    let cases = [
        (2, false, 0, None),
        (2, false, CHALLENGE_MS - 60_000, None),
        (2, false, CHALLENGE_MS - 59_999, Some(Unknown)),
        (5, false, 0, Some(Locked { retry_after_ms: CHALLENGE_MS })),
        (2, true, 0, Some(Unknown)),
    ];
    for (before, used, passed_ms, expected) in cases {
        let mut place = Place::with([]);
        let call = sent(&mut place);
        place.records.insert(attempts_key(call.challenge), Attempts { used, by_slot: [(7, before)].into() }.to_value());
        place.pass_ms(passed_ms);
        let resend = RequestCall { resend: true, call: place.call(), ..call };
        let told = place.request(&resend);
        assert!(expected.as_ref().map_or_else(|| passes(&told), |expected| *expected == told), "{before} {used} {passed_ms}: {told:?}");
    }
}

proptest! {
    #[test]
    fn a_code_works_once_and_five_guesses_count(
        guesses in proptest::collection::vec((any::<bool>(), 1u32..4, 0u64..20_000), 1..30),
    ) {
        let mut place = Place::with([]);
        let call = sent(&mut place);
        let (mut accepted, mut counted) = (0, 0);
        for (correct, slot, pause_ms) in guesses {
            place.side.slot = slot;
            place.pass_ms(pause_ms);
            match place.guess(&call, correct) {
                VerifyVerdict::Accepted => {
                    accepted += 1;
                    counted += 1;
                    prop_assert!(correct);
                }
                VerifyVerdict::Incorrect { attempts_left } => {
                    counted += 1;
                    prop_assert_eq!(attempts_left, 5 - counted);
                }
                _ => {}
            }
            prop_assert!(accepted <= 1 && counted <= 5);
        }
    }
}
