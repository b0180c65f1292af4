//! The session ids that are authorised, and the forms that change that.

use maud::{Markup, html};

use super::{
    parts::{form, note, row_form_with_note, time, ttl},
    view::View,
};

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
pub fn list(view: &View, csrf: &str) -> Markup {
    html! {
        @if view.sessions.is_empty() { p.empty { "No session id is authorised by hand." } } @else {
            div.scroll tabindex="0" role="region" aria-label="Authorised session ids" {
                table {
                    thead { tr { @for title in ["Id", "Note", "By", "Since", "Until"] { th scope="col" { (title) } } th scope="col" { span.hidden { "Change" } } } }
                    tbody {
                        @for entry in &view.sessions {
                            tr {
                                td { code { (entry.shown) } }
                                td.note { (entry.note) }
                                td { (entry.actor.as_deref().unwrap_or_default()) }
                                td { @if let Some(at_s) = entry.at_s { (time(at_s)) } }
                                td { @if let Some(until_s) = entry.until_s { (time(until_s)) } }
                                td { (row_form_with_note(csrf, "revoke", entry, "Revoke")) }
                            }
                        }
                    }
                }
            }
            (form(csrf, "revoke-all", html! { (note("revoke-all", "revoking all")) " " button #revoke-all { "Revoke all manual sessions" } }))
        }
    }
}
