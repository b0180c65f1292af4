//! Who is blocked and who is held, and the forms that change that.

use maud::{Markup, html};

use super::{
    EXPORT_PATH, IMPORT_PATH, PATH,
    parts::{form, form_to, lift, note, row_form_with_note, time, ttl, value},
    view::{Blacklist, ENTRIES_SHOWN, Entry, View},
};

/// The forms that block.
pub fn forms(csrf: &str) -> Markup {
    html! { (block(csrf)) (import(csrf)) }
}

fn block(csrf: &str) -> Markup {
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

/// Many at once, and all of them as a file.
fn import(csrf: &str) -> Markup {
    let fields = html! {
        label for="import-entries" { "As CSV; the first line names the columns: type,value,note,ttlS,untilS" }
        textarea #import-entries name="entries" rows="6" autocomplete="off" spellcheck="false" required placeholder="type,value,note" {}
        div.fields {
            div.check { input #import-dry-run type="checkbox" name="dryRun" value="true"; label for="import-dry-run" { "only say what it would do" } }
            div.check { input #import-force type="checkbox" name="force" value="true"; label for="import-force" { "even what covers very many" } }
            button { "Import" }
        }
    };
    html! {
        details #import { summary { "Many at once" }
            (form_to(IMPORT_PATH, csrf, "import", fields))
            p { a href=(EXPORT_PATH) download="blacklist.csv" { "All entries as CSV" } ", in full: the log says that you took them." }
        }
    }
}

/// Who is blocked.
pub fn list(view: &View, csrf: &str) -> Markup {
    let list = &view.blacklist;
    html! {
        @if let Some(error) = &list.error { p.alert { "What was written to KV by hand is not known: " (error) "." } }
        @if !list.unreadable.is_empty() {
            p.alert { "Keys in KV that block nobody, because they do not parse: " @for key in &list.unreadable { code { (masked_key(key)) } " " } }
        }
        @if list.entries.is_empty() { p.empty { "Nobody is blocked." } } @else {
            div.scroll tabindex="0" role="region" aria-label="Blacklist entries" {
                table {
                    thead { tr { @for title in ["Type", "Value", "Note", "By", "Since", "Until", "At the edge"] { th scope="col" { (title) } } th scope="col" { span.hidden { "Change" } } } }
                    tbody { @for entry in &list.entries { (row(entry, csrf)) } }
                }
            }
            @if list.unadopted > 0 {
                (form(csrf, "adopt-all", html! { (note("adopt-all", "adopting all")) " " button #adopt-all { "Adopt all that were written by hand" } }))
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

fn row(entry: &Entry, csrf: &str) -> Markup {
    html! {
        tr {
            td { (entry.kind) }
            td { (value(entry, csrf)) }
            td.note { (entry.note) }
            td { @match &entry.actor { Some(actor) => (actor), None => "by hand, in KV" } }
            td { @if let Some(at_s) = entry.at_s { (time(at_s)) } }
            td { @if let Some(until_s) = entry.until_s { (time(until_s)) } @else { "–" } }
            td { @if let Some(word) = entry.at_edge { (word) } @if entry.actor.is_some() && entry.is_manual { ", also by hand" } }
            td {
                @if entry.actor.is_some() { (row_form_with_note(csrf, "unblock", entry, "Remove")) } @else { (row_form_with_note(csrf, "adopt", entry, "Adopt")) }
            }
        }
    }
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
pub fn holds(view: &View, csrf: &str) -> Markup {
    html! {
        h3 { "Held" }
        @match view.holds.as_deref() {
            None => p.alert { "The store does not say who is held." },
            Some([]) => p.empty { "Nobody is held." },
            Some(holds) => ul.rows {
                @for held in holds { li { code { (held.subject) } " until " (time(held.until_s)) " " (lift(csrf, &held.subject)) } }
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_number_is_masked() {
        assert_eq!(masked_key("blacklist:phone:+2507880000001"), "blacklist:phone:+250••••••0001");
        assert_eq!(masked_key("blacklist:phone:typing-error"), "blacklist:phone:typing-error");
    }
}
