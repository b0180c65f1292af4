//! An operator looks at the blacklist.

use std::collections::BTreeMap;

use super::super::App;
use crate::{
    domain::operator::{Change, Target},
    edge::ManualKvEntry,
};

/// A blacklist entry in force, wherever it is kept.
#[derive(Debug, Clone)]
pub enum Listed {
    /// An operator's.
    Operator {
        /// The change that put it in force.
        change: Change,
        /// The same was written to KV by hand: removing the operator's entry leaves that one.
        also_manual: bool,
    },
    /// Only in KV, by hand: it is in force at the edge alone.
    Manual(ManualKvEntry),
}

/// The whole blacklist.
#[derive(Debug, Default)]
pub struct Blacklist {
    /// By key.
    pub entries: Vec<Listed>,
    /// Keys in KV that do not parse, and so block nobody.
    pub unreadable: Vec<String>,
    /// Why the list is without what was written by hand.
    pub manual_error: Option<String>,
}

impl Listed {
    /// By which lists are ordered and paged.
    pub fn key(&self) -> String {
        self.target().key()
    }

    /// Whom or what it blocks.
    pub fn target(&self) -> Target {
        match self {
            Self::Operator { change, .. } => change.target.clone(),
            Self::Manual(entry) => entry.target(),
        }
    }
}

impl App {
    /// Every entry in force. What was written to KV by hand is at most `manual_max_age_ms` old: listing it costs.
    pub async fn blacklist(&self, manual_max_age_ms: u64) -> Blacklist {
        match self.manual_kv_entries(manual_max_age_ms).await {
            Ok(manual) => {
                let entries = self.merged(&manual.entries);
                Blacklist { entries, unreadable: manual.unreadable.clone(), manual_error: None }
            }
            Err(error) => Blacklist { entries: self.merged(&[]), manual_error: Some(error), ..Blacklist::default() },
        }
    }

    fn merged(&self, manual: &[ManualKvEntry]) -> Vec<Listed> {
        let now_ms = self.clock.now_ms();
        let manual = manual.iter().filter(|entry| entry.in_force(now_ms));
        let mut manual: BTreeMap<_, _> = manual.map(|entry| (entry.target().key(), entry)).collect();
        let mut listed: Vec<_> = self
            .operator_entries()
            .map(|change| {
                let also_manual = manual.remove(&change.target.key()).is_some();
                Listed::Operator { change, also_manual }
            })
            .collect();
        listed.extend(manual.into_values().cloned().map(Listed::Manual));
        listed.sort_by_cached_key(Listed::key);
        listed
    }

    /// The operators' entries in force, by key.
    pub(super) fn operator_entries(&self) -> impl Iterator<Item = Change> {
        let now_ms = self.clock.now_ms();
        let is_entry = move |change: &Change| change.in_force(now_ms) && matches!(change.target, Target::Blacklist { .. });
        self.operators.changes().into_iter().filter(is_entry)
    }
}
