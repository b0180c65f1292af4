//! What a request costs: one script call at Redis before the answer, and no KV read at all.

use std::time::{Duration, Instant};

use otp_graph_sim::{Fault, Rule};
use otp_shared::{limits::Limit, problem::ProblemCode};
use otp_tests::harness::{Monitor, Plan, Sent, Store, challenge_of, until};
use tokio::task::JoinSet;

#[tokio::test(flavor = "multi_thread")]
async fn a_request_and_a_verify_cost_one_script_call_each_before_the_answer() {
    // The publisher rests meanwhile: its own look at Redis is nobody's request.
    let stack = Plan::on(Store::Redis).origin("SNAPSHOT_INTERVAL_MS", "600000").start().await;
    let fan = stack.fan();
    fan.sign_in(&stack.graph, &stack.phone()).await;
    let mut monitor = stack.redis().monitor().await;
    quiet(&mut monitor).await;

    let phone = stack.phone();
    stack.graph.script(Rule::once(Fault::Slow).after(Duration::from_secs(2)));
    let request = tokio::spawn({
        let (fan, phone) = (fan.clone(), phone.clone());
        async move { fan.request(&phone).await }
    });
    // The message is at the provider, whose answer is awaited: everything that comes before it has happened.
    let code = stack.graph.arrived(&phone, 1).await.code;
    assert_eq!(calls(&mut monitor).await, ["evalsha"], "before Meta's answer");
    let accepted = request.await.expect("the request is answered").expect(202);
    quiet(&mut monitor).await;

    let sent = Sent { challenge_id: challenge_of(&accepted), phone, code };
    fan.verify(&sent, &sent.wrong_code(0)).await.refused(ProblemCode::CodeIncorrect);
    assert_eq!(calls(&mut monitor).await, ["evalsha"], "a wrong guess");
    fan.verify(&sent, &sent.code).await.expect(200);
    assert_eq!(calls(&mut monitor).await, ["evalsha"], "a right guess");
    fan.request(&sent.phone).await.refused(ProblemCode::RateLimited);
    // All limits are looked at first, so that the answer knows the one that ends last; then the refusal is counted.
    assert_eq!(calls(&mut monitor).await, ["mget", "evalsha"], "a refusal");
}

/// What was asked of Redis since the last look, without the origin's own look at Redis' clock: no request waits for it.
async fn calls(monitor: &mut Monitor) -> Vec<String> {
    let mut commands = monitor.commands().await;
    commands.retain(|name| name != "time");
    commands
}

/// Waits until nobody has sent Redis anything for a while: what follows an answer is over.
async fn quiet(monitor: &mut Monitor) {
    let mut since = Instant::now();
    until("Redis is quiet", async || {
        if !calls(monitor).await.is_empty() {
            since = Instant::now();
        }
        (since.elapsed() > Duration::from_millis(300)).then_some(())
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
