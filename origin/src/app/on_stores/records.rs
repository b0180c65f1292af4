//! Records: deliveries, sign-outs, operator state and its audit, the publisher's lease.

use otp_shared::wire::{Channel, Delivery};

use super::{Fixture, StoreFactory, cases, resend, wide};
use crate::{
    domain::{
        judgement::{DeliveryRecord, MessageKey, Receipt, RequestCall, SendOutcome},
        operator::{Change, Stamp, TOMBSTONE_MS, Target},
    },
    store::OperatorCopy,
};

cases![
    a_delivery_moves_forwards_only,
    a_receipt_may_overtake_its_settlement,
    a_resend_starts_a_new_delivery,
    a_receipt_of_an_unknown_challenge_is_told,
    an_id_is_seen_for_the_first_time_once,
    a_session_stays_signed_out_until_its_cookie_ends,
    a_new_store_is_not_filled,
    the_newest_change_wins_in_any_order,
    equal_times_are_ordered_by_bytes,
    every_new_change_raises_the_version,
    the_audit_tells_the_newest_first,
    old_removals_are_forgotten,
    a_lease_has_one_holder,
    every_lease_outbids_the_last,
];

async fn settle(fixture: &Fixture, request: &RequestCall, delivery: Delivery) {
    let outcome = SendOutcome::Left { channel: Channel::Whatsapp, delivery, message: None, at_ms: fixture.now_ms() };
    fixture.settle(request, outcome, None).await;
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
    settle(&fixture, &asked, Delivery::Unconfirmed).await;
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

async fn a_receipt_may_overtake_its_settlement(factory: &dyn StoreFactory) {
    let fixture = factory.fixture(wide()).await;
    let asked = fixture.ask(1);
    fixture.sent(&asked).await;
    assert!(receipt(&fixture, &asked, Delivery::Sent).await);
    settle(&fixture, &asked, Delivery::Accepted).await;
    assert_eq!(delivery(&fixture, &asked).await, Some(Delivery::Sent));
}

async fn a_resend_starts_a_new_delivery(factory: &dyn StoreFactory) {
    let fixture = factory.fixture(wide()).await;
    let asked = fixture.ask(1);
    fixture.sent(&asked).await;
    settle(&fixture, &asked, Delivery::Accepted).await;
    assert!(receipt(&fixture, &asked, Delivery::Failed).await);
    let second = resend(&asked);
    fixture.sent(&second).await;
    assert_eq!(delivery(&fixture, &asked).await, Some(Delivery::Failed), "until the second left");
    settle(&fixture, &second, Delivery::Accepted).await;
    assert_eq!(delivery(&fixture, &asked).await, Some(Delivery::Accepted));
}

async fn a_receipt_of_an_unknown_challenge_is_told(factory: &dyn StoreFactory) {
    let fixture = factory.fixture(wide()).await;
    let asked = fixture.ask(1);
    assert!(!receipt(&fixture, &asked, Delivery::Sent).await);
    fixture.sent(&asked).await;
    fixture.settle(&asked, SendOutcome::Failed, None).await;
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

fn change(fixture: &Fixture, value: &str, age_ms: u64, id: &str, present: bool) -> Change {
    Change {
        target: Target::Blacklist { kind: "ip".into(), value: value.into() },
        stamp: Stamp { ms: fixture.now_ms() - age_ms, counter: 0, id: id.into() },
        actor: "ops".into(),
        note: "why \"so\" – née".into(),
        present,
        until_ms: None,
    }
}

async fn copy(fixture: &Fixture) -> OperatorCopy {
    fixture.records.operator().await.expect("the store answers")
}

async fn merge(fixture: &Fixture, changes: &[Change]) -> u64 {
    fixture.records.merge_operator(changes).await.expect("the store answers")
}

async fn a_new_store_is_not_filled(factory: &dyn StoreFactory) {
    let fixture = factory.fixture(wide()).await;
    assert_eq!(copy(&fixture).await, OperatorCopy::default());
    let version = merge(&fixture, &[]).await;
    assert_eq!(copy(&fixture).await, OperatorCopy { version, filled: true, changes: vec![] });
    assert_eq!(merge(&fixture, &[]).await, version, "nothing new");
}

async fn the_newest_change_wins_in_any_order(factory: &dyn StoreFactory) {
    for reversed in [false, true] {
        let fixture = factory.fixture(wide()).await;
        let (older, newer) = (change(&fixture, "192.0.2.1", 2000, "a", true), change(&fixture, "192.0.2.1", 1000, "b", false));
        let mut both = [older, newer.clone()];
        if reversed {
            both.reverse();
        }
        for one in &both {
            merge(&fixture, std::slice::from_ref(one)).await;
        }
        merge(&fixture, &both).await;
        assert_eq!(copy(&fixture).await.changes, [newer]);
    }
}

async fn equal_times_are_ordered_by_bytes(factory: &dyn StoreFactory) {
    let fixture = factory.fixture(wide()).await;
    let at = fixture.now_ms() - 1000;
    let named = |id: &str| {
        let mut change = change(&fixture, "192.0.2.1", 0, id, true);
        change.stamp.ms = at;
        change
    };
    for (loses, wins) in [("B", "a"), ("a", "aa"), ("aa", "é"), ("é", "ö")] {
        merge(&fixture, &[named(wins)]).await;
        merge(&fixture, &[named(loses)]).await;
        assert_eq!(copy(&fixture).await.changes, [named(wins)]);
    }
    let mut later = named("a");
    later.stamp.counter = 1;
    merge(&fixture, std::slice::from_ref(&later)).await;
    assert_eq!(copy(&fixture).await.changes, [later]);
}

async fn every_new_change_raises_the_version(factory: &dyn StoreFactory) {
    let fixture = factory.fixture(wide()).await;
    let (one, two) = (change(&fixture, "192.0.2.1", 2000, "a", true), change(&fixture, "192.0.2.2", 1000, "b", true));
    let first = merge(&fixture, std::slice::from_ref(&one)).await;
    let second = merge(&fixture, &[two]).await;
    assert!(second > first);
    assert_eq!(merge(&fixture, &[one]).await, second);
    assert_eq!(copy(&fixture).await.version, second);
}

async fn the_audit_tells_the_newest_first(factory: &dyn StoreFactory) {
    let fixture = factory.fixture(wide()).await;
    let changes = [("c", 1000), ("a", 3000), ("b", 2000)].map(|(id, age)| change(&fixture, &format!("192.0.2.{age}"), age, id, true));
    merge(&fixture, &changes).await;
    merge(&fixture, &changes).await;
    let ids = |changes: Vec<Change>| changes.into_iter().map(|change| change.stamp.id).collect::<Vec<_>>();
    assert_eq!(ids(fixture.records.audit(10).await.expect("the store answers")), ["c", "b", "a"]);
    assert_eq!(ids(fixture.records.audit(2).await.expect("the store answers")), ["c", "b"]);
    assert_eq!(fixture.records.audit(0).await, Ok(vec![]));
}

async fn old_removals_are_forgotten(factory: &dyn StoreFactory) {
    let fixture = factory.fixture(wide()).await;
    let old = change(&fixture, "192.0.2.1", TOMBSTONE_MS + 60_000, "a", false);
    let lasting = change(&fixture, "192.0.2.2", TOMBSTONE_MS + 60_000, "b", true);
    let ended = Change { until_ms: Some(fixture.now_ms() - TOMBSTONE_MS - 1000), ..change(&fixture, "192.0.2.3", 0, "c", true) };
    merge(&fixture, &[old.clone(), lasting.clone(), ended]).await;
    assert_eq!(copy(&fixture).await.changes, [lasting]);
    let version = copy(&fixture).await.version;
    assert_eq!(merge(&fixture, &[old]).await, version, "what is garbage is nothing new");
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
