//! What the page is made of: forms, rows' buttons, times, and words for values.

use maud::{Markup, html};

use super::{PATH, view::Entry};
use crate::http::utc::utc;

/// The times to live that a form offers, in seconds.
const TTLS: [(&str, &str); 5] =
    [("", "until removed"), ("3600", "1 hour"), ("86400", "1 day"), ("604800", "7 days"), ("2592000", "30 days")];

/// A form of this page: it is sent to the page itself, with the sign-in's own token.
pub fn form(csrf: &str, action: &str, content: Markup) -> Markup {
    form_to(PATH, csrf, action, content)
}

/// The same, sent to a path of its own.
#[expect(clippy::needless_pass_by_value, reason = "it reads as nesting where it is used")]
pub fn form_to(path: &str, csrf: &str, action: &str, content: Markup) -> Markup {
    html! {
        form method="post" action=(path) {
            input type="hidden" name="csrf" value=(csrf);
            input type="hidden" name="action" value=(action);
            (content)
        }
    }
}

/// A button that does something to an entry.
pub fn row_form(csrf: &str, action: &str, entry: &Entry, word: &str) -> Markup {
    form(csrf, action, row_button(action, entry, word))
}

/// The same, with room for a note.
pub fn row_form_with_note(csrf: &str, action: &str, entry: &Entry, word: &str) -> Markup {
    let about = format!("{} {}", entry.kind, entry.shown);
    form(csrf, action, html! { (note(&format!("{action}-{}", entry.reference), &about)) " " (row_button(action, entry, word)) })
}

fn row_button(action: &str, entry: &Entry, word: &str) -> Markup {
    html! {
        input type="hidden" name="reference" value=(entry.reference);
        button.quiet id={ (action) "-" (entry.reference) } aria-label={ (word) " " (entry.kind) " " (entry.shown) } { (word) }
    }
}

/// Room for a note, where there is little. The script keeps what is typed by the field's id.
pub fn note(id: &str, about: &str) -> Markup {
    html! {
        input.quiet id={ "note-" (id) } name="note" maxlength="500" autocomplete="off" placeholder="Note" aria-label={ "Note on " (about) };
    }
}

/// An entry's value, masked, with a button that shows it where that is allowed.
pub fn value(entry: &Entry, csrf: &str) -> Markup {
    html! {
        span.value data-reference=(entry.reference) { (entry.shown) }
        @if entry.is_masked && entry.kind != "session" { " " (row_form(csrf, "reveal", entry, "Show")) }
    }
}

/// A choice of times to live.
pub fn ttl(id: &str, chosen: &str) -> Markup {
    html! {
        div { label for=(id) { "For" } select id=(id) name="ttlS" { @for (seconds, words) in TTLS { option value=(seconds) selected[seconds == chosen] { (words) } } } }
    }
}

/// A button that lifts a hold.
pub fn lift(csrf: &str, subject: &str) -> Markup {
    form(
        csrf,
        "lift",
        html! {
            input type="hidden" name="subject" value=(subject);
            button.quiet id={ "lift-" (subject) } aria-label={ "Lift " (subject) } { "Lift" }
        },
    )
}

/// A time, for people and machines. Where there is little room, it breaks between day and hour only.
pub fn time(unix_s: u64) -> Markup {
    let text = utc(unix_s);
    let (day, hour) = text.split_once(' ').unwrap_or_default();
    html! { time datetime={ (day) "T" (hour) "Z" } { span { (day) } " " span { (hour) } } }
}

/// The word by which a value is told in JSON, too.
pub fn word(value: impl serde::Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default()
}
