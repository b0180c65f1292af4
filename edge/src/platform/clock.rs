//! Time and chance, which everything outside `platform` takes as arguments, and time limits for what is awaited.
//!
//! In production the clock stands still between I/O, so that nobody can measure with it; it is read again after every wait.

use std::{future::Future, pin::pin, time::Duration};

use futures_util::future::{Either, select};
use wasm_bindgen::JsCast;
use worker::{Delay, js_sys};

/// Milliseconds since the Unix epoch.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a time after 1970 in whole milliseconds, far below 2^53")]
pub fn now_ms() -> u64 {
    js_sys::Date::now() as u64
}

/// Seconds since the Unix epoch.
pub fn now_s() -> u64 {
    now_ms().div_euclid(1000)
}

/// Waits.
pub async fn sleep(ms: u64) {
    Delay::from(Duration::from_millis(ms)).await;
}

/// What `future` gives, unless it takes longer than `ms`.
pub async fn within<T>(ms: u64, future: impl Future<Output = T>) -> Option<T> {
    match select(pin!(future), pin!(sleep(ms))).await {
        Either::Left((value, _)) => Some(value),
        Either::Right(_) => None,
    }
}

/// Random bytes from the platform; `None` when it has none to give.
pub fn random<const N: usize>() -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let global: web_sys::WorkerGlobalScope = js_sys::global().unchecked_into();
    global.crypto().ok()?.get_random_values_with_u8_array(&mut bytes).ok()?;
    Some(bytes)
}
