//! Asks the platform's rate-limit bindings. Which keys, and what a stop means, is [`crate::burst`]'s.
//!
//! **Invariant:** a binding that is missing, fails or is slow refuses nobody.

use wasm_bindgen::JsValue;
use worker::Env;

use super::{clock::within, js, memory};
use crate::{
    burst::{Binding, BurstKeys},
    refusal::Refusal,
};

/// The bindings answer from this machine; one that takes longer is not worth a fan's wait. In milliseconds.
const LIMIT_MS: u64 = 50;

/// Asks one binding after the other, and stops at the first that says stop.
pub async fn ask(env: &Env, keys: &BurstKeys) -> Result<(), Refusal> {
    for (binding, key) in &keys.0 {
        let allowed = within(LIMIT_MS, allows(env, *binding, key)).await.and_then(Result::ok);
        match allowed {
            Some(true) => {}
            Some(false) => return Err(binding.refusal()),
            None => memory::isolate(|isolate| isolate.counters.error("burst_binding")),
        }
    }
    Ok(())
}

async fn allows(env: &Env, binding: Binding, key: &str) -> Result<bool, JsValue> {
    let options = js::object([("key", key.into())])?;
    let outcome = js::call(&js::get(env, binding.name())?, "limit", [options]).await?;
    js::get(&outcome, "success")?.as_bool().ok_or(JsValue::UNDEFINED)
}
