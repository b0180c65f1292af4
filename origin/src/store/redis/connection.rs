//! The connection to Redis: made, watched and made again in the background, never inside a call.
//!
//! **Invariant:** a call waits 100 ms at most, and not at all while there is no connection. A call that fails takes the connection out of use:
//! the task reconnects, which is the probe.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::Duration,
};

use ::redis::{FromRedisValue, RedisError, RedisResult, aio::MultiplexedConnection, cmd};
use tokio::{
    sync::{Notify, watch},
    time::{Instant, timeout},
};

use super::{
    Scripts,
    locate::{LocateError, Locator},
};
use crate::{
    clock::{Clock, SystemClock},
    store::{StoreError, remote::Generation},
};

/// What a call may take.
pub const CALL_TIMEOUT: Duration = Duration::from_millis(100);
/// What a call may take that carries the whole operator state: megabytes, and no fan waits for it.
pub const BULK_TIMEOUT: Duration = Duration::from_secs(3);
/// What connecting, authenticating and loading the scripts may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
const PING_EVERY: Duration = Duration::from_millis(500);
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// Redis' clock as last seen, carried on by ours.
#[derive(Debug, Clone, Copy)]
struct Time {
    redis_us: u64,
    at: Instant,
}

struct Live {
    connection: MultiplexedConnection,
    generation: Generation,
    time: Time,
    admission: Admission,
}

/// Whether calls may use a connection.
enum Admission {
    /// Not before the resync.
    Waiting,
    /// Yes; they expect to find that epoch mark, if any.
    Admitted(Option<String>),
}

/// Makes the connection, watches it, and lends it to calls.
pub struct ConnectionManager {
    live: Mutex<Option<Live>>,
    generation: watch::Sender<Option<Generation>>,
    broken: Notify,
    skew_ms: AtomicI64,
    /// Whether a new connection waits to be admitted.
    guarded: bool,
}

/// The connection as one call uses it.
pub struct ConnectionHandle {
    connection: MultiplexedConnection,
    generation: Generation,
    /// What a call may take.
    at_most: Duration,
    /// Redis' microsecond after which the call is given up.
    pub deadline_us: u64,
    /// The epoch mark that must be there.
    pub epoch: Option<String>,
}

impl ConnectionManager {
    /// Not connected. When `guarded`, each connection must be admitted before calls use it.
    pub fn new(guarded: bool) -> Self {
        let (generation, _) = watch::channel(None);
        Self { live: Mutex::new(None), generation, broken: Notify::new(), skew_ms: 0.into(), guarded }
    }

    /// Which connection there is, admitted or not.
    pub fn generations(&self) -> watch::Receiver<Option<Generation>> {
        self.generation.subscribe()
    }

    /// Calls may use that connection from now on, and expect that epoch mark; `false` when it is gone already.
    pub fn admit(&self, generation: Generation, epoch: Option<String>) -> bool {
        let mut live = self.lock();
        let Some(live) = live.as_mut().filter(|live| live.generation == generation) else { return false };
        live.admission = Admission::Admitted(epoch);
        true
    }

    /// Calls expect that epoch mark from now on.
    pub fn expect_epoch(&self, generation: Generation, epoch: &str) {
        if let Some(live) = self.lock().as_mut().filter(|live| live.generation == generation)
            && let Admission::Admitted(expected) = &mut live.admission
        {
            *expected = Some(epoch.to_owned());
        }
    }

    /// The connection that calls use.
    pub fn admitted(&self) -> Option<Generation> {
        self.lock().as_ref().filter(|live| matches!(live.admission, Admission::Admitted(_))).map(|live| live.generation)
    }

    /// Milliseconds by which Redis' clock is ahead of ours, when last seen.
    pub fn skew_ms(&self) -> i64 {
        self.skew_ms.load(Ordering::Relaxed)
    }

    /// Redis' Unix microsecond, carried on by our clock from when it was last seen.
    pub fn now_us(&self) -> u64 {
        let time = self.lock().as_ref().map(|live| live.time);
        time.map_or_else(|| SystemClock.now_ms().saturating_add_signed(self.skew_ms()) * 1000, Time::now_us)
    }

    /// The admitted connection.
    pub fn handle(&self) -> Result<ConnectionHandle, StoreError> {
        let live = self.lock();
        let live = live.as_ref().ok_or_else(away)?;
        match &live.admission {
            Admission::Admitted(epoch) => Ok(live.handle(CALL_TIMEOUT, epoch.clone())),
            Admission::Waiting => Err(away()),
        }
    }

    /// That connection, admitted or not: for the resync, which no fan waits for.
    pub fn handle_of(&self, generation: Generation) -> Result<ConnectionHandle, StoreError> {
        let live = self.lock();
        let live = live.as_ref().filter(|live| live.generation == generation).ok_or_else(away)?;
        Ok(live.handle(BULK_TIMEOUT, None))
    }

    /// Sends a query, for as long as the handle allows. Whatever fails takes the connection out of use.
    pub async fn call<T, F>(&self, handle: ConnectionHandle, query: impl FnOnce(MultiplexedConnection) -> F) -> Result<T, StoreError>
    where
        T: FromRedisValue,
        F: Future<Output = RedisResult<T>>,
    {
        self.call_within(handle.at_most, handle, query).await
    }

    /// The same with another limit.
    pub async fn call_within<T, F>(
        &self,
        at_most: Duration,
        handle: ConnectionHandle,
        query: impl FnOnce(MultiplexedConnection) -> F,
    ) -> Result<T, StoreError>
    where
        T: FromRedisValue,
        F: Future<Output = RedisResult<T>>,
    {
        let generation = handle.generation;
        let failure = match timeout(at_most, query(handle.connection)).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => describe(&error),
            Err(_) => format!("no answer within {} ms", at_most.as_millis()),
        };
        self.give_up(generation, &failure);
        Err(StoreError::Unavailable(failure))
    }

    /// Takes that connection out of use.
    pub fn give_up(&self, generation: Generation, why: &str) {
        let mut live = self.lock();
        if live.as_ref().is_none_or(|live| live.generation != generation) {
            return;
        }
        *live = None;
        drop(live);
        tracing::debug!(target: "otp::store", why, "the connection to redis is given up");
        self.generation.send_replace(None);
        self.broken.notify_one();
    }

    /// Keeps a connection for as long as it is polled.
    pub async fn keep(self: Arc<Self>, locator: Locator, scripts: Arc<Scripts>) {
        let mut pause = FIRST_PAUSE;
        for number in 0.. {
            match timeout(CONNECT_TIMEOUT, open(&locator, &scripts)).await {
                Ok(Ok((connection, time))) => {
                    pause = FIRST_PAUSE;
                    self.use_and_watch(connection, time, Generation(number)).await;
                }
                Ok(Err(error)) => tracing::debug!(target: "otp::store", %error, "redis cannot be reached"),
                Err(_) => tracing::debug!(target: "otp::store", "redis does not answer"),
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn use_and_watch(&self, connection: MultiplexedConnection, time: Time, generation: Generation) {
        self.note_skew(time);
        let admission = if self.guarded { Admission::Waiting } else { Admission::Admitted(None) };
        *self.lock() = Some(Live { connection: connection.clone(), generation, time, admission });
        self.generation.send_replace(Some(generation));
        loop {
            tokio::select! {
                () = self.broken.notified() => {}
                () = tokio::time::sleep(PING_EVERY) => self.ping(connection.clone(), generation).await,
            }
            if self.lock().as_ref().is_none_or(|live| live.generation != generation) {
                return;
            }
        }
    }

    /// `TIME` is the ping: it also tells how the clocks stand.
    async fn ping(&self, mut connection: MultiplexedConnection, generation: Generation) {
        match timeout(CALL_TIMEOUT, read_time(&mut connection)).await {
            Ok(Ok(time)) => {
                self.note_skew(time);
                if let Some(live) = self.lock().as_mut().filter(|live| live.generation == generation) {
                    live.time = time;
                }
            }
            Ok(Err(error)) => self.give_up(generation, &describe(&error)),
            Err(_) => self.give_up(generation, "no answer to a ping within 100 ms"),
        }
    }

    fn note_skew(&self, time: Time) {
        let redis_ms = (time.now_us() / 1000).cast_signed();
        let skew_ms = redis_ms - SystemClock.now_ms().cast_signed();
        self.skew_ms.store(skew_ms, Ordering::Relaxed);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Live>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Live {
    fn handle(&self, at_most: Duration, epoch: Option<String>) -> ConnectionHandle {
        let deadline_us = self.time.now_us() + as_us(at_most);
        ConnectionHandle { connection: self.connection.clone(), generation: self.generation, at_most, deadline_us, epoch }
    }
}

impl ConnectionHandle {
    /// Which connection this is.
    pub fn generation(&self) -> Generation {
        self.generation
    }
}

impl Time {
    fn now_us(self) -> u64 {
        self.redis_us + as_us(self.at.elapsed())
    }
}

async fn open(locator: &Locator, scripts: &Scripts) -> Result<(MultiplexedConnection, Time), LocateError> {
    let mut connection = locator.connect().await?;
    connection.set_response_timeout(CONNECT_TIMEOUT);
    for script in scripts.all() {
        script.load_async(&mut connection).await?;
    }
    warn_of_eviction(&mut connection).await;
    let time = read_time(&mut connection).await?;
    Ok((connection, time))
}

/// Redis must not make room by dropping used marks. A user without the right to ask is not warned.
async fn warn_of_eviction(connection: &mut MultiplexedConnection) {
    static WARNED: AtomicBool = AtomicBool::new(false);
    let info: RedisResult<String> = cmd("INFO").arg("memory").query_async(connection).await;
    if let Some(policy) = info.as_deref().ok().and_then(evicting_policy)
        && !WARNED.swap(true, Ordering::Relaxed)
    {
        tracing::warn!(target: "otp::store", policy, "redis may drop keys before their end: set maxmemory-policy noeviction");
    }
}

/// The `maxmemory-policy` that `INFO memory` tells, if it is one that drops keys.
fn evicting_policy(info: &str) -> Option<&str> {
    let policy = info.lines().find_map(|line| line.strip_prefix("maxmemory_policy:"))?.trim();
    (policy != "noeviction").then_some(policy)
}

/// Redis' clock, taken to be what it was halfway between query and answer.
async fn read_time(connection: &mut MultiplexedConnection) -> Result<Time, RedisError> {
    let asked = Instant::now();
    let (seconds, us): (u64, u64) = cmd("TIME").query_async(connection).await?;
    Ok(Time { redis_us: seconds * 1_000_000 + us, at: asked + asked.elapsed() / 2 })
}

fn as_us(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

fn away() -> StoreError {
    StoreError::Unavailable("redis is away".into())
}

/// The kind and code of an error, without its detail: that may quote an argument.
fn describe(error: &RedisError) -> String {
    error.code().map_or_else(|| format!("{:?}", error.kind()), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_that_drops_keys_is_told() {
        assert_eq!(evicting_policy("# Memory\r\nmaxmemory:0\r\nmaxmemory_policy:allkeys-lru\r\n"), Some("allkeys-lru"));
        assert_eq!(evicting_policy("maxmemory_policy:volatile-ttl\r\n"), Some("volatile-ttl"), "used marks have an end too");
        assert_eq!(evicting_policy("maxmemory_policy:noeviction\r\n"), None);
        assert_eq!(evicting_policy(""), None);
    }
}
