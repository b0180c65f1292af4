//! The Cloudflare Worker in front of the origin: it says no early and cheaply, and signs and forwards the rest.
//!
//! Everything here is pure and decides; `platform` alone talks to the runtime and carries the decisions out. A fan's request goes
//! through these steps, each of which may refuse ([`page`] answers before them, and [`cors`] tells browsers who may read what comes out):
//!
//! 1. [`decide::admit`]: route, announced length, media type
//! 2. the body, counted while it arrives
//! 3. [`decide::judge`]: body and number, blacklist, holds, all from memory
//! 4. [`burst`]: the platform's rate-limit bindings
//! 5. [`forward`]: signed, to the origin, whose answer goes back without what it says to the edge alone
//!
//! **Invariant:** the edge holds no code, no Redis address and no operator's token, and never says yes: what it lets pass, the origin
//! judges. Where the edge's own parts fail (KV, a binding), it refuses nobody.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice)]
#![deny(clippy::unreachable, clippy::todo, clippy::unimplemented, clippy::exit, clippy::get_unwrap)]
// A panic takes every request in flight in the isolate with it, so the Worker has none: no arithmetic that can overflow either.
#![deny(clippy::arithmetic_side_effects)]

pub mod body;
pub mod burst;
pub mod config;
pub mod cors;
pub mod counters;
pub mod decide;
pub mod forward;
pub mod hand;
pub mod holds;
pub mod internal;
pub mod isolate;
pub mod json;
pub mod log;
pub mod refresh;
pub mod refusal;
pub mod request;
pub mod snapshots;

#[cfg(target_arch = "wasm32")]
mod platform;
