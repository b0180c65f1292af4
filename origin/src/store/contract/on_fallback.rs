//! The contract on Redis with memory standing in: with Redis there, gone and back, and under load while it goes and comes.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use otp_shared::limits::Limit;
use tokio::task::JoinSet;

use super::{Bench, Bencher, Future, HOLD_THRESHOLD, again, guess, on_redis::wait_until, only, run_all, server::Server, wide};
use crate::{
    clock::SystemClock,
    domain::judgement::{Quotas, RequestCall, VerifyVerdict},
    store::{
        StoreState,
        fallback::{Fallback, Setup},
    },
};

pub const ACCEPTED: VerifyVerdict = VerifyVerdict::Accepted;
pub const USED: VerifyVerdict = VerifyVerdict::Unknown;

pub const fn incorrect(attempts_left: u32) -> VerifyVerdict {
    VerifyVerdict::Incorrect { attempts_left }
}

/// A replica of that name.
pub fn replica(server: &Server, name: &str, quotas: Quotas, replicas: u32) -> Bench {
    let setup = Setup { quotas, replicas, replica: name.into(), hold_threshold: HOLD_THRESHOLD, capacity: 10_000 };
    let store = Fallback::connect(&server.config(0), Arc::new(SystemClock), &setup).expect("the url is good");
    Bench::in_real_time(Arc::new(store))
}

/// The only replica, connected.
pub async fn connected(server: &Server, quotas: Quotas) -> Bench {
    let bench = replica(server, "r1", quotas, 1);
    wait_until(&*bench.store, StoreState::Connected).await;
    bench
}

/// Redis goes, with all it had.
pub async fn cut(server: &mut Server, benches: &[&Bench]) {
    server.kill();
    for bench in benches {
        // A call notices at once what a ping would notice in half a second.
        _ = bench.store.revoked("nobody").await;
        wait_until(&*bench.store, StoreState::MemoryFallback).await;
    }
}

/// Redis comes back, empty.
pub async fn restore(server: &mut Server, benches: &[&Bench]) {
    server.start_again();
    for bench in benches {
        wait_until(&*bench.store, StoreState::Connected).await;
    }
}

/// What became of Redis before a case began.
#[derive(Clone, Copy)]
enum Fate {
    There,
    Gone,
    Back,
}

/// A server of its own for every store; it lives as long as the bencher.
struct OnFallback {
    fate: Fate,
    servers: Mutex<Vec<Server>>,
}

impl Bencher for OnFallback {
    fn bench(&self, quotas: Quotas) -> Future<'_, Bench> {
        Box::pin(async move {
            let mut server = Server::start(&[]);
            let bench = connected(&server, quotas).await;
            if matches!(self.fate, Fate::Gone | Fate::Back) {
                cut(&mut server, &[&bench]).await;
            }
            if matches!(self.fate, Fate::Back) {
                restore(&mut server, &[&bench]).await;
            }
            // Those of earlier cases are not needed any more.
            *self.servers.lock().expect("no test panicked here") = vec![server];
            bench
        })
    }
}

async fn keeps_the_contract(fate: Fate) {
    run_all(&OnFallback { fate, servers: Mutex::new(Vec::new()) }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_contract_is_kept_while_redis_is_there() {
    keeps_the_contract(Fate::There).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_contract_is_kept_while_redis_is_gone() {
    keeps_the_contract(Fate::Gone).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_contract_is_kept_after_redis_came_back_empty() {
    keeps_the_contract(Fate::Back).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_replica_has_its_share_while_they_count_apart() {
    let mut server = Server::start(&[]);
    let bench = replica(&server, "r1", only(Limit::RequestPhoneHour, "5/1h"), 2);
    wait_until(&*bench.store, StoreState::Connected).await;
    cut(&mut server, &[&bench]).await;
    let asked = bench.ask(1);
    for _ in 0..2 {
        bench.sent(&again(&asked)).await;
    }
    assert_eq!(bench.refused(&again(&asked)).await.0, Limit::RequestPhoneHour);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_redis_costs_a_hundred_milliseconds_once() {
    let server = Server::start(&[]);
    let bench = connected(&server, wide()).await;
    server.signal("STOP");
    let began = Instant::now();
    bench.sent(&bench.ask(1)).await;
    assert!(began.elapsed() < Duration::from_millis(300), "{:?}", began.elapsed());
    let began = Instant::now();
    for phone in 2..102 {
        bench.sent(&bench.ask(phone)).await;
    }
    assert!(began.elapsed() < Duration::from_millis(200), "a hundred more: {:?}", began.elapsed());
    assert_eq!(bench.store.state(), StoreState::MemoryFallback);
    server.signal("CONT");
    wait_until(&*bench.store, StoreState::Connected).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_starts_without_redis() {
    let mut server = Server::start(&[]);
    server.kill();
    let bench = replica(&server, "r1", wide(), 1);
    let asked = bench.ask(1);
    bench.sent(&asked).await;
    assert_eq!(bench.verify(&guess(&asked, true)).await, ACCEPTED);
    restore(&mut server, &[&bench]).await;
    assert_eq!(bench.verify(&guess(&asked, true)).await, USED);
}

/// Guesses at one challenge from many tasks while Redis goes and comes.
async fn hammer(bench: &Bench, asked: &RequestCall, until: Instant) -> usize {
    let mut tasks = JoinSet::new();
    for _ in 0..8 {
        let (store, asked) = (Arc::clone(&bench.store), asked.clone());
        tasks.spawn(async move {
            let mut accepted = 0;
            while Instant::now() < until {
                if store.verify(&guess(&asked, true)).await == Ok(ACCEPTED) {
                    accepted += 1;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            accepted
        });
    }
    tasks.join_all().await.into_iter().sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_is_accepted_once_while_redis_goes_and_comes_under_load() {
    let mut server = Server::start(&[]);
    let bench = Arc::new(connected(&server, wide()).await);
    let mut hammering = Vec::new();
    let until = Instant::now() + Duration::from_secs(4);
    for round in 0..4 {
        for _ in 0..5 {
            let (bench, asked) = (Arc::clone(&bench), bench.ask(1));
            hammering.push(tokio::spawn(async move { hammer(&bench, &asked, until).await }));
        }
        if round % 2 == 0 {
            server.kill();
        } else {
            server.start_again();
        }
        wait_until(&*bench.store, if round % 2 == 0 { StoreState::MemoryFallback } else { StoreState::Connected }).await;
    }
    for task in hammering {
        assert_eq!(task.await.expect("no task panicked"), 1);
    }
}
