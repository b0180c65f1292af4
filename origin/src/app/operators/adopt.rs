//! An operator adopts what was written to KV by hand: it becomes an operator's entry, so that the origin refuses it too
//! and the audit knows of it. The key in KV stays until somebody removes it by hand.

use serde::Deserialize;

use super::{
    super::{App, refusal::Refused},
    ChangedMany, ProposedChange, fields,
    names::EntryName,
};
use crate::edge::ManualKvEntry;

/// What an operator sends: one entry, or `all`.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Adopt {
    /// Which entry.
    #[serde(flatten)]
    pub entry: EntryName,
    /// All that are not an operator's yet.
    #[serde(default)]
    pub all: bool,
    /// The reason; absent: that it was written by hand.
    pub note: Option<String>,
}

impl App {
    /// Adopts. The one that is named may be an operator's already: then its note and its end become the manual entry's.
    /// [`Refused::NotFound`] if KV does not have it.
    pub async fn adopt(&self, actor: &str, adopt: Adopt) -> Result<ChangedMany, Refused> {
        let chosen = match (adopt.all, adopt.entry.is_empty()) {
            (true, true) => self.unadopted().await?,
            (false, false) => {
                let entry = self.manual_kv_entry(&adopt.entry.parse()?).await?;
                vec![entry.ok_or(Refused::NotFound)?]
            }
            _ => return Err(Refused::InvalidField("type and value, or reference, or all: true")),
        };
        let note = fields::note_or(adopt.note, "adopted: written to KV by hand")?;
        let now_ms = self.clock.now_ms();
        self.change_many(chosen.iter().map(|entry| proposed(entry, actor, &note, now_ms)).collect()).await
    }

    async fn unadopted(&self) -> Result<Vec<ManualKvEntry>, Refused> {
        let now_ms = self.clock.now_ms();
        let manual = self.manual_kv_entries(0).await.map_err(Refused::ManualKvUnknown)?;
        let entries = manual.entries.iter().filter(|entry| entry.in_force(now_ms));
        Ok(entries.filter(|entry| !self.operators.in_force(&entry.target(), now_ms)).cloned().collect())
    }
}

fn proposed(entry: &ManualKvEntry, actor: &str, note: &str, now_ms: u64) -> ProposedChange {
    let ttl_ms = entry.until_s.map(|until_s| (until_s * 1000).saturating_sub(now_ms));
    ProposedChange { ttl_ms, ..ProposedChange::add(entry.target(), actor, note.to_owned()) }
}
