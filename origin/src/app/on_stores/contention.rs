//! Many at once: each is answered, and no limit passes more than it may.

use std::sync::Arc;

use otp_shared::limits::Limit;
use tokio::task::JoinSet;

use super::{Fixture, StoreFactory, again, cases, guess, only};
use crate::domain::evaluation::{ClientNetwork, RequestCall, RequestVerdict, VerifyVerdict};

cases![
    of_a_hundred_requests_for_one_number_one_is_sent,
    a_hot_address_loses_no_charge,
    the_ceiling_loses_no_charge,
    the_recipients_lose_no_count,
    a_hot_address_gets_every_share_back,
];

/// Connections of a busy minute.
const AT_ONCE: u8 = 64;

async fn all_at_once(fixture: &Fixture, calls: Vec<RequestCall>) -> Vec<RequestVerdict> {
    let mut tasks = JoinSet::new();
    for call in calls {
        let records = Arc::clone(&fixture.records);
        tasks.spawn(async move { records.request(&call).await.expect("the store answers") });
    }
    tasks.join_all().await
}

fn sent(verdicts: &[RequestVerdict]) -> usize {
    verdicts.iter().filter(|verdict| matches!(verdict, RequestVerdict::Send { .. })).count()
}

fn refused(verdicts: &[RequestVerdict], by: Limit) -> usize {
    verdicts.iter().filter(|verdict| matches!(verdict, RequestVerdict::Refused { limit, .. } if *limit == by)).count()
}

async fn of_a_hundred_requests_for_one_number_one_is_sent(factory: &dyn StoreFactory) {
    let fixture = factory.fixture(only(Limit::RequestPhoneCooldown, "1/1h")).await;
    let asked = fixture.ask(1);
    let verdicts = all_at_once(&fixture, (0..100).map(|_| again(&asked)).collect()).await;
    assert_eq!((sent(&verdicts), refused(&verdicts, Limit::RequestPhoneCooldown)), (1, 99));
}

fn at_one_address(fixture: &Fixture) -> Vec<RequestCall> {
    let address = ClientNetwork { address: "203.0.113.99".into(), site: None };
    (0..AT_ONCE).map(|phone| RequestCall { network: address.clone(), ..fixture.ask(phone) }).collect()
}

async fn a_hot_address_loses_no_charge(factory: &dyn StoreFactory) {
    let fixture = factory.fixture(only(Limit::RequestIp, "40/1h")).await;
    let verdicts = all_at_once(&fixture, at_one_address(&fixture)).await;
    assert_eq!((sent(&verdicts), refused(&verdicts, Limit::RequestIp)), (40, 24));
}

async fn the_ceiling_loses_no_charge(factory: &dyn StoreFactory) {
    let fixture = factory.fixture(only(Limit::RequestGlobal, "80/1h")).await;
    let verdicts = all_at_once(&fixture, (0..AT_ONCE).map(|phone| fixture.ask(phone)).collect()).await;
    assert_eq!((sent(&verdicts), refused(&verdicts, Limit::RequestGlobal)), (40, 24), "half is for numbers that never verified");
}

async fn the_recipients_lose_no_count(factory: &dyn StoreFactory) {
    let fixture = factory.fixture(only(Limit::RequestRecipients, "80/24h")).await;
    let verdicts = all_at_once(&fixture, (0..AT_ONCE).map(|phone| fixture.ask(phone)).collect()).await;
    assert_eq!((sent(&verdicts), refused(&verdicts, Limit::RequestRecipients)), (40, 24));
}

async fn a_hot_address_gets_every_share_back(factory: &dyn StoreFactory) {
    let fixture = factory.fixture(only(Limit::RequestIp, "64/1h")).await;
    let calls = at_one_address(&fixture);
    assert_eq!(sent(&all_at_once(&fixture, calls.clone()).await), 64);
    let mut tasks = JoinSet::new();
    for call in &calls {
        let (records, guess) = (Arc::clone(&fixture.records), guess(call, true));
        tasks.spawn(async move { records.verify(&guess).await.expect("the store answers") });
    }
    assert!(tasks.join_all().await.iter().all(|verdict| *verdict == VerifyVerdict::Accepted));
    assert_eq!(sent(&all_at_once(&fixture, calls.iter().map(again).collect()).await), 64);
}
