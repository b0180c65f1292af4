//! The simulator over real HTTP. This file has what the tests share: a running simulator, a valid
//! send, and a client.

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

/// A response with its whole body, which is null if it was not JSON.
#[derive(Debug)]
struct Response {
    status: u16,
    headers: HeaderMap,
    body: Value,
}

impl Response {
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

async fn send(graph: &Graph, message: &Value) -> Response {
    try_send(graph, message).await.expect("a response")
}

async fn try_send(graph: &Graph, message: &Value) -> reqwest::Result<Response> {
    fetch(send_request(graph, message)).await
}

fn send_request(graph: &Graph, message: &Value) -> reqwest::RequestBuilder {
    let path = format!("/{VERSION}/{}/messages", graph.settings().phone_number_id);
    authorised_request(graph, reqwest::Method::POST, &path).json(message)
}

async fn get(graph: &Graph, path: &str) -> Response {
    fetch(authorised_request(graph, reqwest::Method::GET, path)).await.expect("a response")
}

fn authorised_request(graph: &Graph, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
    http().request(method, format!("{}{path}", graph.url())).bearer_auth(&graph.settings().token)
}

/// A client that ignores the machine's proxy settings.
fn http() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().expect("no option is set that could be refused")
}

async fn fetch(request: reqwest::RequestBuilder) -> reqwest::Result<Response> {
    let response = request.send().await?;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let body = serde_json::from_slice(&response.bytes().await?).unwrap_or_default();
    Ok(Response { status, headers, body })
}
