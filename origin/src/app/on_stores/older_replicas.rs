//! A rolling update: replicas of the record layout before run beside this one. Their guesses are put into Redis as their script put them, in a hash
//! `spent:{v1}:<hex>` of `a:<replica>` and `used`, and what this layout leaves there is what their script reads.

use std::collections::BTreeMap;

use ::redis::{Commands, Connection};
use otp_shared::signature::hex;

use super::{
    Fixture, guess,
    on_fallback::{ACCEPTED, USED, connected, incorrect},
    resend, wide,
};
use crate::domain::evaluation::{Call, Interruption, RequestCall, RequestVerdict, VerifyCall, VerifyVerdict};
use crate::store::contract::server::Server;

/// The mark that an older fleet leaves when it first fills a Redis.
const EPOCH: &str = "operator:{v1}:epoch";

/// A replica of this layout at a Redis that an older fleet uses, and the test's own connection.
async fn beside_older_replicas() -> (Server, Fixture, Connection) {
    let server = Server::start(&[]);
    let mut connection = server.connection();
    let _: () = connection.set(EPOCH, "an-older-fleet").expect("it answers");
    let fixture = connected(&server, wide()).await;
    (server, fixture, connection)
}

fn hash_of(asked: &RequestCall) -> String {
    format!("spent:{{v1}}:{}", hex(&asked.challenge.0))
}

fn fields(connection: &mut Connection, asked: &RequestCall) -> BTreeMap<String, u32> {
    connection.hgetall(hash_of(asked)).expect("it answers")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_that_an_older_replica_accepted_is_used() {
    let (_server, fixture, mut connection) = beside_older_replicas().await;
    let asked = fixture.ask(1);
    fixture.sent(&asked).await;
    let _: () = connection.hset_multiple(hash_of(&asked), &[("a:pod-1.0a0b0c0d", 1), ("used", 1)]).expect("it answers");
    assert_eq!(fixture.verify(&guess(&asked, true)).await, USED);
    assert_eq!(fixture.request(&resend(&asked)).await, RequestVerdict::Unknown);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_that_is_accepted_here_is_used_there() {
    let (_server, fixture, mut connection) = beside_older_replicas().await;
    let asked = fixture.ask(1);
    assert_eq!(fixture.verify(&guess(&asked, false)).await, incorrect(4));
    assert_eq!(fields(&mut connection, &asked).values().sum::<u32>(), 1, "an older replica has four guesses left");
    assert_eq!(fixture.verify(&guess(&asked, true)).await, ACCEPTED);
    assert_eq!(fields(&mut connection, &asked).get("used"), Some(&1));
    let ttl_ms: i64 = connection.pttl(hash_of(&asked)).expect("it answers");
    assert!((300_000..=361_000).contains(&ttl_ms), "{ttl_ms}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_right_code_that_meets_changed_operator_state_is_accepted_the_second_time_and_once() {
    let (_server, fixture, _connection) = beside_older_replicas().await;
    let asked = fixture.ask(1);
    let operator_version = fixture.operators.merge_operator(&[]).await.expect("it answers");
    let stale = VerifyCall { call: Call { operator_version: operator_version + 1, ..super::call() }, ..guess(&asked, true) };
    assert_eq!(fixture.verify(&stale).await, VerifyVerdict::Interrupted(Interruption::StaleOperatorState));
    let current = || VerifyCall { call: Call { operator_version, ..super::call() }, ..guess(&asked, true) };
    assert_eq!(fixture.verify(&current()).await, ACCEPTED);
    assert_eq!(fixture.verify(&current()).await, USED);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guesses_on_both_sides_add_up() {
    let (_server, fixture, mut connection) = beside_older_replicas().await;
    let asked = fixture.ask(1);
    let _: () = connection.hset(hash_of(&asked), "a:pod-1.0a0b0c0d", 3).expect("it answers");
    assert_eq!(fixture.verify(&guess(&asked, false)).await, incorrect(1));
    let _: () = connection.hincr(hash_of(&asked), "a:pod-2.0a0b0c0d", 1).expect("it answers");
    assert!(matches!(fixture.verify(&guess(&asked, true)).await, VerifyVerdict::Locked { .. }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_counted_for_older_replicas_where_there_are_none() {
    let server = Server::start(&[]);
    let fixture = connected(&server, wide()).await;
    let asked = fixture.ask(1);
    assert_eq!(fixture.verify(&guess(&asked, true)).await, ACCEPTED);
    let mut connection = server.connection();
    assert_eq!(fields(&mut connection, &asked).len(), 0);
    // Nor by a replica that starts later and finds the mark of this fleet.
    let operator_version = fixture.operators.merge_operator(&[]).await.expect("it answers");
    let later = connected(&server, wide()).await;
    let mut right = guess(&later.ask(2), true);
    right.call.operator_version = operator_version;
    assert_eq!(later.verify(&right).await, ACCEPTED);
    let hashes: Vec<String> =
        connection.scan_match(format!("spent:{{v1}}:{}", hex(&right.challenge.0))).expect("it answers").flatten().collect();
    assert_eq!(hashes, Vec::<String>::new());
}
