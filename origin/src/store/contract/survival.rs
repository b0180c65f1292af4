//! What survives the way from Redis to memory and back, whatever becomes of Redis meanwhile: used codes, guesses, answers, limits, operator state.

use ::redis::{Commands, Connection, cmd};
use otp_shared::{
    limits::Limit,
    wire::{Channel, Delivery},
};

use super::{
    Bench, again, guess, keyed,
    on_fallback::{ACCEPTED, USED, connected, cut, incorrect, replica, restore},
    on_redis::wait_until,
    only, quota_of, resend,
    server::Server,
    wide,
};
use crate::{
    domain::{
        judgement::{
            Call, Interruption, MessageKey, Receipt, RequestCall, RequestVerdict, SendOutcome, Settlement, VerifyCall, VerifyVerdict,
        },
        operator::{About, Change, Stamp},
    },
    store::StoreState,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_used_code_stays_used_whatever_becomes_of_redis() {
    let mut server = Server::start(&[]);
    let bench = connected(&server, wide()).await;
    let (before, during) = (bench.ask(1), bench.ask(2));
    bench.sent(&before).await;
    bench.sent(&during).await;
    assert_eq!(bench.verify(&guess(&before, true)).await, ACCEPTED);
    cut(&mut server, &[&bench]).await;
    assert_eq!(bench.verify(&guess(&before, true)).await, USED);
    assert_eq!(bench.verify(&guess(&during, true)).await, ACCEPTED);
    assert_eq!(bench.verify(&guess(&during, true)).await, USED);
    assert_eq!(bench.request(&resend(&during)).await, RequestVerdict::Unknown);
    restore(&mut server, &[&bench]).await;
    for asked in [&before, &during] {
        assert_eq!(bench.verify(&guess(asked, true)).await, USED);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_used_at_one_replica_while_redis_was_away_is_used_at_all_when_it_is_back() {
    let mut server = Server::start(&[]);
    let [one, other] = ["r1", "r2"].map(|name| replica(&server, name, wide(), 2));
    for bench in [&one, &other] {
        wait_until(&*bench.store, StoreState::Connected).await;
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
    let [one, other] = ["r1", "r2"].map(|name| replica(&server, name, wide(), 2));
    for bench in [&one, &other] {
        wait_until(&*bench.store, StoreState::Connected).await;
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
    let bench = connected(&server, wide()).await;
    bench.store.merge_operator(&[]).await.expect("it answers");
    let bench = connected(&server, wide()).await;
    let version = bench.store.operator().await.expect("it answers").version;
    let current = |call: VerifyCall| VerifyCall { call: Call { operator_version: version, ..call.call.clone() }, ..call };
    let asked = bench.ask(1);
    assert_eq!(bench.verify(&current(guess(&asked, true))).await, ACCEPTED);
    let mut connection = server.connection();
    lose(&mut connection, "spent:*");
    drop_connections(&mut connection);
    wait_until(&*bench.store, StoreState::MemoryFallback).await;
    wait_until(&*bench.store, StoreState::Connected).await;
    assert_eq!(bench.verify(&current(guess(&asked, true))).await, USED);
    let mut connection = server.connection();
    assert_eq!(connection.scan_match::<_, String>("spent:*").expect("it answers").count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_emptied_under_an_open_connection_is_filled_before_it_is_read() {
    let server = Server::start(&[]);
    let bench = connected(&server, wide()).await;
    let blocked = change(&bench, "192.0.2.1");
    let version = bench.store.merge_operator(std::slice::from_ref(&blocked)).await.expect("it answers");
    let current = |call: VerifyCall, operator_version| VerifyCall { call: Call { operator_version, ..call.call.clone() }, ..call };
    let asked = bench.ask(1);
    assert_eq!(bench.verify(&current(guess(&asked, true), version)).await, ACCEPTED);
    let _: () = cmd("FLUSHALL").query(&mut server.connection()).expect("it answers");
    let verdict = bench.verify(&current(guess(&asked, true), version)).await;
    assert_eq!(verdict, USED, "judged by memory, which knows");
    wait_until(&*bench.store, StoreState::Connected).await;
    let copy = bench.store.operator().await.expect("it answers");
    assert_eq!((copy.filled, copy.changes), (true, vec![blocked]));
    assert_eq!(bench.verify(&current(guess(&asked, true), copy.version)).await, USED);
}

fn change(bench: &Bench, value: &str) -> Change {
    Change {
        about: About::Blacklist { kind: "ip".into(), value: value.into() },
        stamp: Stamp { ms: bench.clock.now_ms(), counter: 0, id: "a".into() },
        who: "ops".into(),
        note: String::new(),
        present: true,
        until_ms: None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operator_changes_made_while_redis_is_away_reach_it() {
    let mut server = Server::start(&[]);
    let bench = connected(&server, wide()).await;
    let (before, during) = (change(&bench, "192.0.2.1"), change(&bench, "192.0.2.2"));
    bench.store.merge_operator(std::slice::from_ref(&before)).await.expect("it answers");
    cut(&mut server, &[&bench]).await;
    assert_eq!(bench.store.operator().await.expect("it answers").changes, std::slice::from_ref(&before));
    bench.store.merge_operator(std::slice::from_ref(&during)).await.expect("memory answers");
    restore(&mut server, &[&bench]).await;
    let copy = bench.store.operator().await.expect("it answers");
    assert_eq!((copy.filled, copy.changes.len()), (true, 2));
    assert_eq!(bench.store.audit(10).await.expect("it answers").len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_replica_does_not_take_an_empty_redis_for_filled() {
    let server = Server::start(&[]);
    let bench = connected(&server, wide()).await;
    assert!(!bench.store.operator().await.expect("it answers").filled);
    bench.store.merge_operator(&[]).await.expect("it answers");
    let other = connected(&server, wide()).await;
    assert!(other.store.operator().await.expect("it answers").filled);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_remains_of_a_limit_moves_over() {
    let mut server = Server::start(&[]);
    let quotas = wide().with(Limit::RequestPhoneCooldown, quota_of("1/1h")).with(Limit::RequestIp, quota_of("2/1h"));
    let bench = connected(&server, quotas).await;
    cut(&mut server, &[&bench]).await;
    let asked = bench.ask(1);
    bench.sent(&asked).await;
    bench.pass(50).await;
    restore(&mut server, &[&bench]).await;
    let (limit, retry_after_ms) = bench.refused(&again(&asked)).await;
    assert_eq!(limit, Limit::RequestPhoneCooldown);
    assert!((3_500_000..=3_599_950).contains(&retry_after_ms), "{retry_after_ms}");
    let neighbour = |phone| RequestCall { origin: asked.origin.clone(), ..bench.ask(phone) };
    bench.sent(&neighbour(2)).await;
    assert_eq!(bench.refused(&neighbour(3)).await.0, Limit::RequestIp);
}

fn settled(request: &RequestCall, outcome: SendOutcome, answer: Option<&str>) -> Settlement {
    Settlement { request: request.clone(), outcome, answer: answer.map(str::to_owned) }
}

const LEFT: SendOutcome = SendOutcome::Left { channel: Channel::Whatsapp, delivery: Delivery::Accepted, message: None, at_ms: 0 };

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idempotency_answers_outlive_the_cut_and_the_return() {
    let mut server = Server::start(&[]);
    let bench = connected(&server, wide()).await;
    let (before, across, during) = (keyed(bench.ask(1), 1, 1), keyed(bench.ask(2), 2, 1), keyed(bench.ask(3), 3, 1));
    bench.sent(&before).await;
    bench.store.settle(&settled(&before, LEFT, Some("before"))).await.expect("it answers");
    bench.sent(&across).await;
    cut(&mut server, &[&bench]).await;
    let repeat = |asked: &RequestCall| keyed(asked.clone(), asked.phone.0[0], 1);
    let repeated = |answer: &str| RequestVerdict::Interrupted(Interruption::Repeat(answer.into()));
    assert_eq!(bench.request(&repeat(&before)).await, repeated("before"));
    assert_eq!(bench.request(&repeat(&across)).await, RequestVerdict::Interrupted(Interruption::InProgress));
    bench.store.settle(&settled(&across, LEFT, Some("across"))).await.expect("memory answers");
    bench.sent(&during).await;
    bench.store.settle(&settled(&during, LEFT, Some("during"))).await.expect("memory answers");
    restore(&mut server, &[&bench]).await;
    for (asked, answer) in [(&before, "before"), (&across, "across"), (&during, "during")] {
        assert_eq!(bench.request(&repeat(asked)).await, repeated(answer));
    }
    let record = bench.store.delivery(during.challenge).await.expect("it answers").expect("its settlement was told");
    assert_eq!(record.delivery, Delivery::Accepted);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_send_judged_by_memory_is_given_back_by_redis() {
    let mut server = Server::start(&[]);
    let bench = connected(&server, only(Limit::RequestPhoneHour, "1/1h")).await;
    cut(&mut server, &[&bench]).await;
    let asked = bench.ask(1);
    bench.sent(&asked).await;
    restore(&mut server, &[&bench]).await;
    bench.refused(&again(&asked)).await;
    bench.store.settle(&settled(&asked, SendOutcome::Failed, None)).await.expect("it answers");
    bench.sent(&again(&asked)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_is_refused_across_the_cut_and_the_return() {
    let mut server = Server::start(&[]);
    let bench = connected(&server, wide()).await;
    let asked = bench.ask(1);
    bench.sent(&asked).await;
    let replay = || RequestCall { call: Call { id: super::call().id, ..asked.call.clone() }, ..asked.clone() };
    let replayed = RequestVerdict::Interrupted(Interruption::Replayed);
    assert_eq!(bench.request(&replay()).await, replayed);
    cut(&mut server, &[&bench]).await;
    assert_eq!(bench.request(&replay()).await, replayed);
    restore(&mut server, &[&bench]).await;
    assert_eq!(bench.request(&replay()).await, replayed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sign_outs_and_known_numbers_survive_an_emptied_redis() {
    let mut server = Server::start(&[]);
    let bench = connected(&server, only(Limit::RequestGlobal, "2/1h")).await;
    bench.store.revoke("session", bench.clock.now_ms() + 60_000).await.expect("it answers");
    let friend = bench.ask(1);
    assert_eq!(bench.verify(&guess(&friend, true)).await, ACCEPTED);
    cut(&mut server, &[&bench]).await;
    assert_eq!(bench.store.revoked("session").await, Ok(true));
    restore(&mut server, &[&bench]).await;
    assert_eq!(bench.store.revoked("session").await, Ok(true));
    bench.sent(&bench.ask(2)).await;
    bench.refused(&bench.ask(3)).await;
    bench.sent(&again(&friend)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receipt_that_came_while_redis_was_away_is_told_to_it() {
    let server = Server::start(&[]);
    let bench = connected(&server, only(Limit::RequestPhoneHour, "1/1h")).await;
    let (before, during) = (bench.ask(1), bench.ask(2));
    let left = |asked: &RequestCall| SendOutcome::Left {
        channel: Channel::Whatsapp,
        delivery: Delivery::Accepted,
        message: Some(MessageKey(asked.call.id)),
        at_ms: 1,
    };
    bench.sent(&before).await;
    bench.store.settle(&settled(&before, left(&before), None)).await.expect("it answers");
    server.signal("STOP");
    bench.sent(&during).await;
    bench.store.settle(&settled(&during, left(&during), None)).await.expect("memory answers");
    for asked in [&before, &during] {
        let receipt = Receipt { challenge: None, message: MessageKey(asked.call.id), delivery: Delivery::Failed, reason: None };
        assert_eq!(bench.store.receipt(&receipt).await, Ok(true));
    }
    server.signal("CONT");
    wait_until(&*bench.store, StoreState::Connected).await;
    for asked in [&before, &during] {
        let record = bench.store.delivery(asked.challenge).await.expect("it answers").expect("it left");
        assert_eq!(record.delivery, Delivery::Failed);
        bench.sent(&again(asked)).await;
    }
}
