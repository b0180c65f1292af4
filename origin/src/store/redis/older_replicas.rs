//! Replicas of the layout before this one, which run beside it during a rolling update. They keep guesses in a hash `spent:{v1}:<hex>`: a field `used`, and a
//! field `a:<who>` for each who counts. Whatever is guessed here is counted there first, so that a code is accepted once by both together, and no guess is
//! lost between them. Limits, deliveries and idempotency keys are not shared: each layout keeps its own for the minutes that this takes.
//!
//! Whether there may be such replicas is decided once for a Redis: when this layout first meets it and finds the mark of the one before. A day later it is over.

use std::{
    collections::HashSet,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use ::redis::{cmd, pipe};
use async_trait::async_trait;
use otp_shared::signature::hex;

use super::{EPOCH, RedisStore, script::Reply};
use crate::{
    clock::{Clock, SystemClock},
    domain::{
        evaluation::ChallengeKey,
        record::{attempts::Attempts, challenge::GRACE_MS},
    },
    store::{OlderReplicas, StoreError, remote::Generation},
};

/// The Unix millisecond until which replicas of the layout before may run; 0: there were none.
const UNTIL: &str = "operator:{v1}:older-until";
/// How long a rolling update may take, in milliseconds.
const UPDATE_MS: u64 = 86_400_000;

/// More right guesses than are under way at once: over it, those noted are forgotten.
const MAX_CLAIMS: usize = 10_000;

/// What this process knows of an update.
#[derive(Debug, Default)]
pub struct OlderState {
    /// Until when there may be older replicas, as Unix millisecond.
    until_ms: AtomicU64,
    /// Challenges that this process marked used in the old hash. Such a mark decides nothing here: the guess may not have been decided yet, as when the
    /// operator state was read anew in between.
    claims: Mutex<HashSet<ChallengeKey>>,
}

impl RedisStore {
    /// Finds out over a new connection, before anything of this layout is written.
    pub(super) async fn look_for_older_replicas(&self, generation: Generation) -> Result<(), StoreError> {
        let handle = self.manager.handle_of(generation)?;
        let (until, filled): (Option<u64>, bool) = self
            .manager
            .call(handle, |mut connection| async move {
                pipe().cmd("GET").arg(UNTIL).cmd("EXISTS").arg(EPOCH).query_async(&mut connection).await
            })
            .await?;
        let until_ms = match until {
            Some(until_ms) => until_ms,
            None if filled => SystemClock.now_ms() + UPDATE_MS,
            None => 0,
        };
        // What this process saw of an update still counts when Redis was emptied in the middle of it.
        let until_ms = until_ms.max(self.older.until_ms.fetch_max(until_ms, Ordering::Relaxed));
        if until == Some(until_ms) {
            return Ok(());
        }
        let handle = self.manager.handle_of(generation)?;
        self.manager
            .call(handle, |mut connection| async move { cmd("SET").arg(UNTIL).arg(until_ms).query_async(&mut connection).await })
            .await
    }

    fn may_have_older_replicas(&self) -> bool {
        SystemClock.now_ms() < self.older.until_ms.load(Ordering::Relaxed)
    }

    /// What others noted: a mark that this process set itself is left out.
    async fn attempts_of_others(&self, challenge: ChallengeKey, query: ::redis::Pipeline, own: &str) -> Option<Attempts> {
        let handle = self.manager.handle().ok()?;
        let replies: Vec<Reply> =
            self.manager.call(handle, |mut connection| async move { query.query_async(&mut connection).await }).await.ok()?;
        let mut attempts = read(replies.into_iter().next()?, own);
        attempts.used &= !self.claims().contains(&challenge);
        Some(attempts)
    }

    fn claims(&self) -> MutexGuard<'_, HashSet<ChallengeKey>> {
        self.older.claims.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Of two right guesses one is first: whoever saw no mark set it.
    fn claim(&self, challenge: ChallengeKey) {
        let mut claims = self.claims();
        if claims.len() >= MAX_CLAIMS {
            claims.clear();
        }
        claims.insert(challenge);
    }
}

#[async_trait]
impl OlderReplicas for RedisStore {
    async fn attempts(&self, challenge: ChallengeKey) -> Attempts {
        if !self.may_have_older_replicas() {
            return Attempts::default();
        }
        let mut query = pipe();
        query.cmd("HGETALL").arg(key(challenge));
        self.attempts_of_others(challenge, query, "").await.unwrap_or_default()
    }

    async fn count(&self, challenge: ChallengeKey, correct: bool, left_ms: u64) -> Attempts {
        if !self.may_have_older_replicas() {
            return Attempts::default();
        }
        let (key, own) = (key(challenge), format!("a:{:08x}", self.slot));
        let mut query = pipe();
        // The fields as they were; then this guess. One step, so that of two right guesses one is first.
        query.atomic().cmd("HGETALL").arg(&key).cmd("HINCRBY").arg(&key).arg(&own).arg(1).ignore();
        if correct {
            query.cmd("HSETNX").arg(&key).arg("used").arg(1).ignore();
        }
        query.cmd("PEXPIRE").arg(&key).arg(left_ms + GRACE_MS).ignore();
        let Some(attempts) = self.attempts_of_others(challenge, query, &own).await else { return Attempts::default() };
        if correct && !attempts.used {
            self.claim(challenge);
        }
        attempts
    }
}

fn key(challenge: ChallengeKey) -> String {
    format!("spent:{{v1}}:{}", hex(&challenge.0))
}

/// What others counted: our own guesses are in our own records.
fn read(flat: Reply, own: &str) -> Attempts {
    let mut texts = flat.into_iter().map(|text| text.and_then(|text| String::from_utf8(text).ok()).unwrap_or_default());
    let mut attempts = Attempts::default();
    while let (Some(field), Some(value)) = (texts.next(), texts.next()) {
        if field == "used" {
            attempts.used = true;
        } else if field != own {
            let count = value.parse::<u64>().map_or(u8::MAX, |count| u8::try_from(count).unwrap_or(u8::MAX));
            attempts.by_slot.insert(slot(&field), count);
        }
    }
    attempts
}

/// A name for who counts: ours tell their slot, older ones have longer names, of which any four bytes that differ will do.
fn slot(field: &str) -> u32 {
    let name = field.strip_prefix("a:").unwrap_or(field);
    let own = if name.len() == 8 { u32::from_str_radix(name, 16).ok() } else { None };
    own.unwrap_or_else(|| name.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)))
}
