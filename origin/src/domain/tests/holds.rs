//! Holds: when a subject is held, until when, and how that ends.

use otp_shared::limits::Limit;

use super::Place;
use crate::domain::{
    evaluation::{Hold, RequestCall, RequestVerdict},
    hold,
    record::holds::{SHARDS, shard_key},
    record::holds_key,
};

const HOUR_MS: u64 = 3_600_000;

fn hold_of(verdict: RequestVerdict) -> Option<Hold> {
    match verdict {
        RequestVerdict::Refused { hold, .. } => hold,
        other => panic!("{other:?}"),
    }
}

fn in_force(place: &Place) -> Vec<Hold> {
    let lists: Vec<_> = (0..SHARDS).map(|shard| place.records.get(&holds_key(shard)).cloned()).collect();
    hold::in_force(&lists, place.now_ms()).unwrap()
}

/// A number that was sent one message, and is refused for an hour.
fn refused() -> (Place, RequestCall) {
    let mut place = Place::with([(Limit::RequestPhoneHour, 1, 3600)]);
    let call = place.ask(1, "203.0.113.1");
    place.send(&call);
    let again = place.ask(1, "203.0.113.1");
    (place, again)
}

fn come_back(place: &mut Place, call: &RequestCall) -> RequestVerdict {
    let call = RequestCall { call: place.call(), ..call.clone() };
    place.request(&call)
}

#[test]
fn the_third_refusal_holds_until_the_limit_ends_and_no_other_prolongs_it() {
    let (mut place, call) = refused();
    let until_ms = place.now_ms() + HOUR_MS;
    let held = Some(Hold { subject: "phone:1".to_owned(), until_ms });
    for expected in [None, None, held.clone(), held.clone(), held] {
        assert_eq!(hold_of(come_back(&mut place, &call)), expected);
        place.pass_ms(1000);
    }
    assert_eq!(in_force(&place), [Hold { subject: "phone:1".to_owned(), until_ms }]);
    place.now_us = until_ms * 1000;
    assert_eq!(in_force(&place), []);
    assert!(matches!(come_back(&mut place, &call), RequestVerdict::Send { .. }));
}

#[test]
fn a_flood_of_refusals_of_a_held_subject_writes_nothing() {
    let (mut place, call) = refused();
    for writes_something in [true, true, true, false, false] {
        come_back(&mut place, &call);
        assert_eq!(!place.written.is_empty(), writes_something);
    }
}

#[test]
fn an_operator_lifts_a_hold_once_and_counting_begins_anew() {
    let (mut place, call) = refused();
    (0..3).for_each(|_| _ = come_back(&mut place, &call));
    for expected in [true, false] {
        assert_eq!(place.run(|view| hold::lift("phone:1", view)), expected);
        assert_eq!(in_force(&place), []);
    }
    assert_eq!(hold_of(come_back(&mut place, &call)), None);
    assert!(place.records.contains_key(&shard_key("phone:1")), "the list stays, without the subject");
}
