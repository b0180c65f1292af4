//! Operator changes that meet, in any order and any number of times: the same comes out, in memory and in Redis.

use std::{collections::BTreeMap, time::Duration};

use proptest::{
    prelude::*,
    strategy::ValueTree as _,
    test_runner::{Config, RngSeed, TestRunner},
};

use super::{Fixture, START_MS, StoreFactory as _, on_redis::OnRedis, wide};
use crate::{
    app::records::Records,
    clock::{Clock as _, SystemClock},
    domain::operator::{Change, Stamp, Target},
};

const SHUFFLES: usize = 40;

fn samples<T: std::fmt::Debug>(strategy: &impl Strategy<Value = T>) -> Vec<T> {
    let mut runner = TestRunner::new(Config { rng_seed: RngSeed::Fixed(1), ..Config::default() });
    (0..SHUFFLES).map(|_| strategy.new_tree(&mut runner).expect("nothing is filtered").current()).collect()
}

fn changes(now_ms: u64) -> impl Strategy<Value = Vec<Change>> {
    let change = (0u8..3, 0u64..3, 0u32..2, "[aAbé]{1,2}", any::<bool>()).prop_map(move |(subject, ms, counter, id, present)| Change {
        target: Target::Session { id: format!("s{subject}") },
        stamp: Stamp { ms: now_ms - 1000 + ms, counter, id: id.clone() },
        actor: "ops".into(),
        // One id names one change.
        note: format!("{subject}{ms}{counter}{id}{present}"),
        present,
        until_ms: None,
    });
    proptest::collection::vec(change, 1..20)
}

/// Stamps are unique in life: of changes with the same stamp and subject, only the first stays.
fn told_apart(changes: Vec<Change>) -> Vec<Change> {
    let mut seen = std::collections::BTreeSet::new();
    changes.into_iter().filter(|change| seen.insert((change.target.clone(), change.stamp.clone()))).collect()
}

async fn merged(records: &Records, batches: &[&[Change]]) -> BTreeMap<String, Change> {
    for batch in batches {
        // A busy machine may take longer than a call waits; merging again does no harm.
        while records.merge_operator(batch).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    let copy = records.operator().await.expect("the store answers");
    copy.changes.into_iter().map(|change| (change.target.key(), change)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operator_changes_merge_alike_in_any_order() {
    let on_redis = OnRedis::new();
    // Memory's clock stands still some way off Redis' own: removals are far too young to be forgotten by either.
    let now_ms = SystemClock.now_ms().max(START_MS);
    for changes in samples(&(changes(now_ms), any::<prop::sample::Index>())) {
        let (changes, split) = (told_apart(changes.0), changes.1);
        let (front, back) = changes.split_at(split.index(changes.len()));
        let reversed: Vec<_> = changes.iter().rev().cloned().collect();
        let memory = || Fixture::in_memory(wide(), 1000).records;
        let forwards = merged(&memory(), &[front, back, front]).await;
        assert_eq!(merged(&memory(), &[&reversed]).await, forwards);
        assert_eq!(merged(&on_redis.fixture(wide()).await.records, &[front, back, front]).await, forwards);
        assert_eq!(merged(&on_redis.fixture(wide()).await.records, &[&reversed, back]).await, forwards);
    }
}
