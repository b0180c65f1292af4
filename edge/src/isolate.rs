//! Everything an isolate remembers between requests. Plain data only: what belongs to the runtime (a stream, a binding) belongs to the
//! request that made it and may not be kept.
//!
//! **Invariant:** losing all of it, at any moment, refuses nobody and lets through only what the origin judges anyway.

use crate::{counters::Counters, holds::Holds, log::Budget, refresh::Refresh, snapshots::Snapshots};

/// The memory of one isolate.
#[derive(Debug, Default)]
pub struct Isolate {
    /// The blacklist and the world's holds.
    pub snapshots: Snapshots,
    /// When those are read again.
    pub refresh: Refresh,
    /// The holds that were told to this isolate.
    pub holds: Holds,
    /// What it did since its last report.
    pub counters: Counters,
    /// How many log lines its requests may still write.
    pub lines: Budget,
}

impl Isolate {
    /// A new isolate, by its random name.
    pub fn new(name: String) -> Self {
        Self { counters: Counters::new(name), ..Self::default() }
    }
}
