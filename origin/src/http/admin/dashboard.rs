//! `GET /admin/otp/dashboard`: the figures of an incident at a glance.

use std::collections::BTreeMap;

use axum::{extract::State, response::Response};
use serde::Serialize;

use crate::{
    app::{
        App,
        counters::{Counts, Report},
        decisions::{Decision, Whose},
        status::Status,
    },
    http::{Shared, admin_auth::Operator, json},
};

/// How many decisions are shown; `decisions` has more.
const DECISIONS: usize = 20;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Dashboard {
    replica: String,
    /// Since when is counted, as Unix second.
    since_s: u64,
    status: Status,
    delivery: Delivery,
    /// By the number's country.
    conversion: BTreeMap<String, Conversion>,
    counters: Counters,
    /// The newest report of an isolate.
    #[serde(skip_serializing_if = "Option::is_none")]
    edge: Option<Report>,
    /// The newest first.
    decisions: Vec<Decision>,
}

/// How far messages got since the start.
#[derive(Serialize)]
struct Delivery {
    sent: u64,
    delivered: u64,
    verified: u64,
    failed: u64,
}

#[derive(Default, Serialize)]
struct Conversion {
    sent: u64,
    verified: u64,
}

#[derive(Serialize)]
struct Counters {
    origin: Counts,
    /// As isolates reported them to this replica: approximate.
    edge: Counts,
}

/// 200 with this replica's figures.
pub async fn get(State(http): Shared, _: Operator) -> Response {
    json(&gather(&http.app))
}

fn gather(app: &App) -> Dashboard {
    let origin = app.counters.origin();
    Dashboard {
        replica: app.settings.replica.clone(),
        since_s: app.counters.started_ms() / 1000,
        status: app.status(),
        delivery: delivery(&origin),
        conversion: conversion(&origin),
        counters: Counters { origin, edge: app.counters.edge() },
        edge: app.counters.newest_report(),
        decisions: app.decisions.newest(&Whose::All, DECISIONS),
    }
}

fn delivery(counts: &Counts) -> Delivery {
    let sum = |name: &str, labels: &[&str]| {
        let of = counts.get(name);
        labels.iter().filter_map(|label| of?.get(*label)).sum()
    };
    Delivery {
        sent: sum("sends", &["accepted", "unconfirmed"]),
        delivered: sum("receipts", &["delivered"]),
        verified: sum("verifies", &["accepted"]),
        failed: sum("sends", &["undeliverable", "template", "failed"]) + sum("receipts", &["failed"]),
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
