//! The blacklist entries that ops wrote to KV by hand, as the edge lists them. They block at the edge whatever the operator state says; adopting one
//! makes it the origin's too.
//!
//! **Invariant:** whoever waits for the edge here waits at most [`PATIENCE`]: lists are shown without it, too.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use otp_shared::subject::Subject;

use super::App;
use crate::{
    domain::operator::{About, Change},
    edge::{Hand, HandEntry},
};

/// How long the edge may take. Listing KV is slower than reading it.
const PATIENCE: Duration = Duration::from_secs(2);

/// What was heard last, and when, as Unix millisecond.
type Heard = Option<(u64, Result<Arc<Hand>, String>)>;

/// The newest list.
#[derive(Default)]
pub struct HandCopy(Mutex<Heard>);

impl HandCopy {
    fn lock(&self) -> MutexGuard<'_, Heard> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A blacklist entry, wherever it stands.
#[derive(Debug, Clone)]
pub enum Listed {
    /// The origin's own; and whether a hand wrote the same.
    Operators(Change, bool),
    /// Only the hand's.
    Hand(HandEntry),
}

impl Listed {
    /// By which lists are ordered and paged.
    pub fn key(&self) -> String {
        self.about().key()
    }

    /// Whom or what it is about.
    pub fn about(&self) -> About {
        match self {
            Self::Operators(change, _) => change.about.clone(),
            Self::Hand(entry) => entry.about(),
        }
    }
}

impl HandEntry {
    fn about(&self) -> About {
        About::Blacklist { kind: self.r#type.clone(), value: self.value.clone() }
    }

    fn in_force(&self, now_ms: u64) -> bool {
        self.until_s.is_none_or(|until_s| now_ms < until_s * 1000)
    }
}

impl App {
    /// What was written by hand, no older than `max_age_ms`; the error says why it is not known.
    pub async fn hand(&self, max_age_ms: u64) -> Result<Arc<Hand>, String> {
        let Some(edge) = &self.edge else { return Ok(Arc::default()) };
        let now_ms = self.clock.now_ms();
        let known = self.hand.lock().clone();
        if let Some((_, hand)) = known.filter(|(at_ms, _)| now_ms.saturating_sub(*at_ms) <= max_age_ms) {
            return hand;
        }
        let asked = tokio::time::timeout(PATIENCE, edge.hand(now_ms)).await;
        let hand = match asked {
            Ok(answer) => answer.map(Arc::new).map_err(|error| error.to_string()),
            Err(_) => Err("the edge took too long to list what was written by hand".to_owned()),
        };
        *self.hand.lock() = Some((now_ms, hand.clone()));
        hand
    }

    /// Every blacklist entry in force, by key; those of the hand where `hand` is given.
    pub fn blacklist(&self, hand: Option<&Hand>) -> Vec<Listed> {
        let now_ms = self.clock.now_ms();
        let by_hand = hand.into_iter().flat_map(|hand| &hand.entries).filter(|entry| entry.in_force(now_ms));
        let mut by_hand: std::collections::BTreeMap<_, _> = by_hand.map(|entry| (entry.about().key(), entry)).collect();
        let own = self.operators.changes().into_iter();
        let own = own.filter(|change| change.in_force(now_ms) && matches!(change.about, About::Blacklist { .. }));
        let mut listed: Vec<_> = own
            .map(|change| {
                let also_by_hand = by_hand.remove(&change.about.key()).is_some();
                Listed::Operators(change, also_by_hand)
            })
            .collect();
        listed.extend(by_hand.into_values().cloned().map(Listed::Hand));
        listed.sort_by_cached_key(Listed::key);
        listed
    }

    /// The entry that a hand wrote for `subject`, if one did and the edge says so.
    pub async fn by_hand(&self, subject: &Subject) -> Option<HandEntry> {
        let hand = self.hand(0).await.ok()?;
        let same = |entry: &&HandEntry| entry.r#type == subject.kind() && entry.value == subject.value();
        hand.entries.iter().find(same).filter(|entry| entry.in_force(self.clock.now_ms())).cloned()
    }
}
