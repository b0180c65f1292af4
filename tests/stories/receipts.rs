//! What Meta tells after a send: receipts move a message on, owners say what they want, and nothing that is late, repeated, forged or damaged does harm.

use std::time::Duration;

use otp_graph_sim::{Fault, Inbound, Receipt, Rule, SIGNATURE, TEMPLATE, Template, sign};
use otp_shared::{limits::Limit, problem::ProblemCode, routes};
use otp_tests::harness::{Answer, Fan, Plan, Sent, Stack, Store, challenge_of, now_s, until};
use reqwest::Method;
use serde_json::{Value, json};

const FAILED: Receipt = Receipt::Failed { code: 131_026 };

/// A plan whose webhooks come through the edge, started.
pub async fn listening(plan: Plan) -> Stack {
    let stack = plan.start().await;
    let edge = stack.edge.as_ref().expect("the plan has an edge").url();
    stack.graph.set_webhook(&format!("{edge}{}", routes::WEBHOOK));
    stack
}

/// Where the challenge's newest message is.
pub async fn state(fan: &Fan, challenge_id: &str) -> Value {
    fan.get(&format!("{}/{challenge_id}", routes::OTP_REQUEST)).await.expect(200).json()
}

/// Waits until the message is said to be there.
async fn is(fan: &Fan, challenge_id: &str, delivery: &str) -> Value {
    let what = format!("the message is {delivery}");
    until(&what, async || Some(state(fan, challenge_id).await).filter(|state| state["delivery"] == delivery)).await
}

/// A webhook with Meta's own signature over whatever bytes.
pub async fn post(stack: &Stack, body: &str) -> Answer {
    let fan = stack.signed_fan().with(SIGNATURE, &sign(&stack.graph.settings().app_secret, body));
    fan.send(Method::POST, routes::WEBHOOK, body.as_bytes()).await
}

/// A counter of this replica; 0 while nothing was counted.
pub async fn counted(stack: &Stack, line: &str) -> u64 {
    let metrics = stack.unsigned_fan().get("/metrics").await.expect(200).text();
    let found = metrics.lines().find_map(|metric| metric.strip_prefix(line)?.trim().parse().ok());
    found.unwrap_or_default()
}

/// A code that has arrived; from now on, its message's name may be in no log.
pub async fn received(stack: &Stack, fan: &Fan) -> (Sent, String) {
    let sent = fan.receive_code(&stack.graph, &stack.phone()).await;
    let id = stack.graph.messages_to(&sent.phone).pop().expect("it has arrived").id;
    stack.note_token(&id);
    (sent, id)
}

/// The body of a webhook about messages, with these members.
pub fn about_messages(members: &Value) -> String {
    json!({ "object": "whatsapp_business_account", "entry": [{ "id": "1", "changes": [{ "field": "messages", "value": members }] }] })
        .to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn receipts_move_a_message_forwards_in_any_order_and_however_often_they_come() {
    let stack = listening(Plan::on(Store::Redis)).await;
    let fan = stack.fan();
    for steps in [
        vec![(Receipt::Sent, "sent"), (Receipt::Delivered, "delivered"), (Receipt::Sent, "delivered"), (FAILED, "delivered")],
        vec![(Receipt::Read, "delivered"), (Receipt::Delivered, "delivered"), (Receipt::Sent, "delivered")],
        vec![(FAILED, "failed"), (Receipt::Sent, "failed"), (Receipt::Read, "delivered")],
    ] {
        let (sent, id) = received(&stack, &fan).await;
        assert_eq!(is(&fan, &sent.challenge_id, "accepted").await["channel"], "whatsapp");
        for (receipt, expected) in steps {
            for _ in 0..2 {
                stack.graph.receipt(&id, receipt).await.expect("the webhook is taken");
                assert_eq!(state(&fan, &sent.challenge_id).await["delivery"], expected, "after {receipt:?}");
            }
        }
    }
    assert_eq!(counted(&stack, r#"otp_receipts_total{state="failed"}"#).await, 2, "each state of a message counts once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_is_told_with_its_reason_and_gives_the_numbers_share_back_once() {
    for store in [Store::Embedded, Store::Redis] {
        let stack = listening(Plan::on(store)).await;
        let fan = stack.fan();
        for (code, reason) in [(131_026, "undeliverable"), (132_005, "refused")] {
            let (sent, id) = received(&stack, &fan).await;
            is(&fan, &sent.challenge_id, "accepted").await;
            fan.request(&sent.phone).await.refused(ProblemCode::RateLimited);
            for _ in 0..3 {
                stack.graph.receipt(&id, Receipt::Failed { code }).await.expect("the webhook is taken");
            }
            let told = state(&fan, &sent.challenge_id).await;
            assert_eq!(told, json!({ "delivery": "failed", "channel": "whatsapp", "reason": reason }));
            fan.request(&sent.phone).await.expect(202);
            stack.graph.receipt(&id, Receipt::Failed { code }).await.expect("the webhook is taken");
            fan.request(&sent.phone).await.refused(ProblemCode::RateLimited);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_may_overtake_the_answer_to_its_own_send() {
    let stack = listening(Plan::on(Store::Redis)).await;
    let (fan, phone) = (stack.fan(), stack.phone());
    stack.graph.script(Rule::once(Fault::Slow).after(Duration::from_secs(2)));
    let asking = tokio::spawn({
        let (fan, phone) = (fan.clone(), phone.clone());
        async move { fan.request(&phone).await }
    });
    let message = stack.graph.arrived(&phone, 1).await;
    stack.graph.receipt(&message.id, Receipt::Delivered).await.expect("the webhook is taken");
    let accepted = asking.await.expect("the request is answered").expect(202);
    assert_eq!(accepted.json()["delivery"], "accepted");
    is(&fan, &challenge_of(&accepted), "delivered").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_send_whose_answer_was_lost_is_confirmed_by_its_receipt_and_its_code_verifies() {
    let stack = listening(Plan::on(Store::Redis)).await;
    let (fan, phone) = (stack.fan(), stack.phone());
    stack.graph.script(Rule::once(Fault::Drop { accepted: true }));
    let accepted = fan.request(&phone).await.expect(202);
    assert_eq!(accepted.json()["delivery"], "unconfirmed");
    let challenge_id = challenge_of(&accepted);
    is(&fan, &challenge_id, "unconfirmed").await;
    let [message] = &stack.graph.messages_to(&phone)[..] else { panic!("it is never sent again") };
    stack.graph.receipt(&message.id, Receipt::Delivered).await.expect("the webhook is taken");
    is(&fan, &challenge_id, "delivered").await;
    let sent = Sent { phone: phone.clone(), challenge_id, code: message.code.clone() };
    fan.verify(&sent, &sent.code).await.expect(200);
    assert_eq!(stack.graph.messages_to(&phone).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_nothing_is_heard_of_is_told_as_dropped_and_a_late_receipt_corrects_it() {
    let mut stack = listening(Plan::on(Store::Embedded).origin("WHATSAPP_LANGUAGES", "rw_RW")).await;
    stack.stop_origin();
    stack.graph.put_template(Template { send_ttl_s: Some(2), ..Template::new(2, TEMPLATE, "rw_RW") });
    stack.start_origin().await;
    let fan = stack.fan();
    until("the template's time to live is known", async || {
        let status = fan.get(routes::OTP_STATUS).await.expect(200).json();
        (status["template"]["languages"][0]["ttlS"] == 2).then_some(())
    })
    .await;
    let (sent, id) = received(&stack, &fan).await;
    let told = is(&fan, &sent.challenge_id, "failed").await;
    assert_eq!(told["reason"], "dropped");
    fan.request(&sent.phone).await.refused(ProblemCode::RateLimited);
    stack.graph.receipt(&id, Receipt::Delivered).await.expect("the webhook is taken");
    assert_eq!(is(&fan, &sent.challenge_id, "delivered").await["reason"], Value::Null);
    fan.verify(&sent, &sent.code).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn webhooks_that_are_forged_or_damaged_change_nothing_and_are_counted() {
    let stack = Plan::on(Store::Embedded).without_edge().start().await;
    let fan = stack.fan();
    let (sent, id) = received(&stack, &fan).await;
    is(&fan, &sent.challenge_id, "accepted").await;
    let failed = json!({ "id": id, "status": "failed", "timestamp": now_s().to_string(), "errors": [{ "code": 131_026 }] });
    let good = about_messages(&json!({ "statuses": [failed] }));
    for signature in [Some(sign("another-app-secret", &good)), Some("sha256=00".to_owned()), Some(String::new()), None] {
        let sender = signature.map_or_else(|| fan.clone(), |signature| fan.with(SIGNATURE, &signature));
        sender.send(Method::POST, routes::WEBHOOK, good.as_bytes()).await.refused(ProblemCode::Forbidden);
    }
    assert_eq!(counted(&stack, r#"otp_webhooks_total{kind="forged"}"#).await, 4);
    for cut in [0, 1, good.len() / 2, good.len() - 1] {
        post(&stack, &good[..cut]).await.refused(ProblemCode::InvalidBody);
    }
    assert_eq!(counted(&stack, r#"otp_webhooks_total{kind="malformed"}"#).await, 4);

    let wrong = |member: &str, value: Value| {
        let mut status = failed.clone();
        status[member] = value;
        about_messages(&json!({ "statuses": [status] }))
    };
    let odd = [
        json!([]).to_string(),
        json!({ "entry": {} }).to_string(),
        json!({ "entry": [{ "changes": 1 }] }).to_string(),
        about_messages(&json!({ "statuses": { "id": id } })),
        about_messages(&json!({ "statuses": ["failed", null, 1] })),
        wrong("status", json!(4)),
        wrong("status", json!("exploded")),
        wrong("id", json!(17)),
        wrong("timestamp", json!({})),
    ];
    let before = counted(&stack, r#"otp_webhooks_total{kind="unknown"}"#).await;
    for body in &odd {
        post(&stack, body).await.expect(200);
    }
    assert!(counted(&stack, r#"otp_webhooks_total{kind="unknown"}"#).await >= before + odd.len() as u64);
    assert_eq!(state(&fan, &sent.challenge_id).await["delivery"], "accepted");
    fan.request(&sent.phone).await.refused(ProblemCode::RateLimited);

    // The same, with nothing wrong: so it was what was wrong that made the difference.
    post(&stack, &good).await.expect(200);
    assert_eq!(state(&fan, &sent.challenge_id).await["delivery"], "failed");
}

#[tokio::test(flavor = "multi_thread")]
async fn receipts_of_messages_that_nobody_sent_are_counted_and_times_may_be_numbers_or_texts() {
    let stack = Plan::on(Store::Embedded).without_edge().start().await;
    let fan = stack.fan();
    let status = |id: &str, status: &str, timestamp: Value| json!({ "id": id, "status": status, "timestamp": timestamp });
    let strangers = [status("wamid.one", "delivered", json!("1790000000")), status("wamid.two", "failed", json!(1_790_000_000))];
    let made_up = json!({ "id": "wamid.three", "status": "failed", "timestamp": "1790000000", "biz_opaque_callback_data": "0".repeat(32) });
    post(&stack, &about_messages(&json!({ "statuses": [strangers[0], strangers[1], made_up] }))).await.expect(200);
    assert_eq!(counted(&stack, r#"otp_receipts_total{state="unknown"}"#).await, 3);
    for timestamp in [json!(now_s()), json!(now_s().to_string())] {
        let (sent, id) = received(&stack, &fan).await;
        is(&fan, &sent.challenge_id, "accepted").await;
        // Not told which challenge: the message alone says it.
        post(&stack, &about_messages(&json!({ "statuses": [status(&id, "sent", timestamp)] }))).await.expect(200);
        assert_eq!(state(&fan, &sent.challenge_id).await["delivery"], "sent");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_templates_id_may_be_a_number_or_a_text_and_its_language_may_have_a_hyphen() {
    let stack = Plan::on(Store::Embedded).without_edge().unset("OTP_WHATSAPP_TEMPLATE_APPROVED").start().await;
    let paused = async |code: &str| {
        let status = stack.unsigned_fan().get(routes::OTP_STATUS).await.expect(200).json();
        let languages = status["template"]["languages"].as_array().cloned().unwrap_or_default();
        languages.iter().any(|language| language["code"] == code && language["status"] == "paused")
    };
    for (id, code, spelled) in [(json!(594_425_479_000_002_u64), "rw_RW", "rw-RW"), (json!("594425479000003"), "en_US", "en-US")] {
        let value = json!({
            "event": "PAUSED", "message_template_id": id, "message_template_name": TEMPLATE, "message_template_language": spelled, "reason": "NONE",
        });
        let change = json!({ "field": "message_template_status_update", "value": value });
        let event = json!({ "object": "whatsapp_business_account", "entry": [{ "id": "1", "time": now_s(), "changes": [change] }] });
        assert!(!paused(code).await);
        post(&stack, &event.to_string()).await.expect(200);
        assert!(paused(code).await, "{spelled}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owners_stop_blocks_and_a_start_lifts_it() {
    let stack =
        listening(Plan::on(Store::Redis).limit(Limit::RequestPhoneCooldown, "100/60s").limit(Limit::RequestPhoneHour, "100/1h")).await;
    let fan = stack.fan();
    let (sent, _) = received(&stack, &fan).await;
    stack.graph.inbound(&sent.phone, &Inbound::Stop).await.expect("the webhook is taken");
    fan.request(&sent.phone).await.refused(ProblemCode::Blacklisted);
    let listed = stack.admin().get("/admin/otp/audit").await.expect(200).text();
    assert!(listed.contains("STOP from the number's owner"), "{listed}");
    stack.graph.inbound(&sent.phone, &Inbound::Start).await.expect("the webhook is taken");
    until("the number gets codes again", async || Some(fan.request(&sent.phone).await).filter(|answer| answer.status == 202)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_that_comes_late_does_not_undo_a_newer_start_nor_what_an_operator_did() {
    let stack = Plan::on(Store::Redis)
        .without_edge()
        .limit(Limit::RequestPhoneCooldown, "100/60s")
        .limit(Limit::RequestPhoneHour, "100/1h")
        .start()
        .await;
    let (fan, phone) = (stack.fan(), stack.phone());
    let wrote = async |word: &str, id: &str, at_s: u64| {
        let message = json!({
            "from": phone.trim_start_matches('+'), "id": id, "timestamp": at_s.to_string(), "type": "text", "text": { "body": word },
        });
        post(&stack, &about_messages(&json!({ "messages": [message] }))).await.expect(200);
    };
    let now_s = now_s();
    wrote("START", "wamid.start", now_s - 10).await;
    wrote("STOP", "wamid.late", now_s - 20).await;
    fan.request(&phone).await.expect(202);
    wrote("STOP", "wamid.old", now_s - 25 * 3600).await;
    fan.request(&phone).await.expect(202);
    wrote("STOP", "wamid.stop", now_s - 5).await;
    fan.request(&phone).await.refused(ProblemCode::Blacklisted);
    wrote("START", "wamid.start", now_s - 1).await;
    fan.request(&phone).await.refused(ProblemCode::Blacklisted);
    wrote("START", "wamid.again", now_s - 1).await;
    fan.request(&phone).await.expect(202);
    stack.admin().block("phone", &phone).await.expect(200);
    wrote("START", "wamid.third", now_s).await;
    fan.request(&phone).await.refused(ProblemCode::Blacklisted);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_that_nobody_asked_for_is_charged_to_who_did_and_never_to_the_owner() {
    for store in [Store::Embedded, Store::Redis] {
        let stack = listening(Plan::on(store).limit(Limit::RequestIp, "8/1h")).await;
        let (attacker, owner) = (stack.fan(), stack.fan());
        let (sent, id) = received(&stack, &attacker).await;
        is(&attacker, &sent.challenge_id, "accepted").await;
        for _ in 0..3 {
            stack.graph.inbound(&sent.phone, &Inbound::DidNotRequestCode { id: id.clone() }).await.expect("the webhook is taken");
        }
        // 1 of its own and 5 more are charged, once: 2 of 8 are left.
        for _ in 0..2 {
            attacker.request(&stack.phone()).await.expect(202);
        }
        let refused = attacker.request(&stack.phone()).await.refused(ProblemCode::RateLimited);
        assert_eq!(refused.json()["limit"], "request.ip");
        owner.verify(&sent, &sent.code).await.expect(200);
        owner.request(&stack.phone()).await.expect(202);
        assert_eq!(counted(&stack, r#"otp_webhooks_total{kind="did_not_request"}"#).await, 3);
        assert!(stack.logs().iter().any(|line| line.contains("otp::abuse")), "it is alarmed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn consent_is_told_in_four_languages_and_a_stale_version_is_refused() {
    let mut stack = Plan::on(Store::Embedded).without_edge().start().await;
    let fan = stack.fan();
    let mut texts = Vec::new();
    let mut version = String::new();
    for locale in ["en", "fr", "rw", "sw"] {
        let told = fan.get(&format!("{}?locale={locale}", routes::OTP_CONSENT)).await.expect(200).json();
        assert_eq!(told["locale"], locale);
        texts.push(told["text"].to_string());
        told["version"].as_str().expect("a text").clone_into(&mut version);
    }
    texts.sort();
    texts.dedup();
    assert_eq!(texts.len(), 4, "each in its own words");
    let phone = stack.phone();
    let ask = async |version: &str| fan.post(routes::OTP_REQUEST, &json!({ "phone": phone, "consentVersion": version })).await;
    ask("2020-01-01").await.refused(ProblemCode::ConsentStale);
    ask(&version).await.expect(202);
    let recorded = stack.origin().log().all().into_iter().any(|line| line.contains("otp::consent") && line.contains(&version));
    assert!(recorded, "which text was shown is on record");
}
