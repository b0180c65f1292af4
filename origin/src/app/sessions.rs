//! Session ids become cookies; cookies say who somebody is; both can end early.
//!
//! **Invariant:** an id becomes a cookie only if it passed verification or an operator authorised it.

use super::{
    App,
    operators::{Stored, Wanted},
    refusal::Refused,
    request::duration_ms,
};
use crate::domain::{
    operator::{About, Change},
    session::{Holder, Session, Use, is_manual_id},
};

/// How long an authorised id lasts when the operator does not say, in milliseconds.
pub const MANUAL_TTL_MS: u64 = 24 * 3600 * 1000;

/// A cookie's value and how long it lasts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cookie {
    /// The signed token.
    pub token: String,
    /// Seconds.
    pub max_age_s: u64,
}

impl App {
    /// Turns a verified id into a cookie. `Ok(None)`: not such an id.
    pub async fn cookie_of_verified(&self, session_id: &str) -> Result<Option<Cookie>, Refused> {
        let Some(verified) = self.sessions.read(session_id, Use::SessionId, self.clock.now_ms()) else { return Ok(None) };
        if self.is_revoked(&verified).await? {
            return Err(Refused::SessionNotAuthorised);
        }
        Ok(Some(self.cookie(verified.name, verified.holder, self.settings.session_ttl)))
    }

    /// Turns an id that an operator authorised into a cookie that ends when the authorisation does.
    pub fn cookie_of_authorised(&self, session_id: &str) -> Option<Cookie> {
        let now_ms = self.clock.now_ms();
        let about = About::Session { id: session_id.to_owned() };
        let authorised = self.operators.find(&about, now_ms)?;
        let left_ms = authorised.until_ms.map_or(MANUAL_TTL_MS, |until| until - now_ms);
        let left = std::time::Duration::from_millis(left_ms).min(self.settings.session_ttl);
        Some(self.cookie(session_id.to_owned(), Holder::Manual(session_id.to_owned()), left))
    }

    /// An operator authorises an id.
    pub async fn authorise_session(&self, id: &str, who: &str, note: String, ttl_ms: u64) -> Result<(Change, Vec<Stored>), Refused> {
        if !is_manual_id(id) {
            return Err(Refused::InvalidField("sessionId: 16 to 64 of A-Z, a-z, 0-9, - and _, as uuidgen prints"));
        }
        let about = About::Session { id: id.to_owned() };
        self.change(Wanted { about, present: true, who: who.to_owned(), note, ttl_ms: Some(ttl_ms) }).await
    }

    /// An operator takes an authorisation back; the cookie made from it ends with it.
    pub async fn withdraw_session(&self, id: &str, who: &str, note: String) -> Result<(Change, Vec<Stored>), Refused> {
        let about = About::Session { id: id.to_owned() };
        if self.operators.find(&about, self.clock.now_ms()).is_none() {
            return Err(Refused::NotFound);
        }
        self.change(Wanted { about, present: false, who: who.to_owned(), note, ttl_ms: None }).await
    }

    /// An operator takes every authorisation in force back; those that were.
    pub async fn withdraw_all_sessions(&self, who: &str, note: &str) -> Result<(Vec<Change>, Vec<Stored>), Refused> {
        let withdraw =
            |change: Change| Wanted { about: change.about, present: false, who: who.to_owned(), note: note.to_owned(), ttl_ms: None };
        self.change_all(self.manual_sessions().into_iter().map(withdraw).collect()).await
    }

    /// The authorisations in force, by id.
    pub fn manual_sessions(&self) -> Vec<Change> {
        let now_ms = self.clock.now_ms();
        let in_force = self.operators.changes().into_iter().filter(|change| change.in_force(now_ms));
        in_force.filter(|change| matches!(change.about, About::Session { .. })).collect()
    }

    /// Who a cookie is.
    pub async fn who(&self, cookie: Option<&str>) -> Result<Session, Refused> {
        let read = |token| self.sessions.read(token, Use::Cookie, self.clock.now_ms());
        let session = cookie.and_then(read).ok_or(Refused::Unauthorized)?;
        if self.is_revoked(&session).await? { Err(Refused::Unauthorized) } else { Ok(session) }
    }

    /// Ends a session. A cookie that is none already has nothing to end.
    pub async fn sign_out(&self, cookie: Option<&str>) -> Result<(), Refused> {
        let session = self.who(cookie).await?;
        Ok(self.store.revoke(&session.name, session.expires_at_ms).await?)
    }

    async fn is_revoked(&self, session: &Session) -> Result<bool, Refused> {
        if let Holder::Manual(id) = &session.holder
            && !self.operators.in_force(&About::Session { id: id.clone() }, self.clock.now_ms())
        {
            return Ok(true);
        }
        Ok(self.store.revoked(&session.name).await?)
    }

    fn cookie(&self, name: String, holder: Holder, lasts: std::time::Duration) -> Cookie {
        let session = Session { name, holder, expires_at_ms: self.clock.now_ms() + duration_ms(lasts) };
        Cookie { token: self.sessions.sign(&session, Use::Cookie), max_age_s: lasts.as_secs() }
    }
}
