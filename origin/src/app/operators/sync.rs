//! How this replica's copy of the operator state meets the others: in the store, and at the edge.

use super::super::App;
use crate::{
    domain::operator::{Change, OperatorState},
    store::StoreError,
};

impl App {
    /// Does [`App::sync_operators`] if the store's version is not the one known here.
    pub async fn keep_operators_in_sync(&self) -> Result<(), StoreError> {
        if self.store.operator_version().await? == self.operators.version() { Ok(()) } else { self.sync_operators().await }
    }

    /// Takes over what the store knows, and gives it what it lacks. An empty store is filled from here before it is
    /// believed.
    pub async fn sync_operators(&self) -> Result<(), StoreError> {
        let copy = self.store.operator().await?;
        let now_ms = self.clock.now_ms();
        let theirs: OperatorState = collect(copy.changes.clone());
        let mut version = copy.version;
        let ours = self.operators.changes();
        let lacking: Vec<_> =
            ours.into_iter().filter(|change| !change.is_garbage(now_ms) && theirs.get(&change.target) != Some(change)).collect();
        let newer: Vec<_> =
            lacking.into_iter().filter(|change| theirs.get(&change.target).is_none_or(|known| known.stamp < change.stamp)).collect();
        if !newer.is_empty() || !copy.filled {
            version = self.merge_in_parts(&newer).await?;
        }
        let news = copy.changes.len();
        self.operators.merge(copy.changes, Some(version), &self.secrets.hasher, now_ms);
        tracing::debug!(target: "otp::operator", theirs = news, given = newer.len(), version, "operator state synchronised");
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
        let mut state = collect(self.operators.changes());
        more.iter().cloned().for_each(|change| _ = state.merge(change));
        let changes: Vec<_> = state.changes().cloned().collect();
        edge.put_operator(&self.settings.replica, &changes, self.clock.now_ms()).await.map_err(|error| {
            tracing::warn!(target: "otp::operator", %error, "the edge did not take the copy of the operator state");
        })
    }
}

fn collect(changes: Vec<Change>) -> OperatorState {
    let mut state = OperatorState::default();
    for change in changes {
        state.merge(change);
    }
    state
}
