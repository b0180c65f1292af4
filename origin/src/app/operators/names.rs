//! How operators name a blacklist entry: in full, or by a reference that tells nothing of the number.
//!
//! **Invariant:** a reference is a keyed hash, the same on every replica and for as long as the secret lives.

use otp_shared::{signature::hex, subject::Subject};
use serde::Deserialize;

use super::super::{App, refusal::Refused};
use crate::{
    domain::operator::{Change, Target},
    edge::ManualKvEntry,
};

/// `type` and `value`, or `reference`.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct EntryName {
    /// `phone`, `ip`, `cidr`, `prefix` or `country`.
    pub r#type: Option<String>,
    /// In any spelling.
    pub value: Option<String>,
    /// As the lists have it.
    pub reference: Option<String>,
}

/// An [`EntryName`] of one of its two forms.
pub(super) enum Named {
    /// In full.
    Target(Target),
    /// By reference.
    Reference(String),
}

/// Reads a blacklist entry's type and value.
pub(super) fn subject(kind: &str, value: &str) -> Result<Subject, Refused> {
    Ok(Subject::parse(kind, value)?)
}

impl EntryName {
    /// Whether nothing is named.
    pub(super) fn is_empty(&self) -> bool {
        self.r#type.is_none() && self.value.is_none() && self.reference.is_none()
    }

    pub(super) fn parse(self) -> Result<Named, Refused> {
        match (self.r#type, self.value, self.reference) {
            (Some(kind), Some(value), None) => Ok(Named::Target(Target::blacklist(&subject(&kind, &value)?))),
            (None, None, Some(reference)) => Ok(Named::Reference(reference)),
            _ => Err(Refused::InvalidField("type and value, or reference")),
        }
    }
}

impl App {
    /// The name of an entry or session in forms and lists that must not hold the number or the id itself.
    pub fn reference(&self, target: &Target) -> String {
        hex(&self.secrets.keys.idempotency(&[b"dashboard", target.key().as_bytes()]))
    }

    /// The newest change of an operator's blacklist entry, in force or not.
    pub(super) fn operator_entry(&self, name: &Named) -> Option<Change> {
        match name {
            Named::Target(target) => self.operators.newest(target),
            Named::Reference(_) => {
                let mut entries = self.operators.changes().into_iter().filter(|change| matches!(change.target, Target::Blacklist { .. }));
                entries.find(|change| self.is_named(&change.target, name))
            }
        }
    }

    /// The entry that was written to KV by hand; `Ok(None)`: there is none.
    pub(super) async fn manual_kv_entry(&self, name: &Named) -> Result<Option<ManualKvEntry>, Refused> {
        let now_ms = self.clock.now_ms();
        let listed = self.manual_kv_entries(0).await.map_err(Refused::ManualKvUnknown)?;
        let named = |entry: &&ManualKvEntry| entry.in_force(now_ms) && self.is_named(&entry.target(), name);
        Ok(listed.entries.iter().find(named).cloned())
    }

    fn is_named(&self, target: &Target, name: &Named) -> bool {
        match name {
            Named::Target(named) => named == target,
            Named::Reference(reference) => self.reference(target) == *reference,
        }
    }
}
