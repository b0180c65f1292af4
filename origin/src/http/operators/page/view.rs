//! What the page shows, gathered at one time. Not how it looks.
//!
//! **Invariant:** nothing here fails: what cannot be read is shown as not known. No full number and no session id is in
//! it.

use std::cmp::Reverse;

use otp_shared::phone::Phone;

use super::Shown;
use crate::{
    app::{
        App,
        operators::{audit::verb, dashboard::Dashboard, lift_hold::Held, list::Listed},
    },
    domain::operator::{Change, Target},
};

/// Blacklist entries on a page.
pub const ENTRIES_SHOWN: usize = 25;
/// Audit records shown.
const NEWEST_SHOWN: usize = 25;
/// Holds and sessions shown; there are seldom more.
const MOST_SHOWN: usize = 100;
/// How old the list of manual KV entries may be, in milliseconds: the page asks every few seconds, and a listing costs.
const MANUAL_MAX_AGE_MS: u64 = 30_000;

/// What the page shows.
pub struct View {
    /// The figures.
    pub dashboard: Dashboard,
    /// A page of the blacklist.
    pub blacklist: Blacklist,
    /// The session ids that are authorised.
    pub sessions: Vec<Entry>,
    /// `None`: the store does not say.
    pub holds: Option<Vec<Held>>,
    /// `None`: the store does not say.
    pub audit: Option<Vec<Entry>>,
}

/// A page of the blacklist, the newest first.
pub struct Blacklist {
    pub entries: Vec<Entry>,
    /// Of all pages.
    pub total: usize,
    /// From 1.
    pub page: usize,
    /// How many of all pages only KV has.
    pub unadopted: usize,
    /// Keys in KV that do not parse.
    pub unreadable: Vec<String>,
    /// Why it is without the manual KV entries.
    pub error: Option<String>,
}

/// One entry or record.
pub struct Entry {
    /// By which a form names it.
    pub reference: String,
    pub kind: String,
    /// Masked, where it is a number or a session id.
    pub shown: String,
    pub is_masked: bool,
    pub note: String,
    /// `None`: it was written to KV by hand.
    pub actor: Option<String>,
    pub at_s: Option<u64>,
    pub until_s: Option<u64>,
    /// What was done, in the audit's words.
    pub verb: &'static str,
    /// KV has it, by hand.
    pub is_manual: bool,
    /// In a word or three, whether the edge has it.
    pub at_edge: Option<&'static str>,
}

impl View {
    /// Reads everything, as much as can be read.
    pub async fn gather(app: &App, shown: &Shown) -> Self {
        let audit = app.audit(None, Some(NEWEST_SHOWN)).await.ok();
        let holds = app.holds().await.ok();
        Self {
            dashboard: app.dashboard(),
            blacklist: Blacklist::gather(app, shown.page.unwrap_or(1)).await,
            sessions: app.manual_sessions().into_iter().take(MOST_SHOWN).map(|change| Entry::of_change(app, change)).collect(),
            holds: holds.map(|holds| holds.into_iter().take(MOST_SHOWN).collect()),
            audit: audit.map(|page| page.changes.into_iter().map(|change| Entry::of_change(app, change)).collect()),
        }
    }
}

impl Blacklist {
    async fn gather(app: &App, page: usize) -> Self {
        let mut blacklist = app.blacklist(MANUAL_MAX_AGE_MS).await;
        blacklist.entries.sort_by_key(|listed| match listed {
            Listed::Operator { change, .. } => (1, Reverse(change.stamp.ms)),
            // What nobody signed for comes first: somebody should adopt it.
            Listed::Manual(_) => (0, Reverse(0)),
        });
        let total = blacklist.entries.len();
        let unadopted = blacklist.entries.iter().filter(|listed| matches!(listed, Listed::Manual(_))).count();
        let page = page.clamp(1, total.div_ceil(ENTRIES_SHOWN).max(1));
        let entries = blacklist.entries.into_iter().skip((page - 1) * ENTRIES_SHOWN).take(ENTRIES_SHOWN);
        let entries = entries.map(|listed| Entry::of_listed(app, listed)).collect();
        Self { entries, total, page, unadopted, unreadable: blacklist.unreadable, error: blacklist.manual_error }
    }
}

impl Entry {
    fn of_listed(app: &App, listed: Listed) -> Self {
        let target = listed.target();
        match listed {
            Listed::Operator { change, also_manual } => {
                let at_edge = Some(app.propagation(&change.stamp).edge.word());
                Self { is_manual: also_manual, at_edge, ..Self::of_change(app, change) }
            }
            Listed::Manual(entry) => {
                Self { until_s: entry.until_s, is_manual: true, at_edge: Some("published"), ..Self::of_target(app, &target) }
            }
        }
    }

    fn of_change(app: &App, change: Change) -> Self {
        let verb = verb(&change);
        Self {
            note: change.note,
            actor: Some(change.actor),
            at_s: Some(change.stamp.ms / 1000),
            until_s: change.until_ms.map(|until| until / 1000),
            verb,
            ..Self::of_target(app, &change.target)
        }
    }

    fn of_target(app: &App, target: &Target) -> Self {
        let shown = masked(target);
        Self {
            reference: app.reference(target),
            kind: target.kind().to_owned(),
            is_masked: shown != full(target),
            shown,
            note: String::new(),
            actor: None,
            at_s: None,
            until_s: None,
            verb: "",
            is_manual: false,
            at_edge: None,
        }
    }
}

fn full(target: &Target) -> &str {
    match target {
        Target::Blacklist { value, .. } | Target::Reveal { value, .. } => value,
        Target::Session { id } => id,
    }
}

/// As it is shown: numbers masked, and of a session id, which opens an account, only its beginning.
fn masked(target: &Target) -> String {
    match target {
        Target::Blacklist { kind, value } | Target::Reveal { kind, value } if kind == "phone" => {
            Phone::parse(value).map_or_else(|_| "•••".to_owned(), |phone| phone.masked())
        }
        Target::Blacklist { value, .. } => value.clone(),
        Target::Reveal { value, .. } | Target::Session { id: value } => format!("{}…", value.chars().take(8).collect::<String>()),
    }
}
