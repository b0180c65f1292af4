//! `GET /metrics`: this replica's figures for Prometheus, in its text format. Not authenticated: the origin is not public, and nothing here is secret.
//!
//! **Invariant:** no number and no address is a label, and no label has more values than the product has codes, limits, routes, countries and channels.

use std::fmt::{Display, Write as _};

use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};

use super::Shared;
use crate::{
    app::{App, counters::Counts, timings::BOUNDS_MS},
    store::StoreState,
};

/// Version 0.0.4 of the text format: what every scraper reads.
const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A metric: its name, its type, and what it tells.
type Family = (&'static str, &'static str, &'static str);

/// Counters of this replica: under which name they are counted, and the label they have.
const COUNTED: [(&str, &str, Family); 9] = [
    ("refused", "code", ("otp_refusals_total", "counter", "Refusals by problem code.")),
    ("limited", "limit", ("otp_limited_total", "counter", "Refusals by the limit that refused.")),
    ("sends", "outcome", ("otp_sends_total", "counter", "Messages by what became of them.")),
    ("receipts", "state", ("otp_receipts_total", "counter", "Receipts by how far the message got; unknown: not one of ours.")),
    ("verifies", "outcome", ("otp_verifies_total", "counter", "Guesses that were judged, by outcome.")),
    ("webhooks", "kind", ("otp_webhooks_total", "counter", "Webhook events other than receipts.")),
    ("errors", "part", ("otp_errors_total", "counter", "Failures by part.")),
    ("country_sends", "country", ("otp_country_sends_total", "counter", "Messages by the number's country.")),
    ("country_verifies", "country", ("otp_country_verifies_total", "counter", "Verified codes by the number's country.")),
];

const REQUESTS: Family = ("otp_http_requests_total", "counter", "Requests by method, route and status.");
const EDGE_PASSED: Family = ("otp_edge_passed_total", "counter", "Requests that the edge passed on, as its isolates told this replica.");
const EDGE_REFUSED: Family = ("otp_edge_refusals_total", "counter", "Requests that the edge refused, by problem code.");
const EDGE_ERRORS: Family = ("otp_edge_errors_total", "counter", "Failures of the edge, by part.");
const EDGE_AGE: Family = ("otp_edge_snapshot_age_seconds", "gauge", "Age of the snapshot that the isolate heard of last judged by.");
const REDIS: Family = ("otp_redis_state", "gauge", "1 for the store's state: connected, memory fallback or memory (embedded).");
const SKEW: Family = ("otp_clock_skew_seconds", "gauge", "By how much the store's clock is ahead of this one.");
const BREAKER: Family = ("otp_whatsapp_state", "gauge", "1 for the state of sending over WhatsApp: sending, or why its breaker is open.");
const WHATSAPP_ERRORS: Family = ("otp_whatsapp_errors_total", "counter", "Messages that Meta refused, by its code.");
const TEMPLATE: Family = ("otp_template_usable", "gauge", "1: codes may be sent. 0: no approved template. -1: not known yet.");
const PUBLISHED: Family =
    ("otp_snapshot_published_timestamp_seconds", "gauge", "When this replica last published the edge's snapshot; 0: never.");
const ENTRIES: Family = ("otp_operator_entries", "gauge", "Blacklist entries and authorised sessions in force.");
const DURATION: Family = ("otp_duration_seconds", "histogram", "How long a request, a guess, a judgement by the store and a send take.");
const STARTED: Family = ("otp_start_time_seconds", "gauge", "Since when is counted.");
const BUILD: Family = ("otp_build_info", "gauge", "1, with the version as label.");

/// Every metric there is, for the document's test.
pub fn families() -> Vec<Family> {
    let others = [
        REQUESTS,
        EDGE_PASSED,
        EDGE_REFUSED,
        EDGE_ERRORS,
        EDGE_AGE,
        REDIS,
        SKEW,
        BREAKER,
        WHATSAPP_ERRORS,
        TEMPLATE,
        PUBLISHED,
        ENTRIES,
        DURATION,
        STARTED,
        BUILD,
    ];
    COUNTED.iter().map(|(_, _, family)| *family).chain(others).collect()
}

/// 200 with the figures.
pub async fn get(State(http): Shared) -> Response {
    ([(header::CONTENT_TYPE, MEDIA_TYPE)], render(&http.app)).into_response()
}

fn render(app: &App) -> String {
    let mut text = Text::default();
    origin(&mut text, &app.telemetry.counters.origin());
    edge(&mut text, app);
    states(&mut text, app);
    durations(&mut text, app);
    text.0
}

fn origin(text: &mut Text, counts: &Counts) {
    let of = |name: &str| counts.get(name).into_iter().flatten();
    text.family(REQUESTS);
    for (answer, count) in of("answers") {
        let mut parts = answer.split(' ');
        let mut part = || parts.next().unwrap_or_default();
        text.sample(REQUESTS.0, &[("method", part()), ("route", part()), ("status", part())], count);
    }
    for (name, label, family) in COUNTED {
        text.family(family);
        of(name).for_each(|(value, count)| text.sample(family.0, &[(label, value)], count));
    }
}

fn edge(text: &mut Text, app: &App) {
    let counts = app.telemetry.counters.edge();
    let of = |name: &str| counts.get(name).into_iter().flatten();
    text.family(EDGE_PASSED);
    of("passed").for_each(|(_, count)| text.sample(EDGE_PASSED.0, &[], count));
    text.family(EDGE_REFUSED);
    of("refused").for_each(|(code, count)| text.sample(EDGE_REFUSED.0, &[("code", code)], count));
    text.family(EDGE_ERRORS);
    of("errors").for_each(|(part, count)| text.sample(EDGE_ERRORS.0, &[("part", part)], count));
    text.family(EDGE_AGE);
    if let Some(age_s) = app.telemetry.counters.newest_report().and_then(|report| report.snapshot_age_s) {
        text.sample(EDGE_AGE.0, &[], age_s);
    }
}

fn states(text: &mut Text, app: &App) {
    text.family(REDIS);
    for (state, name) in [
        (StoreState::Connected, "connected"),
        (StoreState::MemoryFallback, "memory fallback"),
        (StoreState::MemoryEmbedded, "memory (embedded)"),
    ] {
        text.sample(REDIS.0, &[("state", name)], u8::from(app.store_state() == state));
    }
    text.gauge(SKEW, seconds(app.clock_skew_ms()));
    let sending = app.sender.whatsapp.sending();
    text.family(BREAKER);
    for state in ["sending", "outage", "maintenance", "halted"] {
        text.sample(BREAKER.0, &[("state", state)], u8::from(sending.state == state));
    }
    text.family(WHATSAPP_ERRORS);
    sending.errors.iter().for_each(|(code, count)| text.sample(WHATSAPP_ERRORS.0, &[("code", &code.to_string())], count));
    text.gauge(TEMPLATE, app.sender.whatsapp.status().approved.map_or(-1, i8::from));
    text.gauge(PUBLISHED, app.snapshot_status().published_at_s.unwrap_or_default());
    entries(text, app);
    text.gauge(STARTED, app.telemetry.counters.started_ms() / 1000);
    text.family(BUILD);
    text.sample(BUILD.0, &[("version", env!("CARGO_PKG_VERSION"))], 1);
}

fn entries(text: &mut Text, app: &App) {
    text.family(ENTRIES);
    for (kind, count) in app.entries_in_force() {
        text.sample(ENTRIES.0, &[("kind", &kind)], count);
    }
}

fn durations(text: &mut Text, app: &App) {
    text.family(DURATION);
    for (of, histogram) in app.telemetry.timings.all() {
        let figures = histogram.figures();
        let bounds = BOUNDS_MS.iter().map(|bound_ms| seconds(*bound_ms)).chain(["+Inf".to_owned()]);
        for (bound, count) in bounds.zip(figures.at_most) {
            text.sample("otp_duration_seconds_bucket", &[("of", of), ("le", &bound)], count);
        }
        text.sample("otp_duration_seconds_sum", &[("of", of)], figures.sum.as_secs_f64());
        text.sample("otp_duration_seconds_count", &[("of", of)], figures.at_most.last().copied().unwrap_or_default());
    }
}

/// Milliseconds as seconds, without the noise of a float.
fn seconds(ms: impl TryInto<i64>) -> String {
    let ms = ms.try_into().unwrap_or(i64::MAX);
    let sign = if ms < 0 { "-" } else { "" };
    format!("{sign}{}.{:03}", ms.unsigned_abs() / 1000, ms.unsigned_abs() % 1000)
}

#[derive(Default)]
struct Text(String);

impl Text {
    fn family(&mut self, (name, kind, help): Family) {
        writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}").expect("a String takes it");
    }

    fn gauge(&mut self, family: Family, value: impl Display) {
        self.family(family);
        self.sample(family.0, &[], value);
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        let labels: Vec<_> = labels.iter().map(|(label, value)| format!("{label}=\"{}\"", escaped(value))).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        writeln!(self.0, "{name}{labels} {value}").expect("a String takes it");
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_cannot_end_its_quotes_or_its_line() {
        let mut text = Text::default();
        text.sample("m", &[("a", "x\"\\\ny")], 1);
        assert_eq!(text.0, "m{a=\"x\\\"\\\\\\ny\"} 1\n");
    }

    #[test]
    fn seconds_are_written_without_a_float() {
        assert_eq!((seconds(2500_u64), seconds(1_u64), seconds(-40_i64)), ("2.500".into(), "0.001".into(), "-0.040".into()));
    }

    #[test]
    fn the_document_lists_every_metric() {
        let document = include_str!("../../../docs/metrics.md");
        for (name, kind, _) in families() {
            assert!(document.contains(&format!("| `{name}` | {kind} |")), "docs/metrics.md misses `{name}` ({kind})");
        }
    }
}
