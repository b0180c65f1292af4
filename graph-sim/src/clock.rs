//! The only place where the simulator reads the time. Everything else takes a `now` in
//! milliseconds.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The system's clock. A test may move it forward, never back.
#[derive(Debug, Default)]
pub struct Clock {
    ahead_ms: AtomicU64,
}

impl Clock {
    /// Unix time in milliseconds.
    #[expect(clippy::disallowed_methods, reason = "the simulator's only clock")]
    pub fn now_ms(&self) -> u64 {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        millis(since_epoch).saturating_add(self.ahead_ms.load(Ordering::Relaxed))
    }

    /// Moves the clock forward by `by`: rate limits refill, API versions expire.
    pub fn advance(&self, by: Duration) {
        self.ahead_ms.fetch_add(millis(by), Ordering::Relaxed);
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
