//! What happened since the start: this replica's own counts, and the edge's as its isolates report them. The long time series is the scraper's;
//! only the last minutes are kept here, for the dashboard.
//!
//! **Invariant:** no number and no address is a label, and every set of labels is bounded, whoever reports.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use otp_shared::{problem::ProblemCode, wire::EdgeCounters};
use serde::Serialize;

use super::series::{Line, Minute, Series};
use crate::clock::Clock;
use recent::Recent;

mod recent;

/// The most isolates that are told apart; over it, the ones not heard of for longest are forgotten.
const MAX_ISOLATES: usize = 10_000;
/// The most parts of the edge that may report errors; the rest are `other`.
const MAX_PARTS: usize = 64;

/// Counts by name and label.
pub type Counts = BTreeMap<String, BTreeMap<String, u64>>;

/// What happened since the start.
pub struct Counters {
    clock: Arc<dyn Clock>,
    started_ms: u64,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    origin: Counts,
    edge: Counts,
    isolates: HashMap<String, Heard>,
    reports: u64,
    newest: Option<Report>,
    once: Recent,
    series: Series,
}

struct Heard {
    sequence: u64,
    report: u64,
}

/// The newest report of any isolate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// When it came, as Unix second.
    pub at_s: u64,
    /// How old the snapshot was that the isolate judged by, in seconds; `None`: it had none.
    pub snapshot_age_s: Option<u64>,
}

impl Counters {
    /// Nothing has happened yet.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { started_ms: clock.now_ms(), clock, inner: Mutex::default() }
    }

    /// One more of `name` with `label`.
    pub fn add(&self, name: &str, label: &str) {
        let now_ms = self.clock.now_ms();
        self.lock().add(name, label, now_ms);
    }

    /// The same, unless it was counted for the same `id` lately: receipts come more than once.
    pub fn add_once(&self, name: &str, label: &str, id: impl std::hash::Hash) {
        let now_ms = self.clock.now_ms();
        let mut inner = self.lock();
        if inner.once.is_new(&(name, label, &id)) {
            inner.add(name, label, now_ms);
        }
    }

    /// Takes an isolate's report; a repeat of the same one counts nothing. Says whether it was new.
    pub fn report(&self, delta: &EdgeCounters) -> bool {
        let now_ms = self.clock.now_ms();
        let mut inner = self.lock();
        if inner.isolates.get(&delta.isolate).is_some_and(|heard| heard.sequence >= delta.sequence) {
            return false;
        }
        inner.reports += 1;
        let heard = Heard { sequence: delta.sequence, report: inner.reports };
        inner.isolates.insert(delta.isolate.clone(), heard);
        forget_oldest(&mut inner.isolates);
        inner.newest = Some(Report { at_s: now_ms / 1000, snapshot_age_s: delta.snapshot_age_s });
        inner.take(delta, now_ms);
        true
    }

    /// This replica's counts.
    pub fn origin(&self) -> Counts {
        self.lock().origin.clone()
    }

    /// The edge's counts, as far as this replica was told: approximate.
    pub fn edge(&self) -> Counts {
        self.lock().edge.clone()
    }

    /// The newest report of the edge.
    pub fn newest_report(&self) -> Option<Report> {
        self.lock().newest
    }

    /// The last minutes, the present one last.
    pub fn minutes(&self) -> Vec<Minute> {
        self.lock().series.view(self.clock.now_ms())
    }

    /// Since when is counted, as Unix millisecond.
    pub fn started_ms(&self) -> u64 {
        self.started_ms
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn add(&mut self, name: &str, label: &str, now_ms: u64) {
        add(&mut self.origin, name, label, 1);
        if let Some(line) = Line::of(name, label) {
            self.series.count(line, 1, now_ms);
        }
    }

    fn take(&mut self, delta: &EdgeCounters, now_ms: u64) {
        add(&mut self.edge, "passed", "", delta.passed);
        for (label, count) in &delta.refused {
            let is_code = ProblemCode::ALL.iter().any(|code| code.as_str() == label);
            add(&mut self.edge, "refused", if is_code { label } else { "other" }, *count);
            self.series.count(Line::EdgeRefused, *count, now_ms);
        }
        for (label, count) in &delta.errors {
            let known = self.edge.get("errors");
            let fits = known.is_none_or(|parts| parts.len() < MAX_PARTS || parts.contains_key(label));
            add(&mut self.edge, "errors", if fits && is_name(label) { label } else { "other" }, *count);
        }
    }
}

fn is_name(label: &str) -> bool {
    (1..=40).contains(&label.len()) && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
}

fn add(counts: &mut Counts, name: &str, label: &str, count: u64) {
    let of_name = match counts.get_mut(name) {
        Some(labels) => labels,
        None => counts.entry(name.to_owned()).or_default(),
    };
    match of_name.get_mut(label) {
        Some(total) => *total += count,
        None => _ = of_name.insert(label.to_owned(), count),
    }
}

fn forget_oldest(isolates: &mut HashMap<String, Heard>) {
    if isolates.len() <= MAX_ISOLATES {
        return;
    }
    let oldest = isolates.iter().min_by_key(|(_, heard)| heard.report).map(|(isolate, _)| isolate.clone());
    if let Some(isolate) = oldest {
        isolates.remove(&isolate);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    fn counters() -> Counters {
        Counters::new(Arc::new(ManualClock::at(1_790_000_000_000)))
    }

    fn delta(isolate: &str, sequence: u64) -> EdgeCounters {
        let refused = [("burst".to_owned(), 2)].into();
        EdgeCounters { isolate: isolate.to_owned(), sequence, passed: 3, refused, ..EdgeCounters::default() }
    }

    #[test]
    fn a_repeated_report_counts_once() {
        let counters = counters();
        assert!(counters.report(&delta("a", 1)));
        assert!(!counters.report(&delta("a", 1)));
        assert!(counters.report(&delta("b", 1)));
        assert_eq!(counters.edge()["passed"][""], 6);
        assert_eq!(counters.edge()["refused"]["burst"], 4);
        assert_eq!(counters.minutes().last().unwrap().edge_refused, 4);
    }

    #[test]
    fn a_repeated_receipt_counts_once() {
        let counters = counters();
        for id in ["wamid.1", "wamid.1", "wamid.2"] {
            counters.add_once("receipts", "delivered", id);
        }
        counters.add_once("receipts", "sent", "wamid.1");
        assert_eq!(counters.origin()["receipts"], [("delivered".to_owned(), 2), ("sent".to_owned(), 1)].into());
        assert_eq!(counters.minutes().last().unwrap().delivered, 2);
    }

    #[test]
    fn what_the_edge_makes_up_becomes_no_label() {
        let counters = counters();
        let made_up = |sequence| EdgeCounters {
            isolate: "a".to_owned(),
            sequence,
            refused: [("+250788123456".to_owned(), 1)].into(),
            errors: [(format!("part-{sequence}"), 1), ("\n".to_owned(), 1)].into(),
            ..EdgeCounters::default()
        };
        for sequence in 1..=200 {
            counters.report(&made_up(sequence));
        }
        assert_eq!(counters.edge()["refused"], [("other".to_owned(), 200)].into());
        assert_eq!(counters.edge()["errors"].len(), MAX_PARTS);
        assert_eq!(counters.edge()["errors"].values().sum::<u64>(), 400);
    }

    #[test]
    fn isolates_are_forgotten_rather_than_kept_for_ever() {
        let counters = counters();
        for isolate in 0..MAX_ISOLATES + 10 {
            counters.report(&delta(&isolate.to_string(), 1));
        }
        assert_eq!(counters.lock().isolates.len(), MAX_ISOLATES);
    }
}
