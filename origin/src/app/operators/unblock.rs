//! An operator removes a blacklist entry.

use serde::Deserialize;

use super::{
    super::{App, refusal::Refused},
    Changed, ProposedChange, fields,
    names::EntryName,
};

/// What an operator sends.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Unblock {
    /// Which entry.
    #[serde(flatten)]
    pub entry: EntryName,
    /// The reason.
    pub note: Option<String>,
}

impl App {
    /// Removes an entry that is in force. [`Refused::ManualKvEntry`] if only KV has it, [`Refused::NotFound`] if nobody
    /// has it, or if the edge does not say whether KV does.
    pub async fn unblock(&self, actor: &str, unblock: Unblock) -> Result<Changed, Refused> {
        let (name, note) = (unblock.entry.parse()?, fields::note(unblock.note)?);
        let now_ms = self.clock.now_ms();
        if let Some(entry) = self.operator_entry(&name).filter(|entry| entry.in_force(now_ms)) {
            return self.change(ProposedChange::remove(entry.target, actor, note)).await;
        }
        match self.manual_kv_entry(&name).await {
            Ok(Some(_)) => Err(Refused::ManualKvEntry),
            Ok(None) | Err(_) => Err(Refused::NotFound),
        }
    }
}
