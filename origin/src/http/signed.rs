//! Requests that the edge signed. The client's address is believed from here and from nowhere else.
//!
//! **Invariant:** a [`Signed`] cannot be had without a good signature over the very bytes it holds.

use std::{net::IpAddr, sync::Arc};

use axum::{
    extract::{FromRequest, Request},
    http::{HeaderMap, request},
};
use otp_shared::{
    country::Country,
    headers,
    problem::{Problem, ProblemCode},
    routes,
    secret::Secret,
    signature::{Claimed, Direction, Keyring, Parts, SignatureError, Verified},
};

use super::{Http, body, problem_response::ProblemResponse};
use crate::app::caller::Caller;

/// Believes the edge.
pub struct EdgeKeys(Keyring);

/// A request that the edge signed.
pub struct Signed {
    /// The fan's address.
    pub address: IpAddr,
    /// By which a replay is known.
    pub nonce: [u8; 16],
    /// As they came.
    pub headers: HeaderMap,
    /// The raw bytes.
    pub body: Vec<u8>,
}

impl EdgeKeys {
    /// Believes signatures of the current and the previous secret.
    pub fn new(current: &Secret, previous: Option<&Secret>) -> Self {
        Self(Keyring::new(current, previous, Direction::EdgeToOrigin))
    }

    /// The address and what the signature tells. Errors: [`SignatureError`].
    pub fn verify(&self, parts: &request::Parts, body: &[u8], now_s: u64) -> Result<(IpAddr, Verified), SignatureError> {
        let text = |name| header(&parts.headers, name);
        let claimed = Claimed {
            content_digest: text(headers::CONTENT_DIGEST).ok_or(SignatureError::Malformed)?,
            signature_input: text(headers::SIGNATURE_INPUT).ok_or(SignatureError::Malformed)?,
            signature: text(headers::SIGNATURE).ok_or(SignatureError::Malformed)?,
        };
        let address = text(headers::CLIENT_ADDRESS).and_then(|address| address.parse::<IpAddr>().ok());
        let signed = Parts {
            method: parts.method.as_str(),
            path: parts.uri.path(),
            query: parts.uri.query().unwrap_or_default(),
            body,
            client_address: address,
            client_country: text(headers::CLIENT_COUNTRY).and_then(|country| Country::parse(country).ok()),
        };
        let verified = self.0.verify(&signed, &claimed, now_s)?;
        Ok((address.ok_or(SignatureError::NoAddress)?, verified))
    }
}

/// A header's text, if it is there once and is text.
pub fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

impl FromRequest<Arc<Http>> for Signed {
    type Rejection = ProblemResponse;

    async fn from_request(request: Request, http: &Arc<Http>) -> Result<Self, ProblemResponse> {
        let (parts, body) = request.into_parts();
        let bytes = body::read(body, routes::body_limit(parts.uri.path())).await?;
        let now_s = http.app.clock.now_ms() / 1000;
        let (address, verified) = http.edge_keys.verify(&parts, &bytes, now_s).map_err(|error| refuse(http, error))?;
        Ok(Self { address, nonce: verified.nonce, headers: parts.headers, body: bytes })
    }
}

/// Which check failed is for our log; the caller learns only that one did.
fn refuse(http: &Http, error: SignatureError) -> ProblemResponse {
    http.app.telemetry.counters.add("errors", "signature");
    tracing::warn!(target: "otp::http", %error, "a request that the edge should have signed");
    ProblemResponse::new(Problem::new(ProblemCode::Unauthorized, "This route takes only requests that come through the edge."))
        .header(headers::SIGNATURE_STATUS, headers::SIGNATURE_REFUSED)
}

impl Signed {
    /// Splits into who asks and what was sent, as JSON of a known type.
    pub fn json<T: serde::de::DeserializeOwned>(self) -> Result<(T, Caller), Problem> {
        body::require_json(&self.headers)?;
        let parsed = body::parse(&self.body)?;
        let idempotency_key = idempotency_key(&self.headers)?;
        Ok((parsed, Caller { address: self.address, nonce: self.nonce, idempotency_key, body: self.body }))
    }
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    if !headers.contains_key(headers::IDEMPOTENCY_KEY) {
        return Ok(None);
    }
    let is_key =
        |key: &&str| (16..=128).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    match header(headers, headers::IDEMPOTENCY_KEY).filter(is_key) {
        Some(key) => Ok(Some(key.to_owned())),
        None => Err(Problem::new(ProblemCode::InvalidBody, "Idempotency-Key has 16 to 128 of A-Z, a-z, 0-9, - and _.")),
    }
}
