//! The runtime's side of the Worker: its events, bindings, clock and console. The only place that imports `worker`; what it does is
//! decided elsewhere.

mod background;
mod burst;
mod clock;
mod console;
mod cron;
mod fan;
mod http;
mod internal;
mod kv;
mod memory;
mod origin;

use std::rc::Rc;

use otp_shared::{address::Address, problem::Code};
use web_sys::{Request, Response};
use worker::{Context, Env, Result, ScheduleContext, ScheduledEvent, event};

use crate::{
    config::Config,
    decide::{self, Route},
    forward,
    log::{Level, Line},
    refusal::Refusal,
    request::Facts,
};

/// One request, with what belongs to it alone.
pub struct Call {
    request: Request,
    facts: Facts,
    env: Env,
    ctx: Context,
    /// Names it in the logs of both sides.
    id: String,
}

/// A request from anybody.
#[event(fetch)]
async fn fetch(request: Request, env: Env, ctx: Context) -> Result<Response> {
    let facts = http::facts(&request);
    let id = forward::request_id(clock::random().unwrap_or_default());
    let call = Call { request, facts, env, ctx, id };
    let config = match memory::config(&call.env) {
        Ok(config) => config,
        Err(refusal) => return refuse(&call, &refusal),
    };
    let response = answer(&call, &config).await.or_else(|refusal| refuse(&call, &refusal));
    background::report_when_due(&call.ctx, &config);
    response
}

async fn answer(call: &Call, config: &Rc<Config>) -> std::result::Result<Response, Refusal> {
    // 1. the route
    match decide::admit(&call.facts)? {
        Route::Forward(fan) => fan::serve(call, config, fan).await,
        Route::Internal(internal) => {
            let reply = internal::serve(call, config, internal).await?.request_id(&call.id);
            http::response(&reply).map_err(|_| Refusal::new(Code::Internal, "The answer could not be written."))
        }
    }
}

fn refuse(call: &Call, refusal: &Refusal) -> Result<Response> {
    memory::isolate(|isolate| isolate.counters.refuse(refusal.problem.code));
    console::write_within_budget(&line(call, refusal));
    Ok(http::response(&refusal.reply().request_id(&call.id))?)
}

fn line(call: &Call, refusal: &Refusal) -> Line {
    let level = if refusal.problem.code.status() >= 500 { Level::Warn } else { Level::Info };
    Line::new(level, "refused")
        .with("code", refusal.problem.code.as_str())
        .with("because", refusal.because)
        .with("phone", refusal.about.map(|phone| phone.masked()))
        .with("address", call.facts.address.map(|address| Address::from(address).to_string()))
        .with("request_id", call.id.as_str())
}

/// The cron.
#[event(scheduled)]
async fn scheduled(_event: ScheduledEvent, env: Env, _ctx: ScheduleContext) {
    // A configuration that does not parse has said so in the log.
    if let Ok(config) = memory::config(&env) {
        cron::run(&env, &config).await;
    }
}
