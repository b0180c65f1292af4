//! Copies that meet, in any order and any number of times: the same comes out, in memory and in Redis.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use ::redis::Commands;
use otp_shared::{limits::Limit, signature::hex};
use proptest::{
    prelude::*,
    strategy::ValueTree as _,
    test_runner::{Config, RngSeed, TestRunner},
};
use serde_json::{Value, json};

use super::{HOLD_THRESHOLD, on_redis::OnRedis, quota_of, server::Server, wide};
use crate::{
    clock::{Clock as _, SystemClock},
    domain::operator::{About, Change, Stamp},
    store::{
        Store,
        memory::{Memory, Spent},
        redis::{Generation, RedisStore},
    },
};

const SHUFFLES: usize = 40;

fn samples<T: std::fmt::Debug>(strategy: &impl Strategy<Value = T>) -> Vec<T> {
    let mut runner = TestRunner::new(Config { rng_seed: RngSeed::Fixed(1), ..Config::default() });
    (0..SHUFFLES).map(|_| strategy.new_tree(&mut runner).expect("nothing is filtered").current()).collect()
}

fn changes(now_ms: u64) -> impl Strategy<Value = Vec<Change>> {
    let change = (0u8..3, 0u64..3, 0u32..2, "[aAbé]{1,2}", any::<bool>()).prop_map(move |(subject, ms, counter, id, present)| Change {
        about: About::Session { id: format!("s{subject}") },
        stamp: Stamp { ms: now_ms - 1000 + ms, counter, id: id.clone() },
        who: "ops".into(),
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
    changes.into_iter().filter(|change| seen.insert((change.about.clone(), change.stamp.clone()))).collect()
}

async fn merged(store: &dyn Store, batches: &[&[Change]]) -> BTreeMap<String, Change> {
    for batch in batches {
        store.merge_operator(batch).await.expect("the store answers");
    }
    let copy = store.operator().await.expect("the store answers");
    copy.changes.into_iter().map(|change| (change.about.key(), change)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operator_changes_merge_alike_in_any_order() {
    let on_redis = OnRedis::new();
    let now_ms = SystemClock.now_ms();
    for changes in samples(&(changes(now_ms), any::<prop::sample::Index>())) {
        let (changes, split) = (told_apart(changes.0), changes.1);
        let (front, back) = changes.split_at(split.index(changes.len()));
        let reversed: Vec<_> = changes.iter().rev().cloned().collect();
        let memory = || Memory::new(Arc::new(SystemClock), wide(), "r1".into(), HOLD_THRESHOLD, 1000);
        let forwards = merged(&memory(), &[front, back, front]).await;
        assert_eq!(merged(&memory(), &[&reversed]).await, forwards);
        assert_eq!(merged(&*on_redis.store(wide()).await, &[front, back, front]).await, forwards);
        assert_eq!(merged(&*on_redis.store(wide()).await, &[&reversed, back]).await, forwards);
    }
}

async fn guarded(server: &Server) -> (RedisStore, Generation) {
    let quotas = wide().with(Limit::RequestIp, quota_of("2/1h"));
    let store = RedisStore::connect_guarded(&server.config(0), &quotas, "r1".into(), HOLD_THRESHOLD).expect("the url is good");
    assert!(store.wait_ready(Duration::from_secs(10)).await);
    let generation = store.generations().borrow().expect("it is connected");
    (store, generation)
}

fn spent_record(challenge: u8, spent: &Spent) -> Value {
    json!({ "kind": "spent", "challenge": hex(&[challenge; 16]), "attempts": spent.attempts, "used": spent.used, "left_us": 60_000_000 })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_replicas_know_as_spent_adds_up_in_redis_as_in_memory() {
    let server = Server::start(&[]);
    let (store, generation) = guarded(&server).await;
    let spent =
        (proptest::collection::btree_map("[abc]", 0u32..5, 0..3), any::<bool>()).prop_map(|(attempts, used)| Spent { attempts, used });
    let mut connection = server.connection();
    for (challenge, copies) in (0u8..).zip(samples(&proptest::collection::vec(spent, 1..5))) {
        let mut expected = Spent::default();
        for copy in &copies {
            expected.merge(copy);
        }
        expected.attempts.retain(|_, count| *count > 0);
        let mut records: Vec<_> = copies.iter().chain(&copies).map(|copy| spent_record(challenge, copy)).collect();
        records.reverse();
        store.fill_over(generation, &records).await.expect("it answers");
        let fields: BTreeMap<String, String> = connection.hgetall(format!("spent:{{v1}}:{}", hex(&[challenge; 16]))).expect("it answers");
        let attempts =
            fields.iter().filter_map(|(field, count)| Some((field.strip_prefix("a:")?.to_owned(), count.parse().ok()?))).collect();
        assert_eq!(Spent { attempts, used: fields.contains_key("used") }, expected);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_remaining_duration_is_capped_by_its_window_and_never_shortened() {
    let server = Server::start(&[]);
    let (store, generation) = guarded(&server).await;
    let mut connection = server.connection();
    let mut left_ms = async |told_us: u64| {
        let record = json!({ "kind": "cell", "limit": "request.ip", "subject": "203.0.113.1", "left_us": told_us });
        store.fill_over(generation, &[record]).await.expect("it answers");
        let left: i64 = connection.pttl("otp:{v1}:cell:request.ip:203.0.113.1").expect("it answers");
        u64::try_from(left).expect("it has an end")
    };
    assert!(left_ms(60_000_000).await <= 60_001);
    let longer = left_ms(1_800_000_000).await;
    assert!((1_790_000..=1_800_001).contains(&longer), "{longer}");
    assert!(left_ms(60_000_000).await > 1_790_000, "the longer one stands");
    assert!(left_ms(999_000_000_000).await <= 3_600_001, "an hour is the window");
}
