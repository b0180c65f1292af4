//! Sentinel and Cluster: who has our keys is found, and found again when it changes; what the new one lost is told to it.

use std::time::{Duration, Instant};

use ::redis::{Connection, cmd};

use super::{
    Fixture, guess,
    on_fallback::replica_of,
    on_redis::wait_until,
    server::{MASTER, Server, free_port},
    wide,
};
use crate::{
    domain::judgement::VerifyVerdict,
    store::{
        StoreState,
        redis::{RedisConfig, RedisMode},
    },
};

fn connect(server: &Server, mode: RedisMode) -> Fixture {
    let config = RedisConfig { url: format!("redis://127.0.0.1:{}", server.port()), mode, sentinel_name: MASTER.into() };
    replica_of(&config, 1, wide(), 1)
}

/// Asks until the answer is as wanted.
async fn wait_for(what: &str, mut found: impl FnMut() -> bool) {
    let began = Instant::now();
    while !found() {
        assert!(began.elapsed() < Duration::from_secs(30), "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn told(connection: &mut Connection, command: &str, argument: &str) -> String {
    cmd(command).arg(argument).query(connection).expect("it answers")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_master_that_sentinel_names_is_found_and_after_a_failover_told_what_it_lost() {
    let mut master = Server::start(&[]);
    let port = master.port().to_string();
    let follower = Server::start(&["--replicaof", "127.0.0.1", &port, "--repl-diskless-sync-delay", "0"]);
    let mut connection = follower.connection();
    wait_for("the replica follows", || told(&mut connection, "INFO", "replication").contains("master_link_status:up")).await;
    let sentinel = Server::start_sentinel(&master);
    let mut watched = sentinel.connection();
    wait_for("the sentinel sees the replica", || told(&mut watched, "INFO", "sentinel").contains("slaves=1")).await;

    let fixture = connect(&sentinel, RedisMode::Sentinel);
    wait_until(&fixture.records, StoreState::Connected).await;
    follower.signal("STOP");
    let asked = fixture.ask(1);
    assert_eq!(fixture.verify(&guess(&asked, true)).await, VerifyVerdict::Accepted);
    master.kill();
    follower.signal("CONT");
    wait_until(&fixture.records, StoreState::MemoryFallback).await;
    assert_eq!(fixture.verify(&guess(&asked, true)).await, VerifyVerdict::Unknown);
    // A sentinel drops the connections of whom it promotes.
    wait_for("the replica is master", || told(&mut follower.connection(), "INFO", "replication").contains("role:master")).await;
    wait_until(&fixture.records, StoreState::Connected).await;
    assert_eq!(fixture.verify(&guess(&asked, true)).await, VerifyVerdict::Unknown);
    let spent: Vec<String> = cmd("KEYS").arg("spent:*").query(&mut follower.connection()).expect("it answers");
    assert_eq!(spent.len(), 1, "the new master knows");
}

fn node() -> Server {
    let bus = free_port().to_string();
    Server::start(&["--cluster-enabled", "yes", "--cluster-port", &bus, "--cluster-require-full-coverage", "no"])
}

fn cluster(connection: &mut Connection, arguments: &[&str]) {
    let _: () = cmd("CLUSTER").arg(arguments).query(connection).expect("it answers");
}

/// The slot of `{v1}`.
const SLOT: &str = "1165";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_node_that_has_our_slot_is_found_and_followed() {
    let nodes = [node(), node()];
    let [mut one, mut other] = [nodes[0].connection(), nodes[1].connection()];
    cluster(&mut one, &["ADDSLOTSRANGE", "0", "8191"]);
    cluster(&mut other, &["ADDSLOTSRANGE", "8192", "16383"]);
    let bus = told(&mut other, "CLUSTER", "NODES");
    let bus = bus.split('@').nth(1).and_then(|rest| rest.split([' ', ',']).next()).expect("its own line");
    cluster(&mut one, &["MEET", "127.0.0.1", &nodes[1].port().to_string(), bus]);
    for connection in [&mut one, &mut other] {
        wait_for("the nodes know each other", || told(connection, "CLUSTER", "INFO").contains("cluster_slots_assigned:16384")).await;
        wait_for("the cluster is whole", || told(connection, "CLUSTER", "INFO").contains("cluster_state:ok")).await;
    }

    let fixture = connect(&nodes[1], RedisMode::Cluster);
    wait_until(&fixture.records, StoreState::Connected).await;
    let asked = fixture.ask(1);
    assert_eq!(fixture.verify(&guess(&asked, true)).await, VerifyVerdict::Accepted);
    let spent: Vec<String> = cmd("KEYS").arg("spent:*").query(&mut one).expect("it answers");
    assert_eq!(spent.len(), 1, "the slot is at the first node");

    let _: () = cmd("FLUSHALL").query(&mut one).expect("it answers");
    let new_owner = told(&mut other, "CLUSTER", "MYID");
    for connection in [&mut other, &mut one] {
        cluster(connection, &["SETSLOT", SLOT, "NODE", &new_owner]);
    }
    assert_eq!(fixture.verify(&guess(&asked, true)).await, VerifyVerdict::Unknown, "whoever judges");
    wait_until(&fixture.records, StoreState::Connected).await;
    assert_eq!(fixture.verify(&guess(&asked, true)).await, VerifyVerdict::Unknown);
    let spent: Vec<String> = cmd("KEYS").arg("spent:*").query(&mut other).expect("it answers");
    assert_eq!(spent.len(), 1, "the slot has moved");
}
