//! What every store promises, as one suite that each of them runs. A case is a sentence; its store is fresh, with quotas of its own.
//!
//! Waits are on the store's clock: a manual one is moved, a real one is watched.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use otp_shared::limits::{Limit, Quota};

use super::{Store, memory::Memory};
use crate::{
    clock::{Clock, ManualClock, SystemClock},
    domain::judgement::{
        Call, ChallengeKey, Idempotency, Origin, PhoneKey, Quotas, RequestCall, RequestVerdict, VerifyCall, VerifyVerdict,
    },
};

mod guesses;
mod limits;
mod merges;
mod on_fallback;
mod on_redis;
mod on_topologies;
mod promises;
mod receipts;
mod records;
mod repeats;
mod same_verdicts;
pub mod server;
mod survival;

/// A store to be tried, and its clock.
pub struct Bench {
    pub store: Arc<dyn Store>,
    pub clock: Arc<dyn Clock>,
    manual: Option<Arc<ManualClock>>,
}

pub type Future<'a, T> = Pin<Box<dyn std::future::Future<Output = T> + Send + 'a>>;

/// Makes fresh stores.
pub trait Bencher: Send + Sync {
    fn bench(&self, quotas: Quotas) -> Future<'_, Bench>;
}

type Case = for<'a> fn(&'a dyn Bencher) -> Future<'a, ()>;

/// The cases as a list, each with its name.
macro_rules! cases {
    ($($case:ident),* $(,)?) => {
        /// What is promised.
        pub const CASES: &[(&str, super::Case)] = &[$((stringify!($case), |bencher| Box::pin($case(bencher)))),*];
    };
}
use cases;

/// Runs every case, one after the other so that a failure is known by the name printed last.
pub async fn run_all(bencher: &dyn Bencher) {
    for (name, case) in [limits::CASES, repeats::CASES, guesses::CASES, records::CASES, receipts::CASES].concat() {
        println!("{name}");
        case(bencher).await;
    }
}

/// Fresh memory on a clock that is moved.
struct OnMemory;

impl Bencher for OnMemory {
    fn bench(&self, quotas: Quotas) -> Future<'_, Bench> {
        let manual = Arc::new(ManualClock::at(1_790_000_000_000));
        let memory = Memory::new(manual.clone(), quotas, "r1".into(), HOLD_THRESHOLD, 10_000);
        Box::pin(async move { Bench { store: Arc::new(memory), clock: manual.clone(), manual: Some(manual) } })
    }
}

#[tokio::test]
async fn memory_keeps_the_contract() {
    run_all(&OnMemory).await;
}

pub const HOLD_THRESHOLD: u32 = 3;

impl Bench {
    /// On the system's clock.
    pub fn in_real_time(store: Arc<dyn Store>) -> Self {
        Self { store, clock: Arc::new(SystemClock), manual: None }
    }

    /// Lets so many milliseconds pass.
    pub async fn pass(&self, ms: u64) {
        if let Some(manual) = &self.manual {
            manual.advance_ms(ms);
            return;
        }
        let then = self.clock.now_ms() + ms;
        while self.clock.now_ms() < then {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// A new challenge for `phone`, asked for by an address of its own.
    pub fn ask(&self, phone: u8) -> RequestCall {
        RequestCall {
            call: call(),
            challenge: ChallengeKey(fresh()),
            expires_at_ms: self.clock.now_ms() + 300_000,
            resend: false,
            phone: PhoneKey([phone; 16]),
            origin: Origin { address: format!("203.0.113.{phone}"), site: None },
            phone_hold: format!("phone:{phone:016x}"),
            address_hold: format!("address:203.0.113.{phone}"),
        }
    }

    pub async fn request(&self, call: &RequestCall) -> RequestVerdict {
        self.store.request(call).await.expect("the store answers")
    }

    pub async fn verify(&self, call: &VerifyCall) -> VerifyVerdict {
        self.store.verify(call).await.expect("the store answers")
    }

    /// Asks, and expects to be allowed.
    pub async fn sent(&self, call: &RequestCall) {
        let verdict = self.request(call).await;
        assert!(matches!(verdict, RequestVerdict::Send { .. }), "{verdict:?}");
    }

    /// Asks, and expects to be refused; the limit and the milliseconds.
    pub async fn refused(&self, call: &RequestCall) -> (Limit, u64) {
        match self.request(call).await {
            RequestVerdict::Refused { limit, retry_after_ms, .. } => (limit, retry_after_ms),
            other => panic!("not refused: {other:?}"),
        }
    }
}

/// Never the same twice.
pub fn fresh() -> [u8; 16] {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    u128::from(NEXT.fetch_add(1, Ordering::Relaxed)).to_be_bytes()
}

pub fn call() -> Call {
    Call { id: fresh(), nonce: fresh(), operator_version: 0, idempotency: None }
}

/// The same call under an idempotency key.
pub fn keyed(mut call: RequestCall, key: u8, body: u8) -> RequestCall {
    call.call = Call { idempotency: Some(Idempotency { key: [key; 16], body: [body; 16] }), ..self::call() };
    call
}

/// The same asked once more: a new call for a new challenge.
pub fn again(asked: &RequestCall) -> RequestCall {
    RequestCall { call: call(), challenge: ChallengeKey(fresh()), ..asked.clone() }
}

/// A resend of the same challenge.
pub fn resend(asked: &RequestCall) -> RequestCall {
    RequestCall { call: call(), resend: true, ..asked.clone() }
}

/// A guess of that challenge's code, from an address of its own.
pub fn guess(asked: &RequestCall, correct: bool) -> VerifyCall {
    VerifyCall {
        call: call(),
        challenge: asked.challenge,
        expires_at_ms: asked.expires_at_ms,
        correct,
        phone: asked.phone,
        origin: Origin { address: "198.51.100.1".into(), site: None },
        answer: "verified".into(),
    }
}

/// Quotas that nothing here reaches.
pub fn wide() -> Quotas {
    Limit::ALL
        .into_iter()
        .filter(|limit| *limit != Limit::VerifyChallenge)
        .fold(Quotas::default(), |quotas, limit| quotas.with(limit, Quota { count: 1_000_000, window_s: 86_400 }))
}

/// Wide, but for one limit.
pub fn only(limit: Limit, quota: &str) -> Quotas {
    wide().with(limit, quota_of(quota))
}

pub fn quota_of(text: &str) -> Quota {
    Quota::parse(text).expect("a literal")
}
