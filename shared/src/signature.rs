//! The signature between the edge and the origin: HTTP Message Signatures (RFC 9421) with `hmac-sha256`, over a body digest (RFC 9530).
//! Not a general RFC 9421 parser: one fixed list of components a direction, and anything else is refused.
//!
//! **Invariant:** a signature for one direction never verifies in the other; each has its own key.
//! Replays inside the ±[`MAX_SKEW_S`] window are the receiver's affair: it remembers [`Verified::nonce`].

use std::net::IpAddr;

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

use crate::{
    country::Country,
    secret::{self, Secret},
};

/// How far the signer's clock may be off, in seconds, either way.
pub const MAX_SKEW_S: u64 = 30;

/// Who signs for whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// A forwarded request; it carries the client's address.
    EdgeToOrigin,
    /// The origin's own call to the edge.
    OriginToEdge,
}

impl Direction {
    fn label(self) -> &'static str {
        match self {
            Self::EdgeToOrigin => "signature/edge-to-origin",
            Self::OriginToEdge => "signature/origin-to-edge",
        }
    }

    fn components(self) -> &'static str {
        match self {
            Self::EdgeToOrigin => r#"("@method" "@path" "@query" "content-digest" "otp-client-address" "otp-client-country")"#,
            Self::OriginToEdge => r#"("@method" "@path" "@query" "content-digest")"#,
        }
    }
}

/// What is signed of a request.
#[derive(Debug, Clone, Copy)]
pub struct Parts<'a> {
    /// Upper case.
    pub method: &'a str,
    /// As it stands in the request line, without the query.
    pub path: &'a str,
    /// Without its question mark; empty when there is none.
    pub query: &'a str,
    /// The raw bytes.
    pub body: &'a [u8],
    /// The fan's address; required from edge to origin.
    pub client_address: Option<IpAddr>,
    /// The country that the platform places the address in.
    pub client_country: Option<Country>,
}

/// The three header values of a signed request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// `Content-Digest`
    pub content_digest: String,
    /// `Signature-Input`
    pub signature_input: String,
    /// `Signature`
    pub signature: String,
}

/// The three header values as they were received.
#[derive(Debug, Clone, Copy)]
pub struct Claimed<'a> {
    /// `Content-Digest`
    pub content_digest: &'a str,
    /// `Signature-Input`
    pub signature_input: &'a str,
    /// `Signature`
    pub signature: &'a str,
}

/// What a good signature tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    /// By which the receiver recognises a replay.
    pub nonce: [u8; 16],
    /// Unix second of signing.
    pub created_s: u64,
}

/// Why a signature is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// A header is not of the one form that is accepted.
    #[error("the signature headers are not of the expected form")]
    Malformed,
    /// Signed too long ago, or in the future.
    #[error("the signature's time is more than {MAX_SKEW_S} s off")]
    Skewed,
    /// Neither the current nor the previous key.
    #[error("the signature's key is not known")]
    UnknownKey,
    /// The body is not the one that was signed.
    #[error("the body does not match its digest")]
    Digest,
    /// A forwarded request without the client's address.
    #[error("the signed request names no client address")]
    NoAddress,
    /// The MAC does not match.
    #[error("the signature does not match")]
    Forged,
}

struct Key {
    id: String,
    bytes: [u8; 32],
}

impl Key {
    fn new(secret: &Secret, direction: Direction) -> Self {
        let id = secret.derive("signature/key-id");
        Self { id: hex(id.get(..4).unwrap_or_default()), bytes: secret.derive(direction.label()) }
    }

    fn mac(&self, base: &str) -> Hmac<Sha256> {
        secret::mac(&self.bytes).chain_update(base)
    }
}

/// The keys of one direction: signs with the current one, verifies with the current and the previous one.
pub struct Keyring {
    direction: Direction,
    current: Key,
    previous: Option<Key>,
}

impl Keyring {
    /// Derives the keys of `direction`.
    pub fn new(current: &Secret, previous: Option<&Secret>, direction: Direction) -> Self {
        Self { direction, current: Key::new(current, direction), previous: previous.map(|secret| Key::new(secret, direction)) }
    }

    /// Signs `parts` at `now_s` (Unix seconds). The nonce is random and used once.
    pub fn sign(&self, parts: &Parts<'_>, now_s: u64, nonce: [u8; 16]) -> Signed {
        let content_digest = content_digest(parts.body);
        let params = format!(
            r#"{};created={now_s};nonce="{}";keyid="{}";alg="hmac-sha256""#,
            self.direction.components(),
            hex(&nonce),
            self.current.id
        );
        let base = self.base(parts, &content_digest, &params);
        let signature = BASE64.encode(self.current.mac(&base).finalize().into_bytes());
        Signed { content_digest, signature_input: format!("otp={params}"), signature: format!("otp=:{signature}:") }
    }

    /// Checks what was received. Errors: see [`SignatureError`]; which one it was is for the log, not for the caller.
    pub fn verify(&self, parts: &Parts<'_>, claimed: &Claimed<'_>, now_s: u64) -> Result<Verified, SignatureError> {
        let params = claimed.signature_input.strip_prefix("otp=").ok_or(SignatureError::Malformed)?;
        let input = self.parse_params(params).ok_or(SignatureError::Malformed)?;
        if self.direction == Direction::EdgeToOrigin && parts.client_address.is_none() {
            return Err(SignatureError::NoAddress);
        }
        let key = self.key(input.key_id).ok_or(SignatureError::UnknownKey)?;
        let signature = claimed.signature.strip_prefix("otp=:").and_then(|rest| rest.strip_suffix(':')).ok_or(SignatureError::Malformed)?;
        let signature = BASE64.decode(signature).map_err(|_| SignatureError::Malformed)?;
        let base = self.base(parts, claimed.content_digest, params);
        key.mac(&base).verify_slice(&signature).map_err(|_| SignatureError::Forged)?;
        if input.created_s.abs_diff(now_s) > MAX_SKEW_S {
            return Err(SignatureError::Skewed);
        }
        if claimed.content_digest != content_digest(parts.body) {
            return Err(SignatureError::Digest);
        }
        Ok(Verified { nonce: input.nonce, created_s: input.created_s })
    }

    fn key(&self, id: &str) -> Option<&Key> {
        std::iter::once(&self.current).chain(&self.previous).find(|key| key.id == id)
    }

    fn parse_params<'a>(&self, params: &'a str) -> Option<Input<'a>> {
        let rest = params.strip_prefix(self.direction.components())?.strip_prefix(";created=")?;
        let (created, rest) = rest.split_once(r#";nonce=""#)?;
        let (nonce, rest) = rest.split_once(r#"";keyid=""#)?;
        let key_id = rest.strip_suffix(r#"";alg="hmac-sha256""#)?;
        Some(Input { created_s: created.parse().ok()?, nonce: unhex(nonce)?, key_id })
    }

    /// RFC 9421 section 2.5: the signature base.
    fn base(&self, parts: &Parts<'_>, content_digest: &str, params: &str) -> String {
        let Parts { method, path, query, .. } = parts;
        let mut base = format!("\"@method\": {method}\n\"@path\": {path}\n\"@query\": ?{query}\n\"content-digest\": {content_digest}\n");
        if self.direction == Direction::EdgeToOrigin {
            let address = parts.client_address.map(|address| address.to_string()).unwrap_or_default();
            let country = parts.client_country.as_ref().map(Country::as_str).unwrap_or_default();
            for (name, value) in [("otp-client-address", address.as_str()), ("otp-client-country", country)] {
                base.extend(["\"", name, "\": ", value, "\n"]);
            }
        }
        base + "\"@signature-params\": " + params
    }
}

struct Input<'a> {
    created_s: u64,
    nonce: [u8; 16],
    key_id: &'a str,
}

/// RFC 9530: `sha-256=:…:`
fn content_digest(body: &[u8]) -> String {
    format!("sha-256=:{}:", BASE64.encode(Sha256::digest(body)))
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(nibble.into(), 16).unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// Reads lower-case hexadecimal of exactly `N` bytes.
pub fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.len() != 2 * N || !text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
        return None;
    }
    let mut bytes = [0; N];
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * index..2 * index + 2)?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW_S: u64 = 1_790_000_000;
    const NONCE: [u8; 16] = *b"0123456789abcdef";

    fn secret(fill: char) -> Secret {
        Secret::parse(&fill.to_string().repeat(32)).unwrap()
    }

    fn ring(fill: char, direction: Direction) -> Keyring {
        Keyring::new(&secret(fill), None, direction)
    }

    fn parts(body: &[u8]) -> Parts<'_> {
        Parts {
            method: "POST",
            path: "/otp/request",
            query: "",
            body,
            client_address: Some("203.0.113.7".parse().unwrap()),
            client_country: Country::parse("RW").ok(),
        }
    }

    fn check(ring: &Keyring, parts: &Parts<'_>, signed: &Signed, now_s: u64) -> Result<Verified, SignatureError> {
        let claimed =
            Claimed { content_digest: &signed.content_digest, signature_input: &signed.signature_input, signature: &signed.signature };
        ring.verify(parts, &claimed, now_s)
    }

    #[test]
    fn the_signature_is_pinned() {
        let signed = ring('a', Direction::EdgeToOrigin).sign(&parts(b"{}"), NOW_S, NONCE);
        let message = "edge and origin are deployed apart: a change needs a migration";
        assert_eq!(signed.content_digest, "sha-256=:RBNvo1WzZ4oRRq0W9+hknpT7T8If536DEMBg9hyq/4o=:", "{message}");
        assert_eq!(
            signed.signature_input,
            r#"otp=("@method" "@path" "@query" "content-digest" "otp-client-address" "otp-client-country");created=1790000000;nonce="30313233343536373839616263646566";keyid="5ad013b3";alg="hmac-sha256""#,
            "{message}"
        );
        assert_eq!(signed.signature, "otp=:uUE5BN7AChqCLG0/XjH5jvJYBj/bz6Gdr6GUGK7LsTI=:", "{message}");
    }

    #[test]
    fn a_signed_request_verifies_until_its_time_is_over() {
        let ring = ring('a', Direction::EdgeToOrigin);
        let signed = ring.sign(&parts(b"{}"), NOW_S, NONCE);
        let good = Ok(Verified { nonce: NONCE, created_s: NOW_S });
        for now_s in [NOW_S - 30, NOW_S, NOW_S + 30] {
            assert_eq!(check(&ring, &parts(b"{}"), &signed, now_s), good);
        }
        for now_s in [NOW_S - 31, NOW_S + 31] {
            assert_eq!(check(&ring, &parts(b"{}"), &signed, now_s), Err(SignatureError::Skewed));
        }
    }

    #[test]
    fn any_changed_part_is_refused() {
        let ring = ring('a', Direction::EdgeToOrigin);
        let good = parts(b"{}");
        let signed = ring.sign(&good, NOW_S, NONCE);
        let changed = [
            Parts { method: "GET", ..good },
            Parts { path: "/otp/verify", ..good },
            Parts { query: "a=b", ..good },
            Parts { client_address: Some("203.0.113.8".parse().unwrap()), ..good },
            Parts { client_country: None, ..good },
        ];
        for parts in changed {
            assert_eq!(check(&ring, &parts, &signed, NOW_S), Err(SignatureError::Forged), "{parts:?}");
        }
        assert_eq!(check(&ring, &parts(b"[]"), &signed, NOW_S), Err(SignatureError::Digest));
    }

    #[test]
    fn a_request_without_the_clients_address_is_refused() {
        let ring = ring('a', Direction::EdgeToOrigin);
        let parts = Parts { client_address: None, ..parts(b"{}") };
        let signed = ring.sign(&parts, NOW_S, NONCE);
        assert_eq!(check(&ring, &parts, &signed, NOW_S), Err(SignatureError::NoAddress));
    }

    #[test]
    fn one_direction_does_not_verify_in_the_other() {
        let signed = ring('a', Direction::OriginToEdge).sign(&parts(b"{}"), NOW_S, NONCE);
        assert!(check(&ring('a', Direction::EdgeToOrigin), &parts(b"{}"), &signed, NOW_S).is_err());
    }

    #[test]
    fn two_secrets_are_valid_during_a_rotation() {
        let old = ring('a', Direction::EdgeToOrigin).sign(&parts(b"{}"), NOW_S, NONCE);
        let rotating = Keyring::new(&secret('b'), Some(&secret('a')), Direction::EdgeToOrigin);
        assert!(check(&rotating, &parts(b"{}"), &old, NOW_S).is_ok());
        assert_eq!(check(&ring('b', Direction::EdgeToOrigin), &parts(b"{}"), &old, NOW_S), Err(SignatureError::UnknownKey));
    }

    proptest! {
        #[test]
        fn no_header_text_panics_or_passes(digest in ".*", input in ".*", signature in ".*") {
            let claimed = Claimed { content_digest: &digest, signature_input: &input, signature: &signature };
            prop_assert!(ring('a', Direction::EdgeToOrigin).verify(&parts(b""), &claimed, NOW_S).is_err());
        }

        #[test]
        fn hex_survives_both_ways(bytes: [u8; 16]) {
            prop_assert_eq!(unhex(&hex(&bytes)), Some(bytes));
        }
    }
}
