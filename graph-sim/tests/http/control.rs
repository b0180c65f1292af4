//! `/messages`, `/control/*` and the page.

use reqwest::Method;
use serde_json::{Value, json};

use super::receiver::Receiver;
use super::{FAN, Response, fetch, http, message, message_to, send, start};
use otp_graph_sim::{Graph, Settings, TemplateStatus};

async fn post(graph: &Graph, path: &str, body: &Value) -> Response {
    fetch(http().post(format!("{}/control/{path}", graph.url())).json(body)).await.expect("a response")
}

async fn get(graph: &Graph, path: &str) -> Response {
    fetch(http().get(format!("{}{path}", graph.url()))).await.expect("a response")
}

#[tokio::test]
async fn messages_are_listed_by_number_and_time() {
    let graph = start().await;
    for number in [FAN, "+250788000001", FAN] {
        send(&graph, &message_to(number)).await;
        graph.clock().advance(std::time::Duration::from_secs(1));
    }
    let all = get(&graph, "/messages").await.body;
    assert_eq!(all.as_array().map(Vec::len), Some(3));
    assert_eq!((&all[0]["channel"], &all[0]["to"], &all[0]["code"]), (&json!("whatsapp"), &json!(FAN), &json!("012345")));
    // An unescaped plus, as people type it.
    let theirs = get(&graph, &format!("/messages?to={FAN}")).await.body;
    assert_eq!(theirs, json!([all[0], all[2]]));
    let since = all[0]["atMs"].as_u64().unwrap();
    assert_eq!(get(&graph, &format!("/messages?to={FAN}&since={since}")).await.body, json!([all[2]]));

    let cleared = fetch(http().request(Method::DELETE, format!("{}/messages", graph.url()))).await;
    assert_eq!((cleared.unwrap().status, graph.messages().len()), (204, 0));
}

#[tokio::test]
async fn faults_and_settings_are_set_over_http() {
    let graph = start().await;
    let fault = json!({ "to": FAN, "times": 1, "fault": { "kind": "error", "code": 130_429, "retryAfterS": 5 } });
    assert_eq!(post(&graph, "faults", &fault).await.status, 204);
    assert_eq!(post(&graph, "settings", &json!({ "style": "table" })).await.status, 204);
    assert_eq!(get(&graph, "/control/faults").await.body[0]["fault"]["code"], 130_429);
    let response = send(&graph, &message()).await;
    assert_eq!((response.status, response.headers["retry-after"].to_str().unwrap()), (429, "5"));

    let limits = json!({ "throughputMps": 1, "pairLimit": true });
    assert_eq!(post(&graph, "settings", &limits).await.status, 204);
    assert_eq!(send(&graph, &message()).await.status, 200);
    assert_eq!(send(&graph, &message()).await.code(), 130_429);
    assert_eq!(post(&graph, "settings", &json!({ "throughputMps": 0, "pairLimit": false })).await.status, 204);
    assert_eq!(send(&graph, &message()).await.status, 200);
}

#[tokio::test]
async fn a_misspelt_control_call_is_refused() {
    let graph = start().await;
    for (path, body) in [
        ("faults", json!({ "fault": { "kind": "explode" } })),
        ("faults", json!({ "tos": FAN, "fault": { "kind": "hang" } })),
        ("settings", json!({ "lateny": 1 })),
        ("receipts", json!({ "receipts": [ { "id": "x", "status": "eaten" } ] })),
        ("template", json!({ "name": "otp_login", "review": { "kind": "burn" } })),
    ] {
        assert_eq!(post(&graph, path, &body).await.status, 422, "{path} {body}");
    }
    assert_eq!(post(&graph, "nothing", &json!({})).await.status, 404);
}

#[tokio::test]
async fn receipts_reviews_and_replies_are_triggered_over_http() {
    let mut receiver = Receiver::start().await;
    let graph = Graph::start(Settings::default()).await.unwrap();
    assert_eq!(post(&graph, "handshake", &json!({})).await.status, 502, "there is no webhook yet");
    post(&graph, "settings", &json!({ "webhook": receiver.url })).await;
    assert_eq!(post(&graph, "handshake", &json!({})).await.status, 200);
    send(&graph, &message()).await;
    let id = graph.arrived(FAN, 1).await.id;

    let receipts = json!({ "receipts": [ { "id": id, "status": "failed", "code": 131_026 } ], "copies": 2 });
    assert_eq!(post(&graph, "receipts", &receipts).await.body, json!({ "attempts": 1 }));
    for _ in 0..2 {
        assert_eq!(receiver.next_value().await["statuses"][0]["errors"][0]["code"], 131_026);
    }
    assert_eq!(post(&graph, "inbound", &json!({ "from": FAN, "kind": "didNotRequestCode", "id": id })).await.status, 200);
    assert_eq!(receiver.next_value().await["messages"][0]["button"]["payload"], "DID_NOT_REQUEST_CODE");

    assert_eq!(post(&graph, "template", &json!({ "name": "otp_login", "review": { "kind": "pause" } })).await.status, 200);
    let paused = [receiver.next_value().await, receiver.next_value().await];
    assert_eq!(paused.map(|value| value["message_template_language"].clone()), [json!("rw_RW"), json!("en_US")]);
    let quiet = json!({ "name": "otp_login", "language": "en_US", "quiet": true, "review": { "kind": "approve" } });
    assert_eq!(post(&graph, "template", &quiet).await.body, json!({ "attempts": 0 }));
    let approved = |template: &otp_graph_sim::Template| template.is("otp_login", "en_US") && template.status == TemplateStatus::Approved;
    assert!(graph.templates().iter().any(approved));

    let event = json!({ "field": "account_update", "value": { "event": "ACCOUNT_RESTRICTION" } });
    assert_eq!(post(&graph, "event", &event).await.status, 200);
    assert_eq!(receiver.next_value().await["event"], "ACCOUNT_RESTRICTION");
    assert_eq!(post(&graph, "receipts", &json!({ "receipts": [ { "id": "x", "status": "sent" } ] })).await.status, 404);
}

#[tokio::test]
async fn the_page_loads_nothing_from_elsewhere() {
    let graph = start().await;
    for path in ["/", "/page.css", "/page.js"] {
        let response = http().get(format!("{}{path}", graph.url())).send().await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        let policy = response.headers()["content-security-policy"].to_str().unwrap().to_owned();
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        let text = response.text().await.unwrap();
        for foreign in ["http://", "https://", "innerHTML", "insertAdjacentHTML", "eval("] {
            assert!(!text.contains(foreign), "{path} has {foreign}");
        }
    }
}
