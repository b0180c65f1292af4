//! Who keeps coming back while refused is held at the edge; and a snapshot that is damaged, missing or slow refuses nobody.

use std::time::{Duration, Instant};

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use otp_shared::{
    kv::{KV_SNAPSHOT_HAND, KV_SNAPSHOT_ORIGIN},
    problem::ProblemCode,
};
use otp_tests::harness::{Fan, Plan, Stack, Store, now_s, until};

use crate::guesses::refused_until;

#[tokio::test(flavor = "multi_thread")]
async fn a_subject_that_keeps_coming_back_is_held_at_the_edge_with_the_origin_stopped() {
    let mut stack = Plan::on(Store::Redis).start().await;
    let (fan, other) = (stack.fan(), stack.fan());
    let asked = Instant::now();
    let sent = fan.receive_code(&stack.graph, &stack.phone()).await;
    let free_at = [asked, Instant::now()].map(|sent| sent + Duration::from_mins(1));
    refused_until(&fan, &sent.phone, ProblemCode::EdgeHold).await;

    let caller = Stack::caller(&sent.phone);
    until("the hold is in KV", async || stack.published().await?.held(&caller, now_s()).map(drop)).await;
    stack.kill_origin();
    held_until(&fan, &sent.phone, free_at).await;
    // The number is held, wherever the request comes from; nobody and nothing else is.
    held_until(&other, &sent.phone, free_at).await;
    other.request(&stack.phone()).await.refused(ProblemCode::OriginUnavailable);
    fan.verify(&sent, &sent.code).await.refused(ProblemCode::OriginUnavailable);

    // A Worker that was never there before knows it from the snapshot.
    stack.replace_edge().await;
    let (fan, other) = (stack.fan(), stack.fan());
    held_until(&fan, &sent.phone, free_at).await;
    other.request(&stack.phone()).await.refused(ProblemCode::OriginUnavailable);

    // Verifying was never held.
    stack.start_origin().await;
    other.verify(&sent, &sent.code).await.expect(200);
}

/// Refused, and told to come back when the limit itself ends: between the two instants, give or take the second that rounding costs.
async fn held_until(fan: &Fan, phone: &str, free_at: [Instant; 2]) {
    let begun = Instant::now();
    let told_s = fan.request(phone).await.refused(ProblemCode::EdgeHold).retry_after_s();
    let least_s = free_at[0].saturating_duration_since(Instant::now()).as_secs().saturating_sub(1);
    let most_s = free_at[1].saturating_duration_since(begun).as_secs() + 2;
    assert!((least_s..=most_s).contains(&told_s), "told {told_s} s, not {least_s} to {most_s}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_ends_when_its_limit_ends_and_refusals_do_not_prolong_it() {
    let stack = Plan::on(Store::Redis).limit(otp_shared::limits::Limit::RequestPhoneCooldown, "1/4s").start().await;
    let fan = stack.fan();
    let sent = fan.receive_code(&stack.graph, &stack.phone()).await;
    let sent_at = Instant::now();
    refused_until(&fan, &sent.phone, ProblemCode::EdgeHold).await;
    until("the hold has ended", async || (fan.request(&sent.phone).await.status == 202).then_some(())).await;
    assert!(sent_at.elapsed() < Duration::from_secs(7), "it ended after {:?}", sent_at.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_hold_header_is_not_shown_to_a_fan() {
    let stack = Plan::on(Store::Embedded).start().await;
    let fan = stack.fan();
    let sent = fan.receive_code(&stack.graph, &stack.phone()).await;
    for _ in 0..8 {
        let answer = fan.request(&sent.phone).await.expect(429);
        for internal in otp_shared::headers::INTERNAL {
            assert!(answer.header(internal).is_none(), "{answer}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_or_missing_snapshot_refuses_nobody() {
    let mut stack = Plan::on(Store::Embedded).start().await;
    let blocked = stack.phone();
    stack.admin().block("phone", &blocked).await.expect(200);
    let caller = Stack::caller(&blocked);
    until("the block is in KV", async || stack.published().await?.blacklisted(&caller, now_s()).map(drop)).await;
    let good = stack.edge().kv_get_base64(KV_SNAPSHOT_ORIGIN).await.expect("it was just there");
    let good = BASE64.decode(good).expect("the tool gives base64");

    for damaged in damages(&good) {
        for key in [KV_SNAPSHOT_ORIGIN, KV_SNAPSHOT_HAND] {
            stack.edge().kv_put_base64(key, &BASE64.encode(&damaged)).await;
        }
        stack.edge().fresh_isolate().await;
        stack.fan().request(&stack.phone()).await.expect(202);
        // The origin knows its own blacklist.
        stack.fan().request(&blocked).await.refused(ProblemCode::Blacklisted);
    }
    for key in [KV_SNAPSHOT_ORIGIN, KV_SNAPSHOT_HAND] {
        stack.edge().kv_delete(key).await;
    }
    stack.edge().fresh_isolate().await;
    stack.fan().request(&stack.phone()).await.expect(202);
}

fn damages(good: &[u8]) -> Vec<Vec<u8>> {
    let mut flipped = good.to_vec();
    let last = flipped.last_mut().expect("a snapshot has bytes");
    *last ^= 1;
    let mut foreign = good.to_vec();
    foreign[0] ^= 0xff;
    vec![Vec::new(), b"1".to_vec(), good[..good.len() / 2].to_vec(), [good, good].concat(), flipped, foreign, vec![0xff; 10_000]]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_isolate_keeps_its_last_good_snapshot() {
    let mut stack = Plan::on(Store::Embedded).start().await;
    let (fan, blocked) = (stack.fan(), stack.phone());
    stack.edge().kv_put(&format!("blacklist:phone:{blocked}"), "1").await;
    stack.edge().run_cron().await;
    until("the edge knows the block", async || (fan.request(&blocked).await.code()? == "blacklisted").then_some(())).await;
    stack.edge().kv_put(KV_SNAPSHOT_HAND, "damaged").await;
    stays_blocked_over_a_refresh(&fan, &blocked).await;
    stack.edge().kv_hang().await;
    stays_blocked_over_a_refresh(&fan, &blocked).await;
    stack.fan().request(&stack.phone()).await.expect(202);
}

/// For three times the refresh time of the stories' edges.
async fn stays_blocked_over_a_refresh(fan: &Fan, blocked: &str) {
    let end = Instant::now() + Duration::from_secs(3);
    until("three refreshes are over", async || {
        fan.request(blocked).await.refused(ProblemCode::Blacklisted);
        (Instant::now() > end).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kv_that_hangs_or_fails_refuses_nobody_and_costs_150_ms_once() {
    let mut stack = Plan::on(Store::Embedded).start().await;
    for broken in ["hangs", "fails"] {
        match broken {
            "hangs" => stack.edge().kv_hang().await,
            _ => stack.edge().kv_fail().await,
        }
        stack.edge().fresh_isolate().await;
        let fan = stack.fan();
        let begun = Instant::now();
        let sent = fan.receive_code(&stack.graph, &stack.phone()).await;
        // 150 ms of waiting, and the start of an isolate; far below any deadline.
        assert!(begun.elapsed() < Duration::from_secs(2), "KV {broken}: {:?}", begun.elapsed());
        fan.verify(&sent, &sent.code).await.expect(200);
        stack.edge().kv_heal().await;
    }
}
