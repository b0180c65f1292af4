//! The day of section 8 of the design: Redis goes away in the middle of traffic and comes back, and no fan loses a sign-in.

use std::time::{Duration, Instant};

use otp_shared::{limits::Limit, problem::ProblemCode};
use otp_tests::harness::{
    Door, End, Fault, Journey, Journeys, Origin, Pace, Plan, Proxy, RedisServer, Stack, Store, Traffic, Workerd, WorkerdConfig, free_port,
    until,
};

/// How long Redis stays away.
const AWAY: Duration = Duration::from_secs(20);
/// Fans a second: a request and two verifies each make more than 100 requests a second at the edge. Some type the code in another phase than
/// the one it was sent in.
const PACE: Pace = Pace { per_s: 36, lasting: Duration::from_secs(4), thinking: Duration::from_secs(8), again: true };

/// The product, with the limits raised that are shared by everybody.
fn plan(store: Store) -> Plan {
    Plan::on(store)
        .limit(Limit::RequestGlobal, "1000000/1m")
        .limit(Limit::RequestRecipients, "1000000/1d")
        .origin("WHATSAPP_SENDS_PER_S", "1000")
}

async fn traffic(stack: &Stack, lasting: Duration) -> Traffic {
    Traffic::run(stack, &stack.door(), Pace { lasting, ..PACE }).await
}

async fn redis_is(stack: &Stack, state: &str) {
    let fan = stack.unsigned_fan();
    until(&format!("/otp/status says {state}"), async || (fan.get("/otp/status").await.json()["redis"] == state).then_some(())).await;
}

/// Everybody signed in, but for those whose request was under way at the instant; their number is told.
pub fn assert_nobody_lost(journeys: &Journeys, cut: Instant) {
    println!("{journeys}");
    let was_under_way = |(began, ended): (Instant, Instant)| began <= cut && ended >= cut;
    let in_flight = |journey: &&Journey| was_under_way(journey.request) || journey.verify.is_some_and(was_under_way);
    let (excused, lost): (Vec<_>, Vec<_>) = journeys.failed().into_iter().partition(in_flight);
    println!("{} set out, {} were in flight at the instant and got a refusal", journeys.len(), excused.len());
    assert!(lost.is_empty(), "{} of {}: {:?}", lost.len(), journeys.len(), lost.first());
    assert_eq!(journeys.count(|journey| journey.end == End::UsedTwice), 0, "a used code was taken again");
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_is_killed_under_load_and_returns_empty_and_nobody_loses_a_sign_in() {
    let mut stack = plan(Store::Redis).start().await;
    redis_is(&stack, "connected").await;
    let early = stack.fan();
    let kept = early.receive_code(&stack.graph, &stack.phone()).await;
    early.verify(&kept, &kept.wrong_code(0)).await.refused(ProblemCode::CodeIncorrect);
    let used = early.receive_code(&stack.graph, &stack.phone()).await;
    early.verify(&used, &used.code).await.expect(200);

    let before = traffic(&stack, Duration::from_secs(5)).await;
    let cut = Instant::now();
    stack.redis_mut().kill();
    let during = traffic(&stack, AWAY).await;
    redis_is(&stack, "memory fallback").await;
    early.verify(&used, &used.code).await.refused(ProblemCode::ChallengeUnknown);
    early.verify(&kept, &kept.wrong_code(1)).await.refused(ProblemCode::CodeIncorrect);
    stack.redis_mut().restart_empty().await;
    let back = Instant::now();
    let after = traffic(&stack, Duration::from_secs(8)).await;
    redis_is(&stack, "connected").await;

    // Guesses of before and during add up, and what was used stays used.
    let third = early.verify(&kept, &kept.wrong_code(2)).await.refused(ProblemCode::CodeIncorrect);
    assert_eq!(third.json()["attemptsLeft"], 2);
    early.verify(&used, &used.code).await.refused(ProblemCode::ChallengeUnknown);
    early.verify(&kept, &kept.code).await.expect(200);
    assert_nobody_lost(&before.collect().await, cut);
    assert_nobody_lost(&during.collect().await, back);
    assert_nobody_lost(&after.collect().await, back);
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_hangs_under_load_and_nobody_loses_a_sign_in() {
    let stack = plan(Store::Redis).start().await;
    redis_is(&stack, "connected").await;
    let before = traffic(&stack, Duration::from_secs(3)).await;
    let cut = Instant::now();
    stack.redis().pause();
    let during = traffic(&stack, Duration::from_secs(8)).await;
    redis_is(&stack, "memory fallback").await;
    stack.redis().resume();
    let back = Instant::now();
    let after = traffic(&stack, Duration::from_secs(4)).await;
    redis_is(&stack, "connected").await;
    assert_nobody_lost(&before.collect().await, cut);
    assert_nobody_lost(&during.collect().await, back);
    assert_nobody_lost(&after.collect().await, back);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_made_during_the_outage_holds_at_once_and_is_in_redis_after_it() {
    let mut stack = plan(Store::Redis).start().await;
    redis_is(&stack, "connected").await;
    let (earlier, during) = (stack.phone(), stack.phone());
    stack.admin().block("phone", &earlier).await.expect(200);
    stack.redis_mut().kill();
    redis_is(&stack, "memory fallback").await;
    let blocked = stack.admin().block("phone", &during).await.expect(200).json();
    assert_eq!(blocked["stored"], serde_json::json!(["edge"]));
    for phone in [&earlier, &during] {
        stack.signed_fan().request(phone).await.refused(ProblemCode::Blacklisted);
    }
    stack.redis_mut().restart_empty().await;
    redis_is(&stack, "connected").await;
    let entries = || stack.redis().keys("operator:*");
    until("redis has the operator state again", async || (!entries().is_empty()).then_some(())).await;
    // A replica that knows nothing but Redis.
    stack.kill_origin();
    stack.start_origin().await;
    for phone in [&earlier, &during] {
        stack.signed_fan().request(phone).await.refused(ProblemCode::Blacklisted);
    }
    let audit = stack.admin().get("/admin/otp/audit").await.expect(200).json();
    let told = |phone: &str| audit["changes"].as_array().is_some_and(|changes| changes.iter().any(|change| change["value"] == phone));
    assert!(told(&earlier) && told(&during), "{audit}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_neither_redis_nor_the_edge_takes_is_refused_and_changes_nothing() {
    let mut stack = plan(Store::Redis).start().await;
    redis_is(&stack, "connected").await;
    let phone = stack.phone();
    stack.redis_mut().kill();
    redis_is(&stack, "memory fallback").await;
    stack.edge().stop();
    stack.admin().block("phone", &phone).await.refused(ProblemCode::OriginUnavailable);
    stack.signed_fan().request(&phone).await.expect(202);
}

/// What a code was worth after everything: nothing, to whichever replica it is shown.
async fn assert_all_used(journeys: &Journeys, stack: &Stack, door: &Door) {
    for sent in journeys.sent().step_by(7) {
        stack.fan_at(door.clone()).verify(sent, &sent.code).await.refused(ProblemCode::ChallengeUnknown);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_replicas_lose_nobody_and_a_code_used_at_one_is_used_at_both_after_the_return() {
    let mut stack = plan(Store::Redis).origin("OTP_REPLICAS", "2").start().await;
    let port = free_port();
    let other =
        Origin::start(&stack.replica_environment().clone().set("OTP_REPLICA", "replica-2"), port).await.expect("a second replica starts");
    let first = stack.origin_url().rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
    let balancer = Proxy::start(&[first, port]).await;
    let edge = Workerd::start(&WorkerdConfig { origin: format!("http://127.0.0.1:{}", balancer.port()), ..stack.edge_config() }).await;
    let door = Door::Edge(edge.url());
    // At another replica a code that was just used may pass once more while Redis is away: it makes the same session.
    let pace = Pace { again: false, ..PACE };
    redis_is(&stack, "connected").await;
    let before = Traffic::run(&stack, &door, pace).await;
    let cut = Instant::now();
    stack.redis_mut().kill();
    let during = Traffic::run(&stack, &door, Pace { lasting: Duration::from_secs(8), ..pace }).await;
    stack.redis_mut().restart_empty().await;
    let back = Instant::now();
    let after = Traffic::run(&stack, &door, pace).await;
    redis_is(&stack, "connected").await;
    let (before, during, after) = (before.collect().await, during.collect().await, after.collect().await);
    assert_nobody_lost(&before, cut);
    assert_nobody_lost(&during, back);
    assert_nobody_lost(&after, back);
    for journeys in [&before, &during, &after] {
        assert_all_used(journeys, &stack, &door).await;
    }
    drop((edge, other));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sentinel_failover_in_the_middle_of_traffic_loses_nobody() {
    let mut master = RedisServer::start().await;
    let replica = master.start_replica().await;
    let sentinel = master.start_sentinel("otp").await;
    let sentinels = plan(Store::Embedded).origin("REDIS_URL", &sentinel.url()).origin("REDIS_MODE", "sentinel");
    let stack = sentinels.origin("REDIS_SENTINEL_NAME", "otp").start().await;
    redis_is(&stack, "connected").await;
    let before = traffic(&stack, PACE.lasting).await;
    let cut = Instant::now();
    master.kill();
    let during = traffic(&stack, Duration::from_secs(6)).await;
    redis_is(&stack, "connected").await;
    assert!(replica.info("replication").contains("role:master"));
    assert_nobody_lost(&before.collect().await, cut);
    assert_nobody_lost(&during.collect().await, cut);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_that_loses_replies_slows_down_or_goes_dumb_loses_nobody() {
    let redis = RedisServer::start().await;
    let network = Proxy::start(&[redis.port()]).await;
    let stack = plan(Store::Embedded).origin("REDIS_URL", &format!("redis://127.0.0.1:{}", network.port())).start().await;
    for fault in [Fault::LostReplies, Fault::Delay(Duration::from_millis(300)), Fault::HalfOpen, Fault::Cut] {
        redis_is(&stack, "connected").await;
        let struck = Instant::now();
        network.set(fault);
        let during = traffic(&stack, Duration::from_secs(3)).await;
        redis_is(&stack, "memory fallback").await;
        network.set(Fault::None);
        redis_is(&stack, "connected").await;
        println!("{fault:?}");
        assert_nobody_lost(&during.collect().await, struck);
    }
}
