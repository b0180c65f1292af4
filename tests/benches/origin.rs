//! How fast the origin is, on real parts: requests and verifies with Redis up and away, and webhooks. Not a test: nothing is asserted.
//!
//! Everything shares one machine, the load and the stand-in included: quote ratios, and absolute figures only with the machine.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use otp_graph_sim::{SIGNATURE, sign};
use otp_shared::{limits::Limit, routes};
use otp_tests::harness::{Fan, Plan, Sent, Stack, Store, challenge_of, until};
use reqwest::Method;
use serde_json::json;
use tokio::task::JoinSet;

const ROUNDS: usize = 4000;
const CONNECTIONS: [usize; 2] = [1, 64];
const WEBHOOKS: usize = 4000;

#[tokio::main]
async fn main() {
    let mut stack = plan().start().await;
    redis_is(&stack, "connected").await;
    let up = requests_and_verifies(&stack, "redis up").await;
    webhooks(&stack).await;
    stack.redis_mut().kill();
    redis_is(&stack, "memory fallback").await;
    let away = requests_and_verifies(&stack, "redis away").await;
    for ((connections, up), away) in CONNECTIONS.iter().zip(up).zip(away) {
        println!("p99 of a request at {connections} connections, redis away / up: {:.2}", away.as_secs_f64() / up.as_secs_f64());
    }
}

fn plan() -> Plan {
    Plan::on(Store::Redis)
        .without_edge()
        .limit(Limit::RequestGlobal, "100000000/1m")
        .limit(Limit::RequestRecipients, "100000000/1d")
        .origin("WHATSAPP_SENDS_PER_S", "1000000")
}

async fn redis_is(stack: &Stack, state: &str) {
    let fan = stack.unsigned_fan();
    until(state, async || (fan.get(routes::OTP_STATUS).await.json()["redis"] == state).then_some(())).await;
}

/// Prints the figures; the p99 of a request at each number of connections.
async fn requests_and_verifies(stack: &Stack, when: &str) -> Vec<Duration> {
    let mut p99 = Vec::new();
    for connections in CONNECTIONS {
        let fans: Vec<(Fan, String)> = (0..ROUNDS).map(|_| (stack.fan(), stack.phone())).collect();
        let asked = at_once(connections, fans, |(fan, phone)| async move {
            let answer = fan.request(&phone).await.expect(202);
            (fan, phone, challenge_of(&answer))
        });
        let (sent, took, each) = asked.await;
        p99.push(report(&format!("{when}: request, {connections} connections"), took, each));
        let mut typed = Vec::new();
        for (fan, phone, challenge_id) in sent {
            let code = stack.graph.arrived(&phone, 1).await.code;
            typed.push((fan, Sent { phone, challenge_id, code }));
        }
        let verified = at_once(connections, typed, |(fan, sent)| async move { fan.verify(&sent, &sent.code).await.expect(200).status });
        let (_, took, each) = verified.await;
        report(&format!("{when}: verify, {connections} connections"), took, each);
    }
    p99
}

/// Batches of a hundred receipts of messages nobody sent, as a storm of duplicates is.
async fn webhooks(stack: &Stack) {
    let secret = stack.graph.settings().app_secret.clone();
    let batches: Vec<_> = (0..WEBHOOKS / 100).map(|_| (stack.fan(), receipts(100), secret.clone())).collect();
    let (_, took, _) = at_once(16, batches, |(fan, body, secret)| async move {
        fan.with(SIGNATURE, &sign(&secret, &body)).send(Method::POST, routes::WEBHOOK, body.as_bytes()).await.expect(200).status
    })
    .await;
    println!("webhooks: {:.0} receipts/s in batches of 100", rate(WEBHOOKS, took));
}

fn receipts(count: usize) -> String {
    let status = |n: usize| {
        json!({ "id": format!("wamid.bench{n}"), "status": "delivered", "timestamp": "1790000000", "recipient_id": "250788123456",
                "biz_opaque_callback_data": format!("{n:032x}") })
    };
    let value = json!({ "messaging_product": "whatsapp", "statuses": (0..count).map(status).collect::<Vec<_>>() });
    json!({ "object": "whatsapp_business_account", "entry": [{ "id": "1", "changes": [{ "field": "messages", "value": value }] }] })
        .to_string()
}

/// Does all the work with so many at once; what each returned, how long all took, and how long each took.
async fn at_once<In, Out, Doing>(
    workers: usize,
    work: Vec<In>,
    what: impl Fn(In) -> Doing + Copy + Send + 'static,
) -> (Vec<Out>, Duration, Vec<Duration>)
where
    In: Clone + Send + Sync + 'static,
    Out: Send + 'static,
    Doing: Future<Output = Out> + Send,
{
    let (work, next, began) = (Arc::new(work), Arc::new(AtomicUsize::new(0)), Instant::now());
    let mut running = JoinSet::new();
    for _ in 0..workers {
        let (work, next) = (Arc::clone(&work), Arc::clone(&next));
        running.spawn(async move {
            let mut done = Vec::new();
            while let Some(item) = work.get(next.fetch_add(1, Ordering::Relaxed)) {
                let began = Instant::now();
                let out = what(item.clone()).await;
                done.push((out, began.elapsed()));
            }
            done
        });
    }
    let (outs, each) = running.join_all().await.into_iter().flatten().unzip();
    (outs, began.elapsed(), each)
}

fn report(what: &str, took: Duration, mut each: Vec<Duration>) -> Duration {
    each.sort_unstable();
    let at = |share: usize| each.get(each.len() * share / 100).copied().unwrap_or_default();
    println!("{what}: {:.0}/s, p50 {:.2} ms, p99 {:.2} ms", rate(each.len(), took), ms(at(50)), ms(at(99)));
    at(99)
}

fn rate(count: usize, took: Duration) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX)) / took.as_secs_f64()
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
