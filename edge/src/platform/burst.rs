//! Asks the platform's rate-limit bindings. Which keys, and what a stop means, is [`crate::burst`]'s.
//!
//! **Invariant:** a binding that is missing, fails or is slow refuses nobody.

use wasm_bindgen::{JsCast, JsValue};
use worker::{
    Env,
    js_sys::{Function, Object, Promise, Reflect, futures::JsFuture},
};

use super::{clock::within, memory};
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

/// Called by hand and not through the `worker` crate, which insists on the name of the binding's JavaScript class: that name is the
/// platform's to change, and a limit that fails open would not be missed.
async fn allows(env: &Env, binding: Binding, key: &str) -> Result<bool, JsValue> {
    let object = Reflect::get(env, &binding.name().into())?;
    let limit: Function = Reflect::get(&object, &"limit".into())?.dyn_into()?;
    let options = Object::new();
    Reflect::set(&options, &"key".into(), &key.into())?;
    let promise: Promise = limit.call1(&object, &options)?.dyn_into()?;
    let outcome = JsFuture::from(promise).await?;
    Reflect::get(&outcome, &"success".into())?.as_bool().ok_or(JsValue::UNDEFINED)
}
