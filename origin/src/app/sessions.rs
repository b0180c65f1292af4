//! Session ids become cookies; cookies say who somebody is; both can end early.
//!
//! **Invariant:** an id becomes a cookie only if it passed verification or an operator authorised it.

use std::time::Duration;

use super::{
    App,
    operators::authorise::{Authorise, MANUAL_TTL_MS},
    refusal::Refused,
    request::duration_ms,
};
use crate::domain::{
    operator::Target,
    session::{Holder, Session, Use},
};

/// A cookie's value and how long it lasts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cookie {
    /// The signed token.
    pub token: String,
    /// Seconds.
    pub max_age_s: u64,
}

impl App {
    /// Turns a session id into a cookie: a verified one through the edge alone, an authorised one from anywhere.
    /// `Ok(None)`: it is neither.
    pub async fn redeem(&self, session_id: &str, through_edge: bool) -> Result<Option<Cookie>, Refused> {
        match self.cookie_of_verified(session_id).await? {
            Some(_) if !through_edge => Err(Refused::Unauthorized),
            Some(cookie) => Ok(Some(cookie)),
            None => Ok(self.cookie_of_authorised(session_id)),
        }
    }

    /// The same, when an operator who sends the token along authorises the id by that.
    pub async fn authorise_and_redeem(&self, session_id: String, actor: &str) -> Result<Cookie, Refused> {
        let note = Some("authorised while signing in".to_owned());
        let authorise = Authorise { session_id: Some(session_id.clone()), note, ttl_s: None };
        self.authorise(actor, authorise).await?;
        self.cookie_of_authorised(session_id.trim()).ok_or(Refused::SessionNotAuthorised)
    }

    /// `Ok(None)`: not an id that verifying a code made.
    async fn cookie_of_verified(&self, session_id: &str) -> Result<Option<Cookie>, Refused> {
        let Some(verified) = self.secrets.sessions.read(session_id, Use::SessionId, self.clock.now_ms()) else { return Ok(None) };
        if self.is_revoked(&verified).await? {
            return Err(Refused::SessionNotAuthorised);
        }
        Ok(Some(self.cookie(verified.name, verified.holder, self.settings.session_ttl)))
    }

    /// It ends when the authorisation does.
    fn cookie_of_authorised(&self, session_id: &str) -> Option<Cookie> {
        let now_ms = self.clock.now_ms();
        let target = Target::Session { id: session_id.to_owned() };
        let authorised = self.operators.find(&target, now_ms)?;
        let left_ms = authorised.until_ms.map_or(MANUAL_TTL_MS, |until| until - now_ms);
        let left = Duration::from_millis(left_ms).min(self.settings.session_ttl);
        Some(self.cookie(session_id.to_owned(), Holder::Manual(session_id.to_owned()), left))
    }

    /// The session of a cookie, if it is good.
    pub async fn session_of(&self, cookie: Option<&str>) -> Result<Session, Refused> {
        let read = |token| self.secrets.sessions.read(token, Use::Cookie, self.clock.now_ms());
        let session = cookie.and_then(read).ok_or(Refused::Unauthorized)?;
        if self.is_revoked(&session).await? { Err(Refused::Unauthorized) } else { Ok(session) }
    }

    /// Ends a session. A cookie that is none already has nothing to end.
    pub async fn sign_out(&self, cookie: Option<&str>) -> Result<(), Refused> {
        let session = self.session_of(cookie).await?;
        Ok(self.store.revoke(&session.name, session.expires_at_ms).await?)
    }

    async fn is_revoked(&self, session: &Session) -> Result<bool, Refused> {
        if let Holder::Manual(id) = &session.holder
            && !self.operators.in_force(&Target::Session { id: id.clone() }, self.clock.now_ms())
        {
            return Ok(true);
        }
        Ok(self.store.revoked(&session.name).await?)
    }

    fn cookie(&self, name: String, holder: Holder, lasts: Duration) -> Cookie {
        let session = Session { name, holder, expires_at_ms: self.clock.now_ms() + duration_ms(lasts) };
        Cookie { token: self.secrets.sessions.sign(&session, Use::Cookie), max_age_s: lasts.as_secs() }
    }
}
