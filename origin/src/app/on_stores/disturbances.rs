//! Whether a test ran as it meant to.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::store::contract::server::Server;

/// Notices when a connection was made again that nobody cut: on a busy machine an answer may take longer than a call waits, and then memory decides. That is
/// an outage, and outages have tests of their own.
#[derive(Default)]
pub struct Disturbances {
    expected: AtomicU64,
    noticed: AtomicBool,
}

impl Disturbances {
    /// Every connection to the server that is made from now on is one.
    pub fn watch(&self, server: &Server) {
        self.expected.store(server.connections() + 1, Ordering::Relaxed);
    }

    /// Looks at the server that is watched, over a connection of its own.
    pub fn check(&self, server: &Server) {
        let expected = self.expected.fetch_add(1, Ordering::Relaxed);
        if server.connections() > expected {
            self.noticed.store(true, Ordering::Relaxed);
        }
    }

    /// Whether there was one since this was asked last.
    pub fn take(&self) -> bool {
        self.noticed.swap(false, Ordering::Relaxed)
    }
}
