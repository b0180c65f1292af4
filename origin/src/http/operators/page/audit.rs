//! Who changed what, the newest first.

use maud::{Markup, html};

use super::{
    parts::{time, value},
    view::View,
};

/// The newest records.
pub fn list(view: &View, csrf: &str) -> Markup {
    html! {
        @match view.audit.as_deref() {
            None => p.alert { "The store does not give the audit out at present." },
            Some([]) => p.empty { "Nothing has been changed." },
            Some(entries) => div.scroll tabindex="0" role="region" aria-label="Newest audit records" {
                table {
                    thead { tr { @for title in ["When", "Who", "What", "Whom", "Note"] { th scope="col" { (title) } } } }
                    tbody {
                        @for entry in entries {
                            tr {
                                td { @if let Some(at_s) = entry.at_s { (time(at_s)) } }
                                td { (entry.actor.as_deref().unwrap_or_default()) }
                                td { (entry.verb) }
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
