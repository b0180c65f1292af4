//! Why somebody was refused: the form that asks, its answer, and the newest decisions.

use maud::{Markup, html};

use super::parts::{form, lift, time, word};
use crate::app::{
    decisions::{Decision, Operation},
    operators::look_up::LookedUp,
};

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
pub fn found(found: &LookedUp, csrf: &str) -> Markup {
    html! {
        h3 tabindex="-1" #found-title { "What is known" }
        @if let Some(state) = &found.state {
            p {
                @if let Some(kind) = state.blacklisted_by { strong { "Blacklisted" } " by an entry of type " (kind) ". " } @else { "Not blacklisted here. " }
                @if let Some(until_s) = state.held_until_s { strong { "Held" } " until " (time(until_s)) " UTC." } @else { "Not held." }
            }
            @if let Some(subject) = &state.held_subject { (lift(csrf, subject)) }
        }
        (newest(&found.decisions))
    }
}

/// Decisions, the newest first.
pub fn newest(decisions: &[Decision]) -> Markup {
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
            td { @match decision.operation { Operation::Request => "code", Operation::Verify => "guess" } }
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
