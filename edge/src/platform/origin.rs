//! Calls of the edge to the origin: a signed request there, its answer back. Not what either means ([`crate::forward`]).
//!
//! **Invariant:** a call ends within [`TIME_LIMIT_MS`], answer included, and is made once: whether to repeat it is the fan's to say.

use wasm_bindgen::{JsCast, JsValue};
use web_sys::{AbortSignal, Headers, Request, RequestInit, RequestRedirect, Response, WorkerGlobalScope};
use worker::js_sys::{self, ArrayBuffer, Uint8Array, futures::JsFuture};

use super::{
    clock::{self, within},
    http::header,
};
use crate::forward::{Outgoing, PASSED_ON, Stamp, TAKEN_OFF, TIME_LIMIT_MS};
use otp_shared::headers;

/// The origin's answer, complete.
pub struct Answered {
    /// The HTTP status.
    pub status: u16,
    /// As the origin wrote them.
    pub headers: Headers,
    /// Outside the Worker's own memory.
    pub body: ArrayBuffer,
}

impl Answered {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<String> {
        header(&self.headers, name)
    }

    /// The headers for the fan.
    pub fn headers_for_fan(&self, request_id: &str) -> Result<Headers, JsValue> {
        let kept = Headers::new_with_headers(&self.headers)?;
        for name in TAKEN_OFF {
            kept.delete(name)?;
        }
        kept.set(headers::REQUEST_ID, request_id)?;
        Ok(kept)
    }
}

/// When and with which randomness the next call is signed; `None` when the platform has no randomness to give.
pub fn stamp() -> Option<Stamp> {
    Some(Stamp { now_s: clock::now_s(), nonce: clock::random()? })
}

/// The headers of a client's request that go on to the origin.
pub fn passed_on(request: &Request) -> Result<Headers, JsValue> {
    let (theirs, ours) = (request.headers(), Headers::new()?);
    for name in PASSED_ON {
        if let Some(value) = theirs.get(name)? {
            ours.set(name, &value)?;
        }
    }
    Ok(ours)
}

/// Sends. `None` when there is no answer, or no whole one, in time.
pub async fn send(method: &str, outgoing: &Outgoing, headers: &Headers, body: &[u8]) -> Option<Answered> {
    let promise = start(method, outgoing, headers, body).ok()?;
    within(TIME_LIMIT_MS.into(), answer(promise)).await?.ok()
}

fn start(method: &str, outgoing: &Outgoing, headers: &Headers, body: &[u8]) -> Result<js_sys::Promise, JsValue> {
    for (name, value) in &outgoing.headers {
        headers.set(name, value)?;
    }
    let init = RequestInit::new();
    init.set_method(method);
    init.set_headers(headers);
    init.set_redirect(RequestRedirect::Manual);
    init.set_signal(Some(&AbortSignal::timeout_with_u32(TIME_LIMIT_MS)));
    if !body.is_empty() {
        init.set_body(&Uint8Array::from(body));
    }
    let global: WorkerGlobalScope = js_sys::global().unchecked_into();
    Ok(global.fetch_with_str_and_init(&outgoing.url, &init))
}

async fn answer(promise: js_sys::Promise) -> Result<Answered, JsValue> {
    let response: Response = JsFuture::from(promise).await?.dyn_into()?;
    let body = JsFuture::from(response.array_buffer()?).await?.dyn_into()?;
    Ok(Answered { status: response.status(), headers: response.headers(), body })
}
