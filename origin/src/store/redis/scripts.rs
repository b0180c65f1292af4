//! The scripts, with the quotas in force written in front of each. Not their arguments: `wire`.
//!
//! **Invariant:** a script reads the clock of Redis and no other.

use std::fmt::Write as _;

use ::redis::Script;
use otp_shared::{limits::Limit, wire::Delivery};

use crate::{domain::judgement::Quotas, store::memory::rank};

/// Every script that is loaded on connect.
pub struct Scripts {
    /// [`super::Store::request`]
    pub request: Script,
    /// [`super::Store::settle`]
    pub settle: Script,
    /// [`super::Store::verify`]
    pub verify: Script,
    /// [`super::Store::charge`]
    pub charge: Script,
    /// [`super::Store::receipt`]
    pub receipt: Script,
    /// [`super::Store::disown`]
    pub disown: Script,
    /// [`super::Store::merge_operator`]
    pub operator: Script,
    /// [`super::Store::lease`]
    pub lease: Script,
    /// What a replica's memory knows.
    pub fill: Script,
    /// [`super::Store::holds`] and [`super::Store::lift_hold`]
    pub holds: Script,
}

impl Scripts {
    /// The scripts for these quotas.
    pub fn new(quotas: &Quotas, hold_threshold: u32) -> Self {
        let preface = preface(quotas, hold_threshold);
        let script = |body: &str| Script::new(&format!("{preface}{}{body}", include_str!("prelude.lua")));
        Self {
            request: script(include_str!("request.lua")),
            settle: script(include_str!("settle.lua")),
            verify: script(include_str!("verify.lua")),
            charge: script(include_str!("charge.lua")),
            receipt: script(include_str!("receipt.lua")),
            disown: script(include_str!("disown.lua")),
            operator: script(include_str!("operator.lua")),
            lease: script(include_str!("lease.lua")),
            fill: script(include_str!("fill.lua")),
            holds: script(include_str!("holds.lua")),
        }
    }

    /// All of them.
    pub fn all(&self) -> [&Script; 10] {
        let Self { request, settle, verify, charge, receipt, disown, operator, lease, fill, holds } = self;
        [request, settle, verify, charge, receipt, disown, operator, lease, fill, holds]
    }
}

const DELIVERIES: [(&str, Delivery); 5] = [
    ("unconfirmed", Delivery::Unconfirmed),
    ("accepted", Delivery::Accepted),
    ("sent", Delivery::Sent),
    ("failed", Delivery::Failed),
    ("delivered", Delivery::Delivered),
];

/// What the scripts need to know of this origin's configuration, as Lua.
fn preface(quotas: &Quotas, hold_threshold: u32) -> String {
    let mut lua = format!("local threshold = {hold_threshold}\nlocal quotas, ranks = {{}}, {{}}\n");
    for limit in Limit::ALL {
        let quota = quotas.of(limit);
        let window = quota.window_ms() * 1000;
        _ = writeln!(
            lua,
            "quotas['{}'] = {{ count = {}, window = {window}, emission = {} }}",
            limit.name(),
            quota.count,
            quota.emission_us()
        );
    }
    for (name, delivery) in DELIVERIES {
        _ = writeln!(lua, "ranks['{name}'] = {}", rank(delivery));
    }
    lua
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_deliveries_are_those_of_the_wire() {
        for (name, delivery) in DELIVERIES {
            assert_eq!(serde_json::to_value(delivery).expect("an enum"), name);
        }
    }
}
