//! What every store promises, as one suite that each of them runs. A case is a sentence and has a fresh store. No case knows a rule: records, cells and counters
//! mean nothing here.

use std::{pin::Pin, sync::Arc, time::Duration};

use async_trait::async_trait;

use super::{OperatorStore, Store, memory::Memory};
use crate::{
    clock::ManualClock,
    transaction::{
        Before, Charge, Committed, Count, Expect, Key, Outcome, Step, Transaction, TransactionId, Value, Values, Write, counter::Window,
    },
};

mod concurrency;
mod limits;
mod on_redis;
pub mod on_topologies;
mod operator;
mod records;
mod same_outcomes;
pub mod server;

/// A store to be tried.
pub struct Fixture {
    pub store: Arc<dyn Store>,
    pub operator: Arc<dyn OperatorStore>,
    /// The store's clock, if it is one that is moved.
    pub manual: Option<Arc<ManualClock>>,
}

/// Makes fresh stores.
#[async_trait]
pub trait StoreFactory: Send + Sync {
    async fn fixture(&self) -> Fixture;
}

type Case = fn(Arc<Fixture>) -> Pin<Box<dyn Future<Output = ()> + Send>>;

/// The cases as a list, each with its name.
macro_rules! cases {
    ($($case:ident),* $(,)?) => {
        /// What is promised.
        pub const CASES: &[(&str, super::Case)] = &[$((stringify!($case), |fixture| Box::pin($case(fixture)))),*];
    };
}
use cases;

/// Runs every case, one after the other so that a failure is known by the name printed last.
pub async fn run_all(factory: &dyn StoreFactory) {
    for (name, case) in [records::CASES, limits::CASES, concurrency::CASES, operator::CASES].concat() {
        println!("{name}");
        case(Arc::new(factory.fixture().await)).await;
    }
}

/// Fresh memory on a clock that is moved.
struct OnMemory;

#[async_trait]
impl StoreFactory for OnMemory {
    async fn fixture(&self) -> Fixture {
        let manual = Arc::new(ManualClock::at(1_790_000_000_000));
        let memory = Arc::new(Memory::new(manual.clone(), 1, 10_000));
        Fixture { store: memory.clone(), operator: memory, manual: Some(manual) }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_keeps_the_contract() {
    run_all(&OnMemory).await;
}

impl Fixture {
    /// Lets so many milliseconds pass.
    pub async fn pass(&self, ms: u64) {
        match &self.manual {
            Some(manual) => manual.advance_ms(ms),
            // Redis tells milliseconds apart, and our clock is not its.
            None => tokio::time::sleep(Duration::from_millis(ms + 2)).await,
        }
    }

    pub async fn commit(&self, transaction: &Transaction) -> Outcome {
        self.store.commit(transaction).await.expect("the store answers")
    }

    /// Commits, and expects it to happen.
    pub async fn committed(&self, transaction: &Transaction) -> Committed {
        match self.commit(transaction).await {
            Outcome::Committed(committed) => committed,
            other => panic!("not committed: {other:?}"),
        }
    }

    /// Commits, and expects a record to be another.
    pub async fn changed(&self, transaction: &Transaction) -> Values {
        match self.commit(transaction).await {
            Outcome::Changed(values) => values,
            other => panic!("not changed: {other:?}"),
        }
    }

    /// Commits, and expects a cell or counter to be full.
    pub async fn full(&self, transaction: &Transaction) -> Values {
        match self.commit(transaction).await {
            Outcome::Full(values) => values,
            other => panic!("not full: {other:?}"),
        }
    }

    /// What is under a key, as text.
    pub async fn get(&self, name: &str) -> Option<String> {
        let values = self.store.read(&[key(name)]).await.expect("the store answers");
        let value = values.values.into_values().next().expect("the key was asked for");
        value.map(|value| String::from_utf8_lossy(&value).into_owned())
    }
}

/// The key of that name.
pub fn key(name: &str) -> Key {
    format!("otp:{{v1}}:{name}").into()
}

pub fn bytes(text: &str) -> Value {
    text.as_bytes().into()
}

pub fn id(name: &str, token: &str) -> Transaction {
    Transaction { id: Some(TransactionId { key: key(name), token: bytes(token), ttl_ms: 60_000 }), ..Default::default() }
}

pub fn expect(name: &str, value: Option<&str>) -> Transaction {
    Transaction { expect: vec![Expect { key: key(name), value: value.map(bytes) }], ..Default::default() }
}

/// Writes a record that ends in a minute.
pub fn write(name: &str, before: Before, after: Option<&str>) -> Transaction {
    write_bytes(name, before, after.map(bytes), Some(60_000))
}

pub fn write_bytes(name: &str, before: Before, after: Option<Value>, ttl_ms: Option<u64>) -> Transaction {
    Transaction { write: vec![Write { key: key(name), before, after, ttl_ms }], ..Default::default() }
}

/// Charges a cell that has room for `capacity_s`.
pub fn charge(name: &str, by_s: i64, capacity_s: u64) -> Transaction {
    let charge = Charge { key: key(name), by_us: by_s * 1_000_000, capacity_us: capacity_s * 1_000_000, unless: None };
    Transaction { charge: vec![charge], ..Default::default() }
}

/// An hour in twelve parts.
pub const HOUR: Window = Window::new(3_600_000_000, 12);

pub fn count(name: &str, by: Step, cap: u32) -> Transaction {
    count_in(HOUR, name, by, cap)
}

pub fn count_in(window: Window, name: &str, by: Step, cap: u32) -> Transaction {
    Transaction { count: vec![Count { key: key(name), window, by, cap: Some(cap), unless: None }], ..Default::default() }
}

pub fn peek(name: &str) -> Transaction {
    Transaction { peek: vec![key(name)], ..Default::default() }
}

/// The charges and counts of it are left alone when that key is there.
pub fn unless(name: &str, mut transaction: Transaction) -> Transaction {
    transaction.charge.iter_mut().for_each(|charge| charge.unless = Some(key(name)));
    transaction.count.iter_mut().for_each(|count| count.unless = Some(key(name)));
    transaction
}

/// All of them as one.
pub fn all<const N: usize>(parts: [Transaction; N]) -> Transaction {
    let mut whole = Transaction::default();
    for part in parts {
        whole.id = whole.id.or(part.id);
        whole.expect.extend(part.expect);
        whole.write.extend(part.write);
        whole.charge.extend(part.charge);
        whole.count.extend(part.count);
        whole.peek.extend(part.peek);
    }
    whole
}
