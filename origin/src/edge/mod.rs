//! The edge, as the origin calls it: signed requests that put the snapshot and copies of the operator state into Workers KV.
//!
//! **Invariant:** every call is harmless when replayed: the higher version wins.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use otp_shared::{
    headers, routes,
    secret::Secret,
    signature::{Direction, Keyring, Parts},
};
use serde::Deserialize;

use crate::{clock, domain::operator::Change};
use sealed::Sealer;

mod sealed;

/// How long a call may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Why the edge did not do as it was asked.
#[derive(Debug, thiserror::Error)]
pub enum EdgeError {
    /// Not reached, or no answer in time.
    #[error("the edge is not reached: {0}")]
    Unreachable(String),
    /// It answered with a refusal.
    #[error("the edge refused with {status} {code}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The problem code, if it told one.
        code: String,
    },
}

/// The edge, as the origin calls it.
pub struct EdgeClient {
    base: String,
    http: reqwest::Client,
    keyring: Keyring,
    sealer: Sealer,
}

#[derive(Deserialize)]
struct Copies {
    copies: Vec<Copy>,
}

#[derive(Deserialize)]
struct Copy {
    replica: String,
    data: String,
}

/// The blacklist entries that ops wrote to KV by hand, as the edge lists them.
#[derive(Debug, Default, Deserialize)]
pub struct ManualKvEntries {
    /// Those that block.
    pub entries: Vec<ManualKvEntry>,
    /// Keys that do not parse, as they stand in KV: somebody believes that they block.
    pub unreadable: Vec<String>,
}

/// One blacklist entry that was written to KV by hand.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ManualKvEntry {
    /// As [`Subject::kind`](otp_shared::subject::Subject::kind).
    pub r#type: String,
    /// As [`Subject::value`](otp_shared::subject::Subject::value).
    pub value: String,
    /// The Unix second at which KV drops it by itself.
    pub until_s: Option<u64>,
}

#[derive(Default, Deserialize)]
struct Refusal {
    #[serde(default)]
    code: String,
}

impl EdgeClient {
    /// The edge at `base` (scheme and host). Its secrets sign; `sealing` keeps what lies in KV unreadable.
    pub fn new(base: &str, shared: &Secret, sealing: &Secret, sealing_previous: Option<&Secret>) -> Self {
        Self {
            base: base.trim_end_matches('/').to_owned(),
            http: reqwest::Client::builder().timeout(TIMEOUT).no_proxy().build().expect("a client with static options builds"),
            keyring: Keyring::new(shared, None, Direction::OriginToEdge),
            sealer: Sealer::new(sealing, sealing_previous),
        }
    }

    /// Publishes a snapshot.
    pub async fn put_snapshot(&self, bytes: Vec<u8>, now_ms: u64) -> Result<(), EdgeError> {
        self.call("PUT", routes::INTERNAL_SNAPSHOT, "", bytes, now_ms).await.map(drop)
    }

    /// Keeps this replica's copy of the operator state; of two the one with the greater version stands.
    pub async fn put_operator(&self, replica: &str, version: u64, changes: &[Change], now_ms: u64) -> Result<(), EdgeError> {
        let path = format!("{}/{replica}", routes::INTERNAL_OPERATOR);
        let plain = serde_json::to_vec(changes).expect("changes serialise");
        let sealed = self.sealer.seal(replica, &plain);
        self.call("PUT", &path, &format!("version={version}"), sealed, now_ms).await.map(drop)
    }

    /// Every replica's copy of the operator state. A copy that cannot be opened is reported and passed over.
    pub async fn operator_copies(&self, now_ms: u64) -> Result<Vec<Change>, EdgeError> {
        let body = self.call("GET", routes::INTERNAL_OPERATOR, "", Vec::new(), now_ms).await?;
        let copies: Copies = serde_json::from_slice(&body).map_err(|error| EdgeError::Unreachable(error.to_string()))?;
        Ok(copies.copies.iter().flat_map(|copy| self.open(copy)).collect())
    }

    /// The blacklist entries that ops wrote to KV by hand.
    pub async fn manual_kv_entries(&self, now_ms: u64) -> Result<ManualKvEntries, EdgeError> {
        let body = self.call("GET", routes::INTERNAL_HAND, "", Vec::new(), now_ms).await?;
        serde_json::from_slice(&body).map_err(|error| EdgeError::Unreachable(error.to_string()))
    }

    fn open(&self, copy: &Copy) -> Vec<Change> {
        let plain = BASE64.decode(&copy.data).ok().and_then(|sealed| self.sealer.open(&copy.replica, &sealed));
        let changes = plain.and_then(|plain| serde_json::from_slice(&plain).ok());
        changes.unwrap_or_else(|| {
            tracing::warn!(target: "otp::operator", replica = copy.replica, "a copy of the operator state at the edge cannot be opened");
            Vec::new()
        })
    }

    async fn call(&self, method: &str, path: &str, query: &str, body: Vec<u8>, now_ms: u64) -> Result<Vec<u8>, EdgeError> {
        let parts = Parts { method, path, query, body: &body, client_address: None, client_country: None };
        let signed = self.keyring.sign(&parts, now_ms / 1000, clock::random());
        let url = if query.is_empty() { format!("{}{path}", self.base) } else { format!("{}{path}?{query}", self.base) };
        let method = method.parse().expect("a method of ours");
        let request = self
            .http
            .request(method, url)
            .header(headers::CONTENT_DIGEST, signed.content_digest)
            .header(headers::SIGNATURE_INPUT, signed.signature_input)
            .header(headers::SIGNATURE, signed.signature)
            .header("content-type", "application/octet-stream")
            .body(body);
        let unreachable = |error: reqwest::Error| EdgeError::Unreachable(error.without_url().to_string());
        let response = request.send().await.map_err(unreachable)?;
        let status = response.status();
        let body = response.bytes().await.map_err(unreachable)?;
        if status.is_success() {
            return Ok(body.to_vec());
        }
        let refusal: Refusal = serde_json::from_slice(&body).unwrap_or_default();
        Err(EdgeError::Refused { status: status.as_u16(), code: refusal.code })
    }
}
