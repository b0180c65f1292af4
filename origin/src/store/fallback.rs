//! Redis with memory standing in while it is away. Not a second truth: what memory judged is merged into Redis before Redis is believed again.
//!
//! 1. While Redis answers, every answer that must outlive it is mirrored in memory: what is spent, idempotency answers, operator state.
//! 2. A call that Redis does not answer within 100 ms is judged in memory, and so are all that follow, at once, with this replica's share of the limits.
//! 3. A new connection is filled with what memory knows, whatever became of Redis meanwhile: the same, an old copy, a new master, nothing.
//! 4. Only when nothing is left to tell is it admitted, in the same step that stops memory from judging.
//!
//! **Invariant:** at any instant either memory judges or Redis does, and a code that was used stays used from the one to the other.

use std::{pin::Pin, sync::Arc, time::Duration};

use async_trait::async_trait;
use otp_shared::{limits::Limit, signature::hex};
use tokio::{sync::watch, task::JoinHandle, time::timeout};

use super::{
    Lease, OperatorCopy, Store, StoreError, StoreState,
    memory::{Memory, News, State, Told},
    redis::{Generation, LocateError, RedisConfig, RedisStore},
};
use crate::{
    clock::{self, Clock},
    domain::{
        judgement::{
            ChallengeKey, DeliveryRecord, Hold, MessageKey, Quotas, Receipt, RequestCall, RequestVerdict, Settlement, VerifyCall,
            VerifyVerdict,
        },
        operator::Change,
    },
};

/// How long memory may be kept from judging while the last of its news is told.
const BRAKE: Duration = Duration::from_millis(100);
/// How long a start may take before Redis is said to be away.
const START: Duration = Duration::from_secs(1);
/// A call asks Redis again when the connection came back while it was failing.
const TRIES: usize = 2;

type Asked<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// Redis, and memory while it is away.
pub struct Fallback {
    both: Arc<Both>,
    keeper: JoinHandle<()>,
}

struct Both {
    redis: RedisStore,
    memory: Memory,
    /// Set while the last news is told: whoever would be judged in memory waits a moment for Redis.
    brake: watch::Sender<bool>,
}

/// How a [`Fallback`] is set up.
pub struct Setup {
    /// The limits, of all replicas together.
    pub quotas: Quotas,
    /// How many replicas share them while they count apart.
    pub replicas: u32,
    /// This one's name.
    pub replica: String,
    /// Refusals that hold a subject.
    pub hold_threshold: u32,
    /// Records of each kind that memory keeps.
    pub capacity: usize,
}

impl Drop for Fallback {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

impl Fallback {
    /// Returns at once, whether or not Redis is there; connects in the background of the running tokio runtime.
    pub fn connect(config: &RedisConfig, clock: Arc<dyn Clock>, setup: &Setup) -> Result<Self, LocateError> {
        // A slot of guesses is one process's own: after a restart, memory has forgotten what the last one counted.
        let slot = format!("{}.{}", setup.replica, hex(&clock::random::<4>()));
        let redis = RedisStore::connect_guarded(config, &setup.quotas, slot.clone(), setup.hold_threshold)?;
        let memory = Memory::new(clock, setup.quotas.share(setup.replicas), slot, setup.hold_threshold, setup.capacity);
        let both = Arc::new(Both { redis, memory, brake: watch::channel(false).0 });
        let keeper = tokio::spawn(Arc::clone(&both).keep());
        Ok(Self { both, keeper })
    }

    /// Waits until Redis judges; `false` when it did not within `at_most`.
    pub async fn wait_ready(&self, at_most: Duration) -> bool {
        let connected = async {
            while !self.both.redis.is_admitted() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(at_most, connected).await.is_ok()
    }
}

impl Both {
    /// Fills and admits every new connection, and says so when Redis goes or comes.
    async fn keep(self: Arc<Self>) {
        let mut generations = self.redis.generations();
        _ = timeout(START, generations.wait_for(Option::is_some)).await;
        let mut shown = None;
        loop {
            let generation = *generations.borrow_and_update();
            let filled = match generation {
                Some(generation) => self.fill_and_admit(generation).await,
                None => Err(StoreError::Unavailable("no connection".into())),
            };
            if let (Some(generation), Err(error)) = (generation, &filled) {
                self.redis.give_up(generation, &error.to_string());
            }
            show(&mut shown, filled);
            if generations.changed().await.is_err() {
                return;
            }
        }
    }

    async fn fill_and_admit(&self, generation: Generation) -> Result<(), StoreError> {
        let filled = self.fill(generation).await;
        self.brake.send_replace(false);
        filled
    }

    /// The first round tells all that memory knows, the following ones what came meanwhile; those with the brake on, so that they end.
    async fn fill(&self, generation: Generation) -> Result<(), StoreError> {
        let (mut told, mut epoch, mut was_empty) = (Told::default(), None, false);
        loop {
            let Some(news) = self.news_or_admit(generation, told, was_empty, epoch.as_ref())? else { return Ok(()) };
            if let Some(copy) = &news.operator {
                let merged = self.redis.merge_over(generation, &copy.changes, copy.filled).await?;
                self.memory.step(|state, now_us| state.adopt(&merged.copy, now_us));
                (epoch, was_empty) = (merged.epoch, was_empty || merged.was_empty);
            }
            self.tell(generation, &news).await?;
            told = news.told;
            self.brake.send_replace(true);
        }
    }

    /// One step: either there is news, or Redis is admitted and memory judges no more.
    fn news_or_admit(&self, generation: Generation, told: Told, all: bool, epoch: Option<&String>) -> Result<Option<News>, StoreError> {
        self.memory.step(|state, now_us| {
            let news = state.news(told, all, now_us);
            if !news.is_empty() {
                return Ok(Some(news));
            }
            let admitted = self.redis.admit(generation, epoch.cloned());
            if admitted { Ok(None) } else { Err(StoreError::Unavailable("the connection broke while it was filled".into())) }
        })
    }

    async fn tell(&self, generation: Generation, news: &News) -> Result<(), StoreError> {
        for settlement in &news.settlements {
            self.redis.settle_over(generation, settlement).await?;
            self.memory.step(|state, now_us| state.paid(settlement, now_us));
        }
        for receipt in &news.receipts {
            self.redis.receipt_over(generation, receipt).await?;
            self.memory.step(|state, now_us| state.receipt_paid(receipt, now_us));
        }
        self.redis.fill_over(generation, &news.records).await
    }

    /// Asks Redis; judges in memory when it does not answer.
    async fn either<'a, T>(
        &'a self,
        ask: impl Fn() -> Asked<'a, T> + Send,
        judge: impl Fn(&mut State, u64) -> Result<T, StoreError> + Send,
    ) -> Result<T, StoreError> {
        let mut failure = StoreError::Unavailable("redis comes and goes".into());
        for _ in 0..TRIES {
            match ask().await {
                Ok(answer) => return Ok(answer),
                Err(error) => failure = error,
            }
            if let Some(judged) = self.in_memory(&judge).await {
                return judged;
            }
        }
        Err(failure)
    }

    /// Judges in memory, unless Redis judges.
    async fn in_memory<T>(&self, judge: impl Fn(&mut State, u64) -> Result<T, StoreError>) -> Option<Result<T, StoreError>> {
        let mut brake = self.brake.subscribe();
        _ = timeout(BRAKE, brake.wait_for(|set| !set)).await;
        self.memory.step(|state, now_us| if self.redis.is_admitted() { None } else { Some(judge(state, now_us)) })
    }

    async fn ask_request(&self, call: &RequestCall) -> Result<RequestVerdict, StoreError> {
        let verdict = self.redis.request(call).await?;
        self.memory.step(|state, now_us| state.mirror_request(call, &verdict, now_us));
        Ok(verdict)
    }

    async fn ask_settle(&self, settlement: &Settlement) -> Result<(), StoreError> {
        self.redis.settle(settlement).await?;
        self.memory.step(|state, now_us| state.settle(settlement, now_us));
        Ok(())
    }

    async fn ask_verify(&self, call: &VerifyCall) -> Result<VerifyVerdict, StoreError> {
        let (verdict, spent) = self.redis.judge_guess(call).await?;
        Ok(self.memory.step(|state, now_us| state.mirror_guess(call, verdict, spent.as_ref(), now_us)))
    }

    async fn ask_receipt(&self, receipt: &Receipt) -> Result<bool, StoreError> {
        let known = self.redis.receipt(receipt).await?;
        self.memory.step(|state, now_us| state.receipt(receipt, now_us));
        Ok(known)
    }

    async fn ask_revoke(&self, session: &str, until_ms: u64) -> Result<(), StoreError> {
        self.redis.revoke(session, until_ms).await?;
        self.memory.step(|state, now_us| state.revoke(session, until_ms, now_us))
    }

    async fn ask_operator(&self) -> Result<OperatorCopy, StoreError> {
        let copy = self.redis.operator().await?;
        self.memory.step(|state, now_us| state.adopt(&copy, now_us));
        Ok(copy)
    }

    async fn ask_merge(&self, changes: &[Change]) -> Result<u64, StoreError> {
        let version = self.redis.merge_operator(changes).await?;
        let copy = OperatorCopy { version, filled: true, changes: changes.to_vec() };
        self.memory.step(|state, now_us| state.adopt(&copy, now_us));
        Ok(version)
    }

    async fn ask_lift(&self, subject: &str) -> Result<bool, StoreError> {
        let lifted = self.redis.lift_hold(subject).await?;
        self.memory.step(|state, now_us| state.lift_hold(subject, now_us));
        Ok(lifted)
    }
}

/// One line for every change.
fn show(shown: &mut Option<bool>, filled: Result<(), StoreError>) {
    if *shown == Some(filled.is_ok()) {
        return;
    }
    *shown = Some(filled.is_ok());
    match filled {
        Ok(()) => tracing::info!(target: "otp::store", "redis is connected"),
        Err(error) => tracing::warn!(target: "otp::store", %error, "redis is away: memory stands in"),
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Store for Fallback {
    async fn request(&self, call: &RequestCall) -> Result<RequestVerdict, StoreError> {
        let both = &self.both;
        both.either(|| Box::pin(both.ask_request(call)), |state, now_us| Ok(state.request(call, now_us))).await
    }

    async fn settle(&self, settlement: &Settlement) -> Result<(), StoreError> {
        let both = &self.both;
        let judge = |state: &mut State, now_us| {
            state.settle_and_owe(settlement, now_us);
            Ok(())
        };
        both.either(|| Box::pin(both.ask_settle(settlement)), judge).await
    }

    async fn verify(&self, call: &VerifyCall) -> Result<VerifyVerdict, StoreError> {
        let both = &self.both;
        both.either(|| Box::pin(both.ask_verify(call)), |state, now_us| state.verify(call, now_us)).await
    }

    async fn charge(&self, limit: Limit, key: &str) -> Result<Result<(), u64>, StoreError> {
        let both = &self.both;
        both.either(|| both.redis.charge(limit, key), |state, now_us| Ok(state.charge(limit, key, now_us))).await
    }

    async fn delivery(&self, challenge: ChallengeKey) -> Result<Option<DeliveryRecord>, StoreError> {
        let both = &self.both;
        both.either(|| both.redis.delivery(challenge), |state, now_us| Ok(state.delivery(challenge, now_us))).await
    }

    async fn receipt(&self, receipt: &Receipt) -> Result<bool, StoreError> {
        let both = &self.both;
        both.either(|| Box::pin(both.ask_receipt(receipt)), |state, now_us| Ok(state.receipt_and_owe(receipt, now_us))).await
    }

    async fn disown(&self, message: MessageKey, sends: u32) -> Result<bool, StoreError> {
        let both = &self.both;
        both.either(|| both.redis.disown(message, sends), |state, now_us| Ok(state.disown(message, sends, now_us))).await
    }

    async fn first_time(&self, id: &str, ttl_ms: u64) -> Result<bool, StoreError> {
        let both = &self.both;
        both.either(|| both.redis.first_time(id, ttl_ms), |state, now_us| Ok(state.first_time(id, ttl_ms, now_us))).await
    }

    async fn revoke(&self, session: &str, until_ms: u64) -> Result<(), StoreError> {
        let both = &self.both;
        both.either(|| Box::pin(both.ask_revoke(session, until_ms)), |state, now_us| state.revoke(session, until_ms, now_us)).await
    }

    async fn revoked(&self, session: &str) -> Result<bool, StoreError> {
        let both = &self.both;
        both.either(|| both.redis.revoked(session), |state, now_us| Ok(state.revoked(session, now_us))).await
    }

    async fn operator(&self) -> Result<OperatorCopy, StoreError> {
        let both = &self.both;
        both.either(|| Box::pin(both.ask_operator()), |state, _| Ok(state.operator())).await
    }

    async fn operator_version(&self) -> Result<u64, StoreError> {
        let both = &self.both;
        both.either(|| both.redis.operator_version(), |state, _| Ok(state.operator_version())).await
    }

    /// Unlike the others, this fails when Redis goes in the middle of it: memory alone is not durable, and the caller has to know.
    async fn merge_operator(&self, changes: &[Change]) -> Result<u64, StoreError> {
        if self.both.redis.is_admitted() {
            return self.both.ask_merge(changes).await;
        }
        match self.both.in_memory(|state, now_us| Ok(state.merge_operator(changes, now_us))).await {
            Some(merged) => merged,
            None => self.both.ask_merge(changes).await,
        }
    }

    async fn audit(&self, limit: usize) -> Result<Vec<Change>, StoreError> {
        let both = &self.both;
        both.either(|| both.redis.audit(limit), |state, _| Ok(state.audit(limit))).await
    }

    async fn lease(&self, replica: &str, ttl_ms: u64) -> Result<Option<Lease>, StoreError> {
        let both = &self.both;
        both.either(|| both.redis.lease(replica, ttl_ms), |state, now_us| Ok(state.lease(replica, ttl_ms, now_us))).await
    }

    async fn holds(&self) -> Result<Vec<Hold>, StoreError> {
        let both = &self.both;
        both.either(|| both.redis.holds(), |state, now_us| Ok(state.holds(now_us))).await
    }

    async fn lift_hold(&self, subject: &str) -> Result<bool, StoreError> {
        let both = &self.both;
        both.either(|| Box::pin(both.ask_lift(subject)), |state, now_us| Ok(state.lift_hold(subject, now_us))).await
    }

    fn state(&self) -> StoreState {
        self.both.redis.state()
    }

    fn skew_ms(&self) -> i64 {
        self.both.redis.skew_ms()
    }
}
