//! The sections of figures: state, traffic, refusals. Nothing here is told by colour alone.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use maud::{Markup, html};
use otp_shared::limits::Limit;

use super::{
    parts::{time, word},
    view::View,
};
use crate::{
    app::{
        counters::Counts,
        operators::dashboard::{Conversion, Counters, Dashboard},
        series::Minute,
    },
    channels::whatsapp::{SendingReport, TemplateReport},
    store::StoreState,
};

/// Minutes summed up in a row of the table.
const ROW_MINUTES: usize = 15;

/// How bad something is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Severity {
    Fine,
    Watch,
    Act,
}

impl Severity {
    fn class(self) -> &'static str {
        match self {
            Self::Fine => "good",
            Self::Watch => "watch",
            Self::Act => "bad",
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Fine => "fine",
            Self::Watch => "watch this",
            Self::Act => "act on this",
        }
    }
}

/// The store's state in the runbook's words, and what it means.
fn redis(state: StoreState) -> (Severity, &'static str, &'static str) {
    match state {
        StoreState::Connected => (Severity::Fine, "redis connected", "Limits are exact over all replicas."),
        StoreState::MemoryFallback => (
            Severity::Act,
            "memory fallback",
            "Redis unavailable: each replica counts by itself, with its share of every limit. Codes go on.",
        ),
        StoreState::MemoryEmbedded => {
            (Severity::Watch, "memory (embedded)", "No Redis is configured: everything is forgotten at a restart.")
        }
    }
}

/// What is announced when it changes.
pub fn headline(view: &View) -> String {
    let (_, redis, _) = redis(view.dashboard.status.redis);
    let (_, template) = template(&view.dashboard.status.template);
    format!("{redis}, template {template}, WhatsApp {}", view.dashboard.status.whatsapp.state)
}

/// Redis, template, WhatsApp, edge, and how many were rate limited.
pub fn state(view: &View) -> Markup {
    let (severity, word, means) = redis(view.dashboard.status.redis);
    html! {
        div.cards {
            (card("Redis", severity, html! { (word) }, html! { (means) }))
            (template_card(&view.dashboard.status.template))
            (whatsapp_card(&view.dashboard.status.whatsapp))
            (limited_card(&view.dashboard.counters))
            (edge_card(&view.dashboard))
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it reads as nesting where it is used")]
fn card(title: &str, severity: Severity, value: Markup, detail: Markup) -> Markup {
    html! {
        div.card.(severity.class()) {
            h3 { (title) }
            p.value { span.dot aria-hidden="true" {} (value) span.hidden { " (" (severity.word()) ")" } }
            p.detail { (detail) }
        }
    }
}

fn template(status: &TemplateReport) -> (Severity, String) {
    let state = word(status.status);
    let severity = match status.approved {
        Some(true) if status.warnings.is_empty() => Severity::Fine,
        Some(true) | None => Severity::Watch,
        Some(false) => Severity::Act,
    };
    (severity, state.replace('_', " "))
}

fn template_card(status: &TemplateReport) -> Markup {
    let (severity, state) = template(status);
    let detail = html! {
        code { (status.name) }
        @if let Some(source) = status.source { ", told by " (word(source)) }
        @if let Some(since) = status.since { " since " (time(since)) }
        @if let Some(reason) = &status.reason { ". Reason: " (reason) }
        @for warning in &status.warnings { br; "⚠ " (warning) }
        @if let Some(link) = status.rate_limit_doc.as_deref().filter(|link| link.starts_with("https://")) {
            br; a href=(link) rel="noreferrer" { "Meta's policy" }
        }
        ul.plain {
            @for language in &status.languages {
                li {
                    code { (language.code) } ": " (word(language.status))
                    @if let Some(reason) = &language.reason { " (" (reason) ")" }
                }
            }
        }
    };
    card("Template", severity, html! { (state) }, detail)
}

fn whatsapp_card(sending: &SendingReport) -> Markup {
    let severity = if sending.state == "sending" { Severity::Fine } else { Severity::Act };
    let detail = html! {
        "Up to " (sending.sends_per_s) " messages a second."
        @if let Some(since) = sending.since { " Since " (time(since)) "." }
        @if let Some(seconds) = sending.retry_after_s { " Next attempt in " (seconds) " s." }
        @if let Some(advice) = sending.advice { " " (advice) }
        @for (code, count) in &sending.errors { br; "Meta's code " (code) ": " (count) " times" }
    };
    card("WhatsApp", severity, html! { (sending.state) }, detail)
}

fn limited_card(counters: &Counters) -> Markup {
    let at_edge: u64 = ["burst", "edge_hold"].iter().map(|code| count(&counters.edge, "refused", code)).sum();
    let at_origin: u64 = counters.origin.get("limited").into_iter().flat_map(|limits| limits.values()).sum();
    let detail = html! { "At the origin " (at_origin) ", at the edge " (at_edge) " (approximate)." };
    card("Rate limited", Severity::Fine, html! { (at_origin + at_edge) }, detail)
}

fn edge_card(dashboard: &Dashboard) -> Markup {
    let snapshot = &dashboard.status.snapshot;
    let (severity, word) = match (snapshot.edge, &snapshot.error, snapshot.elsewhere, snapshot.version) {
        (false, ..) => (Severity::Watch, "not configured"),
        (true, Some(_), ..) => (Severity::Act, "not published"),
        (true, None, true, _) => (Severity::Fine, "another replica publishes"),
        (true, None, false, Some(_)) => (Severity::Fine, "published"),
        (true, None, false, None) => (Severity::Watch, "nothing published yet"),
    };
    let detail = html! {
        @if let Some(version) = snapshot.version { "Version " (version) }
        @if let Some(at_s) = snapshot.published_at_s { " at " (time(at_s)) ". " }
        @if let Some(error) = &snapshot.error { "Last attempt: " (error) ". " }
        @if let Some(report) = dashboard.report {
            "An isolate last told at " (time(report.at_s))
            @if let Some(age_s) = report.snapshot_age_s { ", judging by a snapshot " (age_s) " s old" } "."
        }
        @for (part, count) in dashboard.counters.edge.get("errors").into_iter().flatten() { br; "Errors of " (part) ": " (count) }
    };
    card("Edge snapshot", severity, html! { (word) }, detail)
}

/// Sent, delivered, verified: as totals, as a table of the last hours, and by country.
pub fn figures(view: &View) -> Markup {
    let delivery = &view.dashboard.delivery;
    let wrong_guesses = count(&view.dashboard.counters.origin, "verifies", "incorrect");
    html! {
        dl.figures {
            div { dt { "Sent" } dd { (delivery.sent) } }
            div { dt { "Delivered" } dd { (delivery.delivered) } }
            div { dt { "Verified" } dd { (delivery.verified) } }
            div { dt { "Wrong guesses" } dd { (wrong_guesses) } }
            div { dt { "Not sent" } dd { (delivery.not_sent) } }
            div { dt { "Failed after sending" } dd { (delivery.failed_later) } }
        }
        details #minutes-table { summary { "The last three hours as a table" } (minutes(&view.dashboard.minutes)) }
        h3 { "Conversion by country" }
        (countries(&view.dashboard.conversion))
    }
}

fn count(counts: &Counts, name: &str, label: &str) -> u64 {
    counts.get(name).and_then(|labels| labels.get(label)).copied().unwrap_or_default()
}

fn minutes(minutes: &[Minute]) -> Markup {
    let sum = |row: &[Minute], of: fn(&Minute) -> u64| row.iter().map(of).sum::<u64>();
    html! {
        div.scroll tabindex="0" role="region" aria-label="The last three hours" {
            table {
                thead { tr { th scope="col" { "From" } @for title in ["Sent", "Delivered", "Verified", "Limited at the origin", "Refused at the edge"] { th.number scope="col" { (title) } } } }
                tbody {
                    @for row in minutes.rchunks(ROW_MINUTES) {
                        tr {
                            th scope="row" { @if let Some(first) = row.first() { (time(first.at_s)) } }
                            td.number { (sum(row, |minute| minute.sent)) }
                            td.number { (sum(row, |minute| minute.delivered)) }
                            td.number { (sum(row, |minute| minute.verified)) }
                            td.number { (sum(row, |minute| minute.limited)) }
                            td.number { (sum(row, |minute| minute.edge_refused)) }
                        }
                    }
                }
            }
        }
    }
}

fn countries(conversion: &BTreeMap<String, Conversion>) -> Markup {
    let mut countries: Vec<_> = conversion.iter().collect();
    countries.sort_by_key(|(country, conversion)| (Reverse(conversion.sent), *country));
    html! {
        @if countries.is_empty() { p.empty { "Nothing has been sent yet." } } @else {
            table {
                thead { tr { th scope="col" { "Country" } th.number scope="col" { "Sent" } th.number scope="col" { "Verified" } th.number scope="col" { "Conversion" } } }
                tbody {
                    @for (country, Conversion { sent, verified }) in countries {
                        tr { th scope="row" { (country) } td.number { (sent) } td.number { (verified) } td.number { (percent(*verified, *sent)) } }
                    }
                }
            }
        }
    }
}

fn percent(part: u64, whole: u64) -> String {
    (part * 100).checked_div(whole).map_or_else(|| "–".to_owned(), |percent| format!("{percent} %"))
}

/// Refusals by limit and by code, the origin's and the edge's apart.
pub fn refusals(view: &View) -> Markup {
    let Counters { origin, edge } = &view.dashboard.counters;
    let limits: Vec<_> = Limit::ALL.iter().map(|limit| (limit.name(), count(origin, "limited", limit.name()))).collect();
    let codes: BTreeSet<_> = [origin, edge].into_iter().filter_map(|counts| counts.get("refused")).flat_map(|codes| codes.keys()).collect();
    html! {
        div.side {
            div {
                h3 { "Rate limited, by limit" }
                div.scroll tabindex="0" role="region" aria-label="Refusals by limit" { table {
                    thead { tr { th scope="col" { "Limit" } th scope="col" { "Allows" } th.number scope="col" { "Refused" } } }
                    tbody {
                        @for (name, refused) in limits {
                            tr.zero[refused == 0] {
                                th scope="row" { code { (name) } }
                                td { @if let Some(quota) = view.dashboard.status.rate_limits.limits.get(name) { (quota) } }
                                td.number { (refused) }
                            }
                        }
                    }
                } }
            }
            div {
                h3 { "All refusals, by code" }
                @if codes.is_empty() { p.empty { "Nobody has been refused yet." } } @else {
                    table {
                        thead { tr { th scope="col" { "Code" } th.number scope="col" { "Origin" } th.number scope="col" { "Edge" } } }
                        tbody {
                            @for code in codes {
                                tr {
                                    th scope="row" { code { (code) } }
                                    td.number { (count(origin, "refused", code)) }
                                    td.number { (count(edge, "refused", code)) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
