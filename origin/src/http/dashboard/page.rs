//! The page as a whole: what stands still around the sections that change.

use maud::{DOCTYPE, Markup, html};
use otp_shared::problem::Problem;

use super::{PATH, facts::Facts, lists, sections, ticket::Ticket};
use crate::http::utc::utc;

/// What an operator is told about what was just done.
pub enum Notice {
    /// Nothing.
    None,
    /// It is done.
    Said(String),
    /// It was refused.
    Refused(Problem),
    /// What was asked for.
    Found(Markup),
}

/// The sections that change by themselves, in their order: id and content.
pub fn sections(facts: &Facts, csrf: &str) -> [(&'static str, Markup); 8] {
    [
        ("state", sections::state(facts)),
        ("figures", sections::figures(facts)),
        ("refusals", sections::refusals(facts)),
        ("decisions", lists::decisions(&facts.decisions)),
        ("blacklist", lists::blacklist(facts, csrf)),
        ("holds", lists::holds(facts, csrf)),
        ("sessions", lists::sessions(facts, csrf)),
        ("audit", lists::audit(facts, csrf)),
    ]
}

/// The whole page for an operator.
pub fn whole(facts: &Facts, operator: &str, ticket: Option<&Ticket>, csrf: &str, notice: &Notice) -> Markup {
    let [state, figures, refusals, decisions, blacklist, holds, sessions, audit] = sections(facts, csrf).map(live);
    let content = html! {
        a.skip href="#main" { "Skip to the figures" }
        header {
            h1 { "One-time passcodes" }
            p { "Replica " strong { (facts.replica) } ", signed in as " strong { (operator) }
                @if let Some(ticket) = ticket { " until " (time(ticket.until_s)) " UTC" } "." }
            nav aria-label="Sections" {
                @for (id, title) in [("figures", "Figures"), ("refusals", "Refusals"), ("decisions", "Decisions"), ("blacklist", "Blacklist"), ("sessions", "Sessions"), ("audit", "Audit")] {
                    a href={ "#" (id) "-title" } { (title) } " "
                }
            }
            @if ticket.is_some() { (form(csrf, "sign-out", html! { button.quiet { "Sign out" } })) }
        }
        main #main tabindex="-1" {
            p #announcement role="status" aria-live="polite" { @if let Notice::Said(said) = notice { (said) } }
            @match notice {
                Notice::Refused(problem) => (refused(problem)),
                Notice::Found(found) => div.found { (found) },
                Notice::None | Notice::Said(_) => {}
            }
            div #found.found hidden {}
            p #stale.alert hidden { "This page is no longer live: " span #stale-why {} " " a href=(PATH) { "Load it again" } }
            section aria-labelledby="state-title" { h2 #state-title { "State" } (state) }
            section aria-labelledby="figures-title" { h2 #figures-title { "Figures" } div #plots {} (figures) }
            section aria-labelledby="refusals-title" { h2 #refusals-title { "Refusals" } (refusals) }
            section aria-labelledby="decisions-title" { h2 #decisions-title { "Why was this refused?" } (lists::look_up(csrf)) (decisions) }
            section aria-labelledby="blacklist-title" { h2 #blacklist-title { "Blacklist" } (lists::block(csrf)) (blacklist) (holds) }
            section aria-labelledby="sessions-title" { h2 #sessions-title { "Manual sessions" } (lists::authorise(csrf)) (sessions) }
            section aria-labelledby="audit-title" { h2 #audit-title { "Audit" } (audit) }
        }
        footer { p { "Figures are this replica's since " (time(facts.since_s)) " UTC. All times are UTC." } }
    };
    document("One-time passcodes", &content, true)
}

/// The form to sign in, and what was wrong if something was.
pub fn sign_in(problem: Option<&Problem>, csrf: &str) -> Markup {
    let content = html! {
        main.narrow {
            h1 { "One-time passcodes" }
            @if let Some(problem) = problem { (refused(problem)) }
            (form(csrf, "sign-in", html! {
                // Password managers keep a password by its user's name.
                input type="text" name="username" value="operator" autocomplete="username" hidden;
                label for="token" { "Your operator's token" }
                input #token type="password" name="token" autocomplete="current-password" required autofocus;
                button { "Sign in" }
            }))
        }
    };
    document("Sign in", &content, false)
}

fn refused(problem: &Problem) -> Markup {
    html! {
        div.alert role="alert" {
            strong { (problem.code.title()) } " " (problem.detail)
            @if let Some(seconds) = problem.retry_after_s { " Come back in " (seconds) " s." }
        }
    }
}

/// A form of this page: it is sent to the page itself, with the sign-in's own token.
#[expect(clippy::needless_pass_by_value, reason = "it reads as nesting where it is used")]
pub fn form(csrf: &str, action: &str, content: Markup) -> Markup {
    html! {
        form method="post" action=(PATH) {
            input type="hidden" name="csrf" value=(csrf);
            input type="hidden" name="action" value=(action);
            (content)
        }
    }
}

/// A time, for people and machines. Where there is little room, it breaks between day and hour only.
pub fn time(unix_s: u64) -> Markup {
    let text = utc(unix_s);
    let (day, hour) = text.split_once(' ').unwrap_or_default();
    html! { time datetime={ (day) "T" (hour) "Z" } { span { (day) } " " span { (hour) } } }
}

fn live((id, content): (&'static str, Markup)) -> Markup {
    html! { div id={ "live-" (id) } data-live=(id) { (content) } }
}

fn document(title: &str, content: &Markup, live: bool) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) }
                link rel="icon" href={ (PATH) "/icon.svg" };
                link rel="stylesheet" href={ (PATH) "/dashboard.css" };
                @if live { script src={ (PATH) "/dashboard.js" } defer {} }
            }
            body { (content) }
        }
    }
}
