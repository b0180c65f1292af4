//! Where an operator's change is in force: at the origin's replicas, in the edge's snapshot, and until when caches may
//! still have what was before.
//!
//! **Invariant:** it reports only what this replica knows: of what another replica publishes it says so.

use serde::Serialize;

use super::super::App;
use crate::{domain::operator::Stamp, store::StoreState};

/// For how many seconds after publishing an isolate may still use the snapshot before: KV shows a write everywhere within
/// 60 s, and an isolate reads it again when its own is older than 30 s.
const CACHES_S: u64 = 90;

/// Where a change is in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Propagation {
    /// At the origin.
    pub origin: AtOrigin,
    /// At the edge.
    pub edge: AtEdge,
    /// The version of the snapshot that holds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot_version: Option<u64>,
    /// Until this Unix second, an isolate may still use what was before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub caches_until_s: Option<u64>,
}

/// Which replicas apply it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AtOrigin {
    /// All of them, from their next request on.
    EveryReplica,
    /// Only this one, until Redis is back.
    ThisReplica,
}

/// Whether the edge applies it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AtEdge {
    /// It is in the published snapshot.
    Published,
    /// Not yet: it will be, within the publisher's interval.
    Pending,
    /// Another replica publishes: this one does not know.
    ByAnotherReplica,
    /// No edge is configured.
    NoEdge,
}

impl App {
    /// Where the change with this stamp is in force.
    pub fn propagation(&self, stamp: &Stamp) -> Propagation {
        let status = self.snapshot_status();
        let origin = match self.store.state() {
            StoreState::Connected | StoreState::MemoryEmbedded => AtOrigin::EveryReplica,
            StoreState::MemoryFallback => AtOrigin::ThisReplica,
        };
        let published_at_s = status.changes.get(&stamp.id).copied();
        let edge = match (status.edge, status.elsewhere) {
            (false, _) => AtEdge::NoEdge,
            (true, true) => AtEdge::ByAnotherReplica,
            (true, false) if published_at_s.is_some() => AtEdge::Published,
            (true, false) => AtEdge::Pending,
        };
        let snapshot_version = published_at_s.and(status.version);
        Propagation { origin, edge, snapshot_version, caches_until_s: published_at_s.map(|at_s| at_s + CACHES_S) }
    }
}

impl AtEdge {
    /// In a word or three.
    pub fn word(self) -> &'static str {
        match self {
            Self::Published => "published",
            Self::Pending => "not yet",
            Self::ByAnotherReplica => "by another replica",
            Self::NoEdge => "no edge",
        }
    }
}
