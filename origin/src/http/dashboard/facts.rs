//! What the dashboard shows, gathered at one time. Not how it looks.
//!
//! **Invariant:** nothing here fails: what cannot be read is shown as not known.

use std::collections::BTreeMap;

use super::View;
use crate::{
    app::{
        App,
        counters::{Counts, Report},
        decisions::{Decision, Whose},
        hand::Listed,
        series::Minute,
        status::Status,
    },
    domain::{
        judgement::Hold,
        operator::{About, Change},
    },
};

/// Blacklist entries on a page.
pub const ENTRIES_SHOWN: usize = 25;
/// Decisions and audit records shown.
const NEWEST_SHOWN: usize = 25;
/// Holds and sessions shown; there are seldom more.
const MOST_SHOWN: usize = 100;
/// How old the list of what a hand wrote may be: the page asks every few seconds, and a listing costs.
const HAND_MAX_AGE_MS: u64 = 30_000;

/// What the dashboard shows.
pub struct Facts {
    pub replica: String,
    pub since_s: u64,
    pub status: Status,
    pub origin: Counts,
    pub edge: Counts,
    pub report: Option<Report>,
    pub minutes: Vec<Minute>,
    pub decisions: Vec<Decision>,
    pub blacklist: Blacklist,
    pub sessions: Vec<Entry>,
    pub holds: Option<Vec<Hold>>,
    pub audit: Option<Vec<Entry>>,
}

/// A page of the blacklist, the newest first.
pub struct Blacklist {
    pub entries: Vec<Entry>,
    pub total: usize,
    pub page: usize,
    pub unreadable: Vec<String>,
    /// Why it is without what a hand wrote.
    pub error: Option<String>,
}

/// One entry or record. Its full number is not in it.
pub struct Entry {
    /// By which a form names it.
    pub reference: String,
    pub kind: String,
    /// Masked, where it is a number or a session id.
    pub shown: String,
    pub is_masked: bool,
    pub note: String,
    /// `None`: a hand, in KV.
    pub who: Option<String>,
    pub at_s: Option<u64>,
    pub until_s: Option<u64>,
    pub present: bool,
    pub also_by_hand: bool,
    /// In one word, how far it has spread to the edge.
    pub at_edge: Option<&'static str>,
}

impl Facts {
    /// Reads everything, as much as can be read.
    pub async fn gather(app: &App, view: &View) -> Self {
        let audit = app.store.audit(NEWEST_SHOWN).await.ok();
        let holds = app.store.holds().await.ok();
        Self {
            replica: app.settings.replica.clone(),
            since_s: app.counters.started_ms() / 1000,
            status: app.status(),
            origin: app.counters.origin(),
            edge: app.counters.edge(),
            report: app.counters.newest_report(),
            minutes: app.counters.minutes(),
            decisions: app.decisions.newest(&Whose::All, NEWEST_SHOWN),
            blacklist: Blacklist::gather(app, view.page.unwrap_or(1)).await,
            sessions: app.manual_sessions().into_iter().take(MOST_SHOWN).map(|change| Entry::of_change(app, change)).collect(),
            holds: holds.map(|holds| holds.into_iter().take(MOST_SHOWN).collect()),
            audit: audit.map(|changes| changes.into_iter().map(|change| Entry::of_change(app, change)).collect()),
        }
    }

    /// The sum of a count's labels here.
    pub fn total(&self, name: &str) -> u64 {
        self.origin.get(name).map_or(0, |labels| labels.values().sum())
    }

    /// One label of a count here.
    pub fn count(&self, name: &str, label: &str) -> u64 {
        self.origin.get(name).and_then(|labels| labels.get(label)).copied().unwrap_or_default()
    }

    /// What the edge refused, by code.
    pub fn edge_refused(&self) -> BTreeMap<String, u64> {
        self.edge.get("refused").cloned().unwrap_or_default()
    }
}

impl Blacklist {
    async fn gather(app: &App, page: usize) -> Self {
        let hand = app.hand(HAND_MAX_AGE_MS).await;
        let mut all = app.blacklist(hand.as_deref().ok());
        all.sort_by_key(|listed| match listed {
            Listed::Operators(change, _) => (1, std::cmp::Reverse(change.stamp.ms)),
            // What nobody signed for comes first: somebody should adopt it.
            Listed::Hand(_) => (0, std::cmp::Reverse(0)),
        });
        let total = all.len();
        let page = page.clamp(1, total.div_ceil(ENTRIES_SHOWN).max(1));
        let shown = all.into_iter().skip((page - 1) * ENTRIES_SHOWN).take(ENTRIES_SHOWN);
        Self {
            entries: shown.map(|listed| Entry::of_listed(app, listed)).collect(),
            total,
            page,
            unreadable: hand.as_ref().map(|hand| hand.unreadable.clone()).unwrap_or_default(),
            error: hand.err(),
        }
    }
}

impl Entry {
    fn of_listed(app: &App, listed: Listed) -> Self {
        match listed {
            Listed::Operators(change, also_by_hand) => {
                let spread = app.spread(&change.stamp);
                Self { also_by_hand, at_edge: Some(spread.edge.word()), ..Self::of_change(app, change) }
            }
            Listed::Hand(ref entry) => Self {
                note: String::new(),
                who: None,
                at_s: None,
                until_s: entry.until_s,
                present: true,
                also_by_hand: true,
                at_edge: Some("published"),
                ..Self::about(app, &listed.about())
            },
        }
    }

    fn of_change(app: &App, change: Change) -> Self {
        Self {
            note: change.note,
            who: Some(change.who),
            at_s: Some(change.stamp.ms / 1000),
            until_s: change.until_ms.map(|until| until / 1000),
            present: change.present,
            ..Self::about(app, &change.about)
        }
    }

    fn about(app: &App, about: &About) -> Self {
        let full = full(about);
        let shown = shown(about);
        Self {
            reference: reference(app, about),
            kind: about.kind().to_owned(),
            is_masked: shown != full,
            shown,
            note: String::new(),
            who: None,
            at_s: None,
            until_s: None,
            present: true,
            also_by_hand: false,
            at_edge: None,
        }
    }
}

/// By which a form names an entry, so that the page holds no full number.
pub fn reference(app: &App, about: &About) -> String {
    otp_shared::signature::hex(&app.keys.idempotency(&[b"dashboard", about.key().as_bytes()]))
}

/// What an entry is about, in full.
pub fn full(about: &About) -> String {
    match about {
        About::Blacklist { value, .. } | About::Reveal { value, .. } => value.clone(),
        About::Session { id } => id.clone(),
    }
}

/// The same as it is shown: numbers masked, and of a session id, which opens an account, only its beginning.
pub fn shown(about: &About) -> String {
    match about {
        About::Blacklist { kind, value } | About::Reveal { kind, value } if kind == "phone" => {
            otp_shared::phone::Phone::parse(value).map_or_else(|_| "•••".to_owned(), |phone| phone.masked())
        }
        About::Blacklist { value, .. } => value.clone(),
        About::Reveal { value, .. } | About::Session { id: value } => format!("{}…", value.chars().take(8).collect::<String>()),
    }
}
