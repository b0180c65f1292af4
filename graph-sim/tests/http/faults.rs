//! Every scripted fault, and the rate limits.

use std::time::Duration;

use serde_json::{Value, json};

use super::{FAN, fetch, message, message_to, send, send_request, start, try_send};
use otp_graph_sim::{Fault, Rule, StatusStyle};

#[tokio::test]
async fn each_error_can_be_scripted_in_both_styles() {
    let graph = start().await;
    for (code, plain, table) in [
        (0, 401, 401),
        (190, 401, 401),
        (3, 403, 500),
        (10, 403, 403),
        (200, 403, 403),
        (131_005, 403, 403),
        (4, 400, 429),
        (80_007, 400, 429),
        (130_429, 400, 429),
        (131_056, 400, 429),
        (131_048, 400, 429),
        (131_064, 400, 400),
        (133_016, 400, 400),
        (368, 403, 403),
        (131_031, 403, 403),
        (130_497, 403, 403),
        (131_042, 400, 400),
        (1, 400, 400),
        (2, 503, 503),
        (131_000, 500, 500),
        (131_016, 400, 400),
        (133_004, 400, 503),
        (131_057, 400, 400),
        (33, 400, 400),
        (100, 400, 400),
        (131_008, 400, 400),
        (131_009, 400, 400),
        (131_026, 400, 400),
        (131_030, 400, 400),
        (131_037, 400, 400),
        (130_403, 400, 400),
        (132_000, 400, 400),
        (132_001, 400, 404),
        (132_005, 400, 400),
        (132_007, 400, 400),
        (132_012, 400, 400),
        (132_015, 400, 400),
        (132_016, 400, 400),
        (135_000, 400, 400),
    ] {
        for (style, status) in [(StatusStyle::Plain, plain), (StatusStyle::Table, table)] {
            graph.set_status_style(style);
            graph.script(Rule::once(Fault::error(code)));
            let response = send(&graph, &message()).await;
            assert_eq!((response.status, response.code()), (status, &json!(code)), "{style:?}: {response:?}");
            assert!(response.body["error"]["message"].as_str().unwrap().starts_with(&format!("(#{code}) ")), "{response:?}");
            assert!(!response.headers.contains_key("retry-after"));
        }
    }
    assert_eq!(graph.messages(), []);
}

#[tokio::test]
async fn an_error_can_have_a_retry_after_and_any_status() {
    let graph = start().await;
    graph.script(Rule::once(Fault::error_after(130_429, 7)));
    let response = send(&graph, &message()).await;
    assert_eq!((response.status, response.headers["retry-after"].to_str().unwrap()), (400, "7"));

    let expired = Fault::Error { code: 190, subcode: Some(463), status: Some(200), retry_after_s: None, details: None };
    graph.script(Rule::once(expired));
    let response = send(&graph, &message()).await;
    assert_eq!((response.status, &response.body["error"]["error_subcode"]), (200, &json!(463)));
    assert_eq!(response.body["error"]["error_data"], Value::Null, "token errors have none");
}

#[tokio::test]
async fn a_rule_applies_as_often_as_it_says_and_only_to_its_number() {
    let graph = start().await;
    graph.script(Rule::times(2, Fault::error(131_026)).to(FAN));
    assert_eq!(send(&graph, &message_to("+250788000001")).await.status, 200);
    assert_eq!(send(&graph, &message()).await.code(), 131_026);
    assert_eq!(send(&graph, &message()).await.code(), 131_026);
    assert_eq!(send(&graph, &message()).await.status, 200);
}

#[tokio::test]
async fn a_hung_send_has_arrived_and_ends_only_with_the_simulator() {
    let graph = start().await;
    graph.script(Rule::once(Fault::Hang));
    let hung = tokio::spawn(fetch(send_request(&graph, &message())));
    assert_eq!(graph.arrived(FAN, 1).await.code, "012345");
    assert!(!hung.is_finished());
    graph.stop().await;
    assert!(hung.await.unwrap().is_err(), "the connection closed without a response");
}

#[tokio::test]
async fn a_dropped_connection_says_nothing_about_the_message() {
    let graph = start().await;
    for (accepted, arrived) in [(false, 0), (true, 1)] {
        graph.script(Rule::once(Fault::Drop { accepted }));
        assert!(try_send(&graph, &message()).await.is_err());
        assert_eq!(graph.messages().len(), arrived);
    }
    assert_eq!(send(&graph, &message()).await.status, 200, "the next one finds it well");
}

#[tokio::test]
async fn a_response_can_be_useless_in_several_ways() {
    let graph = start().await;
    for (fault, status, body_is_json) in [
        (Fault::Garbage, 200, false),
        (Fault::Bare { status: 500, accepted: true }, 500, false),
        (Fault::Bare { status: 502, accepted: false }, 502, false),
        (Fault::NoId, 200, true),
    ] {
        graph.clear_messages();
        graph.script(Rule::once(fault.clone()));
        let response = send(&graph, &message()).await;
        assert_eq!((response.status, response.body.is_object()), (status, body_is_json), "{fault:?}: {response:?}");
        assert_eq!(response.body["messages"], Value::Null, "{fault:?}");
        assert_eq!(graph.messages().len(), usize::from(fault.accepts()), "{fault:?}");
    }
}

#[tokio::test]
async fn a_message_can_be_held_for_assessment() {
    let graph = start().await;
    graph.script(Rule::once(Fault::Held { message_status: "held_for_quality_assessment".to_owned() }));
    assert_eq!(send(&graph, &message()).await.body["messages"][0]["message_status"], "held_for_quality_assessment");
}

#[tokio::test]
async fn a_slow_response_comes_after_the_message() {
    let graph = start().await;
    let hour = Duration::from_hours(1);
    graph.script(Rule::once(Fault::Slow).after(hour));
    for count in 1..=2 {
        let slow = tokio::spawn(fetch(send_request(&graph, &message())));
        graph.arrived(FAN, count).await;
        assert!(!slow.is_finished());
        slow.abort();
        graph.set_latency(hour);
    }
    graph.set_latency(Duration::ZERO);
    assert_eq!(send(&graph, &message()).await.status, 200);
}

#[tokio::test]
async fn the_rate_limits_apply_when_they_are_switched_on() {
    let graph = start().await;
    graph.limit_pairs(true);
    for _ in 0..45 {
        assert_eq!(send(&graph, &message()).await.status, 200);
    }
    assert_eq!(send(&graph, &message()).await.code(), 131_056);
    graph.clock().advance(Duration::from_secs(45 * 6));
    assert_eq!(send(&graph, &message()).await.status, 200, "all of it is repaid");

    graph.limit_throughput(Some(1));
    graph.clock().advance(Duration::from_mins(1));
    assert_eq!(send(&graph, &message()).await.status, 200);
    assert_eq!(send(&graph, &message_to("+250788000001")).await.code(), 130_429);
}
