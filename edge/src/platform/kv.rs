//! Workers KV, with a time limit on every call. Not what the values mean.
//!
//! **Invariant:** no call takes longer than its limit, and no failure says more than that it failed: the caller goes on without KV.

use otp_shared::kv::KV_BLACKLIST_PREFIX;
use wasm_bindgen::{JsCast, JsValue};
use worker::{
    Env,
    js_sys::{Array, ArrayBuffer, Uint8Array},
};

use super::{clock::within, js, memory};
use crate::hand::Key;

/// The binding's name in `wrangler.toml`.
const BINDING: &str = "OTP_KV";
/// How long a value may be served from the location's cache: the least that KV takes, in seconds.
const CACHE_TTL_S: u32 = 30;
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
pub struct Kv(JsValue);

/// A page of a listing.
struct Page {
    keys: Vec<Key>,
    /// Where the next one begins; `None` at the end.
    cursor: Option<JsValue>,
}

impl Kv {
    /// The bound namespace. One that is not bound fails at every call.
    pub fn of(env: &Env) -> Self {
        Self(js::get(env, BINDING).unwrap_or_default())
    }

    /// A value; `None` when there is none.
    pub async fn read(&self, key: &str) -> Result<Option<Vec<u8>>, Failed> {
        limited(READ_MS, "kv_read", self.get(key)).await
    }

    /// Writes a value.
    pub async fn write(&self, key: &str, value: &[u8]) -> Result<(), Failed> {
        let put = js::call(&self.0, "put", [key.into(), Uint8Array::from(value).into()]);
        limited(WRITE_MS, "kv_write", put).await.map(|_| ())
    }

    /// All keys that begin so, or a failure: part of a list is none.
    pub async fn list(&self, prefix: &str) -> Result<Vec<Key>, Failed> {
        let mut keys = Vec::new();
        let mut cursor = JsValue::UNDEFINED;
        for _ in 0..MAX_PAGES {
            let page = limited(READ_MS, "kv_list", self.page(prefix, cursor)).await?;
            keys.extend(page.keys);
            match page.cursor {
                Some(next) => cursor = next,
                None => return Ok(keys),
            }
        }
        Err(failed("kv_list"))
    }

    /// All keys that ops wrote by hand.
    pub async fn hand(&self) -> Result<Vec<Key>, Failed> {
        self.list(KV_BLACKLIST_PREFIX).await
    }

    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, JsValue> {
        let options = js::object([("type", "arrayBuffer".into()), ("cacheTtl", CACHE_TTL_S.into())])?;
        let value = js::call(&self.0, "get", [key.into(), options]).await?;
        if value.is_null() {
            return Ok(None);
        }
        let buffer: ArrayBuffer = value.dyn_into()?;
        Ok(Some(Uint8Array::new(&buffer).to_vec()))
    }

    async fn page(&self, prefix: &str, cursor: JsValue) -> Result<Page, JsValue> {
        let options = js::object([("prefix", prefix.into()), ("cursor", cursor)])?;
        let result = js::call(&self.0, "list", [options]).await?;
        let keys: Array = js::get(&result, "keys")?.dyn_into()?;
        let keys = keys.iter().map(|listed| key(&listed)).collect::<Result<_, _>>()?;
        if js::get(&result, "list_complete")?.is_truthy() {
            return Ok(Page { keys, cursor: None });
        }
        // A page that is not the last names the next: without that, the list would be taken for complete.
        let cursor = js::get(&result, "cursor")?;
        if cursor.is_string() { Ok(Page { keys, cursor: Some(cursor) }) } else { Err(cursor) }
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a Unix second: whole, positive, far below 2^53")]
fn key(listed: &JsValue) -> Result<Key, JsValue> {
    let name = js::get(listed, "name")?.as_string().ok_or(JsValue::UNDEFINED)?;
    Ok(Key { name, expires_s: js::get(listed, "expiration")?.as_f64().map(|second| second as u64) })
}

async fn limited<T>(ms: u64, name: &'static str, call: impl Future<Output = Result<T, JsValue>>) -> Result<T, Failed> {
    within(ms, call).await.and_then(Result::ok).ok_or_else(|| failed(name))
}

/// Counts the failure where it happened.
fn failed(name: &'static str) -> Failed {
    memory::isolate(|isolate| isolate.counters.error(name));
    Failed
}
