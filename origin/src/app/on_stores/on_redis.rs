//! The rules on Redis, and what only Redis can break: lost scripts, late scripts, flushes, keys without an end.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use ::redis::{Commands, cmd};
use otp_shared::{
    limits::Limit,
    wire::{Channel, Delivery},
};

use super::{
    Fixture, Future, HOLD_THRESHOLD, StoreFactory, again, disturbances::Disturbances, fresh, guess, keyed, on_fallback, only, quota_of,
    run_without, wide,
};
use crate::{
    app::records::Records,
    domain::evaluation::{MessageKey, Quotas, Receipt, SendOutcome, VerifyVerdict},
    store::{
        StoreState,
        contract::server::{Server, commands},
        redis::{RedisConfig, RedisStore},
    },
};

/// A fresh database of one server for every store.
pub struct OnRedis {
    pub server: Server,
    next_database: AtomicU32,
    disturbances: Disturbances,
}

impl OnRedis {
    pub fn new() -> Self {
        Self { server: Server::start(&[]), next_database: AtomicU32::new(0), disturbances: Disturbances::default() }
    }

    /// The next fresh database.
    pub fn next_database(&self) -> u32 {
        self.next_database.fetch_add(1, Ordering::Relaxed)
    }
}

impl StoreFactory for OnRedis {
    fn fixture(&self, quotas: Quotas) -> Future<'_, Fixture> {
        Box::pin(async move {
            let database = self.next_database();
            if database > 0 {
                self.disturbances.check(&self.server);
            }
            let fixture = connected(&self.server.config(database), 1, quotas).await;
            self.disturbances.watch(&self.server);
            fixture
        })
    }

    fn was_disturbed(&self) -> bool {
        self.disturbances.check(&self.server);
        self.disturbances.take()
    }
}

fn connect(config: &RedisConfig, slot: u32) -> Arc<RedisStore> {
    Arc::new(RedisStore::connect(config, slot).expect("the url is good"))
}

async fn connected(config: &RedisConfig, slot: u32, quotas: Quotas) -> Fixture {
    let store = connect(config, slot);
    assert!(store.wait_ready(Duration::from_secs(10)).await, "redis is there");
    Fixture::in_real_time(store, quotas)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_rules_hold_on_redis() {
    // A store that believes nothing learns what verified at an address only when the address has no room, and has charged it by the plain quota until then.
    run_without(&["what_verifies_at_an_address_raises_its_quota"], &OnRedis::new()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_and_a_guess_are_one_round_trip_each() {
    let server = Server::start(&[]);
    let fixture = on_fallback::connected(&server, wide()).await;
    let mut connection = server.connection();
    _ = cmd("CONFIG").arg("RESETSTAT").exec(&mut connection);
    for phone in 0..10 {
        let asked = keyed(fixture.ask(phone), phone, 1);
        fixture.sent(&asked).await;
        assert_eq!(fixture.verify(&guess(&asked, false)).await, VerifyVerdict::Incorrect { attempts_left: 4 });
        assert_eq!(fixture.verify(&guess(&asked, true)).await, VerifyVerdict::Accepted);
    }
    let calls = commands(&mut connection);
    assert_eq!(calls.get("evalsha"), Some(&30), "{calls:?}");
    assert_eq!(calls.get("eval"), None, "{calls:?}");
    assert_eq!(calls.get("script|load"), None, "{calls:?}");
}

/// Everything that leaves a key behind.
async fn leave_traces(fixture: &Fixture) {
    let asked = keyed(fixture.ask(1), 1, 1);
    fixture.sent(&asked).await;
    for _ in 0..=HOLD_THRESHOLD {
        fixture.refused(&again(&asked)).await;
    }
    let message = MessageKey(fresh());
    let left = SendOutcome::Left { channel: Channel::Whatsapp, delivery: Delivery::Accepted, message: Some(message), at_ms: 1 };
    fixture.record_outcome(&asked, left, Some("first")).await;
    let receipt = Receipt { challenge: None, message, delivery: Delivery::Sent, reason: None };
    assert_eq!(fixture.records.receipt(&receipt).await, Ok(true));
    assert_eq!(fixture.records.report_unsolicited(message, 1).await, Ok(true));
    fixture.verify(&guess(&asked, false)).await;
    fixture.verify(&guess(&asked, true)).await;
    fixture.record_outcome(&asked, SendOutcome::Failed, Some("first")).await;
    let failed = fixture.ask(2);
    fixture.sent(&failed).await;
    fixture.record_outcome(&failed, SendOutcome::Failed, None).await;
    fixture.records.revoke("session", fixture.now_ms() + 10_000).await.expect("it answers");
    fixture.records.first_time("wamid", 10_000).await.expect("it answers").then_some(()).expect("the first");
    _ = fixture.records.charge(Limit::AdminAuth, "203.0.113.1").await.expect("it answers");
    fixture.records.lease("r1", 10_000).await.expect("it answers");
    fixture.records.merge_operator(&[]).await.expect("it answers");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_key_has_our_tag_and_an_end_of_its_meaning() {
    let on_redis = OnRedis::new();
    let fixture = on_redis.fixture(only(Limit::RequestPhoneCooldown, "1/60s")).await;
    leave_traces(&fixture).await;
    let mut connection = on_redis.server.connection();
    let keys: Vec<String> = connection.scan().expect("it answers").map(|key| key.expect("a text")).collect();
    assert!(keys.len() > 15, "{keys:?}");
    for key in keys {
        let ttl_ms: i64 = connection.pttl(&key).expect("it answers");
        let longest_s = match key.split_once("{v1}").map(|(prefix, _)| prefix) {
            Some("otp:" | "verified:") => 26 * 3600,
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
    let fixture = on_redis.fixture(only(Limit::RequestPhoneCooldown, "1/1h")).await;
    let (in_flight, used) = (fixture.ask(1), fixture.ask(2));
    fixture.sent(&in_flight).await;
    fixture.sent(&used).await;
    assert_eq!(fixture.verify(&guess(&in_flight, false)).await, VerifyVerdict::Incorrect { attempts_left: 4 });
    assert_eq!(fixture.verify(&guess(&used, true)).await, VerifyVerdict::Accepted);
    fixture.refused(&again(&in_flight)).await;
    let mut connection = on_redis.server.connection();
    let keys: Vec<String> = connection.scan_match("otp:*").expect("it answers").map(|key| key.expect("a text")).collect();
    let _: () = connection.del(keys).expect("it answers");
    fixture.sent(&again(&in_flight)).await;
    assert_eq!(fixture.verify(&guess(&used, true)).await, VerifyVerdict::Unknown);
    assert_eq!(fixture.verify(&guess(&in_flight, false)).await, VerifyVerdict::Incorrect { attempts_left: 3 });
    assert_eq!(fixture.verify(&guess(&in_flight, true)).await, VerifyVerdict::Accepted);
}

/// Waits until the store says so of itself.
pub async fn wait_until(records: &Records, state: StoreState) {
    let began = Instant::now();
    while records.state() != state {
        assert!(began.elapsed() < Duration::from_secs(20), "it never is {state:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_share_limits_guesses_and_leases() {
    let on_redis = OnRedis::new();
    let quotas = wide().with(Limit::RequestPhoneHour, quota_of("1/1h"));
    let config = on_redis.server.config(0);
    let (one, other) = (connected(&config, 1, quotas.clone()).await, connected(&config, 2, quotas).await);
    let asked = one.ask(1);
    one.sent(&asked).await;
    other.refused(&again(&asked)).await;
    for (fixture, attempts_left) in [(&one, 4), (&other, 3), (&one, 2), (&other, 1), (&one, 0)] {
        assert_eq!(fixture.verify(&guess(&asked, false)).await, VerifyVerdict::Incorrect { attempts_left });
    }
    assert!(matches!(other.verify(&guess(&asked, true)).await, VerifyVerdict::Locked { .. }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_of_redis_needs_our_keys_only() {
    let rights =
        ["on", ">secret", "~otp:*", "~spent:*", "~known:*", "~verified:*", "~operator:*", "~audit:*", "~revoked:*", "+@all", "-@admin"];
    let server = Server::start(&[&["--user", "otp"], &rights[..]].concat());
    let config = RedisConfig { url: format!("redis://otp:secret@127.0.0.1:{}", server.port()), ..server.config(0) };
    leave_traces(&connected(&config, 1, only(Limit::RequestPhoneCooldown, "1/60s")).await).await;
}
