//! The rules, tried on every store: the use cases' [`Records`] over memory, Redis, and Redis with memory standing in. A case is a sentence; its store is
//! fresh, with quotas of its own.
//!
//! Waits are on the store's clock: a manual one is moved, a real one is watched.

use std::{
    collections::HashMap,
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::FutureExt as _;
use otp_shared::{
    limits::{Limit, Quota},
    wire::{Channel, Delivery},
};

use lost_answers::LosesAnswers;

use super::records::Records;
use crate::{
    clock::ManualClock,
    domain::{
        evaluation::{
            Call, ChallengeKey, Charged, ClientNetwork, Idempotency, PhoneKey, Quotas, RequestCall, RequestVerdict, SendOutcome,
            SendReport, VerifyCall, VerifyVerdict,
        },
        limits::Policy,
    },
    store::{OperatorStore, Store, fallback::Supervisor, memory::Memory},
    transaction::{Before, Key, Outcome, Transaction, Value, Write},
};

mod beliefs;
mod budgets;
mod contention;
mod damage;
mod disturbances;
mod guesses;
mod limits;
mod lost_answers;
mod merges;
mod older_replicas;
mod on_fallback;
mod on_redis;
mod on_topologies;
mod promises;
mod receipts;
mod records;
mod repeats;
mod survival;

/// Records in a store to be tried, and the store's clock.
struct Fixture {
    records: Arc<Records>,
    store: Arc<dyn Store>,
    operators: Arc<dyn OperatorStore>,
    policy: Policy,
    manual: Option<Arc<ManualClock>>,
    /// What each send charged, by the id of its call: a use case remembers it until the send's outcome is known.
    charged: Mutex<HashMap<[u8; 16], Charged>>,
    /// Keeps a store connected that may be away.
    _supervisor: Option<Supervisor>,
}

/// The provider took the message, and nothing names it.
const LEFT: SendOutcome = SendOutcome::Left { channel: Channel::Whatsapp, delivery: Delivery::Accepted, message: None, at_ms: 0 };

type Future<'a, T> = Pin<Box<dyn std::future::Future<Output = T> + Send + 'a>>;

/// Makes fresh stores.
trait StoreFactory: Send + Sync {
    fn fixture(&self, quotas: Quotas) -> Future<'_, Fixture>;

    /// Whether a connection broke by itself since this was asked last: what was tried then was not what the case is about.
    fn was_disturbed(&self) -> bool {
        false
    }
}

type Case = for<'a> fn(&'a dyn StoreFactory) -> Future<'a, ()>;

/// The cases as a list, each with its name.
macro_rules! cases {
    ($($case:ident),* $(,)?) => {
        /// What is promised.
        pub const CASES: &[(&str, super::Case)] = &[$((stringify!($case), |factory| Box::pin($case(factory)))),*];
    };
}
use cases;

/// Runs every case, one after the other, and names those that fail.
async fn run_all(factory: &dyn StoreFactory) {
    run_without(&[], factory).await;
}

async fn run_without(skipped: &[&str], factory: &dyn StoreFactory) {
    let all = [limits::CASES, repeats::CASES, guesses::CASES, records::CASES, receipts::CASES, contention::CASES, damage::CASES];
    let mut failed = Vec::new();
    for (name, case) in all.concat().into_iter().filter(|(name, _)| !skipped.contains(name)) {
        println!("{name}");
        while AssertUnwindSafe(case(factory)).catch_unwind().await.is_err() {
            if !factory.was_disturbed() {
                failed.push(name);
                break;
            }
        }
    }
    assert_eq!(failed, [""; 0]);
}

/// Fresh memory on a clock that is moved.
struct OnMemory;

impl StoreFactory for OnMemory {
    fn fixture(&self, quotas: Quotas) -> Future<'_, Fixture> {
        Box::pin(async move { Fixture::in_memory(quotas, 10_000) })
    }
}

#[tokio::test]
async fn the_rules_hold_in_memory() {
    run_all(&OnMemory).await;
}

const HOLD_THRESHOLD: u32 = 3;
const START_MS: u64 = 1_790_000_000_000;

impl Fixture {
    /// On the system's clock.
    fn in_real_time<S: Store + OperatorStore + 'static>(store: Arc<S>, quotas: Quotas) -> Self {
        Self::new(store, quotas, None)
    }

    /// Memory for so many records, on a clock that is moved.
    fn in_memory(quotas: Quotas, capacity: usize) -> Self {
        let manual = Arc::new(ManualClock::at(START_MS));
        let memory = Memory::new(Arc::clone(&manual) as _, 1, capacity);
        Self::new(Arc::new(memory), quotas, Some(manual))
    }

    fn new<S>(store: Arc<S>, quotas: Quotas, manual: Option<Arc<ManualClock>>) -> Self
    where
        S: Store + OperatorStore + 'static,
    {
        let policy = Policy { quotas, hold_threshold: HOLD_THRESHOLD };
        let operators: Arc<dyn OperatorStore> = Arc::clone(&store) as _;
        let records = Arc::new(Records::new(Arc::clone(&store) as _, Arc::clone(&operators), policy.clone()));
        Self { records, store, operators, policy, manual, charged: Mutex::default(), _supervisor: None }
    }

    /// The same in a store whose answers are lost now and then.
    fn losing_answers(self) -> Self {
        let store = Arc::new(LosesAnswers::new(Arc::clone(&self.store)));
        Self { records: Arc::new(Records::new(store, Arc::clone(&self.operators), self.policy.clone())), ..self }
    }

    /// Puts bytes under a key, whatever is there.
    async fn put(&self, key: Key, bytes: &[u8]) {
        let write = Write { key, before: Before::Any, after: Some(bytes.into()), ttl_ms: Some(60_000) };
        let transaction = Transaction { slot: self.store.side().slot, write: vec![write], ..Transaction::default() };
        let outcome = self.store.commit(&transaction).await.expect("the store answers");
        assert!(matches!(outcome, Outcome::Committed(_)), "{outcome:?}");
    }

    async fn get(&self, key: &Key) -> Option<Value> {
        self.store.read(std::slice::from_ref(key)).await.expect("the store answers").values.remove(key).flatten()
    }

    /// Lets so many milliseconds pass.
    async fn pass(&self, ms: u64) {
        if let Some(manual) = &self.manual {
            manual.advance_ms(ms);
            return;
        }
        // What is known here of another machine's clock is off by half a round trip.
        let then = self.now_ms() + ms + 50;
        while self.now_ms() < then {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// The store's Unix millisecond.
    fn now_ms(&self) -> u64 {
        self.store.now_us() / 1000
    }

    /// A new challenge for `phone`, asked for by an address of its own.
    fn ask(&self, phone: u8) -> RequestCall {
        RequestCall {
            call: call(),
            challenge: ChallengeKey(fresh()),
            expires_at_ms: self.now_ms() + 300_000,
            resend: false,
            phone: PhoneKey([phone; 16]),
            network: ClientNetwork { address: format!("203.0.113.{phone}"), site: None },
            phone_hold: format!("phone:{phone:016x}"),
            address_hold: format!("address:203.0.113.{phone}"),
        }
    }

    async fn request(&self, call: &RequestCall) -> RequestVerdict {
        let verdict = self.records.request(call).await.expect("the store answers");
        if let RequestVerdict::Send { charged, .. } = &verdict {
            self.charged.lock().expect("no test panicked here").insert(call.call.id, charged.clone());
        }
        verdict
    }

    async fn verify(&self, call: &VerifyCall) -> VerifyVerdict {
        self.records.verify(call).await.expect("the store answers")
    }

    /// Asks, and expects to be allowed; the guesses left.
    async fn sent(&self, call: &RequestCall) -> u32 {
        match self.request(call).await {
            RequestVerdict::Send { attempts_left, .. } => attempts_left,
            other => panic!("not sent: {other:?}"),
        }
    }

    /// Asks, and expects to be refused; the limit and the milliseconds.
    async fn refused(&self, call: &RequestCall) -> (Limit, u64) {
        match self.request(call).await {
            RequestVerdict::Refused { limit, retry_after_ms, .. } => (limit, retry_after_ms),
            other => panic!("not refused: {other:?}"),
        }
    }

    /// Notes what became of a send.
    async fn record_outcome(&self, request: &RequestCall, outcome: SendOutcome, answer: Option<&str>) {
        let charged = self.charged.lock().expect("no test panicked here").get(&request.call.id).cloned().unwrap_or_default();
        let report = SendReport { request: request.clone(), charged, outcome, answer: answer.map(str::to_owned) };
        self.records.record_outcome(&report).await.expect("the store answers");
    }
}

/// Never the same twice; the first bytes differ, too.
fn fresh() -> [u8; 16] {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    u128::from(NEXT.fetch_add(1, Ordering::Relaxed)).to_le_bytes()
}

fn call() -> Call {
    Call { id: fresh(), nonce: fresh(), operator_version: 0, idempotency: None }
}

/// The same call under an idempotency key.
fn keyed(mut call: RequestCall, key: u8, body: u8) -> RequestCall {
    call.call = Call { idempotency: Some(Idempotency { key: [key; 16], body: [body; 16] }), ..self::call() };
    call
}

/// The same asked once more: a new call for a new challenge.
fn again(asked: &RequestCall) -> RequestCall {
    RequestCall { call: call(), challenge: ChallengeKey(fresh()), ..asked.clone() }
}

/// A resend of the same challenge.
fn resend(asked: &RequestCall) -> RequestCall {
    RequestCall { call: call(), resend: true, ..asked.clone() }
}

/// A guess of that challenge's code, from an address of its own.
fn guess(asked: &RequestCall, correct: bool) -> VerifyCall {
    VerifyCall {
        call: call(),
        challenge: asked.challenge,
        expires_at_ms: asked.expires_at_ms,
        correct,
        phone: asked.phone,
        network: ClientNetwork { address: "198.51.100.1".into(), site: None },
        answer: "verified".into(),
    }
}

/// Quotas that nothing here reaches.
fn wide() -> Quotas {
    Limit::ALL
        .into_iter()
        .filter(|limit| *limit != Limit::VerifyChallenge)
        .fold(Quotas::default(), |quotas, limit| quotas.with(limit, Quota { count: 1_000_000, window_s: 86_400 }))
}

/// Wide, but for one limit.
fn only(limit: Limit, quota: &str) -> Quotas {
    wide().with(limit, quota_of(quota))
}

fn quota_of(text: &str) -> Quota {
    Quota::parse(text).expect("a literal")
}
