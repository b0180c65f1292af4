//! The rules on Redis with memory standing in: with Redis there, gone and back, and under load while it goes and comes.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use otp_shared::limits::Limit;
use tokio::{sync::watch, task::JoinSet};

use super::{Fixture, Future, StoreFactory, again, disturbances::Disturbances, guess, on_redis::wait_until, only, run_all, wide};
use crate::{
    app::records::Records,
    clock::SystemClock,
    domain::{
        evaluation::{Quotas, RequestCall, VerifyVerdict},
        record::merge::Merging,
    },
    store::{
        StoreState,
        contract::server::Server,
        fallback::{Fallback, Setup},
        redis::{RedisConfig, RedisStore},
    },
};

pub const ACCEPTED: VerifyVerdict = VerifyVerdict::Accepted;
pub const USED: VerifyVerdict = VerifyVerdict::Unknown;

pub const fn incorrect(attempts_left: u32) -> VerifyVerdict {
    VerifyVerdict::Incorrect { attempts_left }
}

/// A replica that counts guesses under that slot.
pub fn replica(server: &Server, slot: u32, quotas: Quotas, replicas: u32) -> Fixture {
    replica_of(&server.config(0), slot, quotas, replicas)
}

pub fn replica_of(config: &RedisConfig, slot: u32, quotas: Quotas, replicas: u32) -> Fixture {
    let remote = RedisStore::connect_guarded(config, slot).expect("the url is good");
    let setup = Setup { slot, replicas, merging: Merging { quotas: quotas.clone() }, capacity: 10_000 };
    let store = Arc::new(Fallback::new(remote, Arc::new(SystemClock), setup));
    let supervisor = store.supervise();
    let fixture = Fixture::in_real_time(Arc::clone(&store), quotas);
    let records = Records::new(Arc::clone(&store) as _, Arc::clone(&store) as _, fixture.policy.clone()).beside(store);
    Fixture { _supervisor: Some(supervisor), records: Arc::new(records), ..fixture }
}

/// The only replica, connected.
pub async fn connected(server: &Server, quotas: Quotas) -> Fixture {
    let fixture = replica(server, 1, quotas, 1);
    wait_until(&fixture.records, StoreState::Connected).await;
    fixture
}

/// Redis goes, with all it had.
pub async fn cut(server: &mut Server, fixtures: &[&Fixture]) {
    server.kill();
    for fixture in fixtures {
        // A call notices at once what a ping would notice in half a second.
        _ = fixture.records.revoked("nobody").await;
        wait_until(&fixture.records, StoreState::MemoryFallback).await;
    }
}

/// Redis comes back, empty.
pub async fn restore(server: &mut Server, fixtures: &[&Fixture]) {
    server.start_again();
    for fixture in fixtures {
        wait_until(&fixture.records, StoreState::Connected).await;
    }
}

/// What became of Redis before a case began.
#[derive(Clone, Copy)]
enum Fate {
    There,
    Gone,
    Back,
}

/// A server of its own for every store; it lives as long as the factory.
struct OnFallback {
    fate: Fate,
    server: Mutex<Option<Server>>,
    disturbances: Disturbances,
}

impl OnFallback {
    /// Of the store that was made last.
    fn check(&self) {
        if let Some(server) = self.server.lock().expect("no test panicked here").as_ref().filter(|server| server.runs()) {
            self.disturbances.check(server);
        }
    }
}

impl StoreFactory for OnFallback {
    fn fixture(&self, quotas: Quotas) -> Future<'_, Fixture> {
        Box::pin(async move {
            let mut server = Server::start(&[]);
            let fixture = connected(&server, quotas).await;
            if matches!(self.fate, Fate::Gone | Fate::Back) {
                cut(&mut server, &[&fixture]).await;
            }
            if matches!(self.fate, Fate::Back) {
                restore(&mut server, &[&fixture]).await;
            }
            self.check();
            if server.runs() {
                self.disturbances.watch(&server);
            }
            // That of the case before is not needed any more.
            *self.server.lock().expect("no test panicked here") = Some(server);
            fixture
        })
    }

    fn was_disturbed(&self) -> bool {
        self.check();
        self.disturbances.take()
    }
}

async fn the_rules_hold(fate: Fate) {
    run_all(&OnFallback { fate, server: Mutex::default(), disturbances: Disturbances::default() }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_rules_hold_while_redis_is_there() {
    the_rules_hold(Fate::There).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_rules_hold_while_redis_is_gone() {
    the_rules_hold(Fate::Gone).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_rules_hold_after_redis_came_back_empty() {
    the_rules_hold(Fate::Back).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_replica_has_its_share_while_they_count_apart() {
    let mut server = Server::start(&[]);
    let fixture = replica(&server, 1, only(Limit::RequestPhoneHour, "5/1h"), 2);
    wait_until(&fixture.records, StoreState::Connected).await;
    cut(&mut server, &[&fixture]).await;
    let asked = fixture.ask(1);
    for _ in 0..2 {
        fixture.sent(&again(&asked)).await;
    }
    assert_eq!(fixture.refused(&again(&asked)).await.0, Limit::RequestPhoneHour);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_redis_costs_a_hundred_milliseconds_once() {
    let server = Server::start(&[]);
    let fixture = connected(&server, wide()).await;
    server.signal("STOP");
    let began = Instant::now();
    fixture.sent(&fixture.ask(1)).await;
    assert!(began.elapsed() < Duration::from_millis(300), "{:?}", began.elapsed());
    let began = Instant::now();
    for phone in 2..102 {
        fixture.sent(&fixture.ask(phone)).await;
    }
    assert!(began.elapsed() < Duration::from_secs(2), "none of a hundred waits: {:?}", began.elapsed());
    assert_eq!(fixture.records.state(), StoreState::MemoryFallback);
    server.signal("CONT");
    wait_until(&fixture.records, StoreState::Connected).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_starts_without_redis() {
    let mut server = Server::start(&[]);
    server.kill();
    let fixture = replica(&server, 1, wide(), 1);
    let asked = fixture.ask(1);
    fixture.sent(&asked).await;
    assert_eq!(fixture.verify(&guess(&asked, true)).await, ACCEPTED);
    restore(&mut server, &[&fixture]).await;
    assert_eq!(fixture.verify(&guess(&asked, true)).await, USED);
}

/// Guesses at one challenge from many tasks while Redis goes and comes.
async fn hammer(fixture: &Fixture, asked: &RequestCall, stop: &watch::Receiver<bool>) -> usize {
    let mut tasks = JoinSet::new();
    for _ in 0..8 {
        let (records, asked, stop) = (Arc::clone(&fixture.records), asked.clone(), stop.clone());
        tasks.spawn(async move {
            let (mut accepted, mut answered) = (0, false);
            // On a busy machine the rounds may be over before the first answer.
            while !*stop.borrow() || !answered {
                let verdict = records.verify(&guess(&asked, true)).await;
                answered |= verdict.is_ok();
                accepted += usize::from(verdict == Ok(ACCEPTED));
                tokio::time::sleep(Duration::from_millis(4)).await;
            }
            accepted
        });
    }
    tasks.join_all().await.into_iter().sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_is_accepted_once_while_redis_goes_and_comes_under_load() {
    let mut server = Server::start(&[]);
    let fixture = Arc::new(connected(&server, wide()).await);
    let mut hammering = Vec::new();
    let (stop, stopped) = watch::channel(false);
    for round in 0..4 {
        for _ in 0..3 {
            let (fixture, asked, stopped) = (Arc::clone(&fixture), fixture.ask(1), stopped.clone());
            hammering.push(tokio::spawn(async move { hammer(&fixture, &asked, &stopped).await }));
        }
        if round % 2 == 0 {
            server.kill();
        } else {
            server.start_again();
        }
        wait_until(&fixture.records, if round % 2 == 0 { StoreState::MemoryFallback } else { StoreState::Connected }).await;
    }
    stop.send_replace(true);
    for task in hammering {
        assert_eq!(task.await.expect("no task panicked"), 1);
    }
}
