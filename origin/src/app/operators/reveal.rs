//! An operator looks at a number in full that lists show masked.
//!
//! **Invariant:** the number is returned only once the audit says who asked for it.

use serde::{Deserialize, Serialize};

use super::{
    super::{App, refusal::Refused},
    ProposedChange, fields,
    names::EntryName,
};
use crate::domain::operator::Target;

/// What an operator sends.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Reveal {
    /// Which entry. It need not be in force: the audit shows removed ones, too.
    #[serde(flatten)]
    pub entry: EntryName,
    /// The reason; absent: that somebody looked.
    pub note: Option<String>,
}

/// An entry in full.
#[derive(Debug, Serialize)]
pub struct Revealed {
    /// By which lists name it.
    pub reference: String,
    /// `phone`, `ip`, `cidr`, `prefix` or `country`.
    pub r#type: String,
    /// In its canonical spelling.
    pub value: String,
}

impl App {
    /// Reveals a blacklist entry, an operator's or one that was written to KV by hand.
    pub async fn reveal(&self, actor: &str, reveal: Reveal) -> Result<Revealed, Refused> {
        let (name, note) = (reveal.entry.parse()?, fields::note_or(reveal.note, "looked at the full value")?);
        let target = match self.operator_entry(&name) {
            Some(entry) => entry.target,
            None => self.manual_kv_entry(&name).await?.ok_or(Refused::NotFound)?.target(),
        };
        let reference = self.reference(&target);
        let Target::Blacklist { kind: r#type, value } = target else { return Err(Refused::NotFound) };
        let audited = Target::Reveal { kind: r#type.clone(), value: value.clone() };
        self.change(ProposedChange::remove(audited, actor, note)).await?;
        Ok(Revealed { reference, r#type, value })
    }
}
