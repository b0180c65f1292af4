//! A phone that lost the answer asks again, and neither pays nor is locked out.

use std::time::Duration;

use otp_graph_sim::{Fault, Rule};
use otp_shared::{limits::Limit, problem::ProblemCode, routes};
use otp_tests::harness::{Plan, Store, challenge_of, session_of};
use serde_json::json;

const KEY: &str = "4f1c8a52-0b7d-4b6e-9d0a-7c3f5e2a1b90";

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_request_gets_the_first_answer_and_no_second_message() {
    for store in [Store::Embedded, Store::Redis] {
        let stack = Plan::on(store).limit(Limit::RequestPhoneHour, "2/1h").limit(Limit::RequestPhoneCooldown, "100/1s").start().await;
        let (fan, phone) = (stack.fan(), stack.phone());
        let first = fan.once(KEY).request(&phone).await.expect(202);
        for _ in 0..4 {
            let again = fan.once(KEY).request(&phone).await.expect(202);
            assert_eq!(challenge_of(&again), challenge_of(&first));
            let lives = |answer: &otp_tests::harness::Answer| answer.json()["expiresInS"].as_u64();
            assert!(lives(&again) <= lives(&first), "durations are computed anew: {again}");
        }
        assert_eq!(stack.graph.messages_to(&phone).len(), 1);
        // No limit was charged for the repeats: the hour's second message goes out, the third does not.
        fan.request(&phone).await.expect(202);
        fan.request(&phone).await.refused(ProblemCode::RateLimited);
        fan.once(KEY).request(&phone).await.expect(202);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_key_with_another_body_is_a_mismatch() {
    let stack = Plan::on(Store::Redis).start().await;
    let (fan, phone) = (stack.fan(), stack.phone());
    fan.once(KEY).request(&phone).await.expect(202);
    let other = json!({ "phone": phone, "locale": "fr" });
    fan.once(KEY).post(routes::OTP_REQUEST, &other).await.refused(ProblemCode::IdempotencyMismatch);
    assert_eq!(stack.graph.messages_to(&phone).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_while_the_first_is_in_flight_is_told_so() {
    for store in [Store::Embedded, Store::Redis] {
        let stack = Plan::on(store).start().await;
        let (fan, phone) = (stack.fan(), stack.phone());
        stack.graph.script(Rule::once(Fault::Slow).after(Duration::from_secs(3)));
        let first = tokio::spawn({
            let (fan, phone) = (fan.once(KEY), phone.clone());
            async move { fan.request(&phone).await }
        });
        // The message is at the provider, whose answer takes its time.
        stack.graph.arrived(&phone, 1).await;
        fan.once(KEY).request(&phone).await.refused(ProblemCode::InProgress);
        let first = first.await.expect("the request is answered").expect(202);
        let again = fan.once(KEY).request(&phone).await.expect(202);
        assert_eq!(challenge_of(&again), challenge_of(&first));
        assert_eq!(stack.graph.messages_to(&phone).len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_after_a_failure_tries_again() {
    let stack = Plan::on(Store::Redis).start().await;
    let (fan, phone) = (stack.fan(), stack.phone());
    stack.graph.script(Rule::once(Fault::error(100)));
    fan.once(KEY).request(&phone).await.refused(ProblemCode::DeliveryUnavailable);
    fan.once(KEY).request(&phone).await.expect(202);
    assert_eq!(stack.graph.messages_to(&phone).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_verify_gets_the_first_session_again() {
    for store in [Store::Embedded, Store::Redis] {
        let stack = Plan::on(store).start().await;
        let fan = stack.fan();
        let sent = fan.receive_code(&stack.graph, &stack.phone()).await;
        // Refusals are not stored: the key can be used again.
        fan.once(KEY).verify(&sent, &sent.wrong_code(0)).await.refused(ProblemCode::CodeIncorrect);
        let first = fan.once(KEY).verify(&sent, &sent.code).await.expect(200);
        let again = fan.once(KEY).verify(&sent, &sent.code).await.expect(200);
        fan.verify(&sent, &sent.code).await.refused(ProblemCode::ChallengeUnknown);
        for verified in [first, again] {
            fan.from_onboarding(&session_of(&verified)).await.expect(204);
        }
        fan.once(KEY).verify(&sent, &sent.wrong_code(1)).await.refused(ProblemCode::IdempotencyMismatch);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_no_key_is_refused() {
    let stack = Plan::on(Store::Embedded).start().await;
    let long = "k".repeat(129);
    for fan in [stack.fan(), stack.signed_fan()] {
        for key in ["", "fifteen-letters", &long, "sixteen letters!", "0123456789abcdef;", "ключ-ключ-ключ-ключ"] {
            fan.once(key).request(&stack.phone()).await.refused(ProblemCode::InvalidBody);
        }
    }
    assert!(stack.graph.messages().is_empty());
    stack.fan().once(&"k".repeat(16)).request(&stack.phone()).await.expect(202);
    stack.fan().once(&"k".repeat(128)).request(&stack.phone()).await.expect(202);
}
