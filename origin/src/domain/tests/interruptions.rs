//! What stops a call before any limit is looked at.

use super::{Place, left};
use crate::domain::{
    evaluation::{Call, Idempotency, Interruption, MessageKey, RequestCall, RequestVerdict, SendOutcome, SendReport},
    outcome,
    record::OPERATOR_VERSION,
};

const KEY: Idempotency = Idempotency { key: [1; 16], body: [1; 16] };

fn ask_with(place: &mut Place, idempotency: Option<Idempotency>) -> RequestCall {
    let asked = place.ask(1, "203.0.113.1");
    RequestCall { call: Call { idempotency, ..asked.call.clone() }, ..asked }
}

fn interruption(place: &mut Place, call: &RequestCall) -> Option<Interruption> {
    match place.request(call) {
        RequestVerdict::Interrupted(interruption) => Some(interruption),
        _ => None,
    }
}

fn answered(place: &mut Place, call: &RequestCall, outcome: SendOutcome, answer: Option<&str>) {
    let RequestVerdict::Send { charged, .. } = place.request(call) else { panic!("it is not sent") };
    let report = SendReport { request: call.clone(), charged, outcome, answer: answer.map(str::to_owned) };
    let quotas = place.policy.quotas.clone();
    place.run(|view| outcome::decide(&report, &quotas, view));
}

#[test]
fn each_repeat_of_an_idempotency_key() {
    let other_body = Idempotency { body: [2; 16], ..KEY };
    let other_key = Idempotency { key: [2; 16], ..KEY };
    let repeat = Some(Interruption::Repeat("first".to_owned()));
    // What became of the first, what comes then, and what stops it.
    let cases = [
        (Some(("left", Some("first"))), KEY, repeat.clone()),
        (Some(("left", Some("first"))), other_body, Some(Interruption::Mismatch)),
        (Some(("left", Some("first"))), other_key, None),
        (Some(("failed", None)), KEY, None),
        (None, KEY, Some(Interruption::InProgress)),
        (None, other_body, Some(Interruption::Mismatch)),
    ];
    for (first, second, expected) in cases {
        let mut place = Place::with([]);
        let call = ask_with(&mut place, Some(KEY));
        match first {
            Some(("left", answer)) => {
                let outcome = left(1, MessageKey([5; 16]));
                answered(&mut place, &call, outcome, answer);
            }
            Some((_, answer)) => answered(&mut place, &call, SendOutcome::Failed, answer),
            None => _ = place.send(&call),
        }
        let again = ask_with(&mut place, Some(second));
        assert_eq!(interruption(&mut place, &again), expected, "{first:?}, then {second:?}");
    }
}

/// As a store tells it: what has its nonce is told before anything is committed.
fn told_interruption(place: &mut Place, call: &RequestCall) -> Option<Interruption> {
    let told = place.records.iter().map(|(key, value)| (key.clone(), Some(value.clone()))).collect();
    let view = crate::transaction::View::new(place.now_us, place.side, &told, &|_| None);
    crate::domain::replay::interruption(&call.call, &view).expect("nothing is damaged")
}

#[test]
fn a_nonce_stands_for_one_call() {
    let mut place = Place::with([]);
    let call = ask_with(&mut place, None);
    place.send(&call);
    assert_eq!(told_interruption(&mut place, &call), None, "the same call is no replay");
    let replayed = RequestCall { call: Call { nonce: call.call.nonce, ..place.call() }, ..call };
    assert_eq!(told_interruption(&mut place, &replayed), Some(Interruption::Replayed));
}

#[test]
fn a_call_that_was_judged_by_another_operator_state_is_stale() {
    // What the store has, and what the call knew.
    for (stored, known, expected) in [(None, 0, false), (Some("7"), 7, false), (Some("8"), 7, true), (Some("7"), 0, true)] {
        let mut place = Place::with([]);
        if let Some(stored) = stored {
            place.records.insert(OPERATOR_VERSION.into(), stored.as_bytes().into());
        }
        let mut call = ask_with(&mut place, None);
        call.call.operator_version = known;
        let stops = told_interruption(&mut place, &call) == Some(Interruption::StaleOperatorState);
        assert_eq!(stops, expected, "{stored:?} is stored, {known} is known");
    }
}
