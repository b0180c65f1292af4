//! Operator state: merged by one rule, versioned, and told in its audit.

use std::{collections::BTreeMap, sync::Arc};

use super::{Fixture, cases};
use crate::{
    domain::{
        operator::{Change, Stamp, TOMBSTONE_MS, Target},
        record::OPERATOR_VERSION,
    },
    store::OperatorCopy,
    transaction::{Expect, Outcome, Transaction},
};

cases![
    a_new_store_is_not_filled,
    the_newest_change_wins_in_any_order,
    equal_times_are_ordered_by_bytes,
    every_new_change_makes_another_version,
    a_version_is_neither_a_count_nor_a_time,
    the_version_is_a_record_that_transactions_expect,
    the_audit_tells_the_newest_first,
    old_removals_are_forgotten,
];

/// A blacklist entry, so many milliseconds old.
pub fn change(fixture: &Fixture, value: &str, age_ms: u64, id: &str, present: bool) -> Change {
    Change {
        target: Target::Blacklist { kind: "ip".into(), value: value.into() },
        stamp: Stamp { ms: fixture.store.now_us() / 1000 - age_ms, counter: 0, id: id.into() },
        actor: "ops".into(),
        note: "why \"so\" – née".into(),
        present,
        until_ms: None,
    }
}

async fn copy(fixture: &Fixture) -> OperatorCopy {
    fixture.operator.operator().await.expect("the store answers")
}

async fn merge(fixture: &Fixture, changes: &[Change]) -> u64 {
    fixture.operator.merge_operator(changes).await.expect("the store answers")
}

async fn a_new_store_is_not_filled(fixture: Arc<Fixture>) {
    assert_eq!(copy(&fixture).await, OperatorCopy::default());
    let version = merge(&fixture, &[]).await;
    assert_eq!(copy(&fixture).await, OperatorCopy { version, filled: true, changes: vec![] });
    assert_eq!(merge(&fixture, &[]).await, version, "nothing new");
}

async fn the_newest_change_wins_in_any_order(fixture: Arc<Fixture>) {
    for (address, reversed) in [("192.0.2.1", false), ("192.0.2.2", true)] {
        let mut both = [change(&fixture, address, 2000, "a", true), change(&fixture, address, 1000, "b", false)];
        let newer = both[1].clone();
        if reversed {
            both.reverse();
        }
        for one in &both {
            merge(&fixture, std::slice::from_ref(one)).await;
        }
        merge(&fixture, &both).await;
        let known: BTreeMap<_, _> = copy(&fixture).await.changes.into_iter().map(|change| (change.target.key(), change)).collect();
        assert_eq!(known[&newer.target.key()], newer);
    }
}

async fn equal_times_are_ordered_by_bytes(fixture: Arc<Fixture>) {
    let at = fixture.store.now_us() / 1000 - 1000;
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

async fn every_new_change_makes_another_version(fixture: Arc<Fixture>) {
    let (one, two) = (change(&fixture, "192.0.2.1", 2000, "a", true), change(&fixture, "192.0.2.2", 1000, "b", true));
    assert_eq!(fixture.operator.operator_version().await, Ok(0));
    let first = merge(&fixture, std::slice::from_ref(&one)).await;
    let second = merge(&fixture, &[two]).await;
    assert!(first != second && first != 0 && second != 0);
    assert_eq!(merge(&fixture, &[one]).await, second);
    assert_eq!(copy(&fixture).await.version, second);
    assert_eq!(fixture.operator.operator_version().await, Ok(second));
}

/// Two stores that were one would give the same number to different contents.
async fn a_version_is_neither_a_count_nor_a_time(fixture: Arc<Fixture>) {
    let first = merge(&fixture, &[change(&fixture, "192.0.2.1", 2000, "a", true)]).await;
    let second = merge(&fixture, &[change(&fixture, "192.0.2.2", 1000, "b", true)]).await;
    let now_ms = fixture.store.now_us() / 1000;
    assert!(first.abs_diff(second) > 60_000, "{first}, {second}");
    assert!(first.abs_diff(now_ms) > 60_000, "{first} at {now_ms}");
    assert!(first.max(second) < 100_000_000_000_000, "replicas of the release before have Redis write it as JSON, with 14 digits");
}

async fn the_version_is_a_record_that_transactions_expect(fixture: Arc<Fixture>) {
    let judged_by = |version: Option<u64>| {
        let value = version.map(|version| version.to_string().into_bytes().into());
        Transaction { expect: vec![Expect { key: OPERATOR_VERSION.into(), value }], ..Default::default() }
    };
    fixture.committed(&judged_by(None)).await;
    let first = merge(&fixture, &[]).await;
    fixture.changed(&judged_by(None)).await;
    fixture.committed(&judged_by(Some(first))).await;
    let second = merge(&fixture, &[change(&fixture, "192.0.2.1", 0, "a", true)]).await;
    fixture.changed(&judged_by(Some(first))).await;
    assert!(matches!(fixture.commit(&judged_by(Some(second))).await, Outcome::Committed(_)));
}

async fn the_audit_tells_the_newest_first(fixture: Arc<Fixture>) {
    let changes = [("c", 1000), ("a", 3000), ("b", 2000)].map(|(id, age)| change(&fixture, &format!("192.0.2.{age}"), age, id, true));
    merge(&fixture, &changes).await;
    merge(&fixture, &changes).await;
    let ids = |changes: Vec<Change>| changes.into_iter().map(|change| change.stamp.id).collect::<Vec<_>>();
    assert_eq!(ids(fixture.operator.audit(10).await.expect("the store answers")), ["c", "b", "a"]);
    assert_eq!(ids(fixture.operator.audit(2).await.expect("the store answers")), ["c", "b"]);
    assert_eq!(fixture.operator.audit(0).await, Ok(vec![]));
}

async fn old_removals_are_forgotten(fixture: Arc<Fixture>) {
    let old = change(&fixture, "192.0.2.1", TOMBSTONE_MS + 60_000, "a", false);
    let lasting = change(&fixture, "192.0.2.2", TOMBSTONE_MS + 60_000, "b", true);
    let until_ms = Some(fixture.store.now_us() / 1000 - TOMBSTONE_MS - 1000);
    let ended = Change { until_ms, ..change(&fixture, "192.0.2.3", 0, "c", true) };
    merge(&fixture, &[old.clone(), lasting.clone(), ended]).await;
    assert_eq!(copy(&fixture).await.changes, [lasting]);
    let version = copy(&fixture).await.version;
    assert_eq!(merge(&fixture, &[old]).await, version, "what is garbage is nothing new");
}
