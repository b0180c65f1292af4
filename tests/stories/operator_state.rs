//! A blacklist of 1,000 entries, through everything that can happen to its copies.

use otp_shared::problem::ProblemCode;
use otp_tests::harness::{Plan, Stack, Store, now_s, until};
use reqwest::Method;
use serde_json::json;

const ENTRIES: u32 = 1000;

/// `count` entries, as an import takes them.
fn entries(count: u32) -> serde_json::Value {
    (0..count).map(|n| json!({ "type": "phone", "value": number(n), "note": "bulk" })).collect()
}

fn number(n: u32) -> String {
    format!("+25078{:07}", 5_000_000 + n)
}

async fn redis_is(stack: &Stack, state: &str) {
    let fan = stack.unsigned_fan();
    until(&format!("/otp/status says {state}"), async || (fan.get("/otp/status").await.json()["redis"] == state).then_some(())).await;
}

/// A stack with the blacklist, known to Redis and to the edge's KV.
async fn blocked() -> Stack {
    let mut stack = Plan::on(Store::Redis).start().await;
    redis_is(&stack, "connected").await;
    import(&mut stack, ENTRIES).await;
    stack
}

/// Imports so many entries, and waits until the edge's KV has them.
async fn import(stack: &mut Stack, count: u32) {
    stack.admin().send(Method::POST, "/admin/otp/blacklist/import", Some(&entries(count))).await.expect(200);
    let last = Stack::caller(&number(count - 1));
    let published = async || stack.published().await?.blacklisted(&last, now_s()).map(drop);
    until("the edge's KV has the blacklist", published).await;
}

/// Every entry is listed, and some are tried.
async fn assert_all_there(stack: &Stack, count: u32) {
    let (mut listed, mut after) = (0, String::new());
    loop {
        let page =
            stack.admin().get(&format!("/admin/otp/blacklist?limit=1000&after={}", after.replace('+', "%2B"))).await.expect(200).json();
        listed += page["entries"].as_array().map_or(0, Vec::len);
        match page["next"].as_str() {
            Some(next) => next.clone_into(&mut after),
            None => break,
        }
    }
    assert_eq!(listed, count as usize);
    for n in (0..count).step_by(count as usize / 5) {
        stack.signed_fan().request(&number(n)).await.refused(ProblemCode::Blacklisted);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_entries_survive_an_empty_redis() {
    let mut stack = blocked().await;
    stack.redis_mut().restart_empty().await;
    let refilled = async || (stack.redis().keys("operator:*").len() > 1).then_some(());
    until("redis is filled again", refilled).await;
    redis_is(&stack, "connected").await;
    // A replica that starts now knows only what Redis and the edge know.
    stack.kill_origin();
    stack.start_origin().await;
    redis_is(&stack, "connected").await;
    assert_all_there(&stack, ENTRIES).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_entries_survive_a_redis_restored_from_an_old_copy() {
    let mut stack = Plan::on(Store::Redis).start().await;
    redis_is(&stack, "connected").await;
    stack.admin().block("phone", &number(0)).await.expect(200);
    stack.redis().save();
    import(&mut stack, ENTRIES).await;
    stack.redis_mut().restart_with_saved_data().await;
    redis_is(&stack, "connected").await;
    assert_all_there(&stack, ENTRIES).await;
    let stored = async || {
        (stack.redis().contents().values().map(|value| value.windows(4).filter(|part| part == b"bulk").count()).sum::<usize>() >= 1000)
            .then_some(())
    };
    until("redis has every entry again", stored).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_entries_survive_the_restart_of_every_replica_during_the_outage() {
    let mut stack = blocked().await;
    stack.redis_mut().kill();
    redis_is(&stack, "memory fallback").await;
    // Nothing is changed during the outage: what the edge keeps is the copy of before.
    stack.kill_origin();
    stack.start_origin().await;
    redis_is(&stack, "memory fallback").await;
    assert_all_there(&stack, ENTRIES).await;
    stack.redis_mut().restart_empty().await;
    redis_is(&stack, "connected").await;
    assert_all_there(&stack, ENTRIES).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_entries_are_imported_listed_and_enforced_at_origin_and_edge() {
    const MANY: u32 = 10_000;
    let mut stack = Plan::on(Store::Redis).start().await;
    redis_is(&stack, "connected").await;
    import(&mut stack, MANY).await;
    assert_all_there(&stack, MANY).await;
    let fan = stack.fan();
    let at_the_edge = async || {
        let before = stack.origin().log().count();
        let refused = fan.request(&number(MANY / 2)).await.refused(ProblemCode::Blacklisted);
        (refused.status == 403 && stack.origin().log().count() == before).then_some(())
    };
    until("the edge refuses without asking the origin", at_the_edge).await;
    redis_is(&stack, "connected").await;
}
