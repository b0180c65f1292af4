//! Keeps the edge's snapshot up to date: one replica at a time, at most once an interval, and only when something changed.
//!
//! **Invariant:** nothing is published before this replica's operator state was synchronised with the store's.

use std::{sync::Arc, time::Duration};

use otp_shared::{
    address::Address,
    snapshot::{PhoneHash, SnapshotBuilder},
};
use sha2::{Digest, Sha256};

use super::{App, operators::add_blacklist, status::SnapshotStatus};
use crate::{
    domain::{evaluation::Hold, operator::Change},
    store::StoreError,
};

/// How long the publisher's lease lasts beyond its interval, in milliseconds.
const LEASE_MARGIN_MS: u64 = 20_000;

/// What was published last.
type Published = Option<[u8; 32]>;

/// Runs until the task is dropped.
pub async fn run(app: Arc<App>) {
    let mut published = None;
    loop {
        // A change is published at once; after it the interval has to pass.
        match app.publish_once(&mut published).await {
            Ok(()) => {}
            Err(error) => tracing::warn!(target: "otp::snapshot", %error, "the snapshot could not be built"),
        }
        tokio::time::sleep(app.settings.publish_interval).await;
        let pause = Duration::from_secs(1).min(app.settings.publish_interval);
        _ = tokio::time::timeout(pause, app.publication.changed.notified()).await;
    }
}

impl App {
    /// One turn: nothing when another replica publishes, or when nothing changed.
    async fn publish_once(&self, published: &mut Published) -> Result<(), StoreError> {
        self.keep_operators_in_sync().await?;
        self.store.deliver_pending_receipts().await;
        let Some(edge) = &self.publication.edge else { return Ok(()) };
        let ttl_ms = super::request::duration_ms(self.settings.publish_interval) + LEASE_MARGIN_MS;
        let Some(lease) = self.store.lease(&self.settings.replica, ttl_ms).await? else {
            *published = None;
            self.leave_to_another();
            return Ok(());
        };
        let holds = self.store.holds().await?;
        let changes = self.operators.changes();
        let content = digest(&changes, &holds);
        if *published == Some(content) {
            return Ok(());
        }
        let bytes = self.snapshot(lease.version, &changes, &holds);
        let size = bytes.len();
        let result = edge.put_snapshot(bytes, self.clock.now_ms()).await;
        if result.is_ok() {
            *published = Some(content);
            // Redis and every replica may go at once: then this copy is the only one that still has the words of the entries.
            _ = self.backup(&[]).await;
            tracing::info!(target: "otp::snapshot", version = lease.version, size, "published");
        }
        self.note(lease.version, &changes, result.map_err(|error| error.to_string()));
        Ok(())
    }

    fn snapshot(&self, version: u64, changes: &[Change], holds: &[Hold]) -> Vec<u8> {
        let now_ms = self.clock.now_ms();
        let mut builder = SnapshotBuilder::new(self.secrets.hasher.key_id(), version, now_ms / 1000);
        add_blacklist(&mut builder, changes.iter(), &self.secrets.hasher, now_ms);
        for hold in holds {
            add_hold(&mut builder, hold);
        }
        builder.encode()
    }

    fn note(&self, version: u64, changes: &[Change], result: Result<(), String>) {
        let mut status = self.publication.published.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match result {
            Ok(()) => {
                let now_s = self.clock.now_ms() / 1000;
                let since_s = |id: &String| status.changes.get(id).copied().unwrap_or(now_s);
                let changes = Arc::new(changes.iter().map(|change| (change.stamp.id.clone(), since_s(&change.stamp.id))).collect());
                let published_at_s = Some(now_s);
                *status = SnapshotStatus { edge: true, version: Some(version), published_at_s, error: None, elsewhere: false, changes };
            }
            Err(error) => {
                tracing::warn!(target: "otp::snapshot", %error, "the edge did not take the snapshot");
                (status.error, status.elsewhere) = (Some(error), false);
            }
        }
    }

    /// What another replica publishes is not known here.
    fn leave_to_another(&self) {
        let mut status = self.publication.published.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *status = SnapshotStatus { edge: true, elsewhere: true, ..SnapshotStatus::default() };
    }
}

fn add_hold(builder: &mut SnapshotBuilder, hold: &Hold) {
    let until_s = hold.until_ms.div_ceil(1000);
    match hold.subject.split_once(':') {
        Some(("phone", hash)) => {
            if let Ok(hash) = u64::from_str_radix(hash, 16) {
                builder.hold_phone(PhoneHash::from_u64(hash), until_s);
            }
        }
        Some(("address", address)) => {
            if let Ok(address) = Address::parse(address) {
                builder.hold_address(address, until_s);
            }
        }
        _ => tracing::warn!(target: "otp::snapshot", "a hold on neither a number nor an address"),
    }
}

/// Tells whether two snapshots would say the same.
fn digest(changes: &[Change], holds: &[Hold]) -> [u8; 32] {
    let mut holds = holds.to_vec();
    holds.sort_unstable();
    let of_changes = changes.iter().fold(Sha256::new(), |hash, change| hash.chain_update(&change.stamp.id));
    let hash = holds.iter().fold(of_changes, |hash, hold| hash.chain_update(&hold.subject).chain_update(hold.until_ms.to_be_bytes()));
    hash.finalize().into()
}
