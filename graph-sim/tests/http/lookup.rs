//! The lookups: templates, one template, the business number.

use serde_json::{Value, json};

use super::{fetch, get, http, start};
use otp_graph_sim::{Fault, Graph, Operation, Rule, VERSION};

async fn templates(graph: &Graph, query: &str) -> Value {
    let waba = &graph.settings().waba_id;
    get(graph, &format!("/{VERSION}/{waba}/message_templates?{query}")).await.body
}

fn names(page: &Value) -> Vec<String> {
    let data = page["data"].as_array().expect("data");
    data.iter().map(|one| format!("{}/{}", one["name"].as_str().expect("a string"), one["language"].as_str().expect("a string"))).collect()
}

#[tokio::test]
async fn a_name_matches_within_other_names() {
    let graph = start().await;
    let page = templates(&graph, "name=otp_login&language=en_US").await;
    assert_eq!(names(&page), ["old_otp_login/en_US", "otp_login/en_US", "otp_login_spare/en_US"]);
}

#[tokio::test]
async fn the_filters_narrow_what_is_listed() {
    let graph = start().await;
    for (query, expected) in [
        ("status=REJECTED", vec!["old_otp_login/en_US"]),
        ("status=[\"REJECTED\",\"PAUSED\"]", vec!["old_otp_login/en_US"]),
        ("name=spare&language=rw_RW", vec!["otp_login_spare/rw_RW"]),
        ("category=MARKETING", vec![]),
        ("name_or_content=SPARE&quality_score=GREEN", vec!["otp_login_spare/rw_RW", "otp_login_spare/en_US"]),
    ] {
        assert_eq!(names(&templates(&graph, query).await), expected, "{query}");
    }
}

#[tokio::test]
async fn the_pages_are_linked_both_ways() {
    let graph = start().await;
    let mut page = templates(&graph, "limit=2&fields=id,name,language,status").await;
    let mut seen = names(&page);
    while let Some(next) = page["paging"]["next"].as_str() {
        let request = http().get(next).bearer_auth(&graph.settings().token);
        page = fetch(request).await.unwrap().body;
        seen.extend(names(&page));
    }
    assert_eq!(seen, names(&templates(&graph, "limit=100").await));
    let previous = page["paging"]["previous"].as_str().expect("a way back");
    let back = fetch(http().get(previous).bearer_auth(&graph.settings().token)).await.unwrap();
    assert_eq!(names(&back.body), ["otp_login/en_US", "otp_login_spare/rw_RW"]);
}

#[tokio::test]
async fn only_the_requested_fields_are_returned() {
    let graph = start().await;
    let page = templates(&graph, "name=otp_login&language=rw_RW&fields=status,quality_score,message_send_ttl_seconds").await;
    let first = &page["data"][0];
    assert_eq!(first["status"], "APPROVED");
    assert_eq!((&first["quality_score"]["score"], &first["message_send_ttl_seconds"]), (&json!("GREEN"), &json!(300)));
    assert_eq!((first["id"].is_string(), first.get("name")), (true, None));
    assert_eq!(templates(&graph, "fields=colour").await["error"]["code"], 100);
    assert_eq!(templates(&graph, "limit=0").await["error"]["code"], 100);
    assert_eq!(templates(&graph, "after=nonsense").await["error"]["code"], 100);
}

#[tokio::test]
async fn one_object_is_read_by_its_id() {
    let graph = start().await;
    let id = graph.templates()[1].id;
    let template = get(&graph, &format!("/{VERSION}/{id}?fields=name,status")).await;
    assert_eq!(template.body, json!({ "id": id.to_string(), "name": "otp_login", "status": "APPROVED" }));

    let unknown = get(&graph, &format!("/{VERSION}/123?fields=name")).await;
    assert_eq!((unknown.status, unknown.code(), &unknown.body["error"]["error_subcode"]), (400, &json!(100), &json!(33)));
}

#[tokio::test]
async fn the_number_has_its_limits() {
    let graph = start().await;
    graph.set_number("YELLOW", "TIER_250");
    let path = format!(
        "/{VERSION}/{}?fields=whatsapp_business_manager_messaging_limit,quality_rating,status,throughput",
        graph.settings().phone_number_id
    );
    let number = get(&graph, &path).await.body;
    assert_eq!(number["whatsapp_business_manager_messaging_limit"], "TIER_250");
    assert_eq!((&number["quality_rating"], &number["status"]), (&json!("YELLOW"), &json!("CONNECTED")));
    assert_eq!(number["throughput"]["level"], "STANDARD");
}

#[tokio::test]
async fn a_scripted_fault_of_lookups_leaves_sends_alone() {
    let graph = start().await;
    graph.script(Rule::once(Fault::error(80_007)).on(Operation::Templates));
    assert_eq!(super::send(&graph, &super::message()).await.status, 200);
    assert_eq!(templates(&graph, "").await["error"]["code"], 80_007);
    assert_eq!(templates(&graph, "").await["error"], Value::Null);
}
