//! Waiting on a condition. There is no other way to wait here.

use std::time::{Duration, Instant};

/// How long a condition is waited for that has to become true soon: far longer than it takes, on a busy machine too.
pub const PATIENCE: Duration = Duration::from_secs(20);

const PAUSE: Duration = Duration::from_millis(10);

/// Looks until `look` finds something, and panics with `what` after [`PATIENCE`].
pub async fn until<T>(what: &str, look: impl AsyncFnMut() -> Option<T>) -> T {
    within(PATIENCE, look).await.unwrap_or_else(|| panic!("waited {} s in vain until {what}", PATIENCE.as_secs()))
}

/// Looks until `look` finds something; `None` when `patience` ends first.
pub async fn within<T>(patience: Duration, mut look: impl AsyncFnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + patience;
    loop {
        if let Some(found) = look().await {
            return Some(found);
        }
        if Instant::now() > end {
            return None;
        }
        tokio::time::sleep(PAUSE).await;
    }
}
