//! What the use cases read and change in the store: each call is one decision of the domain, committed. No rule of its own.
//!
//! **Invariant:** every answer was committed or compared, in the same call, by the store; or by memory while the store is away or has a record that this
//! version cannot read.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use otp_shared::limits::{Limit, Quota};

use super::evaluate::evaluate;
use crate::{
    clock,
    domain::{
        evaluation::{
            ChallengeKey, DeliveryRecord, Hold, MessageKey, Receipt, RequestCall, RequestVerdict, SendReport, VerifyCall, VerifyVerdict,
        },
        guess, hold,
        lease::{self, Lease},
        limits::{Cell, Policy, until_ms},
        operator::Change,
        outcome, receipt,
        record::{
            Damaged, attempts::Attempts, challenge::ChallengeRecord, challenge_key, holds::SHARDS, holds_key, marker, revoked_key, seen_key,
        },
        request,
    },
    store::{OlderReplicas, OperatorCopy, OperatorStore, Store, StoreError, StoreState},
    transaction::{Before, Committed, Decision, Transaction, Value, View, Write},
};

/// The store, and the rules by which it is used.
pub struct Records {
    store: Arc<dyn Store>,
    operators: Arc<dyn OperatorStore>,
    /// During a rolling update.
    older: Option<Arc<dyn OlderReplicas>>,
    policy: Policy,
    /// Receipts of messages that nobody here knew while Redis was away, oldest first.
    pending_receipts: Mutex<VecDeque<Receipt>>,
    /// By when all replicas have told Redis what they know, as its Unix millisecond.
    settled_at_ms: AtomicU64,
}

/// How many of them are kept; the oldest make way.
const MAX_PENDING_RECEIPTS: usize = 10_000;
/// How many are told in one turn.
const DELIVERED_AT_ONCE: usize = 200;
/// How long after Redis is back all replicas have told it what they know, in milliseconds.
const UNSETTLED_MS: u64 = 120_000;

impl Records {
    /// Records in `store`, judged by `policy`.
    pub fn new(store: Arc<dyn Store>, operators: Arc<dyn OperatorStore>, policy: Policy) -> Self {
        Self { store, operators, older: None, policy, pending_receipts: Mutex::default(), settled_at_ms: AtomicU64::new(0) }
    }

    /// The same beside replicas of the record layout before.
    #[must_use]
    pub fn beside(self, older: Arc<dyn OlderReplicas>) -> Self {
        Self { older: Some(older), ..self }
    }

    /// Evaluates on the store; or, if a record there cannot be read, on what stands in for it.
    async fn evaluate<T: Send>(
        &self,
        decide: impl Fn(&View<'_>) -> Result<Decision<T>, Damaged> + Sync,
    ) -> Result<(T, Committed), StoreError> {
        match evaluate(&*self.store, &decide).await {
            Err(StoreError::Corrupt(what)) => match self.store.stand_in() {
                Some(stand_in) => {
                    tracing::error!(target: "otp::store", what, "redis has a record that this version cannot read: memory decides");
                    evaluate(&*stand_in, &decide).await
                }
                None => Err(StoreError::Corrupt(what)),
            },
            answer => answer,
        }
    }

    /// May a message be sent? Charges all limits or none.
    pub async fn request(&self, call: &RequestCall) -> Result<RequestVerdict, StoreError> {
        let theirs = match &self.older {
            Some(older) if call.resend => older.attempts(call.challenge).await,
            _ => Attempts::default(),
        };
        let (verdict, committed) = self.evaluate(|view| request::decide(call, &theirs, &self.policy, view)).await?;
        Ok(match verdict {
            RequestVerdict::Send { attempts_left, charged } => {
                RequestVerdict::Send { attempts_left, charged: charged.as_committed(&committed) }
            }
            other => other,
        })
    }

    /// Notes what became of a send: its delivery record, the repeat's answer, limits to give back.
    pub async fn record_outcome(&self, report: &SendReport) -> Result<(), StoreError> {
        self.evaluate(|view| outcome::decide(report, &self.policy.quotas, view)).await?;
        Ok(())
    }

    /// Is this guess accepted? Counts it, and marks the challenge used when it is right.
    pub async fn verify(&self, call: &VerifyCall) -> Result<VerifyVerdict, StoreError> {
        let theirs = match &self.older {
            Some(older) => older.count(call.challenge, call.correct, call.expires_at_ms.saturating_sub(self.store.now_us() / 1000)).await,
            None => Attempts::default(),
        };
        Ok(self.evaluate(|view| guess::decide(call, &theirs, &self.policy, view)).await?.0)
    }

    /// Charges `limit` under `key`; the error is the milliseconds until it would pass.
    pub async fn charge(&self, limit: Limit, key: &str) -> Result<Result<(), u64>, StoreError> {
        let quota = |view: &View<'_>| -> Quota { self.policy.quotas.share(view.side().shares).of(limit) };
        let decide = |view: &View<'_>| {
            let cell = Cell::new(limit, key, quota(view));
            if let Some(refusal) = cell.refusal(view) {
                return Ok(Decision::Tell(Err(until_ms(refusal.at_us, view.now_us()))));
            }
            let transaction = Transaction { slot: view.side().slot, charge: vec![cell.charge], ..Transaction::default() };
            Ok(Decision::Commit(transaction, Ok(())))
        };
        Ok(self.evaluate(decide).await?.0)
    }

    /// Where the challenge's newest message is.
    pub async fn delivery(&self, challenge: ChallengeKey) -> Result<Option<DeliveryRecord>, StoreError> {
        let decide = |view: &View<'_>| {
            let record = ChallengeRecord::read(view.record(&challenge_key(challenge)).as_ref())?;
            Ok(Decision::Tell(record.newest.map(|newest| newest.delivery)))
        };
        Ok(self.evaluate(decide).await?.0)
    }

    /// Moves the delivery of the message that the receipt is about forwards. `false`: neither the message nor its challenge is known. While Redis is away, and
    /// until the other replicas must have told it what they know, the message may be another replica's: then the receipt is kept.
    pub async fn receipt(&self, receipt: &Receipt) -> Result<bool, StoreError> {
        let is_known = self.take_receipt(receipt).await?;
        if !is_known && self.may_be_known_later() {
            let mut pending = self.pending_receipts();
            if pending.len() == MAX_PENDING_RECEIPTS {
                pending.pop_front();
            }
            pending.push_back(receipt.clone());
        }
        Ok(is_known)
    }

    /// Tells Redis some of the receipts that came while it was away, once it is back.
    pub async fn deliver_pending_receipts(&self) {
        for _ in 0..DELIVERED_AT_ONCE {
            if self.state() != StoreState::Connected {
                break;
            }
            let Some(oldest) = self.pending_receipts().pop_front() else { break };
            // One that is not known yet comes to the end of the queue.
            if let Err(error) = self.receipt(&oldest).await {
                tracing::warn!(target: "otp::store", %error, "a receipt that came while redis was away is kept");
                self.pending_receipts().push_back(oldest);
            }
        }
    }

    /// Whether Redis is away, or came back so lately that other replicas may still be telling it what they know.
    fn may_be_known_later(&self) -> bool {
        let now_ms = self.store.now_us() / 1000;
        if self.state() == StoreState::MemoryFallback {
            self.settled_at_ms.fetch_max(now_ms + UNSETTLED_MS, Ordering::Relaxed);
        }
        now_ms < self.settled_at_ms.load(Ordering::Relaxed)
    }

    async fn take_receipt(&self, receipt: &Receipt) -> Result<bool, StoreError> {
        Ok(self.evaluate(|view| receipt::decide(receipt, &self.policy.quotas, view)).await?.0)
    }

    fn pending_receipts(&self) -> MutexGuard<'_, VecDeque<Receipt>> {
        self.pending_receipts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whoever got the message did not ask for it: charges the address that did. `false`: nothing is known of the message, or it was reported before.
    pub async fn report_unsolicited(&self, message: MessageKey, sends: u32) -> Result<bool, StoreError> {
        let decide = |view: &View<'_>| {
            let quotas = self.policy.quotas.share(view.side().shares);
            receipt::report_unsolicited(message, sends, &quotas, view)
        };
        Ok(self.evaluate(decide).await?.0)
    }

    /// Whether `id` is seen for the first time; it is remembered for `ttl_ms`.
    pub async fn first_time(&self, id: &str, ttl_ms: u64) -> Result<bool, StoreError> {
        // By its own mark the call knows that it was committed, though the answer was lost.
        let mark: Value = clock::random::<8>().as_slice().into();
        let decide = |view: &View<'_>| {
            let key = seen_key(id);
            if let Some(known) = view.record(&key) {
                return Ok(Decision::Tell(known == mark));
            }
            let write = Write { key, before: Before::Absent, after: Some(mark.clone()), ttl_ms: Some(ttl_ms.max(1)) };
            Ok(Decision::Commit(Transaction { slot: view.side().slot, write: vec![write], ..Transaction::default() }, true))
        };
        Ok(self.evaluate(decide).await?.0)
    }

    /// Remembers a fan's sign-out until the cookie would have ended (Unix milliseconds).
    pub async fn revoke(&self, session: &str, until_ms: u64) -> Result<(), StoreError> {
        let decide = |view: &View<'_>| {
            let ttl_ms = Some(until_ms.saturating_sub(view.now_ms()).max(1));
            let write = Write { key: revoked_key(session), before: Before::Any, after: Some(marker(until_ms)), ttl_ms };
            Ok(Decision::Commit(Transaction { slot: view.side().slot, write: vec![write], ..Transaction::default() }, ()))
        };
        self.evaluate(decide).await?;
        Ok(())
    }

    /// Whether the session was signed out.
    pub async fn revoked(&self, session: &str) -> Result<bool, StoreError> {
        let decide = |view: &View<'_>| Ok(Decision::Tell(view.record(&revoked_key(session)).is_some()));
        Ok(self.evaluate(decide).await?.0)
    }

    /// Takes or renews the publisher's lease for `replica`; `None` while another replica has it.
    pub async fn lease(&self, replica: &str, ttl_ms: u64) -> Result<Option<Lease>, StoreError> {
        Ok(self.evaluate(|view| Ok(lease::take(replica, ttl_ms, view))).await?.0)
    }

    /// The holds in force.
    pub async fn holds(&self) -> Result<Vec<Hold>, StoreError> {
        let keys: Vec<_> = (0..SHARDS).map(holds_key).collect();
        let decide = |view: &View<'_>| {
            let lists: Vec<_> = keys.iter().map(|key| view.record(key)).collect();
            Ok(Decision::Tell(hold::in_force(&lists, view.now_ms())?))
        };
        Ok(self.evaluate(decide).await?.0)
    }

    /// Lifts a hold and forgets the refusals behind it; `false`: there was none.
    pub async fn lift_hold(&self, subject: &str) -> Result<bool, StoreError> {
        Ok(self.evaluate(|view| hold::lift(subject, view)).await?.0)
    }

    /// The whole operator state.
    pub async fn operator(&self) -> Result<OperatorCopy, StoreError> {
        self.operators.operator().await
    }

    /// The version of the operator state.
    pub async fn operator_version(&self) -> Result<u64, StoreError> {
        self.operators.operator_version().await
    }

    /// Merges changes, newest per subject winning; the new version.
    pub async fn merge_operator(&self, changes: &[Change]) -> Result<u64, StoreError> {
        self.operators.merge_operator(changes).await
    }

    /// The newest audit records first, as they were made.
    pub async fn audit(&self, limit: usize) -> Result<Vec<Change>, StoreError> {
        self.operators.audit(limit).await
    }

    /// How the store does, without asking it.
    pub fn state(&self) -> StoreState {
        self.operators.state()
    }

    /// Milliseconds by which the store's clock is ahead of ours, when last seen.
    pub fn skew_ms(&self) -> i64 {
        self.operators.skew_ms()
    }
}
