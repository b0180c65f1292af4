//! Memory and Redis give the same outcomes, for any transactions. And copies of the operator state merge to the same in both, in any order.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use ::redis::cmd;
use proptest::{
    prelude::*,
    sample::Index,
    strategy::ValueTree as _,
    test_runner::{Config, RngSeed, TestCaseError, TestRunner},
};

use super::{OnMemory, StoreFactory, bytes, key, on_redis::OnRedis, server::Server};
use crate::{
    clock::{Clock as _, SystemClock},
    domain::operator::{Change, Stamp, Target},
    store::{
        OperatorStore, Store as _,
        memory::{Mark, Table},
        redis::RedisStore,
    },
    transaction::{
        Before, Charge, Count, Expect, Key, Outcome, Step, Transaction, TransactionId, Value, Write,
        counter::{Counter, Window},
    },
};

const CASES: u32 = 250;
const KEYS: usize = 8;
const HOUR_US: u64 = 3_600_000_000;
/// Slots of hours: which of them is the newest does not depend on milliseconds.
const WEEK: Window = Window::new(7 * 24 * HOUR_US, 42);

/// A part of a transaction; which key it is about is drawn apart, so that no key stands in two.
#[derive(Debug, Clone)]
enum Part {
    Id(u8),
    Expect(Guess),
    Write(Guess, Option<Bytes>, Option<u64>),
    Charge { hours: i8, capacity: u8, unless: Option<Index> },
    Count { back: Option<u8>, cap: Option<u8>, unless: Option<Index> },
    Peek,
}

/// What a record is taken to be.
#[derive(Debug, Clone)]
enum Guess {
    Any,
    Absent,
    Right,
    Is(Bytes),
}

/// Values that mean something to cells and counters, and such that do not.
#[derive(Debug, Clone)]
enum Bytes {
    Raw(Vec<u8>),
    Cell(i8),
    Counter(Vec<u8>),
}

fn value() -> impl Strategy<Value = Bytes> {
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..3).prop_map(Bytes::Raw),
        "[0-9]{1,30}".prop_map(|text| Bytes::Raw(text.into_bytes())),
        (-5i8..5).prop_map(Bytes::Cell),
        proptest::collection::vec(0u8..255, 0..6).prop_map(Bytes::Counter),
    ]
}

fn guess() -> impl Strategy<Value = Guess> {
    prop_oneof![1 => Just(Guess::Any), 1 => Just(Guess::Absent), 4 => Just(Guess::Right), 1 => value().prop_map(Guess::Is)]
}

fn part() -> impl Strategy<Value = Part> {
    let unless = || proptest::option::weighted(0.3, any::<Index>());
    prop_oneof![
        1 => (0u8..3).prop_map(Part::Id),
        2 => guess().prop_map(Part::Expect),
        4 => (guess(), proptest::option::weighted(0.8, value()), proptest::option::of(1u64..100))
            .prop_map(|(before, after, hours)| Part::Write(before, after, hours)),
        4 => (-3i8..6, 0u8..12, unless()).prop_map(|(hours, capacity, unless)| Part::Charge { hours, capacity, unless }),
        4 => (proptest::option::weighted(0.3, 0u8..255), proptest::option::of(0u8..6), unless())
            .prop_map(|(back, cap, unless)| Part::Count { back, cap, unless }),
        1 => Just(Part::Peek),
    ]
}

/// Transactions of a few parts, each with an order of the keys.
fn transactions() -> impl Strategy<Value = Vec<(Vec<Part>, Vec<usize>)>> {
    let keys = Just((0..KEYS).collect::<Vec<_>>()).prop_shuffle();
    proptest::collection::vec((proptest::collection::vec(part(), 1..6), keys), 1..12)
}

impl Bytes {
    fn at(&self, now_us: u64) -> Value {
        match self {
            Self::Raw(bytes) => bytes.as_slice().into(),
            Self::Cell(hours) => bytes(&now_us.saturating_add_signed(i64::from(*hours) * HOUR_US.cast_signed()).to_string()),
            Self::Counter(ages) => {
                let mut at: Vec<u64> = ages.iter().map(|age| now_us - u64::from(*age) * HOUR_US).collect();
                at.sort_unstable();
                let count = |counter: Option<Value>, at| Some(Counter::read(counter.as_ref(), WEEK, at).step(Step::Up).to_value());
                at.into_iter().fold(None, count).unwrap_or_else(|| bytes(""))
            }
        }
    }
}

/// The transaction of those parts, decided at `now_us` on what `table` has.
fn build(parts: &[Part], order: &[usize], table: &Table, now_us: u64) -> Transaction {
    let name = |place: usize| -> Key { key(&format!("k{}", order[place])) };
    let present = |key: &Key| table.get(key, now_us).cloned();
    let before = |guess: &Guess, key: &Key| match guess {
        Guess::Any => Before::Any,
        Guess::Absent => Before::Absent,
        Guess::Right => present(key).into(),
        Guess::Is(value) => Before::Is(value.at(now_us)),
    };
    let condition = |unless: &Option<Index>| unless.as_ref().map(|index| name(index.index(KEYS)));
    let mut built = Transaction::default();
    for (place, part) in parts.iter().enumerate() {
        let key = name(place);
        match part {
            Part::Id(token) => built.id = Some(TransactionId { key, token: [*token][..].into(), ttl_ms: 3_600_000 }),
            Part::Expect(guess) => {
                let value = match before(guess, &key) {
                    Before::Is(value) => Some(value),
                    _ => None,
                };
                built.expect.push(Expect { key, value });
            }
            Part::Write(guess, after, hours) => {
                let (before, after) = (before(guess, &key), after.as_ref().map(|value| value.at(now_us)));
                built.write.push(Write { key, before, after, ttl_ms: hours.map(|hours| hours * 3_600_000) });
            }
            Part::Charge { hours, capacity, unless } => built.charge.push(Charge {
                key,
                by_us: i64::from(*hours) * HOUR_US.cast_signed(),
                capacity_us: u64::from(*capacity) * HOUR_US,
                unless: condition(unless),
            }),
            Part::Count { back, cap, unless } => {
                let by = back.map_or(Step::Up, |hours| Step::Down { counted_at_us: now_us - u64::from(hours) * HOUR_US });
                built.count.push(Count { key, window: WEEK, by, cap: cap.map(u32::from), unless: condition(unless) });
            }
            Part::Peek => built.peek.push(key),
        }
    }
    built
}

fn now_us(outcome: &Outcome) -> u64 {
    match outcome {
        Outcome::Committed(committed) => committed.now_us,
        Outcome::Changed(values) | Outcome::Full(values) => values.now_us,
    }
}

/// Redis first, then memory at the time that Redis told; how often each outcome came.
async fn compare(store: &RedisStore, transactions: &[(Vec<Part>, Vec<usize>)]) -> Result<[u32; 3], TestCaseError> {
    let mut table = Table::new(1000);
    let mut seen = [0; 3];
    for (parts, order) in transactions {
        let transaction = build(parts, order, &table, store.now_us());
        let on_redis = store.commit(&transaction).await.map_err(|error| TestCaseError::fail(error.to_string()))?;
        let on_memory = table.commit(&transaction, now_us(&on_redis), Mark::Dirty);
        prop_assert_eq!(Ok(&on_redis), on_memory.as_ref(), "{:?}", transaction);
        seen[match on_redis {
            Outcome::Committed(_) => 0,
            Outcome::Changed(_) => 1,
            Outcome::Full(_) => 2,
        }] += 1;
    }
    let keys: Vec<Key> = (0..KEYS).map(|n| key(&format!("k{n}"))).collect();
    let values = store.read(&keys).await.map_err(|error| TestCaseError::fail(error.to_string()))?;
    prop_assert_eq!(&table.read(&keys, values.now_us), &values);
    Ok(seen)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_and_redis_give_the_same_outcomes_for_any_transactions() {
    let server = Server::start(&[]);
    let store = RedisStore::connect(&server.config(0), 1).expect("the url is good");
    assert!(store.wait_ready(Duration::from_secs(10)).await);
    let mut connection = server.connection();
    let mut total = [0; 3];
    let connection = std::cell::RefCell::new(&mut connection);
    let total_of = std::cell::RefCell::new(&mut total);
    let mut runner = TestRunner::new(Config { cases: CASES, ..Config::default() });
    let ran = tokio::task::block_in_place(|| {
        runner.run(&transactions(), |transactions| {
            let _: () = cmd("FLUSHALL").query(*connection.borrow_mut()).expect("it answers");
            let seen = tokio::runtime::Handle::current().block_on(compare(&store, &transactions))?;
            total_of.borrow_mut().iter_mut().zip(seen).for_each(|(total, seen)| *total += seen);
            Ok(())
        })
    });
    ran.expect("they agree");
    assert!(total.iter().all(|outcomes| *outcomes > CASES / 5), "every outcome was seen: {total:?}");
}

const SHUFFLES: usize = 30;

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

async fn merged(store: &Arc<dyn OperatorStore>, batches: &[&[Change]]) -> BTreeMap<String, Change> {
    for batch in batches {
        store.merge_operator(batch).await.expect("the store answers");
    }
    let copy = store.operator().await.expect("the store answers");
    copy.changes.into_iter().map(|change| (change.target.key(), change)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operator_changes_merge_alike_in_any_order() {
    let on_redis = OnRedis::new();
    for (changes, split) in samples(&(changes(SystemClock.now_ms()), any::<Index>())) {
        let changes = told_apart(changes);
        let (front, back) = changes.split_at(split.index(changes.len()));
        let reversed: Vec<_> = changes.iter().rev().cloned().collect();
        let forwards = merged(&OnMemory.fixture().await.operator, &[front, back, front]).await;
        assert_eq!(merged(&OnMemory.fixture().await.operator, &[&reversed]).await, forwards);
        assert_eq!(merged(&on_redis.fixture().await.operator, &[front, back, front]).await, forwards);
        assert_eq!(merged(&on_redis.fixture().await.operator, &[&reversed, back]).await, forwards);
    }
}
