//! No code, token or full number in any log line: the end of every stack looks for them. Here, that it would find them.

use otp_tests::harness::{Plan, Store};

#[tokio::test(flavor = "multi_thread")]
#[should_panic(expected = "a token in the log line")]
async fn a_story_fails_when_a_token_is_in_the_origins_log() {
    let stack = Plan::on(Store::Embedded).without_edge().start().await;
    // What every origin's log says stands for what none may say.
    stack.note_token("listening");
}

#[tokio::test(flavor = "multi_thread")]
#[should_panic(expected = "a code in the answer")]
async fn a_story_fails_when_a_code_is_in_an_answer() {
    let stack = Plan::on(Store::Embedded).without_edge().start().await;
    let sent = stack.fan().receive_code(&stack.graph, &stack.phone()).await;
    // The answer to a webhook's handshake is what was asked for: an echo of the code.
    let token = stack.graph.settings().verify_token.clone();
    let hook = format!("/webhooks/whatsapp?hub.mode=subscribe&hub.challenge={}&hub.verify_token={token}", sent.code);
    stack.fan().get(&hook).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_origin_logs_masked_numbers_or_none() {
    let mut stack = Plan::on(Store::Redis).start().await;
    let (fan, phone) = (stack.fan(), stack.phone());
    fan.sign_in(&stack.graph, &phone).await;
    stack.admin().block("phone", &phone).await.expect(200);
    fan.request(&phone).await.expect(403);
    let log = stack.origin().log().all();
    assert!(log.len() > 5, "there is a log to look through");
    assert!(
        log.iter().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok_and(|line| line["target"].is_string())),
        "JSON, each line"
    );
}
