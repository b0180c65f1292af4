//! A webhook receiver for the tests: it passes on what it received, and can be told to fail.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::get;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;

use otp_graph_sim::SIGNATURE;

/// The signature header and the raw body.
pub(super) type Received = (String, String);

pub(super) struct Receiver {
    pub url: String,
    received: UnboundedReceiver<Received>,
    failures: Arc<AtomicU32>,
    serving: JoinHandle<()>,
}

#[derive(Clone)]
struct Inner {
    sender: UnboundedSender<Received>,
    failures: Arc<AtomicU32>,
}

impl Receiver {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port on loopback");
        let url = format!("http://{}/hook", listener.local_addr().expect("it is bound"));
        let (sender, received) = unbounded_channel();
        let failures = Arc::new(AtomicU32::new(0));
        let inner = Inner { sender, failures: Arc::clone(&failures) };
        let router = Router::new().route("/hook", get(challenge).post(receive)).with_state(inner);
        let serving = tokio::spawn(async { axum::serve(listener, router).await.expect("axum never returns an error") });
        Self { url, received, failures, serving }
    }

    /// Responds 503 to the next `times` webhooks. They are passed on nevertheless.
    pub fn fail(&self, times: u32) {
        self.failures.store(times, Ordering::SeqCst);
    }

    pub async fn next(&mut self) -> Received {
        let received = tokio::time::timeout(Duration::from_secs(10), self.received.recv()).await;
        received.expect("a webhook within ten seconds").expect("the receiver runs")
    }

    /// The `value` of the next webhook's only change.
    pub async fn next_value(&mut self) -> Value {
        let body: Value = serde_json::from_str(&self.next().await.1).expect("JSON");
        body["entry"][0]["changes"][0]["value"].clone()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn challenge(Query(query): Query<Vec<(String, String)>>) -> Result<String, StatusCode> {
    let value = |name: &str| query.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
    match (value("hub.mode").as_deref(), value("hub.verify_token").as_deref(), value("hub.challenge")) {
        (Some("subscribe"), Some("development-verify-token"), Some(challenge)) => Ok(challenge),
        _ => Err(StatusCode::FORBIDDEN),
    }
}

async fn receive(State(inner): State<Inner>, headers: HeaderMap, body: String) -> StatusCode {
    let signature = headers.get(SIGNATURE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    inner.sender.send((signature.to_owned(), body)).expect("the test listens");
    let fails = inner.failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
    if fails { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK }
}
