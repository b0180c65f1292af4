//! Records: deliveries, sign-outs, the publisher's lease.

use otp_shared::wire::{Channel, Delivery};

use super::{Fixture, StoreFactory, cases, resend, wide};
use crate::domain::evaluation::{DeliveryRecord, MessageKey, Receipt, RequestCall, SendOutcome};

cases![
    a_delivery_moves_forwards_only,
    a_receipt_may_overtake_its_outcome,
    a_resend_starts_a_new_delivery,
    a_receipt_of_an_unknown_challenge_is_told,
    an_id_is_seen_for_the_first_time_once,
    a_session_stays_signed_out_until_its_cookie_ends,
    a_lease_has_one_holder,
    every_lease_outbids_the_last,
];

async fn record_outcome(fixture: &Fixture, request: &RequestCall, delivery: Delivery) {
    let outcome = SendOutcome::Left { channel: Channel::Whatsapp, delivery, message: None, at_ms: fixture.now_ms() };
    fixture.record_outcome(request, outcome, None).await;
}

async fn delivery(fixture: &Fixture, request: &RequestCall) -> Option<Delivery> {
    let record: Option<DeliveryRecord> = fixture.records.delivery(request.challenge).await.expect("the store answers");
    record.map(|record| record.delivery)
}

async fn receipt(fixture: &Fixture, request: &RequestCall, delivery: Delivery) -> bool {
    let receipt = Receipt { challenge: Some(request.challenge), message: MessageKey(request.call.id), delivery, reason: None };
    fixture.records.receipt(&receipt).await.expect("the store answers")
}

async fn a_delivery_moves_forwards_only(factory: &dyn StoreFactory) {
    let fixture = factory.fixture(wide()).await;
    let asked = fixture.ask(1);
    fixture.sent(&asked).await;
    assert_eq!(delivery(&fixture, &asked).await, None);
    record_outcome(&fixture, &asked, Delivery::Unconfirmed).await;
    assert_eq!(delivery(&fixture, &asked).await, Some(Delivery::Unconfirmed));
    for (told, then) in [
        (Delivery::Sent, Delivery::Sent),
        (Delivery::Accepted, Delivery::Sent),
        (Delivery::Failed, Delivery::Failed),
        (Delivery::Delivered, Delivery::Delivered),
        (Delivery::Sent, Delivery::Delivered),
        (Delivery::Failed, Delivery::Delivered),
    ] {
        assert!(receipt(&fixture, &asked, told).await);
        assert_eq!(delivery(&fixture, &asked).await, Some(then), "after {told:?}");
    }
}

async fn a_receipt_may_overtake_its_outcome(factory: &dyn StoreFactory) {
    let fixture = factory.fixture(wide()).await;
    let asked = fixture.ask(1);
    fixture.sent(&asked).await;
    assert!(receipt(&fixture, &asked, Delivery::Sent).await);
    record_outcome(&fixture, &asked, Delivery::Accepted).await;
    assert_eq!(delivery(&fixture, &asked).await, Some(Delivery::Sent));
}

async fn a_resend_starts_a_new_delivery(factory: &dyn StoreFactory) {
    let fixture = factory.fixture(wide()).await;
    let asked = fixture.ask(1);
    fixture.sent(&asked).await;
    record_outcome(&fixture, &asked, Delivery::Accepted).await;
    assert!(receipt(&fixture, &asked, Delivery::Failed).await);
    let second = resend(&asked);
    fixture.sent(&second).await;
    assert_eq!(delivery(&fixture, &asked).await, Some(Delivery::Failed), "until the second left");
    record_outcome(&fixture, &second, Delivery::Accepted).await;
    assert_eq!(delivery(&fixture, &asked).await, Some(Delivery::Accepted));
}

async fn a_receipt_of_an_unknown_challenge_is_told(factory: &dyn StoreFactory) {
    let fixture = factory.fixture(wide()).await;
    let asked = fixture.ask(1);
    assert!(!receipt(&fixture, &asked, Delivery::Sent).await);
    fixture.sent(&asked).await;
    fixture.record_outcome(&asked, SendOutcome::Failed, None).await;
    assert!(!receipt(&fixture, &asked, Delivery::Sent).await, "nothing of it left");
}

async fn an_id_is_seen_for_the_first_time_once(factory: &dyn StoreFactory) {
    let fixture = factory.fixture(wide()).await;
    assert_eq!(fixture.records.first_time("wamid.1", 300).await, Ok(true));
    assert_eq!(fixture.records.first_time("wamid.1", 300).await, Ok(false));
    assert_eq!(fixture.records.first_time("wamid.2", 300).await, Ok(true));
    fixture.pass(350).await;
    assert_eq!(fixture.records.first_time("wamid.1", 300).await, Ok(true));
}

async fn a_session_stays_signed_out_until_its_cookie_ends(factory: &dyn StoreFactory) {
    let fixture = factory.fixture(wide()).await;
    fixture.records.revoke("one", fixture.now_ms() + 300).await.expect("the store answers");
    assert_eq!(fixture.records.revoked("one").await, Ok(true));
    assert_eq!(fixture.records.revoked("another").await, Ok(false));
    fixture.pass(350).await;
    assert_eq!(fixture.records.revoked("one").await, Ok(false));
}

async fn a_lease_has_one_holder(factory: &dyn StoreFactory) {
    let fixture = factory.fixture(wide()).await;
    let lease = |replica, ttl_ms| fixture.records.lease(replica, ttl_ms);
    let first = lease("r1", 400).await.expect("the store answers").expect("it is free");
    assert_eq!(lease("r2", 400).await, Ok(None));
    let renewed = lease("r1", 400).await.expect("the store answers").expect("its own");
    assert!(renewed.version > first.version);
    fixture.pass(450).await;
    let taken = lease("r2", 400).await.expect("the store answers").expect("it has ended");
    assert!(taken.version > renewed.version);
    assert_eq!(lease("r1", 400).await, Ok(None));
}

async fn every_lease_outbids_the_last(factory: &dyn StoreFactory) {
    let fixture = factory.fixture(wide()).await;
    let mut last = 0;
    for _ in 0..20 {
        let lease = fixture.records.lease("r1", 1000).await.expect("the store answers").expect("its own");
        assert!(lease.version > last);
        last = lease.version;
    }
}
