//! `/healthz`: the process lives. `/readyz`: it takes work. Degraded is not down: without Redis it stays ready.

use std::sync::atomic::{AtomicBool, Ordering};

use axum::{extract::State, http::StatusCode, response::Response};
use serde::Serialize;

use super::{Shared, json, json_with};
use crate::store::StoreState;

/// The most milliseconds by which this clock and Redis' may differ: signatures live 30 s.
const MAX_SKEW_MS: u64 = 10_000;

/// Whether the process still takes work: not before it is set up, and not once it is asked to stop.
#[derive(Debug, Default)]
pub struct Readiness(AtomicBool);

impl Readiness {
    /// Takes work from now on, or no more.
    pub fn set(&self, ready: bool) {
        self.0.store(ready, Ordering::SeqCst);
    }

    fn is_set(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    ready: bool,
    redis: StoreState,
    clock_skew_ms: i64,
}

/// 200 as long as the process answers.
pub async fn healthz() -> StatusCode {
    StatusCode::OK
}

/// 200, or 503 with why not.
pub async fn readyz(State(http): Shared) -> Response {
    let clock_skew_ms = http.app.clock_skew_ms();
    let ready = http.readiness.is_set() && clock_skew_ms.unsigned_abs() <= MAX_SKEW_MS;
    let body = Report { ready, redis: http.app.store_state(), clock_skew_ms };
    if ready { json(&body) } else { json_with(StatusCode::SERVICE_UNAVAILABLE, &body) }
}
