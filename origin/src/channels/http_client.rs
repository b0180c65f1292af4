//! One call to a provider over HTTP, and what is known after it. Not what the response means: each
//! provider has its own codes.
//!
//! **Invariant:** a call leaves at most once. The client follows no redirect and retries nothing,
//! because either would be a second message.

use std::time::Duration;

use reqwest::{Client, RequestBuilder, header::RETRY_AFTER, redirect, retry};
use serde_json::Value;

/// A call with less time than this is not begun: its response would most likely be lost.
pub const MIN_CALL_TIME: Duration = Duration::from_secs(1);

/// Shorter than a send's deadline, so that a connection that fails is known as such.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Shorter than the providers' own: a request on a connection that the provider is just closing
/// would lose its response.
const IDLE_TIMEOUT: Duration = Duration::from_secs(20);

/// What is known after a call.
#[derive(Debug)]
pub enum CallOutcome {
    /// A complete response came.
    Answered(Response),
    /// No connection was made: nothing left.
    NotSent,
    /// The request may have left, and no complete response came.
    Lost(LostReason),
}

/// How a response was lost; for the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LostReason {
    /// None came in time.
    TimedOut,
    /// The connection broke.
    ConnectionBroken,
}

/// A complete response.
#[derive(Debug, Default)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// The `Retry-After` header; `None`: absent, or a date.
    pub retry_after_s: Option<u64>,
    /// The body; [`Value::Null`]: not JSON.
    pub body: Value,
}

/// The client of every channel.
pub fn build() -> Client {
    Client::builder()
        .redirect(redirect::Policy::none())
        .retry(retry::never())
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_idle_timeout(IDLE_TIMEOUT)
        .build()
        .expect("the root certificates are compiled in")
}

/// Sends `request` once and reads its response, both within `timeout`.
pub async fn call(request: RequestBuilder, timeout: Duration) -> CallOutcome {
    match request.timeout(timeout).send().await {
        Ok(response) => read(response).await,
        Err(error) if error.is_connect() || error.is_builder() => CallOutcome::NotSent,
        Err(error) => CallOutcome::Lost(LostReason::of(&error)),
    }
}

async fn read(response: reqwest::Response) -> CallOutcome {
    let status = response.status().as_u16();
    let retry_after = response.headers().get(RETRY_AFTER);
    let retry_after_s = retry_after.and_then(|value| value.to_str().ok()?.trim().parse().ok());
    match response.bytes().await {
        Ok(bytes) => {
            let body = serde_json::from_slice(&bytes).unwrap_or_default();
            CallOutcome::Answered(Response { status, retry_after_s, body })
        }
        Err(error) => CallOutcome::Lost(LostReason::of(&error)),
    }
}

impl LostReason {
    fn of(error: &reqwest::Error) -> Self {
        if error.is_timeout() { Self::TimedOut } else { Self::ConnectionBroken }
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(20);

    /// Calls a server that answers each connection with `answer` and closes it.
    async fn answered_with(answer: &'static str) -> CallOutcome {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = tokio::spawn(async move {
            let (mut connection, _) = listener.accept().await.unwrap();
            _ = connection.read(&mut [0; 1_024]).await.unwrap();
            connection.write_all(answer.as_bytes()).await.unwrap();
        });
        let outcome = call(build().get(url), TIMEOUT).await;
        server.await.unwrap();
        outcome
    }

    #[tokio::test]
    async fn a_refused_connection_sent_nothing() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        drop(listener);
        assert!(matches!(call(build().get(url), TIMEOUT).await, CallOutcome::NotSent));
        assert!(matches!(call(build().get("no URL"), TIMEOUT).await, CallOutcome::NotSent));
    }

    #[tokio::test]
    async fn a_connection_that_breaks_may_have_sent_it() {
        for part in ["", "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{"] {
            let outcome = answered_with(part).await;
            assert!(matches!(outcome, CallOutcome::Lost(LostReason::ConnectionBroken)), "{part}: {outcome:?}");
        }
    }

    #[tokio::test]
    async fn a_response_that_does_not_come_in_time_may_have_sent_it() {
        // The kernel accepts the connection; nobody reads from it.
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let outcome = call(build().get(url), Duration::from_millis(50)).await;
        assert!(matches!(outcome, CallOutcome::Lost(LostReason::TimedOut)), "{outcome:?}");
    }

    #[tokio::test]
    async fn a_complete_response_is_read_whatever_its_status() {
        let CallOutcome::Answered(response) =
            answered_with("HTTP/1.1 429 Slow\r\nretry-after: 7\r\ncontent-length: 7\r\n\r\n{\"a\":1}").await
        else {
            panic!("answered")
        };
        assert_eq!((response.status, response.retry_after_s, &response.body["a"]), (429, Some(7), &1.into()));
        let redirect = "HTTP/1.1 307 Elsewhere\r\nlocation: http://127.0.0.1:9/\r\ncontent-length: 2\r\n\r\nno";
        let CallOutcome::Answered(response) = answered_with(redirect).await else { panic!("not followed") };
        assert_eq!((response.status, response.retry_after_s, response.body), (307, None, Value::Null));
    }
}
