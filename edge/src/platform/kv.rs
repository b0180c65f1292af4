//! Workers KV, with a time limit on every call. Not what the values mean.
//!
//! **Invariant:** no call takes longer than its limit, and no failure says more than that it failed: the caller goes on without KV.

use futures_util::TryFutureExt;
use otp_shared::kv::KV_BLACKLIST_PREFIX;
use worker::{
    Env,
    kv::{KvError, KvStore, ListResponse},
};

use super::{clock::within, memory};
use crate::hand::Key;

/// The binding's name in `wrangler.toml`.
const BINDING: &str = "OTP_KV";
/// How long a value may be served from the location's cache: the least that KV takes, in seconds.
const CACHE_TTL_S: u64 = 30;
/// A read that takes longer is given up, in milliseconds. Shorter than [`crate::refresh::GIVE_UP_MS`].
const READ_MS: u64 = 5_000;
/// A write that takes longer is given up; it may still happen.
const WRITE_MS: u64 = 10_000;
/// More pages than this (of a thousand keys) are not read: a Worker may make only so many calls.
const MAX_PAGES: usize = 500;

/// KV did not do it, or not in time. Counted where it happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failed;

/// The namespace of one request.
pub struct Kv(Option<KvStore>);

impl Kv {
    /// The bound namespace. One that is not bound fails at every call.
    pub fn of(env: &Env) -> Self {
        Self(KvStore::from_this(env, BINDING).ok())
    }

    /// A value; `None` when there is none.
    pub async fn read(&self, key: &str) -> Result<Option<Vec<u8>>, Failed> {
        let store = self.store("kv_read")?;
        limited(READ_MS, "kv_read", store.get(key).cache_ttl(CACHE_TTL_S).bytes()).await
    }

    /// Writes a value.
    pub async fn write(&self, key: &str, value: &[u8]) -> Result<(), Failed> {
        let store = self.store("kv_write")?;
        let put = store.put_bytes(key, value).map_err(|_| failed("kv_write"))?;
        limited(WRITE_MS, "kv_write", put.execute()).await
    }

    /// All keys that begin so, or a failure: part of a list is none.
    pub async fn list(&self, prefix: &str) -> Result<Vec<Key>, Failed> {
        let mut keys = Vec::new();
        let mut cursor = None;
        for _ in 0..MAX_PAGES {
            let page = self.page(prefix, cursor).await?;
            keys.extend(page.keys.into_iter().map(|key| Key { name: key.name, expires_s: key.expiration }));
            cursor = match page.cursor {
                Some(next) if !page.list_complete => Some(next),
                _ if page.list_complete => return Ok(keys),
                _ => return Err(failed("kv_list")),
            };
        }
        Err(failed("kv_list"))
    }

    /// All keys that ops wrote by hand.
    pub async fn hand(&self) -> Result<Vec<Key>, Failed> {
        self.list(KV_BLACKLIST_PREFIX).await
    }

    async fn page(&self, prefix: &str, cursor: Option<String>) -> Result<ListResponse, Failed> {
        let list = self.store("kv_list")?.list().prefix(prefix.to_owned());
        let list = match cursor {
            Some(cursor) => list.cursor(cursor),
            None => list,
        };
        limited(READ_MS, "kv_list", list.execute()).await
    }

    fn store(&self, name: &'static str) -> Result<&KvStore, Failed> {
        self.0.as_ref().ok_or_else(|| failed(name))
    }
}

async fn limited<T>(ms: u64, name: &'static str, call: impl Future<Output = Result<T, KvError>>) -> Result<T, Failed> {
    within(ms, call.map_err(|_| Failed)).await.unwrap_or(Err(Failed)).map_err(|_| failed(name))
}

/// Counts the failure where it happened.
fn failed(name: &'static str) -> Failed {
    memory::isolate(|isolate| isolate.counters.error(name));
    Failed
}
