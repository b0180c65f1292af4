//! How this replica's copy of the operator state meets the others: in the store, and at the edge.

use super::super::{App, records::Records};
use crate::{
    domain::operator::{Change, OperatorState},
    store::{OperatorCopy, StoreError},
};

/// How many changes the store is given in one step, which blocks it for a few milliseconds.
const MERGED_AT_ONCE: usize = 250;

impl App {
    /// Does [`App::sync_operators`] if the store's version is not the one known here.
    pub async fn keep_operators_in_sync(&self) -> Result<(), StoreError> {
        if self.store.operator_version().await? == self.operators.version() { Ok(()) } else { self.sync_operators().await }
    }

    /// Takes over what the store knows, and gives it what it lacks.
    pub async fn sync_operators(&self) -> Result<(), StoreError> {
        let now_ms = self.clock.now_ms();
        let copy = exchange(&self.store, self.operators.changes(), now_ms).await?;
        let (theirs, version) = (copy.changes.len(), copy.version);
        self.operators.merge(copy.changes, Some(version), &self.secrets.hasher, now_ms);
        tracing::debug!(target: "otp::operator", theirs, version, "operator state synchronised");
        Ok(())
    }

    /// Merges the copies that replicas left at the edge; done once, before anything is published.
    pub async fn recover_operators(&self) {
        let Some(edge) = &self.publication.edge else { return };
        match edge.operator_copies(self.clock.now_ms()).await {
            Ok(changes) => self.operators.merge(changes, None, &self.secrets.hasher, self.clock.now_ms()),
            Err(error) => tracing::warn!(target: "otp::operator", %error, "the copies at the edge cannot be read"),
        }
    }

    /// Writes this replica's copy, together with `more` changes, to the edge's KV.
    pub(in crate::app) async fn backup(&self, more: &[Change]) -> Result<(), ()> {
        let edge = self.publication.edge.as_ref().ok_or(())?;
        // One at a time: the edge takes greater versions only, and no copy may lack what the one before it had, though that may not be in force here yet.
        let mut last = self.publication.last_copy.lock().await;
        let now_ms = self.clock.now_ms();
        let mut state = last.state.clone();
        self.operators.changes().into_iter().chain(more.iter().cloned()).for_each(|change| _ = state.merge(change));
        state.collect_garbage(now_ms);
        let version = now_ms.max(last.version + 1);
        let changes: Vec<_> = state.changes().cloned().collect();
        edge.put_operator(&self.settings.replica, version, &changes, now_ms).await.map_err(|error| {
            tracing::warn!(target: "otp::operator", %error, "the edge did not take the copy of the operator state");
        })?;
        *last = LastCopy { version, state };
        Ok(())
    }
}

/// The copy of the operator state that this replica wrote to the edge last.
#[derive(Default)]
pub struct LastCopy {
    version: u64,
    state: OperatorState,
}

/// Gives the store what it lacks of `ours`, and returns what it has then. An empty store is filled before it is believed.
///
/// A version is noted only with all the data behind it, so the copy is read again after a merge: other replicas may have changed something meanwhile.
pub async fn exchange(store: &Records, ours: Vec<Change>, now_ms: u64) -> Result<OperatorCopy, StoreError> {
    let copy = store.operator().await?;
    let theirs = collect(copy.changes.clone());
    let is_news = |change: &Change| theirs.get(&change.target).is_none_or(|known| known.stamp < change.stamp);
    let newer: Vec<_> = ours.into_iter().filter(|change| !change.is_garbage(now_ms) && is_news(change)).collect();
    if newer.is_empty() && copy.filled {
        return Ok(copy);
    }
    merge_in_parts(store, &newer).await?;
    store.operator().await
}

/// Merges into the store in parts, none of which blocks it for long.
pub(super) async fn merge_in_parts(store: &Records, changes: &[Change]) -> Result<(), StoreError> {
    let mut parts = changes.chunks(MERGED_AT_ONCE);
    // The first even if it is empty: that is what marks an empty store as filled.
    store.merge_operator(parts.next().unwrap_or_default()).await?;
    for part in parts {
        store.merge_operator(part).await?;
    }
    Ok(())
}

fn collect(changes: Vec<Change>) -> OperatorState {
    let mut state = OperatorState::default();
    for change in changes {
        state.merge(change);
    }
    state
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use async_trait::async_trait;

    use super::*;
    use crate::{
        clock::ManualClock,
        domain::{
            evaluation::Quotas,
            limits::Policy,
            operator::{Stamp, Target},
        },
        store::{OperatorStore, StoreState, memory::Memory},
    };

    /// Another replica changes something with every merge.
    struct Busy {
        memory: Arc<Memory>,
        other: Change,
    }

    #[async_trait]
    impl OperatorStore for Busy {
        async fn operator(&self) -> Result<OperatorCopy, StoreError> {
            self.memory.operator().await
        }

        async fn operator_version(&self) -> Result<u64, StoreError> {
            self.memory.operator_version().await
        }

        async fn merge_operator(&self, changes: &[Change]) -> Result<u64, StoreError> {
            self.memory.merge_operator(std::slice::from_ref(&self.other)).await?;
            self.memory.merge_operator(changes).await
        }

        async fn audit(&self, limit: usize) -> Result<Vec<Change>, StoreError> {
            self.memory.audit(limit).await
        }

        fn state(&self) -> StoreState {
            StoreState::Connected
        }

        fn skew_ms(&self) -> i64 {
            0
        }
    }

    fn change(value: &str) -> Change {
        Change {
            target: Target::Blacklist { kind: "ip".into(), value: value.into() },
            stamp: Stamp { ms: 1000, counter: 0, id: value.into() },
            actor: "ops".into(),
            note: String::new(),
            present: true,
            until_ms: None,
        }
    }

    #[tokio::test]
    async fn a_version_comes_with_all_the_data_behind_it() {
        let memory = Arc::new(Memory::new(Arc::new(ManualClock::at(2000)), 1, 100));
        let busy = Arc::new(Busy { memory: Arc::clone(&memory), other: change("192.0.2.2") });
        let policy = Policy { quotas: Quotas::default(), hold_threshold: 5 };
        let records = Records::new(Arc::clone(&memory) as _, busy, policy);
        let copy = exchange(&records, vec![change("192.0.2.1")], 2000).await.unwrap();
        assert_eq!((copy.version, copy.changes.len()), (memory.operator_version().await.unwrap(), 2));
        assert!(copy.filled);
    }
}
