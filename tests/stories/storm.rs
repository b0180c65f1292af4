//! Meta repeats itself, a lot: ten thousand webhooks that say what was said before change nothing.

use std::time::Instant;

use futures_util::{StreamExt, stream};
use otp_shared::problem::ProblemCode;
use otp_tests::harness::{Plan, Store, now_s, until};
use serde_json::{Value, json};

use super::receipts::{about_messages, counted, post, received, state};

const COPIES: usize = 10_000;
/// How many are on their way at once.
const AT_ONCE: usize = 32;

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_statuses_in_one_webhook_are_taken() {
    for store in [Store::Embedded, Store::Redis] {
        let stack = Plan::on(store).without_edge().start().await;
        let fan = stack.fan();
        let (sent, id) = received(&stack, &fan).await;
        let mut statuses: Vec<Value> =
            (0..COPIES).map(|number| json!({ "id": format!("wamid.{number}"), "status": "sent", "timestamp": "1790000000" })).collect();
        statuses[COPIES / 2] = json!({ "id": id, "status": "delivered", "timestamp": now_s() });
        until("the send is settled", async || (state(&fan, &sent.challenge_id).await["delivery"] == "accepted").then_some(())).await;
        let begun = Instant::now();
        post(&stack, &about_messages(&json!({ "statuses": statuses }))).await.expect(200);
        println!("{COPIES} statuses in one webhook on {store:?}: {:?}", begun.elapsed());
        assert_eq!(state(&fan, &sent.challenge_id).await["delivery"], "delivered");
        assert_eq!(counted(&stack, r#"otp_receipts_total{state="unknown"}"#).await, COPIES as u64 - 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_ten_thousand_repeated_webhooks_changes_nothing() {
    let stack = Plan::on(Store::Redis).without_edge().start().await;
    let fan = stack.fan();
    let (sent, id) = received(&stack, &fan).await;
    until("the send is settled", async || (state(&fan, &sent.challenge_id).await["delivery"] == "accepted").then_some(())).await;
    let failed = json!({ "id": id, "status": "failed", "timestamp": now_s().to_string(), "errors": [{ "code": 131_026 }] });
    let stop = json!({
        "from": sent.phone.trim_start_matches('+'), "id": "wamid.hello", "timestamp": now_s().to_string(), "type": "text", "text": { "body": "hello" },
    });
    let body = about_messages(&json!({ "statuses": [failed], "messages": [stop] }));
    post(&stack, &body).await.expect(200);
    // The share was given back once: this takes it, and the storm must not give it back again.
    fan.request(&sent.phone).await.expect(202);
    let told = state(&fan, &sent.challenge_id).await;
    let begun = Instant::now();
    let answers: Vec<u16> =
        stream::iter(0..COPIES).map(|_| async { post(&stack, &body).await.status }).buffer_unordered(AT_ONCE).collect().await;
    println!("{COPIES} webhooks: {:?}", begun.elapsed());
    assert!(answers.iter().all(|status| *status == 200));
    assert_eq!(state(&fan, &sent.challenge_id).await, told);
    fan.request(&sent.phone).await.refused(ProblemCode::RateLimited);
    assert_eq!(counted(&stack, r#"otp_receipts_total{state="failed"}"#).await, 1);
    assert_eq!(counted(&stack, r#"otp_webhooks_total{kind="inbound"}"#).await, 1);
    assert_eq!(counted(&stack, r#"otp_webhooks_total{kind="repeated"}"#).await, COPIES as u64);
}
