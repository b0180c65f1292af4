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
mod js;
mod kv;
mod memory;
mod origin;

use std::rc::Rc;

use otp_shared::{address::Address, problem::ProblemCode};
use web_sys::{Request, Response};
use worker::{Context, Env, Result, ScheduleContext, ScheduledEvent, event};

use crate::{
    config::Config,
    cors::{self, Site},
    decide::{self, Route},
    forward,
    log::{Level, Line},
    refusal::{Refusal, Reply},
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
    let site = site(&call, &config);
    let response = answer(&call, &config, &site).await.or_else(|refusal| refuse(&call, &refusal))?;
    http::add(&response, &cors::headers(&call.facts.path, &site))?;
    background::report_when_due(&call.ctx, &config);
    Ok(response)
}

fn site(call: &Call, config: &Config) -> Site {
    let origin = http::header(&call.request.headers(), "origin");
    cors::site(origin.as_deref(), &call.request.url(), &config.allowed)
}

async fn answer(call: &Call, config: &Rc<Config>, site: &Site) -> std::result::Result<Response, Refusal> {
    if let Some(reply) = cors::preflight(&call.facts.method, &call.facts.path, site) {
        return write(call, reply);
    }
    // 1. the route
    match decide::admit(&call.facts)? {
        Route::Forward(fan) => {
            cors::refuse_foreign(fan, site)?;
            fan::serve(call, config, fan).await
        }
        Route::Internal(internal) => write(call, internal::serve(call, config, internal).await?),
    }
}

fn write(call: &Call, reply: Reply) -> std::result::Result<Response, Refusal> {
    http::response(&reply.request_id(&call.id)).map_err(|_| Refusal::new(ProblemCode::Internal, "The answer could not be written."))
}

fn refuse(call: &Call, refusal: &Refusal) -> Result<Response> {
    memory::isolate(|isolate| isolate.counters.refuse(refusal.problem.code));
    console::write_within_budget(line(call, refusal));
    Ok(http::response(&refusal.reply().request_id(&call.id))?)
}

fn line(call: &Call, refusal: &Refusal) -> Line {
    let level = if refusal.problem.code.status() >= 500 { Level::Warn } else { Level::Info };
    Line::new(level, "refused")
        .with("code", refusal.problem.code.as_str())
        .with_some("because", refusal.because)
        .with_some("phone", refusal.about.map(|phone| phone.masked()).as_deref())
        .with_some("address", call.facts.address.map(|address| Address::from(address).to_string()).as_deref())
        .with("request_id", &call.id)
}

/// The cron.
#[event(scheduled)]
async fn scheduled(_event: ScheduledEvent, env: Env, _ctx: ScheduleContext) {
    // A configuration that does not parse has said so in the log.
    if let Ok(config) = memory::config(&env) {
        cron::run(&env, &config).await;
    }
}
