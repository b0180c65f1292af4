//! What becomes of a send, and what receipts tell later: in any order, as often as they come.

use otp_shared::{
    limits::Limit,
    wire::{Channel, Delivery, FailureReason},
};
use proptest::prelude::*;

use super::{Place, left};
use crate::{
    domain::{
        evaluation::{ChallengeKey, Charged, MessageKey, Receipt, RequestCall, RequestVerdict, SendOutcome},
        receipt,
        record::{cell_key, challenge::ChallengeRecord, challenge::rank, challenge_key, phone::PhoneRecord, phone_key},
    },
    transaction::arrival_us,
};

const MESSAGE: MessageKey = MessageKey([5; 16]);
const ADDRESS: &str = "203.0.113.1";

fn receipt_of(call: &RequestCall, delivery: Delivery) -> Receipt {
    let reason = (delivery == Delivery::Failed).then_some(FailureReason::Refused);
    Receipt { challenge: Some(call.challenge), message: MESSAGE, delivery, reason }
}

fn charged(place: &mut Place) -> (RequestCall, Charged) {
    let call = place.ask(1, ADDRESS);
    let charged = place.send(&call);
    (call, charged)
}

fn delivery(place: &Place, call: &RequestCall) -> Option<Delivery> {
    let record = ChallengeRecord::read(place.records.get(&challenge_key(call.challenge))).unwrap();
    record.newest.map(|newest| newest.delivery.delivery)
}

fn counts_for_the_number(place: &Place, call: &RequestCall) -> bool {
    let record = PhoneRecord::read(place.records.get(&phone_key(call.phone))).unwrap();
    record.sends.iter().any(|send| !send.refunded)
}

fn counts_for_the_address(place: &Place) -> bool {
    arrival_us(place.records.get(&cell_key(Limit::RequestIp, ADDRESS))).is_some_and(|arrival| arrival > place.now_us)
}

#[test]
fn each_outcome_gives_back_what_it_should_once() {
    let unconfirmed = |at_ms| SendOutcome::Left { channel: Channel::Whatsapp, delivery: Delivery::Unconfirmed, message: None, at_ms };
    // What became of it, whether it still counts for the number, and for the address.
    let cases = [
        (left(1, MESSAGE), true, true),
        (unconfirmed(1), true, true),
        (SendOutcome::Undeliverable, false, true),
        (SendOutcome::Failed, false, false),
    ];
    for (outcome, of_number, of_address) in cases {
        let mut place = Place::with([]);
        let (call, charged) = charged(&mut place);
        place.outcome(&call, &charged, outcome.clone());
        assert_eq!(counts_for_the_number(&place, &call), of_number, "{outcome:?}");
        assert_eq!(counts_for_the_address(&place), of_address, "{outcome:?}");
        place.outcome(&call, &charged, SendOutcome::Failed);
        let stays = matches!(outcome, SendOutcome::Left { .. });
        assert_eq!(counts_for_the_number(&place, &call), stays, "what left stays charged, whatever is told later: {outcome:?}");
    }
}

#[test]
fn what_a_failed_send_gives_back_can_be_sent_at_once() {
    let tight = [
        (Limit::RequestPhoneCooldown, 1, 60),
        (Limit::RequestIp, 1, 600),
        (Limit::RequestGlobal, 2, 60),
        (Limit::RequestRecipients, 2, 86_400),
    ];
    let mut place = Place::with(tight);
    for phone in [1, 2, 3, 3] {
        let call = place.ask(phone, ADDRESS);
        let charged = place.send(&call);
        place.outcome(&call, &charged, SendOutcome::Failed);
    }
    let (call, charged) = charged(&mut place);
    place.outcome(&call, &charged, left(1, MESSAGE));
    for phone in [1, 2] {
        let refused = place.ask(phone, "203.0.113.2");
        assert!(matches!(place.request(&refused), RequestVerdict::Refused { .. }), "the one that left stays charged");
    }
}

#[test]
fn each_receipt_after_the_send() {
    use Delivery::{Accepted, Delivered, Failed, Sent};
    // Receipts, where the message is then, and whether it still counts for the number.
    let cases: [(&[Delivery], Delivery, bool); 7] = [
        (&[], Accepted, true),
        (&[Sent], Sent, true),
        (&[Sent, Delivered], Delivered, true),
        (&[Delivered, Sent], Delivered, true),
        (&[Failed], Failed, false),
        (&[Failed, Failed], Failed, false),
        (&[Delivered, Failed], Delivered, true),
    ];
    for (receipts, end, counts) in cases {
        let mut place = Place::with([]);
        let (call, charged) = charged(&mut place);
        place.outcome(&call, &charged, left(1, MESSAGE));
        for delivery in receipts {
            assert!(place.receipt(&receipt_of(&call, *delivery)));
        }
        assert_eq!(delivery(&place, &call), Some(end), "{receipts:?}");
        assert_eq!(counts_for_the_number(&place, &call), counts, "{receipts:?}");
    }
}

#[test]
fn a_receipt_of_nothing_that_is_known_changes_nothing() {
    let mut place = Place::with([]);
    let of_nothing = Receipt { challenge: Some(ChallengeKey([9; 16])), message: MESSAGE, delivery: Delivery::Failed, reason: None };
    assert!(!place.receipt(&of_nothing));
    assert!(!place.receipt(&Receipt { challenge: None, ..of_nothing }));
    assert!(place.records.is_empty());
}

#[test]
fn a_report_charges_the_address_that_asked_once_and_never_beyond_its_window() {
    for (sends, drains_after_ms) in [(2, 3000), (50, 10_000)] {
        let mut place = Place::with([(Limit::RequestIp, 10, 10)]);
        let (call, charged) = charged(&mut place);
        place.outcome(&call, &charged, left(1, MESSAGE));
        let quotas = place.policy.quotas.clone();
        for expected in [true, false] {
            assert_eq!(place.run(|view| receipt::report_unsolicited(MESSAGE, sends, &quotas, view)), expected);
        }
        let arrival = arrival_us(place.records.get(&cell_key(Limit::RequestIp, ADDRESS)));
        assert_eq!(arrival, Some(place.now_us + drains_after_ms * 1000));
    }
}

proptest! {
    #[test]
    fn receipts_before_and_after_the_send_come_to_the_same(
        before in proptest::collection::vec(0usize..3, 0..3),
        after in proptest::collection::vec(0usize..3, 0..5),
    ) {
        let of = |kind: &usize| [Delivery::Sent, Delivery::Delivered, Delivery::Failed][*kind];
        let mut place = Place::with([]);
        let (call, charged) = charged(&mut place);
        for kind in &before {
            place.receipt(&receipt_of(&call, of(kind)));
        }
        place.outcome(&call, &charged, left(1, MESSAGE));
        let mut seen = delivery(&place, &call).map_or(0, rank);
        for kind in after.iter().chain(&before) {
            place.receipt(&receipt_of(&call, of(kind)));
            let now = delivery(&place, &call).map_or(0, rank);
            prop_assert!(now >= seen, "it went back");
            seen = now;
        }
        let most = before.iter().chain(&after).map(|kind| rank(of(kind))).max();
        prop_assert_eq!(seen, most.unwrap_or(0).max(rank(Delivery::Accepted)));
    }
}
