//! The blacklist entries that ops wrote to KV by hand, as the edge lists them. They block at the edge whatever the
//! operator state says; adopting one makes it the origin's too.
//!
//! **Invariant:** whoever waits for the edge here waits at most [`PATIENCE`]: lists are shown without it, too.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::super::App;
use crate::{
    domain::operator::Target,
    edge::{ManualKvEntries, ManualKvEntry},
};

/// How long the edge may take. Listing KV is slower than reading it.
const PATIENCE: Duration = Duration::from_secs(2);

/// When the edge was asked, as Unix millisecond, and its answer or why there was none.
type Answered = Option<(u64, Result<Arc<ManualKvEntries>, String>)>;

/// What the edge listed last.
#[derive(Default)]
pub struct ManualKvCache(Mutex<Answered>);

impl ManualKvCache {
    fn lock(&self) -> MutexGuard<'_, Answered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ManualKvEntry {
    /// The same as a target of operators' changes.
    pub(super) fn target(&self) -> Target {
        Target::Blacklist { kind: self.r#type.clone(), value: self.value.clone() }
    }

    /// Whether KV still has it.
    pub(super) fn in_force(&self, now_ms: u64) -> bool {
        self.until_s.is_none_or(|until_s| now_ms < until_s * 1000)
    }
}

impl App {
    /// What was written by hand, no older than `max_age_ms`; the error says why it is not known.
    pub(super) async fn manual_kv_entries(&self, max_age_ms: u64) -> Result<Arc<ManualKvEntries>, String> {
        let Some(edge) = &self.publication.edge else { return Ok(Arc::default()) };
        let now_ms = self.clock.now_ms();
        let known = self.publication.manual_kv.lock().clone();
        if let Some((_, listed)) = known.filter(|(at_ms, _)| now_ms.saturating_sub(*at_ms) <= max_age_ms) {
            return listed;
        }
        let asked = tokio::time::timeout(PATIENCE, edge.manual_kv_entries(now_ms)).await;
        let listed = match asked {
            Ok(answer) => answer.map(Arc::new).map_err(|error| error.to_string()),
            Err(_) => Err("the edge took too long to list what was written by hand".to_owned()),
        };
        *self.publication.manual_kv.lock() = Some((now_ms, listed.clone()));
        listed
    }
}
