//! An operator revokes an authorised session id, and with it the cookie that was made from it; or all of them.

use serde::Deserialize;

use super::{
    super::{App, refusal::Refused},
    Changed, ChangedMany, ProposedChange, fields,
};
use crate::domain::operator::Target;

/// What an operator sends: `sessionId` or `reference`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Revoke {
    /// The id itself.
    pub session_id: Option<String>,
    /// As the page's list has it.
    pub reference: Option<String>,
    /// The reason.
    pub note: Option<String>,
}

impl App {
    /// Revokes an authorisation that is in force.
    pub async fn revoke(&self, actor: &str, revoke: Revoke) -> Result<Changed, Refused> {
        let note = fields::note(revoke.note)?;
        let target = match (revoke.session_id, revoke.reference) {
            (Some(id), None) => self.operators.find(&Target::Session { id }, self.clock.now_ms()).map(|session| session.target),
            (None, Some(reference)) => {
                let mut targets = self.manual_sessions().into_iter().map(|session| session.target);
                targets.find(|target| self.reference(target) == reference)
            }
            _ => return Err(Refused::InvalidField("sessionId or reference")),
        };
        self.change(ProposedChange::remove(target.ok_or(Refused::NotFound)?, actor, note)).await
    }

    /// Revokes every authorisation in force; with none left it changes nothing.
    pub async fn revoke_all(&self, actor: &str, note: Option<String>) -> Result<ChangedMany, Refused> {
        let note = fields::note_or(note, "all at once")?;
        let remove = |target: Target| ProposedChange::remove(target, actor, note.clone());
        self.change_many(self.manual_sessions().into_iter().map(|session| remove(session.target)).collect()).await
    }
}
