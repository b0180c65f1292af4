//! An operator looks at the figures of an incident at a glance: this replica's since its start, and the edge's as its
//! isolates reported them.

use std::collections::BTreeMap;

use serde::Serialize;

use super::super::{
    App,
    counters::{Counts, Report},
    decisions::{Decision, DecisionFilter},
    series::Minute,
    status::Status,
};

/// How many decisions are shown; [`App::look_up`] has more.
const DECISIONS: usize = 25;

/// The figures.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Dashboard {
    /// Whose figures these are.
    pub replica: String,
    /// Since when is counted, as Unix second.
    pub since_s: u64,
    /// How the service does.
    pub status: Status,
    /// How far messages got.
    pub delivery: Delivery,
    /// By the number's country.
    pub conversion: BTreeMap<String, Conversion>,
    /// Everything that is counted.
    pub counters: Counters,
    /// The newest report of an isolate.
    #[serde(rename = "edge", skip_serializing_if = "Option::is_none")]
    pub report: Option<Report>,
    /// The newest first.
    pub decisions: Vec<Decision>,
    /// The last three hours, the present minute last.
    #[serde(skip)]
    pub minutes: Vec<Minute>,
}

/// How far messages got since the start.
#[derive(Default, Serialize)]
pub struct Delivery {
    /// Messages that left.
    pub sent: u64,
    /// Messages that arrived.
    pub delivered: u64,
    /// Codes that were typed rightly.
    pub verified: u64,
    /// Messages that did not arrive: the sum of the two that follow.
    pub failed: u64,
    /// Messages that did not leave.
    #[serde(skip)]
    pub not_sent: u64,
    /// Messages whose receipt says that they failed.
    #[serde(skip)]
    pub failed_later: u64,
}

/// How many of a country's codes were typed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Conversion {
    /// Messages that this replica sent.
    pub sent: u64,
    /// Codes that were verified here, whichever replica sent them.
    pub verified: u64,
}

/// What is counted, by name and label.
#[derive(Serialize)]
pub struct Counters {
    /// By this replica.
    pub origin: Counts,
    /// As isolates reported them to this replica: approximate.
    pub edge: Counts,
}

impl App {
    /// The figures now.
    pub fn dashboard(&self) -> Dashboard {
        let origin = self.telemetry.counters.origin();
        Dashboard {
            replica: self.settings.replica.clone(),
            since_s: self.telemetry.counters.started_ms() / 1000,
            status: self.status(),
            delivery: delivery(&origin),
            conversion: conversion(&origin),
            counters: Counters { origin, edge: self.telemetry.counters.edge() },
            report: self.telemetry.counters.newest_report(),
            decisions: self.telemetry.decisions.newest(&DecisionFilter::All, DECISIONS),
            minutes: self.telemetry.counters.minutes(),
        }
    }
}

fn delivery(counts: &Counts) -> Delivery {
    let sum = |name: &str, labels: &[&str]| {
        let of = counts.get(name);
        labels.iter().filter_map(|label| of?.get(*label)).sum()
    };
    let not_sent = sum("sends", &["undeliverable", "template", "failed"]);
    let failed_later = sum("receipts", &["failed"]);
    Delivery {
        sent: sum("sends", &["accepted", "unconfirmed"]),
        delivered: sum("receipts", &["delivered"]),
        verified: sum("verifies", &["accepted"]),
        failed: not_sent + failed_later,
        not_sent,
        failed_later,
    }
}

fn conversion(counts: &Counts) -> BTreeMap<String, Conversion> {
    let mut countries: BTreeMap<String, Conversion> = BTreeMap::new();
    for (country, sent) in counts.get("country_sends").into_iter().flatten() {
        countries.entry(country.clone()).or_default().sent = *sent;
    }
    for (country, verified) in counts.get("country_verifies").into_iter().flatten() {
        countries.entry(country.clone()).or_default().verified = *verified;
    }
    countries
}
