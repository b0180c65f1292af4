//! What a request costs: one script call at Redis before the answer, and no KV read at all.

use std::time::{Duration, Instant};

use otp_shared::{limits::Limit, problem::Code};
use otp_tests::{
    graph::{Fault, Rule},
    harness::{Plan, RedisServer, Sent, Store},
};
use tokio::task::JoinSet;

/// Commands by which a client starts a script.
const SCRIPT_CALLS: [&str; 4] = ["eval", "evalsha", "fcall", "fcall_ro"];

#[tokio::test(flavor = "multi_thread")]
async fn a_request_and_a_verify_cost_one_script_call_each_before_the_answer() {
    // The publisher rests meanwhile: its own look at Redis is nobody's request.
    let stack = Plan::on(Store::Redis).origin("SNAPSHOT_INTERVAL_MS", "600000").start().await;
    let fan = stack.fan();
    let warm = fan.receive_code(&stack.graph, &stack.phone()).await;
    fan.verify(&warm, &warm.code).await.expect(200);
    settled(stack.redis()).await;

    stack.redis().reset_counts();
    let phone = stack.phone();
    stack.graph.script(Rule::once(Fault::Slow).after(Duration::from_secs(2)));
    let request = tokio::spawn({
        let (fan, phone) = (fan.clone(), phone.clone());
        async move { fan.request(&phone).await }
    });
    // The message is at the provider, whose answer is awaited: everything that comes before it has happened.
    let code = stack.graph.arrived(&phone, 1).await.code;
    assert_eq!(calls_of_clients(stack.redis()), ["one script"], "before Meta's answer");
    let accepted = request.await.expect("the request is answered").expect(202);
    settled(stack.redis()).await;

    stack.redis().reset_counts();
    let sent = Sent { challenge_id: otp_tests::harness::challenge_of(&accepted), phone, code };
    fan.verify(&sent, &sent.wrong_code(0)).await.refused(Code::CodeIncorrect);
    assert_eq!(calls_of_clients(stack.redis()), ["one script"], "a wrong guess");
    stack.redis().reset_counts();
    fan.verify(&sent, &sent.code).await.expect(200);
    assert_eq!(calls_of_clients(stack.redis()), ["one script"], "a right guess");
    stack.redis().reset_counts();
    fan.request(&sent.phone).await.refused(Code::RateLimited);
    assert_eq!(calls_of_clients(stack.redis()), ["one script"], "a refusal");
}

/// The script calls since the counts were reset; commands inside a script are not told apart from others by name, so they are left out.
fn calls_of_clients(redis: &RedisServer) -> Vec<&'static str> {
    let counts = redis.counts();
    let scripts: u64 = SCRIPT_CALLS.iter().filter_map(|name| counts.get(*name)).sum();
    assert_eq!(redis_round_trips(redis), scripts, "commands outside of scripts: {counts:?}");
    vec!["one script"; usize::try_from(scripts).expect("a few calls")]
}

/// Commands that clients sent, without this harness's own `INFO`, `CONFIG` and what a connection says first. Redis counts a script's
/// own commands under their names but not as processed.
fn redis_round_trips(redis: &RedisServer) -> u64 {
    let stats: String = redis.ask(&["INFO", "stats"]);
    let processed = stats.lines().find_map(|line| line.strip_prefix("total_commands_processed:")).expect("Redis counts what it processed");
    let processed: u64 = processed.trim().parse().expect("a count is a number");
    let counts = redis.counts();
    let own = ["info", "config|resetstat", "client|setinfo", "client|setname", "hello"];
    // `counts` itself was one more INFO.
    processed + 1 - own.iter().filter_map(|name| counts.get(*name)).sum::<u64>()
}

/// Waits until nothing has run at Redis for a while: what follows an answer is over.
async fn settled(redis: &RedisServer) {
    let scripts = || SCRIPT_CALLS.iter().filter_map(|name| redis.counts().get(*name).copied()).sum::<u64>();
    let mut last = (scripts(), Instant::now());
    otp_tests::harness::until("Redis is quiet", async || {
        let now = scripts();
        if now != last.0 {
            last = (now, Instant::now());
        }
        (last.1.elapsed() > Duration::from_millis(300)).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_requests_on_a_warm_isolate_cost_two_kv_operations_in_30_s() {
    const REQUESTS: u32 = 1000;
    let plan = Plan::on(Store::Embedded).refresh_s(30).origin("SNAPSHOT_INTERVAL_MS", "10000");
    let plan = plan.limit(Limit::RequestGlobal, "1000000/1m").limit(Limit::RequestRecipients, "1000000/1d");
    let mut stack = plan.start().await;
    stack.fan().receive_code(&stack.graph, &stack.phone()).await;
    stack.edge().kv_operations().await;
    let begun = Instant::now();
    let mut calls = JoinSet::new();
    for n in 0..REQUESTS {
        let (fan, phone) = (stack.fan(), stack.phone());
        calls.spawn(async move { fan.request(&phone).await.expect(202) });
        if n % 16 == 15 {
            while calls.join_next().await.is_some() {}
        }
    }
    calls.join_all().await;
    let half_minutes = begun.elapsed().as_secs() / 30 + 1;
    let operations = stack.edge().kv_operations().await;
    assert!(operations <= 2 * half_minutes, "{operations} operations in {:?}", begun.elapsed());
}
