//! The two text-message providers.

use reqwest::RequestBuilder;
use serde_json::{Value, json};

use super::{FAN, fetch, http, start};
use otp_graph_sim::{Channel, Fault, Graph, Operation, Rule};

fn bulk(graph: &Graph, numbers: &[&str]) -> RequestBuilder {
    let body = json!({ "username": "sandbox", "message": "012345 is your code", "senderId": "BRAND",
        "phoneNumbers": numbers, "enqueue": 1 });
    http().post(format!("{}/version1/messaging/bulk", graph.url())).header("apiKey", &graph.settings().sms.api_key).json(&body)
}

fn twilio(graph: &Graph, form: &[(&str, &str)]) -> RequestBuilder {
    twilio_as(graph, &graph.settings().sms.auth_token, form)
}

fn twilio_as(graph: &Graph, token: &str, form: &[(&str, &str)]) -> RequestBuilder {
    let sid = &graph.settings().sms.account_sid;
    let path = format!("{}/2010-04-01/Accounts/{sid}/Messages.json", graph.url());
    http().post(path).basic_auth(sid, Some(token)).form(form)
}

#[tokio::test]
async fn africas_talking_has_a_status_for_each_recipient() {
    let graph = start().await;
    graph.script(Rule::once(Fault::error(405)).on(Operation::Sms).to("+250788000001"));
    let response = fetch(bulk(&graph, &[FAN, "+250788000001", "0788"])).await.unwrap();
    assert_eq!(response.status, 201, "{response:?}");
    let data = &response.body["SMSMessageData"];
    assert_eq!(data["Message"], "Sent to 1/3 Total Cost: KES 0.8000");
    let codes: Vec<&Value> = data["Recipients"].as_array().unwrap().iter().map(|one| &one["statusCode"]).collect();
    assert_eq!(codes, [101, 405, 403]);
    let message = graph.arrived(FAN, 1).await;
    assert_eq!((message.channel, message.code.as_str()), (Channel::AfricasTalking, "012345"));
    assert_eq!(data["Recipients"][0]["messageId"], json!(message.id));
    assert_eq!(graph.messages().len(), 1);
}

#[tokio::test]
async fn africas_talking_has_a_legacy_endpoint() {
    let graph = start().await;
    let request = |key: &str| {
        let form = [("username", "sandbox"), ("to", FAN), ("message", "012345"), ("from", "BRAND"), ("bulkSMSMode", "1")];
        let request = http().post(format!("{}/version1/messaging", graph.url()));
        request.header("apiKey", key).form(&form)
    };
    let json = fetch(request(&graph.settings().sms.api_key).header("Accept", "application/json")).await.unwrap();
    assert_eq!(json.body["SMSMessageData"]["Recipients"][0]["status"], "Success");
    let xml = fetch(request(&graph.settings().sms.api_key)).await.unwrap();
    assert_eq!((xml.status, xml.headers["content-type"].to_str().unwrap()), (201, "application/xml"));
    assert_eq!(fetch(request("wrong")).await.unwrap().status, 401);
    assert_eq!(graph.messages_to(FAN).len(), 2);
}

#[tokio::test]
async fn twilio_queues_a_message() {
    let graph = start().await;
    let form = [("To", FAN), ("From", "BRAND"), ("Body", "012345 is your code"), ("ValidityPeriod", "300"), ("RiskCheck", "enable")];
    let response = fetch(twilio(&graph, &form)).await.unwrap();
    let message = graph.arrived(FAN, 1).await;
    assert_eq!((response.status, &response.body["status"], &response.body["sid"]), (201, &json!("queued"), &json!(message.id)));
    assert_eq!((message.channel, message.code.as_str()), (Channel::Twilio, "012345"));
}

#[tokio::test]
async fn twilio_says_what_is_wrong() {
    let graph = start().await;
    for (form, status, code) in [
        (vec![("From", "BRAND"), ("Body", "1")], 400, 21_604),
        (vec![("To", FAN), ("Body", "1")], 400, 21_603),
        (vec![("To", FAN), ("From", "BRAND")], 400, 21_602),
        (vec![("To", "0788123456"), ("From", "BRAND"), ("Body", "1")], 400, 21_211),
        (vec![("To", FAN), ("From", "BRAND"), ("Body", "1"), ("ValidityPeriod", "0")], 400, 21_626),
    ] {
        let response = fetch(twilio(&graph, &form)).await.unwrap();
        assert_eq!((response.status, &response.body["code"], &response.body["status"]), (status, &json!(code), &json!(status)), "{form:?}");
    }
    let stranger = twilio_as(&graph, "another", &[]);
    assert_eq!(fetch(stranger).await.unwrap().body["code"], 20_003);
    graph.script(Rule::once(Fault::error(21_614)).on(Operation::Sms));
    let form = [("To", FAN), ("From", "BRAND"), ("Body", "012345")];
    assert_eq!(fetch(twilio(&graph, &form)).await.unwrap().body["code"], 21_614);
    assert_eq!(graph.messages(), []);
}

#[tokio::test]
async fn a_provider_can_close_the_connection_after_sending() {
    let graph = start().await;
    graph.script(Rule::once(Fault::Drop { accepted: true }).on(Operation::Sms));
    assert!(fetch(bulk(&graph, &[FAN])).await.is_err());
    assert_eq!(graph.arrived(FAN, 1).await.code, "012345");
}
