//! An operator takes the whole blacklist along, in the form that `import` takes. What was written to KV by hand is not in
//! it: that has to be adopted first.

use serde::Serialize;

use super::super::App;
use crate::domain::operator::{Change, Target};

/// One entry.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExportedEntry {
    /// `phone`, `ip`, `cidr`, `prefix` or `country`.
    pub r#type: String,
    /// In its canonical spelling.
    pub value: String,
    /// The reason.
    pub note: String,
    /// Unix second at which it ends by itself.
    pub until_s: Option<u64>,
    /// The name of the operator's token.
    #[serde(rename = "who")]
    pub actor: String,
    /// Unix second.
    pub changed_at_s: u64,
}

impl ExportedEntry {
    fn new(change: Change) -> Option<Self> {
        let Target::Blacklist { kind, value } = change.target else { return None };
        let until_s = change.until_ms.map(|until| until.div_ceil(1000));
        Some(Self { r#type: kind, value, note: change.note, until_s, actor: change.actor, changed_at_s: change.stamp.ms / 1000 })
    }
}

impl App {
    /// Every operator's entry in force, by key.
    pub fn export_blacklist(&self, actor: &str) -> Vec<ExportedEntry> {
        let entries: Vec<_> = self.operator_entries().filter_map(ExportedEntry::new).collect();
        tracing::info!(target: "otp::admin", who = actor, entries = entries.len(), "the blacklist was exported");
        entries
    }
}
