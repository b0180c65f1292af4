//! An operator blocks a number, an address, or a range of them.

use serde::Deserialize;

use super::{
    super::{App, refusal::Refused},
    Changed, ProposedChange, fields, names,
};
use crate::domain::{operator::Target, scope};

/// What an operator sends.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Block {
    /// `phone`, `ip`, `cidr`, `prefix` or `country`.
    pub r#type: String,
    /// In any spelling.
    pub value: String,
    /// The reason.
    pub note: Option<String>,
    /// Seconds until it ends by itself; absent: it stays until it is removed.
    pub ttl_s: Option<u64>,
    /// Even if it covers very many people.
    #[serde(default)]
    pub force: bool,
}

impl App {
    /// Blocks; a second time, it changes note and end. A wide entry without `force` is [`Refused::TooWide`].
    pub async fn block(&self, actor: &str, block: Block) -> Result<Changed, Refused> {
        let subject = names::subject(&block.r#type, &block.value)?;
        let (note, ttl_ms) = (fields::note(block.note)?, fields::ttl_ms(block.ttl_s)?);
        if let Some(what) = scope::too_wide(&subject, &self.settings.countries).filter(|_| !block.force) {
            return Err(Refused::TooWide(what));
        }
        let add = ProposedChange::add(Target::blacklist(&subject), actor, note);
        self.change(ProposedChange { ttl_ms, ..add }).await
    }
}
