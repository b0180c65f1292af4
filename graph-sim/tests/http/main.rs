//! The stand-in, tried over real HTTP. What these tests share: a start, a well-formed send, and an answer taken apart.

mod control;
mod faults;
mod lookup;
mod receiver;
mod send;
mod sms;
mod webhooks;

use reqwest::header::HeaderMap;
use serde_json::{Value, json};

use otp_graph_sim::{Graph, Settings, VERSION};

const FAN: &str = "+250788123456";

/// An answer, read to its end. The body is null where it was no JSON.
#[derive(Debug)]
struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Value,
}

impl Answer {
    /// `error.code`, or null.
    fn code(&self) -> &Value {
        &self.body["error"]["code"]
    }
}

async fn start() -> Graph {
    Graph::start(Settings::default()).await.expect("a free port on loopback")
}

/// A send that Meta would accept.
fn message() -> Value {
    json!({
        "messaging_product": "whatsapp", "recipient_type": "individual", "to": FAN, "type": "template",
        "biz_opaque_callback_data": "req-1",
        "template": {
            "name": "otp_login",
            "language": { "policy": "deterministic", "code": "rw_RW" },
            "components": [
                { "type": "body", "parameters": [ { "type": "text", "text": "012345" } ] },
                { "type": "button", "sub_type": "url", "index": "0", "parameters": [ { "type": "text", "text": "012345" } ] },
            ],
        },
    })
}

fn message_to(number: &str) -> Value {
    let mut message = message();
    message["to"] = number.into();
    message
}

async fn send(graph: &Graph, message: &Value) -> Answer {
    try_send(graph, message).await.expect("an answer")
}

async fn try_send(graph: &Graph, message: &Value) -> reqwest::Result<Answer> {
    answer(sending(graph, message)).await
}

fn sending(graph: &Graph, message: &Value) -> reqwest::RequestBuilder {
    let path = format!("/{VERSION}/{}/messages", graph.settings().phone_number_id);
    authorised(graph, reqwest::Method::POST, &path).json(message)
}

async fn get(graph: &Graph, path: &str) -> Answer {
    answer(authorised(graph, reqwest::Method::GET, path)).await.expect("an answer")
}

fn authorised(graph: &Graph, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
    http().request(method, format!("{}{path}", graph.url())).bearer_auth(&graph.settings().token)
}

/// A client that no proxy of the machine comes between.
fn http() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().expect("no option is set that could be refused")
}

async fn answer(request: reqwest::RequestBuilder) -> reqwest::Result<Answer> {
    let response = request.send().await?;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let body = serde_json::from_slice(&response.bytes().await?).unwrap_or_default();
    Ok(Answer { status, headers, body })
}
