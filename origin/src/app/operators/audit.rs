//! An operator looks at who changed what, when and why.

use super::{
    super::{App, refusal::Refused},
    fields,
};
use crate::{
    domain::operator::{Change, Target},
    store::memory::AUDIT_KEPT,
};

/// A page of the audit, the newest change first.
#[derive(Debug)]
pub struct AuditPage {
    /// As they were made.
    pub changes: Vec<Change>,
    /// The `after` of the page that follows; `None`: this is the last.
    pub next: Option<String>,
}

impl App {
    /// The changes after the one whose id is `after`. Pages do not shift when something new comes in.
    pub async fn audit(&self, after: Option<&str>, limit: Option<usize>) -> Result<AuditPage, Refused> {
        let limit = fields::page_size(limit);
        let fetched = if after.is_some() { AUDIT_KEPT } else { limit + 1 };
        let all = self.store.audit(fetched).await?;
        let start = match after {
            None => 0,
            Some(id) => {
                let place = all.iter().position(|change| change.stamp.id == id);
                1 + place.ok_or(Refused::InvalidField("after: the id of a change that is kept"))?
            }
        };
        let changes: Vec<_> = all.iter().skip(start).take(limit).cloned().collect();
        let more = all.len() > start + changes.len();
        let next = changes.last().filter(|_| more).map(|change| change.stamp.id.clone());
        Ok(AuditPage { changes, next })
    }
}

/// What a change did, in one or two words.
pub fn verb(change: &Change) -> &'static str {
    match (&change.target, change.present) {
        (Target::Blacklist { .. }, true) => "blocked",
        (Target::Blacklist { .. }, false) => "unblocked",
        (Target::Session { .. }, true) => "authorised session",
        (Target::Session { .. }, false) => "revoked session",
        (Target::Reveal { .. }, _) => "looked at",
    }
}
