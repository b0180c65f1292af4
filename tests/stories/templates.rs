//! Section 4 of the runbook: whether codes may be sent, as the operator's flag says or, without one, as Meta does.
//!
//! Not here: the arithmetic of what outweighs what (`whatsapp::template_status`), and Meta's refusals one by one (`provider`).

use std::time::Duration;

use otp_graph_sim::{Fault, Operation, Review, Rule, TEMPLATE, Template};
use otp_shared::{problem::ProblemCode, routes};
use otp_tests::harness::{Plan, Stack, Store, now_s, until};
use serde_json::{Value, json};
use tokio::task::JoinSet;

const FLAG: &str = "OTP_WHATSAPP_TEMPLATE_APPROVED";
const DOC: &str = "https://developers.facebook.com/docs/whatsapp/messaging-limits";
const LANGUAGES: [&str; 2] = ["rw_RW", "en_US"];

async fn template(stack: &Stack) -> Value {
    stack.unsigned_fan().get(routes::OTP_STATUS).await.expect(200).json()["template"].clone()
}

async fn language(stack: &Stack, code: &str) -> Value {
    let template = template(stack).await;
    let languages = template["languages"].as_array().cloned().unwrap_or_default();
    languages.into_iter().find(|language| language["code"] == code).unwrap_or_else(|| panic!("no {code}: {template}"))
}

/// Waits until `/otp/status` says so of a language, and returns all that it says.
async fn language_is(stack: &Stack, code: &str, status: &str, source: &str) -> Value {
    let what = format!("{code} is {status}, as the {source} says");
    until(&what, async || Some(language(stack, code).await).filter(|it| it["status"] == status && it["source"] == source)).await
}

/// Approval is learned from Meta, whose webhooks come through the edge.
async fn learning() -> Stack {
    let stack = Plan::on(Store::Embedded).unset(FLAG).start().await;
    let edge = stack.edge.as_ref().expect("the plan has an edge").url();
    stack.graph.set_webhook(&format!("{edge}{}", routes::WEBHOOK));
    stack
}

fn quietly(stack: &Stack, code: &str, review: &Review) {
    stack.graph.review_quietly(TEMPLATE, code, review).expect("the stand-in has the template");
}

async fn openly(stack: &Stack, code: &str, review: &Review) {
    stack.graph.review(TEMPLATE, code, review).await.expect("the webhook is taken");
}

/// Meta's events tell whole seconds: two in the same one have no order.
async fn next_second() {
    let second = now_s();
    until("the second is over", async || (now_s() > second).then_some(())).await;
}

/// The language in which a code comes to a new number.
async fn sent_in(stack: &Stack, locale: &str) -> Option<String> {
    let phone = stack.phone();
    stack.fan().post(routes::OTP_REQUEST, &json!({ "phone": phone, "locale": locale })).await.expect(202);
    stack.graph.arrived(&phone, 1).await.language
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_flag_on_codes_are_sent_and_the_status_says_whose_word_it_is() {
    let stack = Plan::on(Store::Embedded).without_edge().origin(FLAG, "1").origin("OTP_WHATSAPP_RATE_LIMIT_DOC", DOC).start().await;
    let told = template(&stack).await;
    assert_eq!((&told["approved"], &told["source"], &told["rateLimitDoc"]), (&json!(true), &json!("env"), &json!(DOC)), "{told}");
    assert_eq!((&told["name"], &told["reason"]), (&json!(TEMPLATE), &json!(format!("{FLAG}=1"))), "{told}");
    assert!(told["since"].as_u64().is_some_and(|since| since.abs_diff(now_s()) < 60), "{told}");
    assert_eq!(sent_in(&stack, "rw").await.as_deref(), Some("rw_RW"));
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_flag_off_nothing_is_sent_and_nothing_is_charged() {
    let stack = Plan::on(Store::Redis).without_edge().origin(FLAG, "0").start().await;
    let (fan, phone) = (stack.fan(), stack.phone());
    for _ in 0..12 {
        fan.request(&phone).await.refused(ProblemCode::TemplateNotApproved);
    }
    assert_eq!(stack.graph.messages().len(), 0);
    for kind in ["cell", "sends", "challenge", "recipients", "request"] {
        assert!(stack.redis().keys(&format!("otp:{{v1}}:{kind}*")).is_empty(), "nothing was charged: {kind}");
    }
    let told = template(&stack).await;
    assert_eq!((&told["approved"], &told["status"], &told["source"]), (&json!(false), &json!("withheld"), &json!("env")), "{told}");
    assert_eq!(told["reason"], format!("{FLAG}=0"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejection_that_the_lookup_found_ends_with_the_webhook_of_the_approval() {
    let mut stack = learning().await;
    stack.stop_origin();
    for code in LANGUAGES {
        quietly(&stack, code, &Review::Reject { reason: "PROMOTIONAL".to_owned() });
    }
    stack.start_origin().await;
    for code in LANGUAGES {
        let told = language_is(&stack, code, "rejected", "graph").await;
        assert_eq!((&told["approved"], &told["reason"]), (&json!(false), &json!("PROMOTIONAL")), "{told}");
        assert!(told["since"].as_u64().is_some_and(|since| since.abs_diff(now_s()) < 60), "{told}");
    }
    stack.fan().request(&stack.phone()).await.refused(ProblemCode::TemplateNotApproved);
    assert_eq!(template(&stack).await["approved"], false);
    next_second().await;
    openly(&stack, "rw_RW", &Review::Approve).await;
    language_is(&stack, "rw_RW", "approved", "webhook").await;
    let told = template(&stack).await;
    assert_eq!((&told["approved"], &told["source"]), (&json!(true), &json!("webhook")), "{told}");
    assert_eq!(sent_in(&stack, "en").await.as_deref(), Some("rw_RW"), "the one that is approved");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_comes_before_the_lookups_answer_is_not_undone_by_it() {
    let mut stack = learning().await;
    stack.stop_origin();
    stack.graph.script(Rule::once(Fault::Slow).on(Operation::Templates).after(Duration::from_secs(2)));
    stack.start_origin().await;
    stack.graph.set_hyphens(true);
    for code in LANGUAGES {
        openly(&stack, code, &Review::Pause).await;
        let told = language_is(&stack, code, "paused", "webhook").await;
        assert_eq!(told["category"], Value::Null, "the lookup is not answered yet: {told}");
    }
    until("the lookup was answered", async || language(&stack, "rw_RW").await["category"].as_str().map(drop)).await;
    for code in LANGUAGES {
        assert_eq!(language(&stack, code).await["status"], "paused");
    }
    stack.fan().request(&stack.phone()).await.refused(ProblemCode::TemplateNotApproved);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_language_is_passed_over_and_used_again_once_it_is_reinstated() {
    let stack = learning().await;
    language_is(&stack, "rw_RW", "approved", "graph").await;
    assert_eq!(sent_in(&stack, "rw").await.as_deref(), Some("rw_RW"));
    next_second().await;
    openly(&stack, "rw_RW", &Review::Pause).await;
    let told = language_is(&stack, "rw_RW", "paused", "webhook").await;
    assert_eq!(told["reason"], "FIRST_PAUSE", "{told}");
    assert_eq!(sent_in(&stack, "rw").await.as_deref(), Some("en_US"));
    openly(&stack, "en_US", &Review::Disable).await;
    language_is(&stack, "en_US", "disabled", "webhook").await;
    let (fan, phone) = (stack.fan(), stack.phone());
    fan.request(&phone).await.refused(ProblemCode::TemplateNotApproved);
    next_second().await;
    openly(&stack, "rw_RW", &Review::Reinstate).await;
    language_is(&stack, "rw_RW", "approved", "webhook").await;
    fan.request(&phone).await.expect(202);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_template_that_is_paused_in_the_middle_of_traffic_fails_no_fan() {
    let stack = Plan::on(Store::Embedded).without_edge().unset(FLAG).start().await;
    language_is(&stack, "rw_RW", "approved", "graph").await;
    let mut fans = JoinSet::new();
    for number in 0..40 {
        if number == 20 {
            quietly(&stack, "rw_RW", &Review::Pause);
        }
        let (fan, phone) = (stack.fan(), stack.phone());
        fans.spawn(async move { (fan.post(routes::OTP_REQUEST, &json!({ "phone": phone, "locale": "rw" })).await, phone) });
    }
    let mut languages = Vec::new();
    for (answer, phone) in fans.join_all().await {
        answer.expect(202);
        let messages = stack.graph.messages_to(&phone);
        assert_eq!(messages.len(), 1, "one message each");
        languages.extend(messages.into_iter().filter_map(|message| message.language));
    }
    assert!(languages.iter().any(|language| language == "en_US"), "those after the pause: {languages:?}");
    let told = language(&stack, "rw_RW").await;
    assert_eq!((&told["status"], &told["reason"]), (&json!("paused"), &json!("(132015)")), "learned from the refusal: {told}");
    assert_eq!(sent_in(&stack, "rw").await.as_deref(), Some("en_US"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_operator_should_look_at_is_told() {
    let mut stack = Plan::on(Store::Embedded).without_edge().origin("WHATSAPP_LANGUAGES", "rw_RW,de").start().await;
    stack.stop_origin();
    stack.graph.put_template(Template { send_ttl_s: None, ..Template::new(7, TEMPLATE, "rw_RW") });
    stack.graph.put_template(Template { category: "UTILITY".to_owned(), ..Template::new(8, TEMPLATE, "de") });
    stack.start_origin().await;
    let told = until("the lookup was answered", async || {
        let warnings = template(&stack).await["warnings"].to_string();
        warnings.contains("UTILITY").then_some(warnings)
    })
    .await;
    for part in ["rw_RW: WhatsApp delivers for up to 600 s", "consent is shown in en, fr, sw", "the template is sent in de"] {
        assert!(told.contains(part), "{part}: {told}");
    }
}
