//! Ctrl-C, SIGTERM and SIGHUP: the first asks for an orderly end, the second for a quick one.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::failure::{Context as _, Outcome};

static SIGNALS: AtomicU32 = AtomicU32::new(0);

/// From here on the signals no longer end this process by themselves.
pub fn catch() -> Outcome {
    ctrlc::set_handler(|| {
        SIGNALS.fetch_add(1, Ordering::Relaxed);
    })
    .or_say("cannot handle Ctrl-C")
}

/// Somebody wants us to end.
pub fn stopping() -> bool {
    SIGNALS.load(Ordering::Relaxed) > 0
}

/// Somebody wants us to end now.
pub fn impatient() -> bool {
    SIGNALS.load(Ordering::Relaxed) > 1
}
