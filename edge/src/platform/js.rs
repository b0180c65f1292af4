//! Properties, options and method calls of JavaScript objects, by name.
//!
//! The bindings are called this way and not through the `worker` crate's types: those bring a general converter between JavaScript and
//! Rust values along, a fifth of the Worker's size, and insist on the names of the bindings' JavaScript classes, which are the platform's
//! to change: a binding that is "not there" for its name's sake would not be missed.

use wasm_bindgen::{JsCast, JsValue};
use worker::js_sys::{Array, Function, Object, Promise, Reflect, futures::JsFuture};

/// A property; an error where there is nothing to have properties.
pub fn get(object: &JsValue, name: &str) -> Result<JsValue, JsValue> {
    Reflect::get(object, &name.into())
}

/// An object with these properties.
pub fn object<const N: usize>(properties: [(&str, JsValue); N]) -> Result<JsValue, JsValue> {
    let object = Object::new();
    for (name, value) in properties {
        Reflect::set(&object, &name.into(), &value)?;
    }
    Ok(object.into())
}

/// Calls an asynchronous method. An error where there is no such method, or where it throws or rejects.
pub async fn call<const N: usize>(object: &JsValue, method: &str, arguments: [JsValue; N]) -> Result<JsValue, JsValue> {
    let method: Function = get(object, method)?.dyn_into()?;
    let promise: Promise = method.apply(object, &Array::from_iter(arguments))?.dyn_into()?;
    JsFuture::from(promise).await
}
