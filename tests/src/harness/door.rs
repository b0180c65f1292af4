//! The two ways in: the edge, as a fan comes; and straight at the origin, with a signature as the edge makes it (or forged).

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use otp_shared::{
    headers,
    secret::Secret,
    signature::{Direction, Keyring, Parts, Signed},
};
use reqwest::{Method, RequestBuilder};

use super::clock::now_s;

/// The edge's header for the client's address; in production the platform sets it.
const CONNECTING_IP: &str = "cf-connecting-ip";

/// Where requests go, and what is put on them on the way.
#[derive(Clone)]
pub enum Door {
    /// The edge's URL.
    Edge(String),
    /// The origin's URL, and who signs in the edge's place.
    Origin(String, Signer),
    /// The origin's URL; nobody signs.
    Unsigned(String),
}

impl Door {
    /// A request through this door, from `address`. `path` may have a query.
    pub fn request(&self, http: &reqwest::Client, method: &Method, path: &str, body: &[u8], address: IpAddr) -> RequestBuilder {
        let at = |url: &str| http.request(method.clone(), format!("{url}{path}")).body(body.to_vec());
        match self {
            Self::Edge(url) => at(url).header(CONNECTING_IP, address.to_string()),
            Self::Origin(url, signer) => signer.dress(at(url), method, path, body, address),
            Self::Unsigned(url) => at(url),
        }
    }
}

/// Signs as the edge does.
#[derive(Clone)]
pub struct Signer {
    keys: Arc<Keyring>,
    skew_s: i64,
}

static NONCES: AtomicU64 = AtomicU64::new(0);

impl Signer {
    /// Signs with this secret.
    pub fn new(secret: &str) -> Self {
        let secret = Secret::parse(secret).expect("the harness's secrets are long enough");
        Self { keys: Arc::new(Keyring::new(&secret, None, Direction::EdgeToOrigin)), skew_s: 0 }
    }

    /// The same with a clock that is off by so many seconds.
    #[must_use]
    pub fn skewed(&self, skew_s: i64) -> Self {
        Self { skew_s, ..self.clone() }
    }

    /// Puts the signature's headers on `request`.
    pub fn dress(&self, request: RequestBuilder, method: &Method, path: &str, body: &[u8], address: IpAddr) -> RequestBuilder {
        let signed = self.sign(method, path, body, address);
        request
            .header(headers::CLIENT_ADDRESS, address.to_string())
            .header(headers::CONTENT_DIGEST, signed.content_digest)
            .header(headers::SIGNATURE_INPUT, signed.signature_input)
            .header(headers::SIGNATURE, signed.signature)
    }

    /// Signs now, by its own clock, with a nonce that was never used before.
    pub fn sign(&self, method: &Method, path: &str, body: &[u8], address: IpAddr) -> Signed {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let parts = Parts { method: method.as_str(), path, query, body, client_address: Some(address), client_country: None };
        self.keys.sign(&parts, now_s().saturating_add_signed(self.skew_s), nonce())
    }
}

/// Different in every call of this process, and from those of other processes.
fn nonce() -> [u8; 16] {
    let count = NONCES.fetch_add(1, Ordering::Relaxed);
    let mut nonce = [0; 16];
    nonce[..8].copy_from_slice(&count.to_be_bytes());
    nonce[8..12].copy_from_slice(&std::process::id().to_be_bytes());
    nonce[12..].copy_from_slice(&now_s().to_be_bytes()[4..]);
    nonce
}
