//! Webhooks: their bodies, their signature and their retries.

use std::time::Duration;

use serde_json::{Value, json};

use super::receiver::Receiver;
use super::{FAN, message, send};
use otp_graph_sim::{Delivery, Fault, Graph, Inbound, Posted, Receipt, Retry, Review, Rule, Settings, TemplateStatus, WebhookError, sign};

/// A simulator and the receiver of its webhooks. It retries without waiting.
async fn start() -> (Graph, Receiver) {
    let receiver = Receiver::start().await;
    let retry = Retry { attempts: 4, first: Duration::from_millis(1) };
    let settings = Settings { webhook: Some(receiver.url.clone()), retry, ..Settings::default() };
    (Graph::start(settings).await.expect("a free port on loopback"), receiver)
}

async fn sent(graph: &Graph) -> String {
    send(graph, &message()).await.body["messages"][0]["id"].as_str().expect("an id").to_owned()
}

#[tokio::test]
async fn a_receipt_is_signed_and_names_the_message() {
    let (graph, mut receiver) = start().await;
    let id = sent(&graph).await;
    assert_eq!(graph.receipt(&id, Receipt::Sent).await, Ok(Posted { attempts: 1 }));
    let (signature, body) = receiver.next().await;
    assert_eq!(signature, sign("development-app-secret", &body));
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((&body["object"], &body["entry"][0]["id"]), (&json!("whatsapp_business_account"), &json!("100000000000001")));
    assert_eq!(body["entry"][0]["changes"][0]["field"], "messages");
    let value = &body["entry"][0]["changes"][0]["value"];
    assert_eq!(value["metadata"], json!({ "display_phone_number": "250700000000", "phone_number_id": "200000000000002" }));
    let status = &value["statuses"][0];
    assert_eq!((&status["id"], &status["status"]), (&json!(id), &json!("sent")));
    assert_eq!((&status["recipient_id"], &status["biz_opaque_callback_data"]), (&json!("250788123456"), &json!("req-1")));
    assert_eq!(status["pricing"]["category"], "authentication");
    assert!(status["timestamp"].is_string());
}

#[tokio::test]
async fn a_failure_carries_its_code() {
    let (graph, mut receiver) = start().await;
    let id = sent(&graph).await;
    graph.receipt(&id, Receipt::Failed { code: 131_026 }).await.unwrap();
    let status = receiver.next_value().await["statuses"][0].clone();
    assert_eq!((&status["status"], &status["errors"][0]["code"]), (&json!("failed"), &json!(131_026)));
    assert_eq!(status["pricing"], Value::Null, "undelivered is free");
    let message = graph.arrived(FAN, 1).await;
    assert_eq!((message.delivery, message.failure), (Delivery::Failed, Some(131_026)));
}

#[tokio::test]
async fn receipts_come_in_any_order_twice_and_together_and_the_state_only_moves_on() {
    let (graph, mut receiver) = start().await;
    let id = sent(&graph).await;
    for receipt in [Receipt::Read, Receipt::Sent, Receipt::Sent, Receipt::Failed { code: 131_026 }] {
        graph.receipt(&id, receipt).await.unwrap();
        assert_eq!(receiver.next_value().await["statuses"][0]["status"], receipt.name());
        assert_eq!(graph.arrived(FAN, 1).await.delivery, Delivery::Read);
    }
    let other = sent(&graph).await;
    graph.receipts(&[(id.clone(), Receipt::Delivered), (other.clone(), Receipt::Sent)]).await.unwrap();
    let statuses = receiver.next_value().await["statuses"].clone();
    assert_eq!((&statuses[0]["id"], &statuses[1]["id"]), (&json!(id), &json!(other)));
}

#[tokio::test]
async fn in_automatic_mode_sent_and_delivered_follow_by_themselves() {
    let (graph, mut receiver) = start().await;
    graph.set_automatic(true);
    for (fault, expected) in [
        (Fault::Slow, vec!["sent", "delivered"]),
        (Fault::FailsLater { code: 131_026 }, vec!["sent", "failed"]),
        (Fault::Drop { accepted: true }, vec!["sent", "delivered"]),
        (Fault::NeverDelivered, vec!["sent"]),
    ] {
        graph.script(Rule::once(fault.clone()));
        // A dropped connection is an error here, and the receipts come nevertheless.
        let _ = super::try_send(&graph, &message()).await;
        for status in expected {
            assert_eq!(receiver.next_value().await["statuses"][0]["status"], status, "{fault:?}");
        }
    }
}

#[tokio::test]
async fn an_unanswered_webhook_is_retried_a_bounded_number_of_times() {
    let (graph, mut receiver) = start().await;
    let id = sent(&graph).await;
    receiver.fail(2);
    assert_eq!(graph.receipt(&id, Receipt::Sent).await, Ok(Posted { attempts: 3 }));
    let first = receiver.next().await;
    assert_eq!((receiver.next().await, receiver.next().await), (first.clone(), first));

    receiver.fail(u32::MAX);
    assert_eq!(graph.receipt(&id, Receipt::Sent).await, Err(WebhookError::Refused(503)));
}

#[tokio::test]
async fn nothing_is_posted_to_who_fails_the_handshake() {
    let receiver = Receiver::start().await;
    let retry = Retry { attempts: 1, first: Duration::ZERO };
    let settings = Settings { webhook: Some(receiver.url.clone()), verify_token: "another".to_owned(), retry, ..Settings::default() };
    let graph = Graph::start(settings).await.unwrap();
    assert!(matches!(graph.handshake().await, Err(WebhookError::Handshake(_))));
    let id = sent(&graph).await;
    assert!(matches!(graph.receipt(&id, Receipt::Sent).await, Err(WebhookError::Handshake(_))));
    graph.set_webhook("http://127.0.0.1:1/hook");
    assert!(matches!(graph.handshake().await, Err(WebhookError::Unreachable(_))));
}

#[tokio::test]
async fn a_forgery_can_be_posted() {
    let (graph, mut receiver) = start().await;
    assert_eq!(graph.post_raw("{}", Some("sha256=00")).await, Ok(200));
    assert_eq!(graph.post_raw("{}", None).await, Ok(200));
    assert_eq!(receiver.next().await.0, "sha256=00");
    assert_eq!(receiver.next().await.0, "");
}

#[tokio::test]
async fn people_write_back() {
    let (graph, mut receiver) = start().await;
    graph.inbound(FAN, &Inbound::Stop).await.unwrap();
    let (signature, raw) = receiver.next().await;
    assert!(raw.contains(r"Ray\u00f3n \ud83d\udc99") && raw.is_ascii(), "{raw}");
    assert_eq!(signature, sign("development-app-secret", &raw));
    let body: Value = serde_json::from_str(&raw).unwrap();
    let value = &body["entry"][0]["changes"][0]["value"];
    assert_eq!((&value["contacts"][0]["wa_id"], &value["messages"][0]["from"]), (&json!("250788123456"), &json!("250788123456")));
    assert_eq!(value["messages"][0]["text"]["body"], "STOP");

    let id = sent(&graph).await;
    graph.inbound(FAN, &Inbound::DidNotRequestCode { id: id.clone() }).await.unwrap();
    let report = receiver.next_value().await["messages"][0].clone();
    assert_eq!((&report["type"], &report["button"]["payload"]), (&json!("button"), &json!("DID_NOT_REQUEST_CODE")));
    assert_eq!(report["context"]["id"], json!(id));
}

#[tokio::test]
async fn a_review_changes_the_template_and_posts_a_webhook() {
    let (graph, mut receiver) = start().await;
    let status = "message_template_status_update";
    let rejection = Review::Reject { reason: "PROMOTIONAL".to_owned() };
    let quality = Review::Quality { score: "RED".to_owned() };
    let category = Review::Category { category: "MARKETING".to_owned() };
    for (review, field, name, value, after) in [
        (Review::Pause, status, "event", "PAUSED", TemplateStatus::Paused),
        (Review::Reinstate, status, "event", "REINSTATED", TemplateStatus::Approved),
        (Review::Disable, status, "event", "DISABLED", TemplateStatus::Disabled),
        (rejection, status, "reason", "PROMOTIONAL", TemplateStatus::Rejected),
        (Review::Approve, status, "event", "APPROVED", TemplateStatus::Approved),
        (quality, "message_template_quality_update", "new_quality_score", "RED", TemplateStatus::Approved),
        (category, "template_category_update", "new_category", "MARKETING", TemplateStatus::Approved),
    ] {
        graph.review("otp_login", "rw_RW", &review).await.unwrap();
        let body: Value = serde_json::from_str(&receiver.next().await.1).unwrap();
        let change = &body["entry"][0]["changes"][0];
        assert_eq!((&change["field"], &change["value"][name]), (&json!(field), &json!(value)), "{review:?}");
        assert!(change["value"]["message_template_id"].is_u64() && body["entry"][0]["time"].is_u64());
        let template = graph.templates().into_iter().find(|one| one.is("otp_login", "rw_RW")).unwrap();
        assert_eq!(template.status, after, "{review:?}");
    }
    let template = graph.templates().into_iter().find(|one| one.is("otp_login", "rw_RW")).unwrap();
    assert_eq!((template.send_ttl_s, template.previous_category.as_deref()), (None, Some("AUTHENTICATION")));
}

#[tokio::test]
async fn a_webhook_may_spell_the_language_with_a_hyphen() {
    let (graph, mut receiver) = start().await;
    graph.set_hyphens(true);
    graph.review("otp_login", "rw_RW", &Review::Pause).await.unwrap();
    assert_eq!(receiver.next_value().await["message_template_language"], "rw-RW");
}
