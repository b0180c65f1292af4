//! How a change of the operator state is made: durable first, then in force here, then on its way to the edge.
//!
//! **Invariant:** a change is accepted only once a copy outside this process holds it (or no such copy is
//! configured); otherwise nothing changes.

use otp_shared::signature::hex;

use super::{
    super::{App, refusal::Refused},
    propagation::Propagation,
    sync::merge_in_parts,
};
use crate::{
    clock,
    domain::operator::{Change, Stamp, Target},
    store::StoreState,
};

/// Where a change is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Stored {
    /// Redis has it.
    Redis,
    /// The edge's KV has it.
    Edge,
    /// Only this process has it: no Redis is configured.
    Memory,
}

/// A change before it has its stamp.
#[derive(Debug, Clone)]
pub struct ProposedChange {
    /// Whom or what it is about.
    pub target: Target,
    /// Added (`true`) or removed.
    pub present: bool,
    /// The name of the operator's token.
    pub actor: String,
    /// The reason, in the operator's words.
    pub note: String,
    /// Milliseconds until it ends by itself; `None`: it stays until it is removed.
    pub ttl_ms: Option<u64>,
}

/// A change that was made.
#[derive(Debug)]
pub struct Changed {
    /// The change, with its stamp.
    pub change: Change,
    /// Where it is safe.
    pub stored: Vec<Stored>,
    /// Where it is in force; `None`: it is nothing that the edge decides by.
    pub propagation: Option<Propagation>,
}

/// Changes that were made together.
#[derive(Debug)]
pub struct ChangedMany {
    /// How many.
    pub count: usize,
    /// Where they are safe; empty if there was nothing to change.
    pub stored: Vec<Stored>,
}

impl ProposedChange {
    /// Puts the target in force, without an end.
    pub fn add(target: Target, actor: &str, note: String) -> Self {
        Self { target, present: true, actor: actor.to_owned(), note, ttl_ms: None }
    }

    /// Removes the target.
    pub fn remove(target: Target, actor: &str, note: String) -> Self {
        Self { target, present: false, actor: actor.to_owned(), note, ttl_ms: None }
    }

    fn at(self, ms: u64, counter: u32, now_ms: u64) -> Change {
        Change {
            stamp: Stamp { ms, counter, id: hex(&clock::random::<8>()) },
            target: self.target,
            actor: self.actor,
            note: self.note,
            present: self.present,
            until_ms: self.ttl_ms.map(|ttl| now_ms + ttl),
        }
    }
}

impl App {
    /// Makes one change.
    pub(super) async fn change(&self, proposed: ProposedChange) -> Result<Changed, Refused> {
        let (mut changes, stored) = self.change_all(vec![proposed]).await?;
        let change = changes.pop().expect("one change was proposed");
        let propagation = matches!(change.target, Target::Blacklist { .. }).then(|| self.propagation(&change.stamp));
        Ok(Changed { change, stored, propagation })
    }

    /// Makes many changes, each durable before any is in force here. A store that fails half way keeps the half it took:
    /// the same changes made again do no harm and complete it.
    pub(super) async fn change_many(&self, proposed: Vec<ProposedChange>) -> Result<ChangedMany, Refused> {
        let (changes, stored) = self.change_all(proposed).await?;
        Ok(ChangedMany { count: changes.len(), stored })
    }

    /// Makes a change that was proposed at `at_ms`, a time in the past: what was changed after that time stands. Of two
    /// at the same time the one that is heard later wins.
    pub async fn change_as_of(&self, proposed: ProposedChange, at_ms: u64) -> Result<Vec<Stored>, Refused> {
        let now_ms = self.clock.now_ms();
        let same_time = self.operators.newest(&proposed.target).filter(|known| known.stamp.ms == at_ms);
        let counter = same_time.map_or(0, |known| known.stamp.counter + 1);
        self.apply(&[proposed.at(at_ms, counter, now_ms)], now_ms).await
    }

    async fn change_all(&self, proposed: Vec<ProposedChange>) -> Result<(Vec<Change>, Vec<Stored>), Refused> {
        if proposed.is_empty() {
            return Ok((Vec::new(), Vec::new()));
        }
        let now_ms = self.clock.now_ms();
        let first = self.operators.next_stamp(now_ms);
        let changes: Vec<_> = (first.counter..).zip(proposed).map(|(counter, each)| each.at(first.ms, counter, now_ms)).collect();
        let stored = self.apply(&changes, now_ms).await?;
        Ok((changes, stored))
    }

    async fn apply(&self, changes: &[Change], now_ms: u64) -> Result<Vec<Stored>, Refused> {
        let stored = self.make_durable(changes).await?;
        self.operators.merge(changes.iter().cloned(), None, &self.secrets.hasher, now_ms);
        self.publication.changed.notify_one();
        Ok(vec![stored])
    }

    async fn make_durable(&self, changes: &[Change]) -> Result<Stored, Refused> {
        if self.store.state() != StoreState::MemoryFallback {
            match merge_in_parts(&self.store, changes).await {
                // Redis may have gone between the look and the call: then only memory took it.
                // Its version is not noted: changes of other replicas may stand behind it.
                Ok(()) if self.stored_in() != Stored::Edge => return Ok(self.stored_in()),
                Ok(()) => {}
                Err(error) => tracing::warn!(target: "otp::operator", %error, "the store did not take the change"),
            }
        }
        self.backup(changes).await.map_err(|()| Refused::NotDurable)?;
        // The fallback remembers it until Redis is back; the copy at the edge is what makes it durable.
        merge_in_parts(&self.store, changes).await?;
        Ok(Stored::Edge)
    }

    fn stored_in(&self) -> Stored {
        match self.store.state() {
            StoreState::Connected => Stored::Redis,
            StoreState::MemoryFallback => Stored::Edge,
            StoreState::MemoryEmbedded => Stored::Memory,
        }
    }
}
