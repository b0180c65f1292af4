//! The contract on Redis, and what only Redis can break: lost scripts, late scripts, flushes, missing rights.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use ::redis::{Commands, cmd};
use async_trait::async_trait;

use super::{
    Fixture, StoreFactory, all, charge, count, expect, id, key,
    operator::change,
    peek, run_all,
    server::{Server, commands},
    unless, write,
};
use crate::{
    store::{
        OperatorStore, Store, StoreError, StoreState,
        redis::{RedisConfig, RedisStore},
        remote::Remote as _,
    },
    transaction::{Before, Outcome, Step, Transaction},
};

/// A fresh database of one server for every store.
pub struct OnRedis {
    pub server: Server,
    next_database: AtomicU32,
}

impl OnRedis {
    pub fn new() -> Self {
        Self { server: Server::start(&[]), next_database: AtomicU32::new(0) }
    }
}

#[async_trait]
impl StoreFactory for OnRedis {
    async fn fixture(&self) -> Fixture {
        connect(&self.server.config(self.next_database.fetch_add(1, Ordering::Relaxed))).await
    }
}

async fn connect(config: &RedisConfig) -> Fixture {
    let store = Arc::new(RedisStore::connect(config, 1).expect("the url is good"));
    assert!(store.wait_ready(Duration::from_secs(10)).await, "redis is there");
    Fixture { store: store.clone(), operator: store, manual: None }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_keeps_the_contract() {
    run_all(&OnRedis::new()).await;
}

/// One of everything: five keys are written.
fn everything() -> Transaction {
    let records = all([id("id", "t"), expect("version", None), write("a", Before::Absent, Some("1")), write("b", Before::Any, None)]);
    let limits =
        all([charge("cell", 1, 10), charge("other", -1, 10), unless("known", charge("third", 1, 10)), count("counter", Step::Up, 5)]);
    all([records, limits, peek("p"), peek("q")])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_is_one_time_one_mget_and_one_command_for_each_key_that_is_written() {
    let on_redis = OnRedis::new();
    let fixture = on_redis.fixture().await;
    let mut connection = on_redis.server.connection();
    let mut counted = async |transaction: &Transaction| {
        // The connection's own pings are TIME too: their number is told apart from before.
        let before = commands(&mut connection);
        fixture.commit(transaction).await;
        let mut calls = commands(&mut connection);
        calls.retain(|name, calls| {
            *calls -= before.get(name).copied().unwrap_or_default();
            *calls > 0 && name != "info" && name != "ping"
        });
        calls
    };
    let calls = |set: u64| {
        let calls = [("evalsha", 1), ("time", 1), ("mget", 1), ("set", set)];
        calls.into_iter().filter(|(_, calls)| *calls > 0).map(|(name, calls)| (name.to_owned(), calls)).collect::<BTreeMap<_, _>>()
    };
    let mut expect_calls = async |transaction: &Transaction, set: u64| {
        for attempt in 0.. {
            let mut fresh = transaction.clone();
            fresh.peek.push(key(&format!("attempt {attempt}")));
            let found = counted(&fresh).await;
            // A ping may have come in between.
            if found == calls(set) || attempt == 3 {
                assert_eq!(found, calls(set));
                return;
            }
        }
    };
    expect_calls(&everything(), 5).await;
    expect_calls(&everything(), 0).await;
    expect_calls(&expect("a", None), 0).await;
    expect_calls(&charge("cell", 100, 10), 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_key_ends() {
    let on_redis = OnRedis::new();
    let fixture = on_redis.fixture().await;
    fixture.committed(&everything()).await;
    let mut connection = on_redis.server.connection();
    let keys: Vec<String> = connection.scan().expect("it answers").map(|key| key.expect("a text")).collect();
    assert_eq!(keys.len(), 5, "{keys:?}");
    for key in keys {
        let ttl_ms: i64 = connection.pttl(&key).expect("it answers");
        assert!((0..=4_200_000).contains(&ttl_ms), "{key} ends in {ttl_ms} ms");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_scripts_are_loaded_again() {
    let on_redis = OnRedis::new();
    let fixture = on_redis.fixture().await;
    let _: () = cmd("SCRIPT").arg("FLUSH").query(&mut on_redis.server.connection()).expect("it answers");
    fixture.committed(&everything()).await;
    fixture.operator.merge_operator(&[]).await.expect("it answers");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_script_that_runs_after_its_deadline_does_nothing() {
    let on_redis = OnRedis::new();
    let fixture = on_redis.fixture().await;
    on_redis.server.signal("STOP");
    let began = Instant::now();
    let outcome = fixture.store.commit(&everything()).await;
    let waited = began.elapsed();
    assert!(matches!(outcome, Err(StoreError::Unavailable(_))), "{outcome:?}");
    assert!(waited < Duration::from_millis(250), "{waited:?}");
    assert_eq!(fixture.operator.state(), StoreState::MemoryFallback);
    let began = Instant::now();
    for _ in 0..100 {
        assert!(fixture.store.commit(&everything()).await.is_err());
    }
    assert!(began.elapsed() < Duration::from_millis(100), "nothing is waited for once it is known: {:?}", began.elapsed());
    on_redis.server.signal("CONT");
    wait_until(&*fixture.operator, StoreState::Connected).await;
    let mut connection = on_redis.server.connection();
    assert_eq!(commands(&mut connection).get("evalsha"), Some(&1), "the script did run late");
    assert_eq!(cmd("DBSIZE").query::<u64>(&mut connection), Ok(0));
    fixture.committed(&everything()).await;
}

/// Waits until the store says so of itself.
pub async fn wait_until(store: &dyn OperatorStore, state: StoreState) {
    let began = Instant::now();
    while store.state() != state {
        assert!(began.elapsed() < Duration::from_secs(20), "it never is {state:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_starts_without_redis_and_finds_it_later() {
    let mut server = Server::start(&[]);
    server.kill();
    let began = Instant::now();
    let store = RedisStore::connect(&server.config(0), 7).expect("the url is good");
    assert!(store.commit(&everything()).await.is_err());
    assert!(store.read(&[key("a")]).await.is_err());
    assert!(began.elapsed() < Duration::from_millis(100), "{:?}", began.elapsed());
    assert!(store.now_us() > 1_700_000_000_000_000, "it knows the time all the same");
    assert_eq!((store.side().slot, store.believe(&key("a"))), (7, None));
    server.start_again();
    assert!(store.wait_ready(Duration::from_secs(20)).await);
    assert!(store.commit(&everything()).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_emptied_redis_is_neither_read_nor_written_before_it_is_filled_again() {
    let server = Server::start(&[]);
    let store = RedisStore::connect_guarded(&server.config(0), 1).expect("the url is good");
    assert!(store.wait_ready(Duration::from_secs(10)).await);
    let generation = store.generations().borrow().expect("it is connected");
    assert!(store.commit(&everything()).await.is_err(), "not admitted yet");
    let written = store.commit_over(generation, &write("a", Before::Absent, Some("1"))).await;
    assert!(matches!(written, Ok(Outcome::Committed(_))), "{written:?}");
    assert_eq!(store.read_over(generation, &[key("a")]).await.map(|values| values.values.len()), Ok(1));
    let merged = store.merge_over(generation, &[], true).await.expect("it answers");
    assert!(merged.was_empty && merged.copy.filled);
    assert!(store.admit(generation, merged.epoch));
    let changed = store.commit(&expect("a", None)).await;
    let Ok(Outcome::Changed(values)) = changed else { panic!("{changed:?}") };
    assert_eq!(values.values.len(), 1, "the mark is not the caller's");
    for call in ["commit", "read", "merge"] {
        let _: () = cmd("FLUSHALL").query(&mut server.connection()).expect("it answers");
        let answer = match call {
            "commit" => store.commit(&write("a", Before::Any, Some("1"))).await.map(drop),
            "read" => store.read(&[key("a")]).await.map(drop),
            _ => store.merge_operator(&[]).await.map(drop),
        };
        assert_eq!(answer, Err(StoreError::Unavailable("redis has lost its epoch mark".into())), "{call}");
        assert!(store.admitted().is_none());
        assert_eq!(cmd("DBSIZE").query::<u64>(&mut server.connection()), Ok(0));
        assert!(store.wait_ready(Duration::from_secs(10)).await);
        let generation = store.generations().borrow().expect("it is connected");
        let merged = store.merge_over(generation, &[], true).await.expect("it answers");
        assert!(store.admit(generation, merged.epoch));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_of_redis_needs_our_keys_and_these_commands_only() {
    let keys = ["~otp:{v1}*", "~operator:{v1}*", "~audit:{v1}*"];
    let commit = ["-@all", "+evalsha", "+script|load", "+time", "+mget", "+set", "+del"];
    let operator =
        ["+get", "+exists", "+hget", "+hset", "+hdel", "+hvals", "+hrandfield", "+lpush", "+ltrim", "+lrange", "+multi", "+exec"];
    let server = Server::start(&[&["--user", "otp", "on", ">secret"], &keys[..], &commit, &operator].concat());
    let config = RedisConfig { url: format!("redis://otp:secret@127.0.0.1:{}", server.port()), ..server.config(0) };
    let fixture = connect(&config).await;
    fixture.committed(&everything()).await;
    fixture.committed(&charge("cell", -100, 0)).await;
    fixture.operator.merge_operator(&[change(&fixture, "192.0.2.1", 0, "a", true)]).await.expect("it answers");
    assert_eq!(fixture.operator.operator().await.expect("it answers").changes.len(), 1);
    assert_eq!(fixture.operator.audit(5).await.expect("it answers").len(), 1);
    fixture.committed(&peek("a")).await;
    assert_eq!(fixture.get("a").await.as_deref(), Some("1"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_speaks_no_tls_is_just_away() {
    let server = Server::start(&[]);
    let config = RedisConfig { url: format!("rediss://127.0.0.1:{}", server.port()), ..server.config(0) };
    let store = RedisStore::connect(&config, 1).expect("the url is good");
    assert!(!store.wait_ready(Duration::from_millis(300)).await);
    assert!(matches!(store.commit(&everything()).await, Err(StoreError::Unavailable(_))));
}
