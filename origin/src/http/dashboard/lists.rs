//! The lists, and the forms that change them. Numbers are masked; a form names an entry by its reference.

use maud::{Markup, html};

use super::{
    PATH,
    facts::{Blacklist, ENTRIES_SHOWN, Entry, Facts},
    page::{form, time},
};
use crate::app::decisions::{Asked, Decision, Standing};

/// What an entry's time to live may be.
const TTLS: [(&str, &str); 5] =
    [("", "until removed"), ("3600", "1 hour"), ("86400", "1 day"), ("604800", "7 days"), ("2592000", "30 days")];

/// The form that asks why somebody was refused.
pub fn look_up(csrf: &str) -> Markup {
    form(
        csrf,
        "look-up",
        html! {
            div.fields {
                div { label for="look-up-phone" { "Number" } input #look-up-phone name="phone" type="tel" autocomplete="off" placeholder="+250 788 000 000"; }
                div { label for="look-up-ip" { "or address" } input #look-up-ip name="ip" autocomplete="off" placeholder="203.0.113.7"; }
                button { "Look up" }
            }
        },
    )
}

/// The answer to that form.
pub fn found(standing: Option<&Standing>, decisions_found: &[Decision]) -> Markup {
    html! {
        h3 tabindex="-1" #found-title { "What is known" }
        @if let Some(standing) = standing {
            p {
                @if let Some(kind) = standing.blacklisted_by { strong { "Blacklisted" } " by an entry of type " (kind) ". " } @else { "Not blacklisted here. " }
                @if let Some(until_s) = standing.held_until_s { strong { "Held" } " until " (time(until_s)) " UTC." } @else { "Not held." }
            }
        }
        (decisions(decisions_found))
    }
}

/// Decisions, the newest first.
pub fn decisions(decisions: &[Decision]) -> Markup {
    html! {
        @if decisions.is_empty() { p.empty { "No decision of this replica is kept." } } @else {
            div.scroll tabindex="0" role="region" aria-label="Newest decisions" {
                table {
                    thead { tr { @for title in ["When", "Asked", "Outcome", "Number", "Address", "Why"] { th scope="col" { (title) } } th.number scope="col" { "ms" } } }
                    tbody { @for each in decisions { (decision(each)) } }
                }
            }
        }
    }
}

fn decision(decision: &Decision) -> Markup {
    html! {
        tr.refused[decision.outcome != "allowed"] {
            td { (time(decision.at_ms / 1000)) }
            td { @match decision.asked { Asked::Request => "code", Asked::Verify => "guess" } }
            td { code { (decision.outcome) } }
            td { span.value { (decision.phone.as_deref().unwrap_or("–")) } }
            td { (decision.address) }
            td { (why(decision)) }
            td.number { (decision.took_ms) }
        }
    }
}

fn why(decision: &Decision) -> Markup {
    html! {
        @if let Some(limit) = decision.limit { code { (limit) } " " }
        @if let Some(kind) = decision.blacklisted_by { "entry of type " (kind) " " }
        @if let Some(seconds) = decision.retry_after_s { "for " (seconds) " s " }
        @if let Some(until_s) = decision.held_until_s { "held until " (time(until_s)) " " }
        @if let Some(channel) = decision.channel { (word(channel)) " " }
        @if let Some(delivery) = decision.delivery { (word(delivery)) " " }
        @if let Some(left) = decision.attempts_left { (left) " guesses left" }
    }
}

/// The word by which a value is told in JSON, too.
pub fn word(value: impl serde::Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default()
}

/// The form that blocks.
pub fn block(csrf: &str) -> Markup {
    form(
        csrf,
        "block",
        html! {
            div.fields {
                div { label for="block-type" { "Type" } select #block-type name="type" { @for kind in ["phone", "ip", "cidr", "prefix", "country"] { option value=(kind) { (kind) } } } }
                div { label for="block-value" { "Value" } input #block-value name="value" autocomplete="off" required placeholder="+250 788 000 000"; }
                div { label for="block-note" { "Note" } input #block-note name="note" maxlength="500" autocomplete="off" placeholder="Incident #123"; }
                (ttl("block-ttl", ""))
                div.check { input #block-force type="checkbox" name="force" value="true"; label for="block-force" { "even if it covers very many" } }
                button { "Block" }
            }
        },
    )
}

fn ttl(id: &str, chosen: &str) -> Markup {
    html! {
        div { label for=(id) { "For" } select id=(id) name="ttlS" { @for (seconds, words) in TTLS { option value=(seconds) selected[seconds == chosen] { (words) } } } }
    }
}

/// Who is blocked.
pub fn blacklist(facts: &Facts, csrf: &str) -> Markup {
    let list = &facts.blacklist;
    html! {
        @if let Some(error) = &list.error { p.alert { "What was written to KV by hand is not known: " (error) "." } }
        @if !list.unreadable.is_empty() {
            p.alert { "Keys in KV that block nobody, because they do not parse: " @for key in &list.unreadable { code { (masked_key(key)) } " " } }
        }
        @if list.entries.is_empty() { p.empty { "Nobody is blocked." } } @else {
            div.scroll tabindex="0" role="region" aria-label="Blacklist entries" {
                table {
                    thead { tr { @for title in ["Type", "Value", "Note", "By", "Since", "Until", "At the edge"] { th scope="col" { (title) } } th scope="col" { span.hidden { "Change" } } } }
                    tbody { @for entry in &list.entries { (blocked(entry, csrf)) } }
                }
            }
            (pages(list))
        }
    }
}

/// A key that somebody mistyped may hold a number.
fn masked_key(key: &str) -> String {
    let kept = key.chars().count().saturating_sub(4);
    key.chars()
        .enumerate()
        .map(|(place, letter)| if place + 6 >= kept && place < kept && letter.is_ascii_digit() { '•' } else { letter })
        .collect()
}

fn blocked(entry: &Entry, csrf: &str) -> Markup {
    html! {
        tr {
            td { (entry.kind) }
            td { (value(entry, csrf)) }
            td.note { (entry.note) }
            td { @match &entry.who { Some(who) => (who), None => "by hand, in KV" } }
            td { @if let Some(at_s) = entry.at_s { (time(at_s)) } }
            td { @if let Some(until_s) = entry.until_s { (time(until_s)) } @else { "–" } }
            td { @if let Some(word) = entry.at_edge { (word) } @if entry.who.is_some() && entry.also_by_hand { ", also by hand" } }
            td {
                @if entry.who.is_some() { (row_form(csrf, "unblock", entry, "Remove")) } @else { (row_form(csrf, "adopt", entry, "Adopt")) }
            }
        }
    }
}

fn value(entry: &Entry, csrf: &str) -> Markup {
    html! {
        span.value data-reference=(entry.reference) { (entry.shown) }
        @if entry.is_masked && entry.kind != "session" { " " (row_form(csrf, "reveal", entry, "Show")) }
    }
}

fn row_form(csrf: &str, action: &str, entry: &Entry, word: &str) -> Markup {
    form(
        csrf,
        action,
        html! {
            input type="hidden" name="reference" value=(entry.reference);
            button.quiet id={ (action) "-" (entry.reference) } aria-label={ (word) " " (entry.kind) " " (entry.shown) } { (word) }
        },
    )
}

fn pages(list: &Blacklist) -> Markup {
    let last = list.total.div_ceil(ENTRIES_SHOWN);
    html! {
        nav.pages aria-label="Pages of the blacklist" {
            @if list.page > 1 { a href={ (PATH) "?page=" (list.page - 1) "#blacklist-title" } { "Newer" } " " }
            (list.total) @if list.total == 1 { " entry" } @else { " entries" } ", page " (list.page) " of " (last)
            @if list.page < last { " " a href={ (PATH) "?page=" (list.page + 1) "#blacklist-title" } { "Older" } }
        }
    }
}

/// Who came back too often.
pub fn holds(facts: &Facts, csrf: &str) -> Markup {
    html! {
        h3 { "Held" }
        @match facts.holds.as_deref() {
            None => p.alert { "The store does not say who is held." },
            Some([]) => p.empty { "Nobody is held." },
            Some(holds) => ul.rows {
                @for hold in holds {
                    li {
                        code { (hold.subject) } " until " (time(hold.until_ms / 1000)) " "
                        (form(csrf, "lift", html! {
                            input type="hidden" name="subject" value=(hold.subject);
                            button.quiet id={ "lift-" (hold.subject) } aria-label={ "Lift " (hold.subject) } { "Lift" }
                        }))
                    }
                }
            },
        }
    }
}

/// The form that authorises a session id.
pub fn authorise(csrf: &str) -> Markup {
    form(
        csrf,
        "authorise",
        html! {
            div.fields {
                div { label for="session-id" { "Session id (empty: a new one)" } input #session-id name="sessionId" autocomplete="off" pattern="[A-Za-z0-9_\\-]{16,64}" placeholder="as uuidgen prints"; }
                div { label for="session-note" { "Note" } input #session-note name="note" maxlength="500" autocomplete="off" placeholder="Incident #123"; }
                (ttl("session-ttl", "86400"))
                button { "Authorise" }
            }
        },
    )
}

/// The ids in force.
pub fn sessions(facts: &Facts, csrf: &str) -> Markup {
    html! {
        @if facts.sessions.is_empty() { p.empty { "No session id is authorised by hand." } } @else {
            div.scroll tabindex="0" role="region" aria-label="Authorised session ids" {
                table {
                    thead { tr { @for title in ["Id", "Note", "By", "Since", "Until"] { th scope="col" { (title) } } th scope="col" { span.hidden { "Change" } } } }
                    tbody {
                        @for entry in &facts.sessions {
                            tr {
                                td { code { (entry.shown) } }
                                td.note { (entry.note) }
                                td { (entry.who.as_deref().unwrap_or_default()) }
                                td { @if let Some(at_s) = entry.at_s { (time(at_s)) } }
                                td { @if let Some(until_s) = entry.until_s { (time(until_s)) } }
                                td { (row_form(csrf, "withdraw", entry, "Revoke")) }
                            }
                        }
                    }
                }
            }
            (form(csrf, "withdraw-all", html! { button #withdraw-all { "Revoke all manual sessions" } }))
        }
    }
}

/// Who changed what, the newest first.
pub fn audit(facts: &Facts, csrf: &str) -> Markup {
    html! {
        @match facts.audit.as_deref() {
            None => p.alert { "The store does not give the audit out at present." },
            Some([]) => p.empty { "Nothing has been changed." },
            Some(entries) => div.scroll tabindex="0" role="region" aria-label="Newest audit records" {
                table {
                    thead { tr { @for title in ["When", "Who", "What", "Whom", "Note"] { th scope="col" { (title) } } } }
                    tbody {
                        @for entry in entries {
                            tr {
                                td { @if let Some(at_s) = entry.at_s { (time(at_s)) } }
                                td { (entry.who.as_deref().unwrap_or_default()) }
                                td { (verb(entry)) }
                                td { @if entry.kind == "phone" { (value(entry, csrf)) } @else { code { (entry.shown) } } }
                                td.note { (entry.note) }
                            }
                        }
                    }
                }
            },
        }
        p.detail { "For the incident's timeline: " code { "curl -H \"x-admin-token: $ADMIN_TOKEN\" \"$BACKEND_URL/admin/otp/audit?format=markdown\"" } }
    }
}

fn verb(entry: &Entry) -> &'static str {
    match (entry.kind.as_str(), entry.present) {
        ("session", true) => "authorised session",
        ("session", false) => "revoked session",
        ("reveal", _) => "looked at",
        (_, true) => "blocked",
        (_, false) => "unblocked",
    }
}
