//! The contract on Redis, and what only Redis can break: lost scripts, late scripts, flushes, keys without an end.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use ::redis::{Commands, Connection, cmd};
use otp_shared::{
    limits::Limit,
    wire::{Channel, Delivery},
};

use super::{Bench, Bencher, Future, HOLD_THRESHOLD, again, fresh, guess, keyed, only, quota_of, run_all, server::Server, wide};
use crate::{
    domain::judgement::{MessageKey, Quotas, Receipt, SendOutcome, Settlement, VerifyVerdict},
    store::{
        Store, StoreError, StoreState,
        redis::{RedisConfig, RedisStore},
    },
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

    pub async fn store(&self, quotas: Quotas) -> Arc<RedisStore> {
        let database = self.next_database.fetch_add(1, Ordering::Relaxed);
        connect(&self.server, database, &quotas).await
    }
}

impl Bencher for OnRedis {
    fn bench(&self, quotas: Quotas) -> Future<'_, Bench> {
        Box::pin(async move { Bench::in_real_time(self.store(quotas).await) })
    }
}

async fn connect(server: &Server, database: u32, quotas: &Quotas) -> Arc<RedisStore> {
    let store = RedisStore::connect(&server.config(database), quotas, "r1".into(), HOLD_THRESHOLD).expect("the url is good");
    assert!(store.wait_ready(Duration::from_secs(10)).await, "redis is there");
    Arc::new(store)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_keeps_the_contract() {
    run_all(&OnRedis::new()).await;
}

/// Calls of every command since the server started.
fn commands(connection: &mut Connection) -> BTreeMap<String, u64> {
    let info: String = cmd("INFO").arg("commandstats").query(connection).expect("it answers");
    let count = |line: &str| {
        let (name, rest) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
        Some((name.to_owned(), rest.split(',').next()?.parse().ok()?))
    };
    info.lines().filter_map(count).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_and_a_guess_are_one_round_trip_each() {
    let on_redis = OnRedis::new();
    let bench = on_redis.bench(wide()).await;
    let mut connection = on_redis.server.connection();
    _ = cmd("CONFIG").arg("RESETSTAT").exec(&mut connection);
    for phone in 0..10 {
        let asked = keyed(bench.ask(phone), phone, 1);
        bench.sent(&asked).await;
        assert_eq!(bench.verify(&guess(&asked, false)).await, VerifyVerdict::Incorrect { attempts_left: 4 });
        assert_eq!(bench.verify(&guess(&asked, true)).await, VerifyVerdict::Accepted);
    }
    let calls = commands(&mut connection);
    assert_eq!(calls.get("evalsha"), Some(&30), "{calls:?}");
    assert_eq!(calls.get("eval"), None, "{calls:?}");
    assert_eq!(calls.get("script|load"), None, "{calls:?}");
}

/// Everything that leaves a key behind.
async fn leave_traces(bench: &Bench) {
    let asked = keyed(bench.ask(1), 1, 1);
    bench.sent(&asked).await;
    for _ in 0..=HOLD_THRESHOLD {
        bench.refused(&again(&asked)).await;
    }
    let message = MessageKey(fresh());
    let left = SendOutcome::Left { channel: Channel::Whatsapp, delivery: Delivery::Accepted, message: Some(message), at_ms: 1 };
    let settlement = Settlement { request: asked.clone(), outcome: left, answer: Some("first".into()) };
    bench.store.settle(&settlement).await.expect("it answers");
    let receipt = Receipt { challenge: None, message, delivery: Delivery::Sent, reason: None };
    assert_eq!(bench.store.receipt(&receipt).await, Ok(true));
    assert_eq!(bench.store.disown(message, 1).await, Ok(true));
    bench.verify(&guess(&asked, false)).await;
    bench.verify(&guess(&asked, true)).await;
    bench.store.settle(&Settlement { outcome: SendOutcome::Failed, ..settlement }).await.expect("it answers");
    let failed = bench.ask(2);
    bench.sent(&failed).await;
    bench.store.settle(&Settlement { request: failed, outcome: SendOutcome::Failed, answer: None }).await.expect("it answers");
    bench.store.revoke("session", bench.clock.now_ms() + 10_000).await.expect("it answers");
    bench.store.first_time("wamid", 10_000).await.expect("it answers").then_some(()).expect("the first");
    _ = bench.store.charge(Limit::AdminAuth, "203.0.113.1").await.expect("it answers");
    bench.store.lease("r1", 10_000).await.expect("it answers");
    bench.store.merge_operator(&[]).await.expect("it answers");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_key_has_our_tag_and_an_end_of_its_meaning() {
    let on_redis = OnRedis::new();
    let bench = on_redis.bench(only(Limit::RequestPhoneCooldown, "1/60s")).await;
    leave_traces(&bench).await;
    let mut connection = on_redis.server.connection();
    let keys: Vec<String> = connection.scan().expect("it answers").map(|key| key.expect("a text")).collect();
    assert!(keys.len() > 15, "{keys:?}");
    for key in keys {
        let ttl_ms: i64 = connection.pttl(&key).expect("it answers");
        let longest_s = match key.split_once("{v1}").map(|(prefix, _)| prefix) {
            Some("otp:") => 24 * 3600,
            Some("spent:") => 360,
            Some("revoked:") => 10,
            Some("known:") => 90 * 86_400,
            Some("operator:" | "audit:") => continue,
            _ => panic!("a key without our tag: {key}"),
        };
        // -2: it has ended since it was listed.
        assert!(ttl_ms == -2 || (0..=longest_s * 1000).contains(&ttl_ms), "{key} ends in {ttl_ms} ms");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flush_of_otp_costs_nobody_a_code_and_revives_none() {
    let on_redis = OnRedis::new();
    let bench = on_redis.bench(only(Limit::RequestPhoneCooldown, "1/1h")).await;
    let (in_flight, used) = (bench.ask(1), bench.ask(2));
    bench.sent(&in_flight).await;
    bench.sent(&used).await;
    assert_eq!(bench.verify(&guess(&in_flight, false)).await, VerifyVerdict::Incorrect { attempts_left: 4 });
    assert_eq!(bench.verify(&guess(&used, true)).await, VerifyVerdict::Accepted);
    bench.refused(&again(&in_flight)).await;
    let mut connection = on_redis.server.connection();
    let keys: Vec<String> = connection.scan_match("otp:*").expect("it answers").map(|key| key.expect("a text")).collect();
    let _: () = connection.del(keys).expect("it answers");
    bench.sent(&again(&in_flight)).await;
    assert_eq!(bench.verify(&guess(&used, true)).await, VerifyVerdict::Unknown);
    assert_eq!(bench.verify(&guess(&in_flight, false)).await, VerifyVerdict::Incorrect { attempts_left: 3 });
    assert_eq!(bench.verify(&guess(&in_flight, true)).await, VerifyVerdict::Accepted);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_scripts_are_loaded_again() {
    let on_redis = OnRedis::new();
    let bench = on_redis.bench(wide()).await;
    let _: () = cmd("SCRIPT").arg("FLUSH").query(&mut on_redis.server.connection()).expect("it answers");
    bench.sent(&bench.ask(1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_script_that_runs_after_its_deadline_does_nothing() {
    let on_redis = OnRedis::new();
    let bench = on_redis.bench(only(Limit::RequestPhoneHour, "1/1h")).await;
    let asked = bench.ask(1);
    on_redis.server.signal("STOP");
    let began = Instant::now();
    let verdict = bench.store.request(&asked).await;
    let waited = began.elapsed();
    assert!(matches!(verdict, Err(StoreError::Unavailable(_))), "{verdict:?}");
    assert!(waited < Duration::from_millis(250), "{waited:?}");
    assert_eq!(bench.store.state(), StoreState::MemoryFallback);
    let began = Instant::now();
    for _ in 0..100 {
        assert!(bench.store.request(&again(&asked)).await.is_err());
    }
    assert!(began.elapsed() < Duration::from_millis(100), "nothing is waited for once it is known: {:?}", began.elapsed());
    on_redis.server.signal("CONT");
    wait_until_connected(&*bench.store).await;
    let calls = commands(&mut on_redis.server.connection());
    assert_eq!(calls.get("evalsha"), Some(&1), "the script did run late: {calls:?}");
    bench.sent(&again(&asked)).await;
}

async fn wait_until_connected(store: &dyn Store) {
    wait_until(store, StoreState::Connected).await;
}

/// Waits until the store says so of itself.
pub async fn wait_until(store: &dyn Store, state: StoreState) {
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
    let store = RedisStore::connect(&server.config(0), &Quotas::default(), "r1".into(), HOLD_THRESHOLD).expect("the url is good");
    assert!(store.operator().await.is_err());
    assert!(began.elapsed() < Duration::from_millis(100), "{:?}", began.elapsed());
    server.start_again();
    assert!(store.wait_ready(Duration::from_secs(20)).await);
    assert!(store.operator().await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_share_limits_guesses_and_leases() {
    let on_redis = OnRedis::new();
    let quotas = wide().with(Limit::RequestPhoneHour, quota_of("1/1h"));
    let one = Bench::in_real_time(connect(&on_redis.server, 0, &quotas).await);
    let other = RedisStore::connect(&on_redis.server.config(0), &quotas, "r2".into(), HOLD_THRESHOLD).expect("the url is good");
    assert!(other.wait_ready(Duration::from_secs(10)).await);
    let other = Bench::in_real_time(Arc::new(other));
    let asked = one.ask(1);
    one.sent(&asked).await;
    other.refused(&again(&asked)).await;
    for (bench, attempts_left) in [(&one, 4), (&other, 3), (&one, 2), (&other, 1), (&one, 0)] {
        assert_eq!(bench.verify(&guess(&asked, false)).await, VerifyVerdict::Incorrect { attempts_left });
    }
    assert!(matches!(other.verify(&guess(&asked, true)).await, VerifyVerdict::Locked { .. }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_of_redis_needs_our_keys_only() {
    let rights = ["on", ">secret", "~otp:*", "~spent:*", "~known:*", "~operator:*", "~audit:*", "~revoked:*", "+@all", "-@admin"];
    let server = Server::start(&[&["--user", "otp"], &rights[..]].concat());
    let config = RedisConfig { url: format!("redis://otp:secret@127.0.0.1:{}", server.port()), ..server.config(0) };
    let quotas = only(Limit::RequestPhoneCooldown, "1/60s");
    let store = RedisStore::connect(&config, &quotas, "r1".into(), HOLD_THRESHOLD).expect("the url is good");
    assert!(store.wait_ready(Duration::from_secs(10)).await);
    leave_traces(&Bench::in_real_time(Arc::new(store))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_speaks_no_tls_is_just_away() {
    let server = Server::start(&[]);
    let config = RedisConfig { url: format!("rediss://127.0.0.1:{}", server.port()), ..server.config(0) };
    let store = RedisStore::connect(&config, &wide(), "r1".into(), HOLD_THRESHOLD).expect("the url is good");
    assert!(!store.wait_ready(Duration::from_millis(300)).await);
    assert!(matches!(store.operator().await, Err(StoreError::Unavailable(_))));
}
