//! Meta's webhooks through the edge: the raw bytes arrive, and only what Meta signed is believed.

use otp_graph_sim::{SIGNATURE, sign};
use otp_shared::{problem::ProblemCode, routes};
use otp_tests::harness::{Plan, Store};
use reqwest::Method;

/// As Meta writes it: escaped, spaced in its own way, with members nobody knows.
const BODY: &str = r#"{"object":"whatsapp_business_account",  "entry":[{"id":"100000000000001","changes":[{"field":"messages","new_in_2027":[1],
 "value":{"messaging_product":"whatsapp","metadata":{"display_phone_number":"250700000000","phone_number_id":"200000000000002"},
 "contacts":[{"profile":{"name":"Jos\u00e9"}}],"statuses":[]}}]}]}"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_webhook_is_taken_byte_for_byte_and_an_unsigned_one_is_not() {
    let stack = Plan::on(Store::Embedded).start().await;
    let secret = stack.graph.settings().app_secret.clone();
    let fan = stack.fan();
    let signature = sign(&secret, BODY);
    let post =
        async |signature: &str, body: &str| fan.with(SIGNATURE, signature).send(Method::POST, routes::WEBHOOK, body.as_bytes()).await;
    post(&signature, BODY).await.expect(200);
    post(&signature, &BODY.replace("  ", " ")).await.refused(ProblemCode::Forbidden);
    post(&sign("another-app-secret", BODY), BODY).await.refused(ProblemCode::Forbidden);
    post("", BODY).await.refused(ProblemCode::Forbidden);
    post("sha256=", BODY).await.refused(ProblemCode::Forbidden);
    fan.send(Method::POST, routes::WEBHOOK, BODY.as_bytes()).await.refused(ProblemCode::Forbidden);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_of_3_mb_passes_and_a_larger_one_does_not() {
    let stack = Plan::on(Store::Embedded).start().await;
    let secret = stack.graph.settings().app_secret.clone();
    let post = async |size: usize| {
        let body = format!("{}{}", " ".repeat(size - BODY.len()), BODY);
        let fan = stack.fan().with(SIGNATURE, &sign(&secret, &body));
        fan.send(Method::POST, routes::WEBHOOK, body.as_bytes()).await
    };
    post(3 * 1024 * 1024).await.expect(200);
    post(3 * 1024 * 1024 + 1).await.refused(ProblemCode::TooLarge);
}
