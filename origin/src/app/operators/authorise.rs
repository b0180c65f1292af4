//! An operator authorises a session id, which `from-onboarding` then turns into a cookie; and looks at those that are.

use otp_shared::signature::hex;
use serde::Deserialize;

use super::{
    super::{App, refusal::Refused},
    Changed, ProposedChange, fields,
};
use crate::{
    clock,
    domain::{
        operator::{Change, Target},
        session::is_manual_id,
    },
};

/// How long an authorisation lasts when the operator does not say, in milliseconds.
pub const MANUAL_TTL_MS: u64 = 24 * 3600 * 1000;

/// What an operator sends.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Authorise {
    /// The id; absent: a new one is made.
    pub session_id: Option<String>,
    /// The reason.
    pub note: Option<String>,
    /// Seconds until it ends by itself; absent: a day.
    pub ttl_s: Option<u64>,
}

impl App {
    /// Authorises an id. The answer's target is the id, whoever made it.
    pub async fn authorise(&self, actor: &str, authorise: Authorise) -> Result<Changed, Refused> {
        let (note, ttl_ms) = (fields::note(authorise.note)?, fields::ttl_ms(authorise.ttl_s)?);
        let id = match authorise.session_id {
            Some(id) => id.trim().to_owned(),
            None => hex(&clock::random::<16>()),
        };
        if !is_manual_id(&id) {
            return Err(Refused::InvalidField("sessionId: 16 to 64 of A-Z, a-z, 0-9, - and _, as uuidgen prints"));
        }
        let add = ProposedChange::add(Target::Session { id }, actor, note);
        self.change(ProposedChange { ttl_ms: Some(ttl_ms.unwrap_or(MANUAL_TTL_MS)), ..add }).await
    }

    /// The authorisations in force, by id.
    pub fn manual_sessions(&self) -> Vec<Change> {
        let now_ms = self.clock.now_ms();
        let in_force = self.operators.changes().into_iter().filter(|change| change.in_force(now_ms));
        in_force.filter(|change| matches!(change.target, Target::Session { .. })).collect()
    }
}
