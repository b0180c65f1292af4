//! Sentinel and Cluster: who has our keys is found, and found again when it changes; what the new one lost is told to it.

use ::redis::{Connection, cmd};

use super::{Fixture, guess, on_fallback::replica_of, on_redis::wait_until, wide};
use crate::{
    domain::evaluation::VerifyVerdict,
    store::{
        StoreState,
        contract::{
            on_topologies::{SLOT, cluster, cluster_of_two, config, promoted, told, under_sentinel},
            server::Server,
        },
        redis::RedisMode,
    },
};

fn connect(server: &Server, mode: RedisMode) -> Fixture {
    replica_of(&config(server, mode), 1, wide(), 1)
}

fn used_marks(connection: &mut Connection) -> usize {
    let keys: Vec<String> = cmd("KEYS").arg("spent:*").query(connection).expect("it answers");
    keys.len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_master_that_sentinel_names_is_found_and_after_a_failover_told_what_it_lost() {
    let [mut master, follower, sentinel] = under_sentinel().await;
    let fixture = connect(&sentinel, RedisMode::Sentinel);
    wait_until(&fixture.records, StoreState::Connected).await;
    follower.signal("STOP");
    let asked = fixture.ask(1);
    assert_eq!(fixture.verify(&guess(&asked, true)).await, VerifyVerdict::Accepted);
    master.kill();
    follower.signal("CONT");
    wait_until(&fixture.records, StoreState::MemoryFallback).await;
    assert_eq!(fixture.verify(&guess(&asked, true)).await, VerifyVerdict::Unknown);
    promoted(&follower).await;
    wait_until(&fixture.records, StoreState::Connected).await;
    assert_eq!(fixture.verify(&guess(&asked, true)).await, VerifyVerdict::Unknown);
    assert_eq!(used_marks(&mut follower.connection()), 1, "the new master knows");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_node_that_has_our_slot_is_found_and_followed() {
    let (nodes, [mut one, mut other]) = cluster_of_two().await;
    let fixture = connect(&nodes[1], RedisMode::Cluster);
    wait_until(&fixture.records, StoreState::Connected).await;
    let asked = fixture.ask(1);
    assert_eq!(fixture.verify(&guess(&asked, true)).await, VerifyVerdict::Accepted);
    assert_eq!(used_marks(&mut one), 1, "the slot is at the first node");

    let _: () = cmd("FLUSHALL").query(&mut one).expect("it answers");
    let new_owner = told(&mut other, "CLUSTER", "MYID");
    for connection in [&mut other, &mut one] {
        cluster(connection, &["SETSLOT", SLOT, "NODE", &new_owner]);
    }
    assert_eq!(fixture.verify(&guess(&asked, true)).await, VerifyVerdict::Unknown, "whoever judges");
    wait_until(&fixture.records, StoreState::Connected).await;
    assert_eq!(fixture.verify(&guess(&asked, true)).await, VerifyVerdict::Unknown);
    assert_eq!(used_marks(&mut other), 1, "the slot has moved");
}
