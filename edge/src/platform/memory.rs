//! The isolate's memory between requests, and its configuration. Both are plain data.
//!
//! **Invariant:** nobody awaits, and nobody asks for the memory again, while holding it.

use std::{
    cell::{OnceCell, RefCell},
    rc::Rc,
};

use worker::Env;

use super::{clock, console, js};
use crate::{
    config::{Config, Vars},
    forward,
    isolate::Isolate,
    log::{Level, Line},
    refusal::Refusal,
};

thread_local! {
    static ISOLATE: RefCell<Option<Isolate>> = const { RefCell::new(None) };
    static CONFIG: OnceCell<Rc<Config>> = const { OnceCell::new() };
}

/// Lends the memory. The isolate is named at its first request: before, the platform gives no randomness.
pub fn isolate<T>(use_it: impl FnOnce(&mut Isolate) -> T) -> T {
    ISOLATE.with_borrow_mut(|isolate| use_it(isolate.get_or_insert_with(named)))
}

fn named() -> Isolate {
    Isolate::new(forward::request_id(clock::random().unwrap_or_default()))
}

/// The configuration, read at the isolate's first request: it cannot change within one. While it is wrong, fans are told 503.
pub fn config(env: &Env) -> Result<Rc<Config>, Refusal> {
    if let Some(config) = CONFIG.with(|cell| cell.get().cloned()) {
        return Ok(config);
    }
    let parsed = Config::parse(&vars(env)).map_err(|error| misconfigured(&error.to_string()))?;
    Ok(CONFIG.with(|cell| cell.get_or_init(|| Rc::new(parsed)).clone()))
}

fn vars(env: &Env) -> Vars {
    let text = |name: &str| js::get(env, name).ok().and_then(|value| value.as_string());
    Vars {
        origin_url: text("ORIGIN_URL"),
        secret: text("EDGE_SHARED_SECRET"),
        secret_previous: text("EDGE_SHARED_SECRET_PREVIOUS"),
        snapshot_refresh_s: text("SNAPSHOT_REFRESH_S"),
        allowed_origins: text("ALLOWED_ORIGINS"),
    }
}

fn misconfigured(error: &str) -> Refusal {
    console::write_within_budget(Line::new(Level::Warn, "misconfigured").with("error", error));
    isolate(|isolate| isolate.counters.error("misconfigured"));
    forward::unavailable().because("misconfigured")
}
