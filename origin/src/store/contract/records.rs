//! Records: deliveries, sign-outs, operator state and its audit, the publisher's lease.

use otp_shared::wire::{Channel, Delivery};

use super::{Bench, Bencher, cases, resend, wide};
use crate::{
    domain::{
        judgement::{DeliveryRecord, MessageKey, Receipt, RequestCall, SendOutcome, Settlement},
        operator::{About, Change, Stamp, TOMBSTONE_MS},
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

async fn settle(bench: &Bench, request: &RequestCall, delivery: Delivery) {
    let outcome = SendOutcome::Left { channel: Channel::Whatsapp, delivery, message: None, at_ms: bench.clock.now_ms() };
    let settlement = Settlement { request: request.clone(), outcome, answer: None };
    bench.store.settle(&settlement).await.expect("the store answers");
}

async fn delivery(bench: &Bench, request: &RequestCall) -> Option<Delivery> {
    let record: Option<DeliveryRecord> = bench.store.delivery(request.challenge).await.expect("the store answers");
    record.map(|record| record.delivery)
}

async fn receipt(bench: &Bench, request: &RequestCall, delivery: Delivery) -> bool {
    let receipt = Receipt { challenge: Some(request.challenge), message: MessageKey(request.call.id), delivery, reason: None };
    bench.store.receipt(&receipt).await.expect("the store answers")
}

async fn a_delivery_moves_forwards_only(bencher: &dyn Bencher) {
    let bench = bencher.bench(wide()).await;
    let asked = bench.ask(1);
    bench.sent(&asked).await;
    assert_eq!(delivery(&bench, &asked).await, None);
    settle(&bench, &asked, Delivery::Unconfirmed).await;
    assert_eq!(delivery(&bench, &asked).await, Some(Delivery::Unconfirmed));
    for (told, then) in [
        (Delivery::Sent, Delivery::Sent),
        (Delivery::Accepted, Delivery::Sent),
        (Delivery::Failed, Delivery::Failed),
        (Delivery::Delivered, Delivery::Delivered),
        (Delivery::Sent, Delivery::Delivered),
        (Delivery::Failed, Delivery::Delivered),
    ] {
        assert!(receipt(&bench, &asked, told).await);
        assert_eq!(delivery(&bench, &asked).await, Some(then), "after {told:?}");
    }
}

async fn a_receipt_may_overtake_its_settlement(bencher: &dyn Bencher) {
    let bench = bencher.bench(wide()).await;
    let asked = bench.ask(1);
    bench.sent(&asked).await;
    assert!(receipt(&bench, &asked, Delivery::Sent).await);
    settle(&bench, &asked, Delivery::Accepted).await;
    assert_eq!(delivery(&bench, &asked).await, Some(Delivery::Sent));
}

async fn a_resend_starts_a_new_delivery(bencher: &dyn Bencher) {
    let bench = bencher.bench(wide()).await;
    let asked = bench.ask(1);
    bench.sent(&asked).await;
    settle(&bench, &asked, Delivery::Accepted).await;
    assert!(receipt(&bench, &asked, Delivery::Failed).await);
    let second = resend(&asked);
    bench.sent(&second).await;
    assert_eq!(delivery(&bench, &asked).await, Some(Delivery::Failed), "until the second left");
    settle(&bench, &second, Delivery::Accepted).await;
    assert_eq!(delivery(&bench, &asked).await, Some(Delivery::Accepted));
}

async fn a_receipt_of_an_unknown_challenge_is_told(bencher: &dyn Bencher) {
    let bench = bencher.bench(wide()).await;
    let asked = bench.ask(1);
    assert!(!receipt(&bench, &asked, Delivery::Sent).await);
    bench.sent(&asked).await;
    let failed = Settlement { request: asked.clone(), outcome: SendOutcome::Failed, answer: None };
    bench.store.settle(&failed).await.expect("the store answers");
    assert!(!receipt(&bench, &asked, Delivery::Sent).await, "nothing of it left");
}

async fn an_id_is_seen_for_the_first_time_once(bencher: &dyn Bencher) {
    let bench = bencher.bench(wide()).await;
    assert_eq!(bench.store.first_time("wamid.1", 300).await, Ok(true));
    assert_eq!(bench.store.first_time("wamid.1", 300).await, Ok(false));
    assert_eq!(bench.store.first_time("wamid.2", 300).await, Ok(true));
    bench.pass(350).await;
    assert_eq!(bench.store.first_time("wamid.1", 300).await, Ok(true));
}

async fn a_session_stays_signed_out_until_its_cookie_ends(bencher: &dyn Bencher) {
    let bench = bencher.bench(wide()).await;
    bench.store.revoke("one", bench.clock.now_ms() + 300).await.expect("the store answers");
    assert_eq!(bench.store.revoked("one").await, Ok(true));
    assert_eq!(bench.store.revoked("another").await, Ok(false));
    bench.pass(350).await;
    assert_eq!(bench.store.revoked("one").await, Ok(false));
}

fn change(bench: &Bench, value: &str, age_ms: u64, id: &str, present: bool) -> Change {
    Change {
        about: About::Blacklist { kind: "ip".into(), value: value.into() },
        stamp: Stamp { ms: bench.clock.now_ms() - age_ms, counter: 0, id: id.into() },
        who: "ops".into(),
        note: "why \"so\" – née".into(),
        present,
        until_ms: None,
    }
}

async fn copy(bench: &Bench) -> OperatorCopy {
    bench.store.operator().await.expect("the store answers")
}

async fn merge(bench: &Bench, changes: &[Change]) -> u64 {
    bench.store.merge_operator(changes).await.expect("the store answers")
}

async fn a_new_store_is_not_filled(bencher: &dyn Bencher) {
    let bench = bencher.bench(wide()).await;
    assert_eq!(copy(&bench).await, OperatorCopy::default());
    let version = merge(&bench, &[]).await;
    assert_eq!(copy(&bench).await, OperatorCopy { version, filled: true, changes: vec![] });
    assert_eq!(merge(&bench, &[]).await, version, "nothing new");
}

async fn the_newest_change_wins_in_any_order(bencher: &dyn Bencher) {
    for reversed in [false, true] {
        let bench = bencher.bench(wide()).await;
        let (older, newer) = (change(&bench, "192.0.2.1", 2000, "a", true), change(&bench, "192.0.2.1", 1000, "b", false));
        let mut both = [older, newer.clone()];
        if reversed {
            both.reverse();
        }
        for one in &both {
            merge(&bench, std::slice::from_ref(one)).await;
        }
        merge(&bench, &both).await;
        assert_eq!(copy(&bench).await.changes, [newer]);
    }
}

async fn equal_times_are_ordered_by_bytes(bencher: &dyn Bencher) {
    let bench = bencher.bench(wide()).await;
    let at = bench.clock.now_ms() - 1000;
    let named = |id: &str| {
        let mut change = change(&bench, "192.0.2.1", 0, id, true);
        change.stamp.ms = at;
        change
    };
    for (loses, wins) in [("B", "a"), ("a", "aa"), ("aa", "é"), ("é", "ö")] {
        merge(&bench, &[named(wins)]).await;
        merge(&bench, &[named(loses)]).await;
        assert_eq!(copy(&bench).await.changes, [named(wins)]);
    }
    let mut later = named("a");
    later.stamp.counter = 1;
    merge(&bench, std::slice::from_ref(&later)).await;
    assert_eq!(copy(&bench).await.changes, [later]);
}

async fn every_new_change_raises_the_version(bencher: &dyn Bencher) {
    let bench = bencher.bench(wide()).await;
    let (one, two) = (change(&bench, "192.0.2.1", 2000, "a", true), change(&bench, "192.0.2.2", 1000, "b", true));
    let first = merge(&bench, std::slice::from_ref(&one)).await;
    let second = merge(&bench, &[two]).await;
    assert!(second > first);
    assert_eq!(merge(&bench, &[one]).await, second);
    assert_eq!(copy(&bench).await.version, second);
}

async fn the_audit_tells_the_newest_first(bencher: &dyn Bencher) {
    let bench = bencher.bench(wide()).await;
    let changes = [("c", 1000), ("a", 3000), ("b", 2000)].map(|(id, age)| change(&bench, &format!("192.0.2.{age}"), age, id, true));
    merge(&bench, &changes).await;
    merge(&bench, &changes).await;
    let ids = |changes: Vec<Change>| changes.into_iter().map(|change| change.stamp.id).collect::<Vec<_>>();
    assert_eq!(ids(bench.store.audit(10).await.expect("the store answers")), ["c", "b", "a"]);
    assert_eq!(ids(bench.store.audit(2).await.expect("the store answers")), ["c", "b"]);
    assert_eq!(bench.store.audit(0).await, Ok(vec![]));
}

async fn old_removals_are_forgotten(bencher: &dyn Bencher) {
    let bench = bencher.bench(wide()).await;
    let old = change(&bench, "192.0.2.1", TOMBSTONE_MS + 60_000, "a", false);
    let lasting = change(&bench, "192.0.2.2", TOMBSTONE_MS + 60_000, "b", true);
    let ended = Change { until_ms: Some(bench.clock.now_ms() - TOMBSTONE_MS - 1000), ..change(&bench, "192.0.2.3", 0, "c", true) };
    merge(&bench, &[old.clone(), lasting.clone(), ended]).await;
    assert_eq!(copy(&bench).await.changes, [lasting]);
    let version = copy(&bench).await.version;
    assert_eq!(merge(&bench, &[old]).await, version, "what is garbage is nothing new");
}

async fn a_lease_has_one_holder(bencher: &dyn Bencher) {
    let bench = bencher.bench(wide()).await;
    let lease = |replica, ttl_ms| bench.store.lease(replica, ttl_ms);
    let first = lease("r1", 400).await.expect("the store answers").expect("it is free");
    assert_eq!(lease("r2", 400).await, Ok(None));
    let renewed = lease("r1", 400).await.expect("the store answers").expect("its own");
    assert!(renewed.version > first.version);
    bench.pass(450).await;
    let taken = lease("r2", 400).await.expect("the store answers").expect("it has ended");
    assert!(taken.version > renewed.version);
    assert_eq!(lease("r1", 400).await, Ok(None));
}

async fn every_lease_outbids_the_last(bencher: &dyn Bencher) {
    let bench = bencher.bench(wide()).await;
    let mut last = 0;
    for _ in 0..20 {
        let lease = bench.store.lease("r1", 1000).await.expect("the store answers").expect("its own");
        assert!(lease.version > last);
        last = lease.version;
    }
}
