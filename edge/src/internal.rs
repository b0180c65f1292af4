//! The origin's own signed calls to the edge, by which it reaches KV: publish the snapshot, keep a copy of the operator state, read both
//! back. What is sealed in a copy is opaque here.
//!
//! **Invariant:** a call is harmless when replayed: only a higher version replaces a lower one. KV reads may be a minute old, so the edge
//! guards against an old call, not against two writers at once; that there is one writer a key is the origin's lease.

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use otp_shared::{
    kv::operator_replica,
    problem::ProblemCode,
    routes::{INTERNAL_HAND, INTERNAL_OPERATOR, INTERNAL_SNAPSHOT, RouteError},
    signature::{Claimed, Parts, SignatureError},
    snapshot::Snapshot,
};

use crate::{
    config::Keys,
    json::{self, Object},
    refusal::Refusal,
    request::Facts,
};

/// One call of the origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Internal {
    /// `PUT /internal/edge/snapshot`
    PutSnapshot,
    /// `PUT /internal/edge/operator/{replica}?version=N`
    PutCopy(String),
    /// `GET /internal/edge/operator`
    Copies,
    /// `GET /internal/edge/hand`
    Hand,
}

/// Finds the call; [`RouteError::NotFound`] for every other path.
pub fn route(method: &str, path: &str) -> Result<Internal, RouteError> {
    let (allow, call) = match path {
        INTERNAL_SNAPSHOT => ("PUT", Internal::PutSnapshot),
        INTERNAL_OPERATOR => ("GET", Internal::Copies),
        INTERNAL_HAND => ("GET", Internal::Hand),
        _ => ("PUT", Internal::PutCopy(replica(path).ok_or(RouteError::NotFound)?.to_owned())),
    };
    if method == allow { Ok(call) } else { Err(RouteError::MethodNotAllowed(allow)) }
}

/// A replica's name as Kubernetes and hostnames spell it: it becomes part of a KV key.
fn replica(path: &str) -> Option<&str> {
    let name = path.strip_prefix(INTERNAL_OPERATOR)?.strip_prefix('/')?;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    ((1..=128).contains(&name.len()) && name.bytes().all(is_plain)).then_some(name)
}

/// Whether the origin signed these headers, before any of a body of up to 16 MB is read for a stranger.
///
/// The signature covers the body's digest and not the body itself, so it is complete without the body; that the body has this digest is
/// for [`verify`].
pub fn verify_headers(keys: &Keys, facts: &Facts, claimed: &Claimed<'_>, now_s: u64) -> Result<(), Refusal> {
    match keys.from_origin.verify(&parts(facts, b""), claimed, now_s) {
        Ok(_) | Err(SignatureError::Digest) => Ok(()),
        Err(error) => Err(unauthorized(error)),
    }
}

/// Whether the origin signed this call, body included.
pub fn verify(keys: &Keys, facts: &Facts, body: &[u8], claimed: &Claimed<'_>, now_s: u64) -> Result<(), Refusal> {
    keys.from_origin.verify(&parts(facts, body), claimed, now_s).map(|_| ()).map_err(unauthorized)
}

fn parts<'a>(facts: &'a Facts, body: &'a [u8]) -> Parts<'a> {
    Parts { method: &facts.method, path: &facts.path, query: &facts.query, body, client_address: None, client_country: None }
}

/// Which of the reasons it was is for the log, not for the caller.
fn unauthorized(error: SignatureError) -> Refusal {
    let because = match error {
        SignatureError::Malformed => "malformed",
        SignatureError::Skewed => "skewed",
        SignatureError::UnknownKey => "unknown_key",
        SignatureError::Digest => "digest",
        SignatureError::NoAddress => "no_address",
        SignatureError::Forged => "forged",
    };
    Refusal::new(ProblemCode::Unauthorized, "This call is for the origin, which signs it.").because(because)
}

/// Checks a snapshot that is to be published against the version of the newest one known.
pub fn newer_snapshot(body: Vec<u8>, newest: u64) -> Result<Snapshot, Refusal> {
    let snapshot = Snapshot::decode(body).map_err(|error| Refusal::new(ProblemCode::InvalidBody, error.to_string()))?;
    if snapshot.version() <= newest {
        return Err(Refusal::new(ProblemCode::Conflict, format!("The edge already has version {newest}.")));
    }
    Ok(snapshot)
}

/// The version of what is stored; 0 for nothing and for damage, which any good snapshot may replace.
pub fn stored_version(value: Option<Vec<u8>>) -> u64 {
    value.and_then(|bytes| Snapshot::decode(bytes).ok()).map_or(0, |snapshot| snapshot.version())
}

/// The answer to a taken snapshot or copy: the version that is stored now.
pub fn stored(version: u64) -> String {
    Object::begin().number("version", version).finish()
}

/// One replica's copy of the operator state, as it lies in KV: the version in 8 bytes, most significant first, then what the replica sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredCopy {
    /// The replica's own count of changes.
    pub version: u64,
    /// Sealed by the replica.
    pub data: Vec<u8>,
}

impl StoredCopy {
    /// The value in KV.
    pub fn encode(&self) -> Vec<u8> {
        [self.version.to_be_bytes().as_slice(), &self.data].concat()
    }

    /// Reads the value; `None` when it is shorter than its version.
    pub fn decode(value: &[u8]) -> Option<Self> {
        let (version, data) = value.split_first_chunk()?;
        Some(Self { version: u64::from_be_bytes(*version), data: data.to_vec() })
    }
}

/// Checks a copy against the one that is stored: 409 when lower. The same version again is stored again; it is the same copy.
pub fn newer_copy(facts: &Facts, body: Vec<u8>, stored: Option<&[u8]>) -> Result<StoredCopy, Refusal> {
    let version = version(&facts.query).ok_or_else(|| Refusal::new(ProblemCode::InvalidBody, "The query has to be version=N."))?;
    match stored.and_then(StoredCopy::decode) {
        Some(stored) if version < stored.version => {
            Err(Refusal::new(ProblemCode::Conflict, format!("The edge already has version {}.", stored.version)))
        }
        _ => Ok(StoredCopy { version, data: body }),
    }
}

fn version(query: &str) -> Option<u64> {
    query.split('&').find_map(|pair| pair.strip_prefix("version="))?.parse().ok()
}

/// `GET /internal/edge/operator`: every replica's newest copy.
#[derive(Debug, Default)]
pub struct Copies(Vec<String>);

impl Copies {
    /// Adds the value under a KV key. What is no copy is left out; it says so with `false`.
    pub fn add(&mut self, key: &str, value: &[u8]) -> bool {
        let Some((replica, copy)) = operator_replica(key).zip(StoredCopy::decode(value)) else { return false };
        let copy = Object::begin().text("replica", replica).number("version", copy.version).text("data", &BASE64.encode(copy.data));
        self.0.push(copy.finish());
        true
    }

    /// The answer's body.
    pub fn finish(self) -> String {
        Object::begin().raw("copies", &json::list(self.0)).finish()
    }
}

#[cfg(test)]
mod tests {
    use otp_shared::{
        secret::Secret,
        signature::{Direction, Keyring, Signed},
    };

    use super::*;
    use crate::snapshots::tests::{NOW_S, blacklisting, keys};

    fn facts(method: &str, path: &str, query: &str) -> Facts {
        Facts {
            method: method.into(),
            path: path.into(),
            query: query.into(),
            content_type: None,
            content_length: None,
            address: None,
            country: None,
        }
    }

    fn sign(facts: &Facts, body: &[u8]) -> Signed {
        let ring = Keyring::new(&Secret::parse(&"s".repeat(32)).unwrap(), None, Direction::OriginToEdge);
        ring.sign(&parts(facts, body), NOW_S, [7; 16])
    }

    fn claimed(signed: &Signed) -> Claimed<'_> {
        Claimed { content_digest: &signed.content_digest, signature_input: &signed.signature_input, signature: &signed.signature }
    }

    fn code<T>(result: Result<T, Refusal>) -> Option<ProblemCode> {
        result.err().map(|refusal| refusal.problem.code)
    }

    #[test]
    fn every_call_is_found_by_its_method() {
        let check = |method, path, expected| assert_eq!(route(method, path), expected, "{method} {path}");
        check("PUT", "/internal/edge/snapshot", Ok(Internal::PutSnapshot));
        check("PUT", "/internal/edge/operator/backend-7d4f-x2x9q", Ok(Internal::PutCopy("backend-7d4f-x2x9q".into())));
        check("GET", "/internal/edge/operator", Ok(Internal::Copies));
        check("GET", "/internal/edge/hand", Ok(Internal::Hand));
        check("GET", "/internal/edge/snapshot", Err(RouteError::MethodNotAllowed("PUT")));
        check("PUT", "/internal/edge/operator", Err(RouteError::MethodNotAllowed("GET")));
    }

    #[test]
    fn a_replica_with_another_name_than_a_host_has_is_not_found() {
        for name in ["", "a/b", "a:b", "a%2Fb", "é"] {
            assert_eq!(route("PUT", &format!("/internal/edge/operator/{name}")), Err(RouteError::NotFound), "{name}");
        }
    }

    #[test]
    fn the_origins_signature_is_accepted_with_and_without_the_body() {
        let facts = facts("PUT", "/internal/edge/operator/a", "version=3");
        let signed = sign(&facts, b"sealed");
        assert_eq!(verify_headers(&keys(), &facts, &claimed(&signed), NOW_S), Ok(()));
        assert_eq!(verify(&keys(), &facts, b"sealed", &claimed(&signed), NOW_S), Ok(()));
    }

    #[test]
    fn a_forged_signature_is_refused_before_the_body_is_read() {
        let facts = facts("PUT", "/internal/edge/snapshot", "");
        let mut signed = sign(&facts, b"");
        signed.signature = format!("otp=:{}:", BASE64.encode([0; 32]));
        assert_eq!(code(verify_headers(&keys(), &facts, &claimed(&signed), NOW_S)), Some(ProblemCode::Unauthorized));
    }

    #[test]
    fn a_swapped_body_path_or_query_is_refused() {
        let signed_for = facts("PUT", "/internal/edge/operator/a", "version=3");
        let signed = sign(&signed_for, b"sealed");
        assert_eq!(code(verify(&keys(), &signed_for, b"other", &claimed(&signed), NOW_S)), Some(ProblemCode::Unauthorized));
        for other in [facts("PUT", "/internal/edge/operator/b", "version=3"), facts("PUT", "/internal/edge/operator/a", "version=4")] {
            assert_eq!(code(verify_headers(&keys(), &other, &claimed(&signed), NOW_S)), Some(ProblemCode::Unauthorized));
        }
    }

    #[test]
    fn the_edges_own_signature_is_not_the_origins() {
        let facts = facts("GET", "/internal/edge/hand", "");
        let signed = keys().to_origin.sign(&parts(&facts, b""), NOW_S, [7; 16]);
        assert_eq!(code(verify_headers(&keys(), &facts, &claimed(&signed), NOW_S)), Some(ProblemCode::Unauthorized));
    }

    #[test]
    fn only_a_newer_snapshot_is_taken() {
        let body = blacklisting("phone", "+250788000001", 5);
        assert_eq!(newer_snapshot(body.clone(), 4).map(|snapshot| snapshot.version()), Ok(5));
        assert_eq!(code(newer_snapshot(body.clone(), 5)), Some(ProblemCode::Conflict));
        assert_eq!(code(newer_snapshot(body, 6)), Some(ProblemCode::Conflict));
        assert_eq!(code(newer_snapshot(b"no snapshot".to_vec(), 0)), Some(ProblemCode::InvalidBody));
    }

    #[test]
    fn a_damaged_stored_snapshot_may_be_replaced() {
        assert_eq!(stored_version(Some(blacklisting("phone", "+250788000001", 5))), 5);
        assert_eq!(stored_version(Some(b"damage".to_vec())), 0);
        assert_eq!(stored_version(None), 0);
    }

    #[test]
    fn a_lower_copy_is_a_conflict_and_the_same_one_is_stored_again() {
        let stored = StoredCopy { version: 3, data: b"old".to_vec() }.encode();
        let put = |query: &str| newer_copy(&facts("PUT", "/internal/edge/operator/a", query), b"new".to_vec(), Some(&stored));
        assert_eq!(code(put("version=2")), Some(ProblemCode::Conflict));
        assert_eq!(put("version=3"), Ok(StoredCopy { version: 3, data: b"new".to_vec() }));
        assert_eq!(put("version=4").map(|copy| copy.version), Ok(4));
        assert_eq!(code(put("")), Some(ProblemCode::InvalidBody));
        assert_eq!(code(put("version=-1")), Some(ProblemCode::InvalidBody));
    }

    #[test]
    fn a_damaged_stored_copy_does_not_stop_a_new_one() {
        assert!(newer_copy(&facts("PUT", "/", "version=1"), Vec::new(), Some(b"short")).is_ok());
    }

    #[test]
    fn the_stored_copy_is_pinned() {
        let copy = StoredCopy { version: 258, data: b"sealed".to_vec() };
        assert_eq!(copy.encode(), b"\0\0\0\0\0\0\x01\x02sealed", "stored bytes: write a migration");
        assert_eq!(StoredCopy::decode(&copy.encode()), Some(copy));
    }

    #[test]
    fn copies_are_listed_by_replica() {
        let mut copies = Copies::default();
        assert!(copies.add("operator:a", &StoredCopy { version: 3, data: b"sealed".to_vec() }.encode()));
        assert!(!copies.add("operator:b", b"short"));
        assert_eq!(copies.finish(), r#"{"copies":[{"replica":"a","version":3,"data":"c2VhbGVk"}]}"#, "the origin reads this");
    }
}
