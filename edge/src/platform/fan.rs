//! A fan's or Meta's request, from its body to the origin's answer. The steps are those of the crate's documentation; this file carries
//! them out.

use std::rc::Rc;

use otp_shared::{
    address::Address,
    headers::{self, HoldNotice},
    phone::Phone,
    routes::Forward,
};
use wasm_bindgen::JsValue;
use web_sys::Response;

use super::{
    Call, background, burst,
    clock::now_s,
    http, memory,
    origin::{self, Answered},
};
use crate::{
    config::Config,
    decide::{self, Known, Passage},
    forward::{self, Answer},
    refusal::Refusal,
};

/// Answers it.
pub async fn serve(call: &Call, config: &Rc<Config>, fan: Forward) -> Result<Response, Refusal> {
    background::refresh_when_due(&call.env, &call.ctx, config);
    // 2. the body
    let body = http::body(&call.request, &call.facts).await?;
    if decide::is_fan_post(fan) {
        background::first_snapshots().await;
    }
    // 3. what memory says
    let passage = judge(call, config, fan, &body)?;
    // 4. the rate-limit bindings
    if let Some(keys) = &passage.burst {
        burst::ask(&call.env, keys).await.map_err(|refusal| refusal.about(passage.phone))?;
    }
    // 5. the origin
    let answered = ask_origin(call, config, &body).await?;
    let hold = heed(&answered)?;
    if fan == Forward::Request {
        remember(hold, call, passage.phone);
    }
    pass_on(call, &answered).map_err(|_| failed("answer"))
}

fn judge(call: &Call, config: &Config, fan: Forward, body: &[u8]) -> Result<Passage, Refusal> {
    let now_s = now_s();
    memory::isolate(|isolate| {
        let known = Known { keys: &config.keys, snapshots: &isolate.snapshots, holds: &isolate.holds };
        decide::judge(fan, &call.facts, body, &known, now_s)
    })
}

async fn ask_origin(call: &Call, config: &Config, body: &[u8]) -> Result<Answered, Refusal> {
    let stamp = origin::stamp().ok_or_else(|| failed("randomness"))?;
    let outgoing = forward::outgoing(config, &call.facts, body, stamp, &call.id);
    let passed_on = origin::passed_on(&call.request).map_err(|_| failed("headers"))?;
    origin::send(&call.facts.method, &outgoing, &passed_on, body).await.ok_or_else(|| failed("origin"))
}

/// What the answer tells the edge: a hold, perhaps, or that it is not for the fan at all.
fn heed(answered: &Answered) -> Result<Option<HoldNotice>, Refusal> {
    let signature = answered.header(headers::SIGNATURE_STATUS);
    let hold = answered.header(headers::HOLD);
    match forward::weigh(answered.status, signature.as_deref(), hold.as_deref()) {
        Answer::PassOn(hold) => Ok(hold),
        Answer::SignatureRefused => Err(failed("signature_refused")),
        Answer::Unreachable => Err(failed("origin")),
    }
}

fn remember(hold: Option<HoldNotice>, call: &Call, phone: Option<Phone>) {
    let (now_s, address) = (now_s(), call.facts.address.map(Address::from));
    if let Some(notice) = hold {
        memory::isolate(|isolate| isolate.holds.remember(notice, phone, address, now_s));
    }
}

fn pass_on(call: &Call, answered: &Answered) -> Result<Response, JsValue> {
    let response = http::passed_on(answered.status, &answered.headers_for_fan(&call.id)?, &answered.body)?;
    memory::isolate(|isolate| isolate.counters.pass());
    Ok(response)
}

/// A part of the edge, or of the way to the origin, failed: counted and logged by its name, and the fan is told to come back.
fn failed(name: &'static str) -> Refusal {
    memory::isolate(|isolate| isolate.counters.error(name));
    forward::unavailable().because(name)
}
