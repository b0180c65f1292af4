//! What survives the way from Redis to memory and back, whatever becomes of Redis meanwhile: used codes, guesses, answers, limits, operator state.

use ::redis::{Commands, Connection, cmd};
use otp_shared::{
    limits::Limit,
    wire::{Channel, Delivery},
};

use super::{
    Fixture, LEFT, again, guess, keyed,
    on_fallback::{ACCEPTED, USED, connected, cut, incorrect, replica, restore},
    on_redis::wait_until,
    only, quota_of, resend, wide,
};
use crate::store::contract::server::Server;
use crate::{
    domain::{
        evaluation::{Call, Interruption, MessageKey, Receipt, RequestCall, RequestVerdict, SendOutcome, VerifyCall, VerifyVerdict},
        operator::{Change, Stamp, Target},
    },
    store::StoreState,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_used_code_stays_used_whatever_becomes_of_redis() {
    let mut server = Server::start(&[]);
    let fixture = connected(&server, wide()).await;
    let (before, during) = (fixture.ask(1), fixture.ask(2));
    fixture.sent(&before).await;
    fixture.sent(&during).await;
    assert_eq!(fixture.verify(&guess(&before, true)).await, ACCEPTED);
    cut(&mut server, &[&fixture]).await;
    assert_eq!(fixture.verify(&guess(&before, true)).await, USED);
    assert_eq!(fixture.verify(&guess(&during, true)).await, ACCEPTED);
    assert_eq!(fixture.verify(&guess(&during, true)).await, USED);
    assert_eq!(fixture.request(&resend(&during)).await, RequestVerdict::Unknown);
    restore(&mut server, &[&fixture]).await;
    for asked in [&before, &during] {
        assert_eq!(fixture.verify(&guess(asked, true)).await, USED);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_used_at_one_replica_while_redis_was_away_is_used_at_all_when_it_is_back() {
    let mut server = Server::start(&[]);
    let [one, other] = [1, 2].map(|slot| replica(&server, slot, wide(), 2));
    for fixture in [&one, &other] {
        wait_until(&fixture.records, StoreState::Connected).await;
    }
    let asked = one.ask(1);
    one.sent(&asked).await;
    cut(&mut server, &[&one, &other]).await;
    assert_eq!(one.verify(&guess(&asked, true)).await, ACCEPTED);
    restore(&mut server, &[&one, &other]).await;
    assert_eq!(other.verify(&guess(&asked, true)).await, USED);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guesses_before_during_and_after_add_up() {
    let mut server = Server::start(&[]);
    let [one, other] = [1, 2].map(|slot| replica(&server, slot, wide(), 2));
    for fixture in [&one, &other] {
        wait_until(&fixture.records, StoreState::Connected).await;
    }
    let asked = one.ask(1);
    assert_eq!(one.verify(&guess(&asked, false)).await, incorrect(4));
    cut(&mut server, &[&one, &other]).await;
    assert_eq!(one.verify(&guess(&asked, false)).await, incorrect(3), "it knows of the first");
    assert_eq!(other.verify(&guess(&asked, false)).await, incorrect(4), "it counts on its own");
    restore(&mut server, &[&one, &other]).await;
    assert_eq!(other.verify(&guess(&asked, false)).await, incorrect(1));
    assert_eq!(one.verify(&guess(&asked, false)).await, incorrect(0));
    assert!(matches!(other.verify(&guess(&asked, true)).await, VerifyVerdict::Locked { .. }));
}

/// Writes that a master took with it when it went.
fn lose(connection: &mut Connection, pattern: &str) {
    let keys: Vec<String> = connection.scan_match(pattern).expect("it answers").map(|key| key.expect("a text")).collect();
    assert!(!keys.is_empty(), "{pattern}");
    let _: () = connection.del(keys).expect("it answers");
}

fn drop_connections(connection: &mut Connection) {
    let _: u64 = cmd("CLIENT").arg("KILL").arg("TYPE").arg("normal").query(connection).expect("it answers");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_master_that_lost_writes_is_told_them_before_it_serves() {
    let server = Server::start(&[]);
    let fixture = connected(&server, wide()).await;
    fixture.records.merge_operator(&[]).await.expect("it answers");
    let fixture = connected(&server, wide()).await;
    let version = fixture.records.operator().await.expect("it answers").version;
    let current = |call: VerifyCall| VerifyCall { call: Call { operator_version: version, ..call.call.clone() }, ..call };
    let asked = fixture.ask(1);
    assert_eq!(fixture.verify(&current(guess(&asked, true))).await, ACCEPTED);
    let mut connection = server.connection();
    lose(&mut connection, "spent:*");
    drop_connections(&mut connection);
    wait_until(&fixture.records, StoreState::MemoryFallback).await;
    wait_until(&fixture.records, StoreState::Connected).await;
    assert_eq!(fixture.verify(&current(guess(&asked, true))).await, USED);
    let mut connection = server.connection();
    assert_eq!(connection.scan_match::<_, String>("spent:*").expect("it answers").count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_emptied_under_an_open_connection_is_filled_before_it_is_read() {
    let server = Server::start(&[]);
    let fixture = connected(&server, wide()).await;
    let blocked = change(&fixture, "192.0.2.1");
    fixture.records.merge_operator(std::slice::from_ref(&blocked)).await.expect("it answers");
    // A version is known with all of its data only.
    let version = fixture.records.operator().await.expect("it answers").version;
    let current = |call: VerifyCall, operator_version| VerifyCall { call: Call { operator_version, ..call.call.clone() }, ..call };
    let asked = fixture.ask(1);
    assert_eq!(fixture.verify(&current(guess(&asked, true), version)).await, ACCEPTED);
    let _: () = cmd("FLUSHALL").query(&mut server.connection()).expect("it answers");
    let verdict = fixture.verify(&current(guess(&asked, true), version)).await;
    assert_eq!(verdict, USED, "judged by memory, which knows");
    wait_until(&fixture.records, StoreState::Connected).await;
    let copy = fixture.records.operator().await.expect("it answers");
    assert_eq!((copy.filled, copy.changes), (true, vec![blocked]));
    assert_eq!(fixture.verify(&current(guess(&asked, true), copy.version)).await, USED);
}

fn change(fixture: &Fixture, value: &str) -> Change {
    Change {
        target: Target::Blacklist { kind: "ip".into(), value: value.into() },
        stamp: Stamp { ms: fixture.now_ms(), counter: 0, id: "a".into() },
        actor: "ops".into(),
        note: String::new(),
        present: true,
        until_ms: None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operator_changes_made_while_redis_is_away_reach_it() {
    let mut server = Server::start(&[]);
    let fixture = connected(&server, wide()).await;
    let (before, during) = (change(&fixture, "192.0.2.1"), change(&fixture, "192.0.2.2"));
    fixture.records.merge_operator(std::slice::from_ref(&before)).await.expect("it answers");
    cut(&mut server, &[&fixture]).await;
    assert_eq!(fixture.records.operator().await.expect("it answers").changes, std::slice::from_ref(&before));
    fixture.records.merge_operator(std::slice::from_ref(&during)).await.expect("memory answers");
    restore(&mut server, &[&fixture]).await;
    let copy = fixture.records.operator().await.expect("it answers");
    assert_eq!((copy.filled, copy.changes.len()), (true, 2));
    assert_eq!(fixture.records.audit(10).await.expect("it answers").len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_replica_does_not_take_an_empty_redis_for_filled() {
    let server = Server::start(&[]);
    let fixture = connected(&server, wide()).await;
    assert!(!fixture.records.operator().await.expect("it answers").filled);
    fixture.records.merge_operator(&[]).await.expect("it answers");
    let other = connected(&server, wide()).await;
    assert!(other.records.operator().await.expect("it answers").filled);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_remains_of_a_limit_moves_over() {
    let mut server = Server::start(&[]);
    let quotas = wide().with(Limit::RequestPhoneCooldown, quota_of("1/1h")).with(Limit::RequestIp, quota_of("2/1h"));
    let fixture = connected(&server, quotas).await;
    cut(&mut server, &[&fixture]).await;
    let asked = fixture.ask(1);
    fixture.sent(&asked).await;
    fixture.pass(50).await;
    restore(&mut server, &[&fixture]).await;
    let (limit, retry_after_ms) = fixture.refused(&again(&asked)).await;
    assert_eq!(limit, Limit::RequestPhoneCooldown);
    assert!((3_500_000..=3_599_950).contains(&retry_after_ms), "{retry_after_ms}");
    let neighbour = |phone| RequestCall { network: asked.network.clone(), ..fixture.ask(phone) };
    fixture.sent(&neighbour(2)).await;
    assert_eq!(fixture.refused(&neighbour(3)).await.0, Limit::RequestIp);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idempotency_answers_outlive_the_cut_and_the_return() {
    let mut server = Server::start(&[]);
    let fixture = connected(&server, wide()).await;
    let (before, across, during) = (keyed(fixture.ask(1), 1, 1), keyed(fixture.ask(2), 2, 1), keyed(fixture.ask(3), 3, 1));
    fixture.sent(&before).await;
    fixture.record_outcome(&before, LEFT, Some("before")).await;
    fixture.sent(&across).await;
    cut(&mut server, &[&fixture]).await;
    let repeat = |asked: &RequestCall| keyed(asked.clone(), asked.phone.0[0], 1);
    let repeated = |answer: &str| RequestVerdict::Interrupted(Interruption::Repeat(answer.into()));
    assert_eq!(fixture.request(&repeat(&before)).await, repeated("before"));
    assert_eq!(fixture.request(&repeat(&across)).await, RequestVerdict::Interrupted(Interruption::InProgress));
    fixture.record_outcome(&across, LEFT, Some("across")).await;
    fixture.sent(&during).await;
    fixture.record_outcome(&during, LEFT, Some("during")).await;
    restore(&mut server, &[&fixture]).await;
    for (asked, answer) in [(&before, "before"), (&across, "across"), (&during, "during")] {
        assert_eq!(fixture.request(&repeat(asked)).await, repeated(answer));
    }
    let record = fixture.records.delivery(during.challenge).await.expect("it answers").expect("its outcome was told");
    assert_eq!(record.delivery, Delivery::Accepted);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_send_judged_by_memory_is_given_back_by_redis() {
    let mut server = Server::start(&[]);
    let fixture = connected(&server, only(Limit::RequestPhoneHour, "1/1h")).await;
    cut(&mut server, &[&fixture]).await;
    let asked = fixture.ask(1);
    fixture.sent(&asked).await;
    restore(&mut server, &[&fixture]).await;
    fixture.refused(&again(&asked)).await;
    fixture.record_outcome(&asked, SendOutcome::Failed, None).await;
    fixture.sent(&again(&asked)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_is_refused_across_the_cut_and_the_return() {
    let mut server = Server::start(&[]);
    let fixture = connected(&server, wide()).await;
    let asked = fixture.ask(1);
    fixture.sent(&asked).await;
    let replay = || RequestCall { call: Call { id: super::call().id, ..asked.call.clone() }, ..asked.clone() };
    let replayed = RequestVerdict::Interrupted(Interruption::Replayed);
    assert_eq!(fixture.request(&replay()).await, replayed);
    cut(&mut server, &[&fixture]).await;
    assert_eq!(fixture.request(&replay()).await, replayed);
    restore(&mut server, &[&fixture]).await;
    assert_eq!(fixture.request(&replay()).await, replayed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sign_outs_and_known_numbers_survive_an_emptied_redis() {
    let mut server = Server::start(&[]);
    let fixture = connected(&server, only(Limit::RequestGlobal, "2/1h")).await;
    fixture.records.revoke("session", fixture.now_ms() + 60_000).await.expect("it answers");
    let friend = fixture.ask(1);
    assert_eq!(fixture.verify(&guess(&friend, true)).await, ACCEPTED);
    cut(&mut server, &[&fixture]).await;
    assert_eq!(fixture.records.revoked("session").await, Ok(true));
    restore(&mut server, &[&fixture]).await;
    assert_eq!(fixture.records.revoked("session").await, Ok(true));
    fixture.sent(&fixture.ask(2)).await;
    fixture.refused(&fixture.ask(3)).await;
    fixture.sent(&again(&friend)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receipt_that_came_while_redis_was_away_is_told_to_it() {
    let server = Server::start(&[]);
    let fixture = connected(&server, only(Limit::RequestPhoneHour, "1/1h")).await;
    let (before, during) = (fixture.ask(1), fixture.ask(2));
    let left = |asked: &RequestCall| SendOutcome::Left {
        channel: Channel::Whatsapp,
        delivery: Delivery::Accepted,
        message: Some(MessageKey(asked.call.id)),
        at_ms: 1,
    };
    fixture.sent(&before).await;
    fixture.record_outcome(&before, left(&before), None).await;
    server.signal("STOP");
    fixture.sent(&during).await;
    fixture.record_outcome(&during, left(&during), None).await;
    for asked in [&before, &during] {
        let receipt = Receipt { challenge: None, message: MessageKey(asked.call.id), delivery: Delivery::Failed, reason: None };
        assert_eq!(fixture.records.receipt(&receipt).await, Ok(true));
    }
    server.signal("CONT");
    wait_until(&fixture.records, StoreState::Connected).await;
    for asked in [&before, &during] {
        let record = fixture.records.delivery(asked.challenge).await.expect("it answers").expect("it left");
        assert_eq!(record.delivery, Delivery::Failed);
        fixture.sent(&again(asked)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receipt_of_another_replicas_message_is_told_to_redis_when_it_is_back() {
    let server = Server::start(&[]);
    let quotas = only(Limit::RequestPhoneHour, "1/1h");
    let (sender, hearer) = (replica(&server, 1, quotas.clone(), 2), replica(&server, 2, quotas, 2));
    for fixture in [&sender, &hearer] {
        wait_until(&fixture.records, StoreState::Connected).await;
    }
    let asked = sender.ask(1);
    sender.sent(&asked).await;
    let message = Some(MessageKey(asked.call.id));
    let left = SendOutcome::Left { channel: Channel::Whatsapp, delivery: Delivery::Accepted, message, at_ms: 1 };
    server.signal("STOP");
    sender.record_outcome(&asked, left, None).await;
    let receipt = Receipt { challenge: None, message: MessageKey(asked.call.id), delivery: Delivery::Failed, reason: None };
    assert_eq!(hearer.records.receipt(&receipt).await, Ok(false));
    hearer.records.deliver_pending_receipts().await;
    server.signal("CONT");
    wait_until(&hearer.records, StoreState::Connected).await;
    hearer.records.deliver_pending_receipts().await;
    wait_until(&sender.records, StoreState::Connected).await;
    hearer.records.deliver_pending_receipts().await;
    let record = sender.records.delivery(asked.challenge).await.expect("it answers").expect("it left");
    assert_eq!(record.delivery, Delivery::Failed);
    sender.sent(&again(&asked)).await;
}
