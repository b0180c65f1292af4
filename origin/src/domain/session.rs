//! Session ids and the cookie as signed tokens. Not revocations: those are the store's and the operators'.
//!
//! **Invariant:** a session's name is derived from its challenge, so a code that two replicas accept makes one session.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use hmac::Mac;
use otp_shared::{
    phone::Phone,
    secret::{self, Secret},
    signature::hex,
};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

use super::evaluation::ChallengeKey;

/// How long a session id may be turned into a cookie, in milliseconds.
pub const SESSION_ID_MS: u64 = 600_000;

/// The most characters of a session id that an operator authorises.
pub const MAX_MANUAL_ID_CHARS: usize = 64;

/// Who a session is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Holder {
    /// A fan who verified this number.
    Fan(Phone),
    /// Whoever was given the id that an operator authorised.
    Manual(String),
}

/// What a token says once it proved authentic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Names the session: the same in its id and its cookie.
    #[serde(rename = "s")]
    pub name: String,
    /// Who it is.
    #[serde(rename = "h")]
    pub holder: Holder,
    /// Unix millisecond at which this token ends.
    #[serde(rename = "e")]
    pub expires_at_ms: u64,
}

/// What a token may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// The answer of verify, good for a cookie.
    SessionId,
    /// The cookie.
    Cookie,
}

struct Keys {
    session_id: [u8; 32],
    cookie: [u8; 32],
    name: [u8; 32],
}

impl Keys {
    fn new(secret: &Secret) -> Self {
        Self { session_id: secret.derive("session-id"), cookie: secret.derive("cookie"), name: secret.derive("session-name") }
    }

    fn of(&self, purpose: Use) -> &[u8; 32] {
        match purpose {
            Use::SessionId => &self.session_id,
            Use::Cookie => &self.cookie,
        }
    }
}

/// Signs tokens with the current secret, and reads those of the current and the previous one.
pub struct Sessions {
    current: Keys,
    previous: Option<Keys>,
}

impl Sessions {
    /// Derives the keys.
    pub fn new(current: &Secret, previous: Option<&Secret>) -> Self {
        Self { current: Keys::new(current), previous: previous.map(Keys::new) }
    }

    /// The session that verifying `challenge` makes, whoever verifies it.
    pub fn of_challenge(&self, challenge: ChallengeKey, phone: Phone, now_ms: u64) -> Session {
        let name = secret::mac(&self.current.name).chain_update(challenge.0).finalize().into_bytes();
        Session { name: hex(&name[..16]), holder: Holder::Fan(phone), expires_at_ms: now_ms + SESSION_ID_MS }
    }

    /// The token's text.
    pub fn sign(&self, session: &Session, purpose: Use) -> String {
        let payload = BASE64.encode(serde_json::to_vec(session).expect("a struct of strings and numbers serialises"));
        let mac = tag(self.current.of(purpose), &payload);
        format!("{payload}.{}", BASE64.encode(mac))
    }

    /// Reads a token. `None`: forged, damaged, for another use, or ended.
    pub fn read(&self, token: &str, purpose: Use, now_ms: u64) -> Option<Session> {
        let (payload, mac) = token.split_once('.')?;
        let mac = BASE64.decode(mac).ok()?;
        let authentic = |keys: &Keys| bool::from(tag(keys.of(purpose), payload).ct_eq(&mac));
        if !std::iter::once(&self.current).chain(&self.previous).any(authentic) {
            return None;
        }
        let session: Session = serde_json::from_slice(&BASE64.decode(payload).ok()?).ok()?;
        (now_ms < session.expires_at_ms).then_some(session)
    }
}

fn tag(key: &[u8; 32], payload: &str) -> [u8; 32] {
    secret::mac(key).chain_update(payload).finalize().into_bytes().into()
}

/// Whether an operator may authorise this id: 16 to 64 of `[A-Za-z0-9_-]`, as `uuidgen` prints.
pub fn is_manual_id(text: &str) -> bool {
    (16..=MAX_MANUAL_ID_CHARS).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: u64 = 1_790_000_000_000;

    fn sessions(fill: char) -> Sessions {
        Sessions::new(&Secret::parse(&fill.to_string().repeat(32)).unwrap(), None)
    }

    fn session() -> Session {
        sessions('a').of_challenge(ChallengeKey([7; 16]), Phone::parse("+250788123456").unwrap(), NOW_MS)
    }

    #[test]
    fn a_token_is_read_until_it_ends() {
        let token = sessions('a').sign(&session(), Use::SessionId);
        assert_eq!(sessions('a').read(&token, Use::SessionId, NOW_MS + SESSION_ID_MS - 1), Some(session()));
        assert_eq!(sessions('a').read(&token, Use::SessionId, NOW_MS + SESSION_ID_MS), None);
    }

    #[test]
    fn a_session_id_is_no_cookie() {
        let token = sessions('a').sign(&session(), Use::SessionId);
        assert_eq!(sessions('a').read(&token, Use::Cookie, NOW_MS), None);
    }

    #[test]
    fn one_challenge_makes_one_session_wherever_it_is_verified() {
        let later = sessions('a').of_challenge(ChallengeKey([7; 16]), Phone::parse("+250788123456").unwrap(), NOW_MS + 5000);
        assert_eq!(later.name, session().name);
    }

    #[test]
    fn tokens_of_the_previous_secret_stay_good() {
        let old = sessions('a').sign(&session(), Use::Cookie);
        let secret = |fill: char| Secret::parse(&fill.to_string().repeat(32)).unwrap();
        let rotated = Sessions::new(&secret('b'), Some(&secret('a')));
        assert_eq!(rotated.read(&old, Use::Cookie, NOW_MS), Some(session()));
        assert_eq!(sessions('b').read(&old, Use::Cookie, NOW_MS), None);
    }

    #[test]
    fn damaged_tokens_are_refused() {
        let token = sessions('a').sign(&session(), Use::Cookie);
        for bad in ["", ".", "a.b", &token[1..], &token[..token.len() - 2], &format!("{token}x"), &token.replace('.', "")] {
            assert_eq!(sessions('a').read(bad, Use::Cookie, NOW_MS), None, "{bad}");
        }
    }

    #[test]
    fn what_uuidgen_prints_may_be_authorised() {
        assert!(is_manual_id("7f2c1c3e-93c5-4c0e-8d9b-0f8f4f4f2a11"));
        for bad in ["", "short", "has spaces in it, clearly", &"x".repeat(65), "quote\"quote\"quote\""] {
            assert!(!is_manual_id(bad), "{bad}");
        }
    }
}
