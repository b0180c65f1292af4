//! The page's cookie: who signed in, by the name of the token, and until when. Not the token itself.
//!
//! **Invariant:** a session is worth nothing once its token is replaced or taken away, and never for longer than
//! [`LONGEST_S`].

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use hmac::Mac;
use otp_shared::{
    secret::{self, Secret},
    signature::hex,
};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

use crate::{clock, http::admin_auth::AdminTokens};

/// How long a session lasts after somebody looked at the page, in seconds. The script's own polling does not renew it.
pub const IDLE_S: u64 = 3600;
/// How long it lasts in all, in seconds: a long night.
pub const LONGEST_S: u64 = 12 * 3600;

/// A browser's session at the page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdminSession {
    /// The token's name; empty before signing in.
    pub name: String,
    /// Random; the forms' token is made from it.
    nonce: String,
    /// When it was made, as Unix second.
    begun_s: u64,
    /// When it ends, as Unix second.
    pub until_s: u64,
    /// When it was last renewed, as Unix second.
    at_s: u64,
}

impl AdminSession {
    /// The session of somebody who has just shown a token.
    pub fn new(name: &str, now_s: u64) -> Self {
        Self { name: name.to_owned(), nonce: hex(&clock::random::<16>()), begun_s: now_s, until_s: now_s + IDLE_S, at_s: now_s }
    }

    /// The session of the form to sign in: it names nobody.
    pub fn anonymous(now_s: u64) -> Self {
        Self::new("", now_s)
    }

    /// The same, from now on.
    #[must_use]
    pub fn renewed(&self, now_s: u64) -> Self {
        let until_s = (now_s + IDLE_S).min(self.begun_s + LONGEST_S);
        Self { until_s, at_s: now_s, ..self.clone() }
    }

    /// How long it lasts from its last renewal, in seconds.
    pub fn lasts_s(&self) -> u64 {
        self.until_s.saturating_sub(self.at_s)
    }
}

/// Signs sessions with the current secret, and reads those of the current and the previous one.
pub struct AdminSessions {
    current: [u8; 32],
    previous: Option<[u8; 32]>,
}

impl AdminSessions {
    /// Derives the keys.
    pub fn new(current: &Secret, previous: Option<&Secret>) -> Self {
        let key = |secret: &Secret| secret.derive("dashboard/ticket");
        Self { current: key(current), previous: previous.map(key) }
    }

    /// The cookie's value, for the holder of `token`.
    pub fn sign(&self, session: &AdminSession, token: &str) -> String {
        let payload = BASE64.encode(serde_json::to_vec(session).expect("a struct of strings and numbers serialises"));
        let mac = tag(&self.current, &[&payload, token]);
        format!("{payload}.{}", BASE64.encode(mac))
    }

    /// Reads a cookie's value. `None`: forged, damaged, ended, or its token is another now.
    pub fn read(&self, value: &str, tokens: &AdminTokens, now_s: u64) -> Option<AdminSession> {
        let (payload, mac) = value.split_once('.')?;
        let mac = BASE64.decode(mac).ok()?;
        let session: AdminSession = serde_json::from_slice(&BASE64.decode(payload).ok()?).ok()?;
        let token = if session.name.is_empty() { "" } else { tokens.token_of(&session.name)? };
        let authentic = |key: &[u8; 32]| bool::from(tag(key, &[payload, token]).ct_eq(&mac));
        let is_authentic = std::iter::once(&self.current).chain(&self.previous).any(authentic);
        (is_authentic && now_s < session.until_s && session.until_s <= session.begun_s + LONGEST_S).then_some(session)
    }

    /// The token that every form of this session's pages carries.
    pub fn csrf(&self, session: &AdminSession) -> String {
        hex(&tag(&self.current, &["csrf", &session.name, &session.nonce]))
    }

    /// Whether a form carries it.
    pub fn is_csrf(&self, session: &AdminSession, claimed: &str) -> bool {
        let right = |key: &[u8; 32]| hex(&tag(key, &["csrf", &session.name, &session.nonce]));
        let is_right = |key: &[u8; 32]| bool::from(right(key).as_bytes().ct_eq(claimed.as_bytes()));
        std::iter::once(&self.current).chain(&self.previous).any(is_right)
    }
}

/// A tag over parts, each with its length, so that no two lists of parts collide.
fn tag(key: &[u8; 32], parts: &[&str]) -> [u8; 32] {
    let feed =
        |mac: hmac::Hmac<sha2::Sha256>, part: &&str| mac.chain_update((part.len() as u64).to_be_bytes()).chain_update(part.as_bytes());
    parts.iter().fold(secret::mac(key), feed).finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_S: u64 = 1_790_000_000;

    fn sessions() -> AdminSessions {
        AdminSessions::new(&Secret::parse(&"a".repeat(32)).unwrap(), None)
    }

    fn tokens(text: &str) -> AdminTokens {
        AdminTokens::parse(text).unwrap()
    }

    const ANA: &str = "aaaaaaaaaaaaaaaaaaaaaaaa";

    #[test]
    fn a_session_is_read_until_it_ends() {
        let session = AdminSession::new("ana", NOW_S);
        let value = sessions().sign(&session, ANA);
        let tokens = tokens(&format!("ana={ANA}"));
        assert_eq!(sessions().read(&value, &tokens, NOW_S + IDLE_S - 1), Some(session.clone()));
        assert_eq!(sessions().read(&value, &tokens, NOW_S + IDLE_S), None);
        assert!(!value.contains(ANA));
        for bad in ["", ".", "a.b", &value[1..], &value[..value.len() - 2], &format!("{value}x")] {
            assert_eq!(sessions().read(bad, &tokens, NOW_S), None, "{bad}");
        }
    }

    #[test]
    fn a_token_that_is_replaced_takes_its_sessions_along() {
        let value = sessions().sign(&AdminSession::new("ana", NOW_S), ANA);
        assert!(sessions().read(&value, &tokens(&format!("ana={ANA}")), NOW_S).is_some());
        assert!(sessions().read(&value, &tokens("ana=bbbbbbbbbbbbbbbbbbbbbbbb"), NOW_S).is_none());
        assert!(sessions().read(&value, &tokens(&format!("ben={ANA}")), NOW_S).is_none());
    }

    #[test]
    fn renewing_goes_on_for_a_night_and_no_longer() {
        let mut session = AdminSession::new("ana", NOW_S);
        for hour in 1..24 {
            session = session.renewed(NOW_S + hour * 3000);
        }
        assert_eq!(session.until_s, NOW_S + LONGEST_S);
    }

    #[test]
    fn a_forms_token_belongs_to_one_session() {
        let (one, other) = (AdminSession::new("ana", NOW_S), AdminSession::new("ana", NOW_S));
        let csrf = sessions().csrf(&one);
        assert!(sessions().is_csrf(&one, &csrf) && sessions().is_csrf(&one.renewed(NOW_S + 5), &csrf));
        assert!(!sessions().is_csrf(&other, &csrf) && !sessions().is_csrf(&one, ""));
    }
}
