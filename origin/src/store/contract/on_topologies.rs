//! Sentinel and Cluster: who has our keys is found, and found again when it changes.

use std::time::{Duration, Instant};

use ::redis::{Connection, cmd};

use super::{
    all, key,
    on_redis::wait_until,
    server::{MASTER, Server, free_port},
    write,
};
use crate::{
    store::{
        OperatorStore as _, Store as _, StoreError, StoreState,
        redis::{RedisConfig, RedisMode, RedisStore},
    },
    transaction::{Before, Outcome},
};

fn connect(server: &Server, mode: RedisMode) -> RedisStore {
    RedisStore::connect(&config(server, mode), 1).expect("the url is good")
}

/// How a store finds the master or the owner of our slot by asking this one.
pub fn config(server: &Server, mode: RedisMode) -> RedisConfig {
    RedisConfig { url: format!("redis://127.0.0.1:{}", server.port()), mode, sentinel_name: MASTER.into() }
}

/// Asks until the answer is as wanted.
async fn wait_for(what: &str, mut found: impl FnMut() -> bool) {
    let began = Instant::now();
    while !found() {
        assert!(began.elapsed() < Duration::from_secs(30), "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// What it answers to a command of one argument.
pub fn told(connection: &mut Connection, command: &str, argument: &str) -> String {
    cmd(command).arg(argument).query(connection).expect("it answers")
}

fn size(connection: &mut Connection) -> u64 {
    cmd("DBSIZE").query(connection).expect("it answers")
}

/// A master, its replica, and the sentinel that watches both.
pub async fn under_sentinel() -> [Server; 3] {
    let master = Server::start(&[]);
    let port = master.port().to_string();
    let follower = Server::start(&["--replicaof", "127.0.0.1", &port, "--repl-diskless-sync-delay", "0"]);
    let mut connection = follower.connection();
    wait_for("the replica follows", || told(&mut connection, "INFO", "replication").contains("master_link_status:up")).await;
    let sentinel = Server::start_sentinel(&master);
    let mut watched = sentinel.connection();
    wait_for("the sentinel sees the replica", || told(&mut watched, "INFO", "sentinel").contains("slaves=1")).await;
    [master, follower, sentinel]
}

/// Waits until the sentinel has made it master. A sentinel drops the connections of whom it promotes.
pub async fn promoted(follower: &Server) {
    wait_for("the replica is master", || told(&mut follower.connection(), "INFO", "replication").contains("role:master")).await;
}

/// Commits one record, and whether that happened.
async fn put(store: &RedisStore, name: &str) -> Result<bool, StoreError> {
    let outcome = store.commit(&write(name, Before::Any, Some("1"))).await?;
    Ok(matches!(outcome, Outcome::Committed(_)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_master_that_sentinel_names_is_found_and_followed() {
    let [mut master, follower, sentinel] = under_sentinel().await;
    let store = connect(&sentinel, RedisMode::Sentinel);
    wait_until(&store, StoreState::Connected).await;
    assert_eq!(put(&store, "a").await, Ok(true));
    master.kill();
    wait_until(&store, StoreState::MemoryFallback).await;
    assert!(put(&store, "b").await.is_err());
    promoted(&follower).await;
    wait_until(&store, StoreState::Connected).await;
    assert_eq!(put(&store, "b").await, Ok(true));
    assert_eq!(size(&mut follower.connection()), 2);
}

fn node() -> Server {
    let bus = free_port().to_string();
    Server::start(&["--cluster-enabled", "yes", "--cluster-port", &bus, "--cluster-require-full-coverage", "no"])
}

/// One `CLUSTER` command.
pub fn cluster(connection: &mut Connection, arguments: &[&str]) {
    let _: () = cmd("CLUSTER").arg(arguments).query(connection).expect("it answers");
}

/// The slot of `{v1}`.
pub const SLOT: &str = "1165";

/// Two nodes of one cluster, the first of which has our slot, and a connection to each.
pub async fn cluster_of_two() -> ([Server; 2], [Connection; 2]) {
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
    (nodes, [one, other])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_node_that_has_our_slot_is_found_and_followed() {
    let (nodes, [mut one, mut other]) = cluster_of_two().await;
    let store = connect(&nodes[1], RedisMode::Cluster);
    wait_until(&store, StoreState::Connected).await;
    assert_eq!(put(&store, "a").await, Ok(true));
    store.merge_operator(&[]).await.expect("it answers");
    assert_eq!(size(&mut one), 3, "the slot is at the first node");

    // A slot that migrates refuses a script before its first line, whichever of its keys have moved.
    let (giver, taker) = (told(&mut one, "CLUSTER", "MYID"), told(&mut other, "CLUSTER", "MYID"));
    cluster(&mut other, &["SETSLOT", SLOT, "IMPORTING", &giver]);
    cluster(&mut one, &["SETSLOT", SLOT, "MIGRATING", &taker]);
    let both = all([write("a", Before::Any, Some("2")), write("b", Before::Any, Some("2"))]);
    assert!(store.commit(&both).await.is_err());
    wait_until(&store, StoreState::Connected).await;
    assert_eq!((size(&mut one), size(&mut other)), (3, 0));

    let _: () = cmd("FLUSHALL").query(&mut one).expect("it answers");
    for connection in [&mut other, &mut one] {
        cluster(connection, &["SETSLOT", SLOT, "NODE", &taker]);
    }
    assert!(put(&store, "b").await.is_err());
    wait_until(&store, StoreState::Connected).await;
    assert_eq!(put(&store, "b").await, Ok(true));
    assert_eq!(size(&mut other), 1, "the slot has moved");
    assert_eq!(store.read(&[key("b")]).await.map(|values| values.values.len()), Ok(1));
}
