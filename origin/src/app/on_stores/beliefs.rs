//! What a replica believes, and is wrong about: it is never told, only decided on and then compared.

use std::sync::Arc;

use ::redis::Commands;
use otp_shared::limits::Limit;
use tokio::task::JoinSet;

use super::{
    Fixture, StoreFactory as _, again, guess, keyed,
    layers::LosesAnswers,
    on_fallback::{replica, replica_of},
    on_redis::{OnRedis, wait_until},
    only, quota_of, resend,
    server::Server,
    wide,
};
use crate::{
    domain::judgement::{Quotas, RequestVerdict, SendOutcome, VerifyVerdict},
    store::StoreState,
};

async fn two_replicas(server: &Server, quotas: &Quotas) -> [Fixture; 2] {
    let replicas = [1, 2].map(|slot| replica(server, slot, quotas.clone(), 2));
    for replica in &replicas {
        wait_until(&replica.records, StoreState::Connected).await;
    }
    replicas
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_replica_committed_is_told() {
    let server = Server::start(&[]);
    let [one, other] = two_replicas(&server, &only(Limit::RequestPhoneHour, "2/1h")).await;
    let asked = one.ask(1);
    one.sent(&asked).await;
    other.sent(&again(&asked)).await;
    one.refused(&again(&asked)).await;
    assert_eq!(other.verify(&guess(&asked, false)).await, VerifyVerdict::Incorrect { attempts_left: 4 });
    assert_eq!(one.verify(&guess(&asked, false)).await, VerifyVerdict::Incorrect { attempts_left: 3 });
    assert_eq!(other.verify(&guess(&asked, true)).await, VerifyVerdict::Accepted);
    assert_eq!(one.verify(&guess(&asked, true)).await, VerifyVerdict::Unknown);
    assert_eq!(one.request(&resend(&asked)).await, RequestVerdict::Unknown);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_flushed_refuses_nobody() {
    let server = Server::start(&[]);
    let [one, other] = two_replicas(&server, &only(Limit::RequestPhoneHour, "1/1h")).await;
    let asked = one.ask(1);
    one.sent(&asked).await;
    one.refused(&again(&asked)).await;
    let mut connection = server.connection();
    let keys: Vec<String> = connection.scan_match("otp:*").expect("it answers").map(|key| key.expect("a text")).collect();
    let _: () = connection.del(keys).expect("it answers");
    one.sent(&again(&asked)).await;
    other.refused(&again(&asked)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_number_at_two_replicas_at_once_is_sent_one_message() {
    let server = Server::start(&[]);
    let replicas = two_replicas(&server, &only(Limit::RequestPhoneHour, "1/1h")).await;
    let asked = replicas[0].ask(1);
    let mut tasks = JoinSet::new();
    for _ in 0..30 {
        for replica in &replicas {
            let (records, call) = (Arc::clone(&replica.records), again(&asked));
            tasks.spawn(async move { records.request(&call).await.expect("the store answers") });
        }
    }
    let verdicts = tasks.join_all().await;
    assert_eq!(verdicts.iter().filter(|verdict| matches!(verdict, RequestVerdict::Send { .. })).count(), 1);
    assert_eq!(verdicts.iter().filter(|verdict| matches!(verdict, RequestVerdict::Refused { .. })).count(), 59);
}

async fn a_lost_answer_changes_nothing(fixture: Fixture) {
    let fixture = fixture.through(|store| Arc::new(LosesAnswers::new(store)));
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
    let fixture = Fixture::in_memory(only(Limit::RequestRecipients, "2/24h"), 1000);
    let fixture = fixture.through(|store| Arc::new(LosesAnswers::new(store)));
    let asked = fixture.ask(1);
    fixture.sent(&asked).await;
    fixture.settle(&asked, SendOutcome::Failed, None).await;
    fixture.sent(&fixture.ask(2)).await;
    let fixture = Fixture::in_memory(wide().with(Limit::RequestIp, quota_of("1/1h")), 1000);
    let fixture = fixture.through(|store| Arc::new(LosesAnswers::new(store)));
    let asked = fixture.ask(1);
    fixture.sent(&asked).await;
    fixture.settle(&asked, SendOutcome::Failed, None).await;
    fixture.sent(&again(&asked)).await;
    fixture.refused(&again(&asked)).await;
}
