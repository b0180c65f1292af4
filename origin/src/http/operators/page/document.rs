//! The page as a whole: what stands still around the sections that change.

use maud::{DOCTYPE, Markup, html};
use otp_shared::problem::Problem;

use super::{
    PATH, audit, blacklist, decisions,
    flash::FlashMessage,
    manual_sessions,
    parts::{form, time},
    sections,
    session::AdminSession,
    view::View,
};
use crate::app::operators::import::Mistake;

/// How many mistakes of an import are shown.
const MISTAKES_SHOWN: usize = 20;

/// What an operator is told about what was just done.
pub enum Notice {
    /// Nothing.
    None,
    /// A change was made.
    Flash(FlashMessage),
    /// It was refused; an import, for these mistakes.
    Refused(Problem, Vec<Mistake>),
    /// What was asked for.
    Found(Markup),
}

/// The sections that change by themselves, in their order: id and content.
pub fn sections(view: &View, csrf: &str) -> [(&'static str, Markup); 8] {
    [
        ("state", sections::state(view)),
        ("figures", sections::figures(view)),
        ("refusals", sections::refusals(view)),
        ("decisions", decisions::newest(&view.dashboard.decisions)),
        ("blacklist", blacklist::list(view, csrf)),
        ("holds", blacklist::holds(view, csrf)),
        ("sessions", manual_sessions::list(view, csrf)),
        ("audit", audit::list(view, csrf)),
    ]
}

/// The whole page for an operator.
pub fn whole(view: &View, operator: &str, session: Option<&AdminSession>, csrf: &str, notice: &Notice) -> Markup {
    let [state, figures, refusals, newest, blacklist, holds, sessions, audit] = sections(view, csrf).map(live);
    let content = html! {
        a.skip href="#main" { "Skip to the figures" }
        header {
            h1 { "One-time passcodes" }
            p { "Replica " strong { (view.dashboard.replica) } ", signed in as " strong { (operator) }
                @if let Some(session) = session { " until " (time(session.until_s)) " UTC" } "." }
            nav aria-label="Sections" {
                @for (id, title) in [("figures", "Figures"), ("refusals", "Refusals"), ("decisions", "Decisions"), ("blacklist", "Blacklist"), ("sessions", "Sessions"), ("audit", "Audit")] {
                    a href={ "#" (id) "-title" } { (title) } " "
                }
            }
            @if session.is_some() { (form(csrf, "sign-out", html! { button.quiet { "Sign out" } })) }
        }
        main #main tabindex="-1" {
            p #announcement role="status" aria-live="polite" { @if let Notice::Flash(flash) = notice { (flash.text()) } }
            @match notice {
                Notice::Refused(problem, mistakes) => (refused(problem, mistakes)),
                Notice::Found(found) => div.found { (found) },
                Notice::None | Notice::Flash(_) => {}
            }
            div #found.found hidden {}
            p #stale.alert hidden { "This page is no longer live: " span #stale-why {} " " a href=(PATH) { "Load it again" } }
            section aria-labelledby="state-title" { h2 #state-title { "State" } (state) }
            section aria-labelledby="figures-title" { h2 #figures-title { "Figures" } div #plots {} (figures) }
            section aria-labelledby="refusals-title" { h2 #refusals-title { "Refusals" } (refusals) }
            section aria-labelledby="decisions-title" { h2 #decisions-title { "Why was this refused?" } (decisions::look_up(csrf)) (newest) }
            section aria-labelledby="blacklist-title" { h2 #blacklist-title { "Blacklist" } (blacklist::forms(csrf)) (blacklist) (holds) }
            section aria-labelledby="sessions-title" { h2 #sessions-title { "Manual sessions" } (manual_sessions::authorise(csrf)) (sessions) }
            section aria-labelledby="audit-title" { h2 #audit-title { "Audit" } (audit) }
        }
        footer { p { "Figures are this replica's since " (time(view.dashboard.since_s)) " UTC. All times are UTC." } }
    };
    document("One-time passcodes", &content, true)
}

/// The form to sign in, and what was wrong if something was.
pub fn sign_in(problem: Option<&Problem>, csrf: &str) -> Markup {
    let content = html! {
        main.narrow {
            h1 { "One-time passcodes" }
            @if let Some(problem) = problem { (refused(problem, &[])) }
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

fn refused(problem: &Problem, mistakes: &[Mistake]) -> Markup {
    html! {
        div.alert role="alert" {
            strong { (problem.code.title()) } " " (problem.detail)
            @if let Some(seconds) = problem.retry_after_s { " Come back in " (seconds) " s." }
            @if !mistakes.is_empty() {
                ul.plain { @for mistake in mistakes.iter().take(MISTAKES_SHOWN) { li { "Line " (mistake.line) ": " (mistake.error) } } }
            }
        }
    }
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
