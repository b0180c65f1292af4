//! What a request starts and does not wait for: reading the snapshots again, reporting the counters. Both run inside the `wait_until` of
//! the request that started them, because what they read belongs to it.

use std::rc::Rc;

use futures_util::future::join;
use web_sys::Headers;
use worker::{Context, Env};

use super::{
    clock::{self, sleep},
    console,
    kv::{Failed, Kv},
    memory, origin,
};
use crate::{
    config::Config,
    forward,
    log::{Level, Line},
    refresh::PATIENCE_MS,
    snapshots::{Kept, Source},
};

/// How often a waiting request looks whether the first snapshots are there, in milliseconds.
const LOOK_MS: u64 = 10;

/// Starts reading the snapshots, when they are due and nobody reads them.
pub fn refresh_when_due(env: &Env, ctx: &Context, config: &Rc<Config>) {
    let now_ms = clock::now_ms();
    if memory::isolate(|isolate| isolate.refresh.begin(now_ms, config.refresh_ms)) {
        ctx.wait_until(refresh(env.clone(), config.clone()));
    }
}

/// Waits for the first snapshots of a new isolate, and not for long. The number of looks is bounded too: a clock that stands still must
/// not make anybody wait forever.
pub async fn first_snapshots() {
    for _ in 0..PATIENCE_MS.div_euclid(LOOK_MS) {
        let now_ms = clock::now_ms();
        if !memory::isolate(|isolate| isolate.refresh.is_worth_waiting(now_ms)) {
            return;
        }
        sleep(LOOK_MS).await;
    }
}

async fn refresh(env: Env, config: Rc<Config>) {
    let kv = Kv::of(&env);
    let (origin, hand) = join(read(&kv, Source::Origin, &config), read(&kv, Source::Hand, &config)).await;
    let now_ms = clock::now_ms();
    memory::isolate(|isolate| {
        isolate.refresh.end(now_ms, origin.is_ok() && hand.is_ok());
        if (origin, hand) == (Ok(true), Ok(true)) {
            isolate.snapshots.read(now_ms);
        }
    });
}

/// Reads one snapshot and takes it over. `Ok(false)`: KV answered, but not with anything good.
async fn read(kv: &Kv, source: Source, config: &Config) -> Result<bool, Failed> {
    let bytes = kv.read(source.kv_key()).await.inspect_err(|_| complain("kv_read_failed", source))?;
    let taken = memory::isolate(|isolate| {
        let taken = isolate.snapshots.take(source, bytes, &config.keys);
        taken.inspect_err(|kept: &Kept| isolate.counters.error(kept.name()))
    });
    Ok(taken.inspect_err(|kept| complain(kept.name(), source)).is_ok())
}

fn complain(event: &'static str, source: Source) {
    console::write_within_budget(Line::new(Level::Warn, event).with("key", source.kv_key()));
}

/// Starts a report of the counters, when there is something to tell and nobody is about to tell it.
pub fn report_when_due(ctx: &Context, config: &Rc<Config>) {
    let now_ms = clock::now_ms();
    if let Some(delay_ms) = memory::isolate(|isolate| isolate.counters.plan(now_ms)) {
        ctx.wait_until(report(config.clone(), delay_ms));
    }
}

async fn report(config: Rc<Config>, delay_ms: u64) {
    sleep(delay_ms).await;
    let now_ms = clock::now_ms();
    let report = memory::isolate(|isolate| isolate.counters.take(isolate.snapshots.age_s(now_ms), now_ms));
    match send(&config, report.json.as_bytes()).await {
        Some(200..=299) => memory::isolate(|isolate| isolate.counters.arrived(report.sequence)),
        status => console::write_within_budget(Line::new(Level::Warn, "report_failed").count("status", status.unwrap_or_default().into())),
    }
}

async fn send(config: &Config, body: &[u8]) -> Option<u16> {
    let outgoing = forward::report(config, body, origin::stamp()?);
    origin::send("POST", &outgoing, &Headers::new().ok()?, body).await.map(|answered| answered.status)
}
