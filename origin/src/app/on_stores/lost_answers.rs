//! A commit that happened and whose answer never came: it is found again under the call's id.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use async_trait::async_trait;

use otp_shared::limits::Limit;

use super::{
    Fixture, StoreFactory as _, again, guess, keyed,
    on_fallback::replica_of,
    on_redis::{OnRedis, wait_until},
    only,
};
use crate::{
    domain::evaluation::{SendOutcome, VerifyVerdict},
    store::StoreState,
    store::{Store, StoreError},
    transaction::{Key, Outcome, Side, Transaction, Value, Values},
};

/// A store whose answer to every other commit is lost: what it has then is told, as to a replica that was connected anew meanwhile.
pub struct LosesAnswers {
    store: Arc<dyn Store>,
    lost: AtomicBool,
}

impl LosesAnswers {
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store, lost: AtomicBool::new(false) }
    }
}

#[async_trait]
impl Store for LosesAnswers {
    async fn read(&self, keys: &[Key]) -> Result<Values, StoreError> {
        self.store.read(keys).await
    }

    async fn commit(&self, transaction: &Transaction) -> Result<Outcome, StoreError> {
        let outcome = self.store.commit(transaction).await?;
        if !matches!(outcome, Outcome::Committed(_)) || self.lost.fetch_xor(true, Ordering::Relaxed) {
            return Ok(outcome);
        }
        let keys: Vec<_> = transaction.keys().into_iter().cloned().collect();
        Ok(Outcome::Changed(self.store.read(&keys).await?))
    }

    fn believe(&self, key: &Key) -> Option<Value> {
        self.store.believe(key)
    }

    fn now_us(&self) -> u64 {
        self.store.now_us()
    }

    fn side(&self) -> Side {
        self.store.side()
    }
}

async fn a_lost_answer_changes_nothing(fixture: Fixture) {
    let asked = keyed(fixture.ask(1), 7, 1);
    assert_eq!(fixture.sent(&asked).await, 5);
    for _ in 0..2 {
        fixture.refused(&again(&asked)).await;
    }
    assert_eq!(fixture.records.holds().await, Ok(vec![]), "two refusals were counted");
    for attempts_left in [4, 3] {
        assert_eq!(fixture.verify(&guess(&asked, false)).await, VerifyVerdict::Incorrect { attempts_left });
    }
    assert_eq!(fixture.verify(&guess(&asked, true)).await, VerifyVerdict::Accepted);
    assert_eq!(fixture.verify(&guess(&asked, true)).await, VerifyVerdict::Unknown);
    assert_eq!(fixture.records.first_time("event", 10_000).await, Ok(true), "an event that nobody heard of is not a repeat");
    assert_eq!(fixture.records.first_time("event", 10_000).await, Ok(false));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_whose_answer_was_lost_gets_it_again() {
    let quotas = only(Limit::RequestPhoneHour, "1/1h");
    a_lost_answer_changes_nothing(Fixture::in_memory(quotas.clone(), 1000)).await;
    let on_redis = OnRedis::new();
    a_lost_answer_changes_nothing(on_redis.fixture(quotas.clone()).await).await;
    let replica = replica_of(&on_redis.server.config(on_redis.next_database()), 1, quotas, 1);
    wait_until(&replica.records, StoreState::Connected).await;
    a_lost_answer_changes_nothing(replica).await;
}

#[tokio::test]
async fn a_send_whose_answer_was_lost_knows_what_it_charged() {
    let fixture = Fixture::in_memory(only(Limit::RequestRecipients, "2/24h"), 1000).losing_answers();
    let asked = fixture.ask(1);
    fixture.sent(&asked).await;
    fixture.record_outcome(&asked, SendOutcome::Failed, None).await;
    fixture.sent(&fixture.ask(2)).await;
    let fixture = Fixture::in_memory(only(Limit::RequestIp, "1/1h"), 1000).losing_answers();
    let asked = fixture.ask(1);
    fixture.sent(&asked).await;
    fixture.record_outcome(&asked, SendOutcome::Failed, None).await;
    fixture.sent(&again(&asked)).await;
    fixture.refused(&again(&asked)).await;
}
