//! An operator blocks many at once. Every line is checked before any is taken; a mistake in one of them leaves
//! everything as it was.
//!
//! **Invariant:** the same file imported twice changes nothing the second time, so an import that broke off is simply
//! sent again.

use std::collections::BTreeMap;

use otp_shared::subject::Subject;
use serde::{Deserialize, Serialize};

use super::{
    super::{App, refusal::Refused},
    ProposedChange, Stored, fields,
};
use crate::domain::{
    operator::{Change, Target},
    scope,
};

/// The most entries of one import.
pub const MAX_ENTRIES: usize = 100_000;

/// One entry as it was sent.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImportedEntry {
    /// `phone`, `ip`, `cidr`, `prefix` or `country`.
    pub r#type: String,
    /// In any spelling.
    pub value: String,
    /// The reason.
    pub note: Option<String>,
    /// Seconds until it ends by itself.
    pub ttl_s: Option<u64>,
    /// Unix second at which it ends by itself; `ttl_s` goes first.
    pub until_s: Option<u64>,
}

/// What was sent, or why it cannot be read, with its number: the line of a CSV, or the entry of a JSON array, from 1.
pub type Line = (u64, Result<ImportedEntry, String>);

/// What an operator sends.
#[derive(Debug, Default)]
pub struct Import {
    /// Of two lines about the same, the later counts.
    pub lines: Vec<Line>,
    /// Check, count, and change nothing.
    pub dry_run: bool,
    /// Take entries that cover very many people.
    pub force: bool,
}

/// A line that cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mistake {
    /// Of the import, from 1.
    pub line: u64,
    /// What is wrong with it; repeats no value.
    pub error: String,
}

/// What was done, or would be.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Imported {
    /// Nothing was changed.
    pub dry_run: bool,
    /// Entries that were sent.
    pub entries: usize,
    /// Those that were not there before.
    pub added: usize,
    /// Those whose note or end is another now.
    pub changed: usize,
    /// Those that are there just so.
    pub unchanged: usize,
    /// Those whose `untilS` has passed.
    pub ended: usize,
    /// Where the changes are safe.
    pub stored: Vec<Stored>,
}

impl App {
    /// Takes all of it, or nothing and tells every mistake.
    pub async fn import_blacklist(&self, actor: &str, import: Import) -> Result<Imported, Refused> {
        let entries = import.lines.len();
        if entries > MAX_ENTRIES {
            return Err(Refused::TooManyEntries);
        }
        let proposed = self.check_all(import.lines, actor, import.force).map_err(Refused::Import)?;
        let (proposed, mut imported) = self.sort(proposed);
        (imported.dry_run, imported.entries) = (import.dry_run, entries);
        if !import.dry_run {
            imported.stored = self.change_many(proposed).await?.stored;
            let (added, changed) = (imported.added, imported.changed);
            tracing::info!(target: "otp::admin", who = actor, entries, added, changed, "blacklist entries were imported");
        }
        Ok(imported)
    }

    /// The changes by key, or every mistake.
    fn check_all(&self, lines: Vec<Line>, actor: &str, force: bool) -> Result<BTreeMap<String, ProposedChange>, Vec<Mistake>> {
        let now_ms = self.clock.now_ms();
        let (mut proposed, mut mistakes) = (BTreeMap::new(), Vec::new());
        for (line, entry) in lines {
            match entry.and_then(|entry| self.check(entry, actor, force, now_ms)) {
                Ok(change) => _ = proposed.insert(change.target.key(), change),
                Err(error) => mistakes.push(Mistake { line, error }),
            }
        }
        if mistakes.is_empty() { Ok(proposed) } else { Err(mistakes) }
    }

    fn check(&self, entry: ImportedEntry, actor: &str, force: bool, now_ms: u64) -> Result<ProposedChange, String> {
        let subject = Subject::parse(&entry.r#type, &entry.value).map_err(|error| error.to_string())?;
        if let Some(what) = scope::too_wide(&subject, &self.settings.countries).filter(|_| !force) {
            return Err(format!("covers {what}; send the import with force=true if that is meant"));
        }
        let note = fields::note(entry.note).map_err(|refused| refused.to_string())?;
        let ttl_ms = fields::ttl_ms(entry.ttl_s).map_err(|refused| refused.to_string())?;
        let left_ms = entry.until_s.map(|until_s| until_s.saturating_mul(1000).saturating_sub(now_ms));
        Ok(ProposedChange { ttl_ms: ttl_ms.or(left_ms), ..ProposedChange::add(Target::blacklist(&subject), actor, note) })
    }

    /// Leaves out what is there just so and what has ended, and counts.
    fn sort(&self, proposed: BTreeMap<String, ProposedChange>) -> (Vec<ProposedChange>, Imported) {
        let now_ms = self.clock.now_ms();
        let mut imported = Imported::default();
        let news = proposed.into_values().filter(|each| {
            let known = self.operators.find(&each.target, now_ms);
            let is_known = known.as_ref().is_some_and(|known| is_same(known, each, now_ms));
            let has_ended = each.ttl_ms == Some(0);
            let figure = match &known {
                _ if has_ended => &mut imported.ended,
                Some(_) if is_known => &mut imported.unchanged,
                Some(_) => &mut imported.changed,
                None => &mut imported.added,
            };
            *figure += 1;
            !has_ended && !is_known
        });
        (news.collect(), imported)
    }
}

/// The same note, and the same end to the second: that is all a file tells.
fn is_same(known: &Change, proposed: &ProposedChange, now_ms: u64) -> bool {
    let end_s = |until_ms: Option<u64>| until_ms.map(|until_ms| until_ms.div_ceil(1000));
    known.note == proposed.note && end_s(known.until_ms) == end_s(proposed.ttl_ms.map(|ttl_ms| now_ms + ttl_ms))
}
