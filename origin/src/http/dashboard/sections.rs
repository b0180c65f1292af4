//! The sections of figures: state, traffic, refusals. Nothing here is told by colour alone.

use std::collections::BTreeMap;

use maud::{Markup, html};
use otp_shared::limits::Limit;

use super::{facts::Facts, lists::word, page::time};
use crate::{app::series::Minute, channels::whatsapp::TemplateReport, store::StoreState};

/// Minutes summed up in a row of the table.
const ROW_MINUTES: usize = 15;

/// How bad something is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mood {
    Good,
    Watch,
    Bad,
}

impl Mood {
    fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Watch => "watch",
            Self::Bad => "bad",
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Good => "fine",
            Self::Watch => "watch this",
            Self::Bad => "act on this",
        }
    }
}

/// The store's state in the runbook's words, and what it means.
fn redis(state: StoreState) -> (Mood, &'static str, &'static str) {
    match state {
        StoreState::Connected => (Mood::Good, "redis connected", "Limits are exact over all replicas."),
        StoreState::MemoryFallback => {
            (Mood::Bad, "memory fallback", "Redis unavailable: each replica counts by itself, with its share of every limit. Codes go on.")
        }
        StoreState::MemoryEmbedded => (Mood::Watch, "memory (embedded)", "No Redis is configured: everything is forgotten at a restart."),
    }
}

/// What is announced when it changes.
pub fn headline(facts: &Facts) -> String {
    let (_, redis, _) = redis(facts.status.redis);
    let (_, template) = template(&facts.status.template);
    format!("{redis}, template {template}, WhatsApp {}", facts.status.whatsapp.state)
}

/// Redis, template, WhatsApp, edge, and how many were rate limited.
pub fn state(facts: &Facts) -> Markup {
    let (mood, word, means) = redis(facts.status.redis);
    html! {
        div.cards {
            (card("Redis", mood, html! { (word) }, html! { (means) }))
            (template_card(&facts.status.template))
            (whatsapp_card(facts))
            (limited_card(facts))
            (edge_card(facts))
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it reads as nesting where it is used")]
fn card(title: &str, mood: Mood, value: Markup, detail: Markup) -> Markup {
    html! {
        div.card.(mood.class()) {
            h3 { (title) }
            p.value { span.dot aria-hidden="true" {} (value) span.hidden { " (" (mood.word()) ")" } }
            p.detail { (detail) }
        }
    }
}

fn template(status: &TemplateReport) -> (Mood, String) {
    let status_word = word(status.status);
    let mood = match status.approved {
        Some(true) if status.warnings.is_empty() => Mood::Good,
        Some(true) | None => Mood::Watch,
        Some(false) => Mood::Bad,
    };
    (mood, status_word.replace('_', " "))
}

fn template_card(status: &TemplateReport) -> Markup {
    let (mood, status_word) = template(status);
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
    card("Template", mood, html! { (status_word) }, detail)
}

fn whatsapp_card(facts: &Facts) -> Markup {
    let sending = &facts.status.whatsapp;
    let mood = if sending.state == "sending" { Mood::Good } else { Mood::Bad };
    let detail = html! {
        "Up to " (sending.sends_per_s) " messages a second."
        @if let Some(since) = sending.since { " Since " (time(since)) "." }
        @if let Some(seconds) = sending.retry_after_s { " Next attempt in " (seconds) " s." }
        @if let Some(advice) = sending.advice { " " (advice) }
        @for (code, count) in &sending.errors { br; "Meta's code " (code) ": " (count) " times" }
    };
    card("WhatsApp", mood, html! { (sending.state) }, detail)
}

fn limited_card(facts: &Facts) -> Markup {
    let at_edge: u64 = ["burst", "edge_hold"].iter().filter_map(|code| facts.edge_refused().get(*code).copied()).sum();
    let at_origin = facts.total("limited");
    let detail = html! { "At the origin " (at_origin) ", at the edge " (at_edge) " (approximate)." };
    card("Rate limited", Mood::Good, html! { (at_origin + at_edge) }, detail)
}

fn edge_card(facts: &Facts) -> Markup {
    let snapshot = &facts.status.snapshot;
    let (mood, word) = match (snapshot.edge, &snapshot.error, snapshot.elsewhere, snapshot.version) {
        (false, ..) => (Mood::Watch, "not configured"),
        (true, Some(_), ..) => (Mood::Bad, "not published"),
        (true, None, true, _) => (Mood::Good, "another replica publishes"),
        (true, None, false, Some(_)) => (Mood::Good, "published"),
        (true, None, false, None) => (Mood::Watch, "nothing published yet"),
    };
    let detail = html! {
        @if let Some(version) = snapshot.version { "Version " (version) }
        @if let Some(at_s) = snapshot.published_at_s { " at " (time(at_s)) ". " }
        @if let Some(error) = &snapshot.error { "Last attempt: " (error) ". " }
        @if let Some(report) = facts.report {
            "An isolate last told at " (time(report.at_s))
            @if let Some(age_s) = report.snapshot_age_s { ", judging by a snapshot " (age_s) " s old" } "."
        }
        @for (part, count) in facts.edge.get("errors").into_iter().flatten() { br; "Errors of " (part) ": " (count) }
    };
    card("Edge snapshot", mood, html! { (word) }, detail)
}

/// Sent, delivered, verified: as totals, as a table of the last hours, and by country.
pub fn figures(facts: &Facts) -> Markup {
    let sent = facts.count("sends", "accepted") + facts.count("sends", "unconfirmed");
    let failed: u64 = ["undeliverable", "template", "failed"].iter().map(|outcome| facts.count("sends", outcome)).sum();
    html! {
        dl.figures {
            div { dt { "Sent" } dd { (sent) } }
            div { dt { "Delivered" } dd { (facts.count("receipts", "delivered")) } }
            div { dt { "Verified" } dd { (facts.count("verifies", "accepted")) } }
            div { dt { "Wrong guesses" } dd { (facts.count("verifies", "incorrect")) } }
            div { dt { "Not sent" } dd { (failed) } }
            div { dt { "Failed after sending" } dd { (facts.count("receipts", "failed")) } }
        }
        details #minutes-table { summary { "The last three hours as a table" } (minutes(&facts.minutes)) }
        h3 { "Conversion by country" }
        (countries(facts))
    }
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

fn countries(facts: &Facts) -> Markup {
    let (none, sends) = (BTreeMap::new(), "country_sends");
    let mut sent: Vec<_> = facts.origin.get(sends).unwrap_or(&none).iter().collect();
    sent.sort_by_key(|(country, count)| (std::cmp::Reverse(**count), (*country).clone()));
    html! {
        @if sent.is_empty() { p.empty { "Nothing has been sent yet." } } @else {
            table {
                thead { tr { th scope="col" { "Country" } th.number scope="col" { "Sent" } th.number scope="col" { "Verified" } th.number scope="col" { "Conversion" } } }
                tbody {
                    @for (country, count) in sent {
                        @let verified = facts.count("country_verifies", country);
                        tr { th scope="row" { (country) } td.number { (count) } td.number { (verified) } td.number { (percent(verified, *count)) } }
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
pub fn refusals(facts: &Facts) -> Markup {
    let edge = facts.edge_refused();
    let limits: Vec<_> = Limit::ALL.iter().map(|limit| (limit.name(), facts.count("limited", limit.name()))).collect();
    let origin = facts.origin.get("refused").cloned().unwrap_or_default();
    let codes: std::collections::BTreeSet<_> = origin.keys().chain(edge.keys()).cloned().collect();
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
                                td { @if let Some(quota) = facts.status.rate_limits.limits.get(name) { (quota) } }
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
                                    td.number { (origin.get(&code).copied().unwrap_or_default()) }
                                    td.number { (edge.get(&code).copied().unwrap_or_default()) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
