//! What happened since the start: this replica's own counts, and the edge's as its isolates report them. Not a time series: that is the scraper's.
//!
//! **Invariant:** no number and no address is a label.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
};

use otp_shared::wire::EdgeCounters;

/// The most isolates that are told apart; over it, the ones not heard of for longest are forgotten.
const MAX_ISOLATES: usize = 10_000;

/// Counts by name and label.
pub type Counts = BTreeMap<String, BTreeMap<String, u64>>;

/// What happened since the start.
#[derive(Default)]
pub struct Counters {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    origin: Counts,
    edge: Counts,
    isolates: HashMap<String, Heard>,
    reports: u64,
}

struct Heard {
    sequence: u64,
    report: u64,
}

impl Counters {
    /// One more of `name` with `label`.
    pub fn add(&self, name: &str, label: &str) {
        add(&mut self.lock().origin, name, label, 1);
    }

    /// Takes an isolate's report; a repeat of the same one counts nothing. Says whether it was new.
    pub fn report(&self, delta: &EdgeCounters) -> bool {
        let mut inner = self.lock();
        if inner.isolates.get(&delta.isolate).is_some_and(|heard| heard.sequence >= delta.sequence) {
            return false;
        }
        inner.reports += 1;
        let heard = Heard { sequence: delta.sequence, report: inner.reports };
        inner.isolates.insert(delta.isolate.clone(), heard);
        forget_oldest(&mut inner.isolates);
        add(&mut inner.edge, "passed", "", delta.passed);
        for (label, count) in &delta.refused {
            add(&mut inner.edge, "refused", label, *count);
        }
        for (label, count) in &delta.errors {
            add(&mut inner.edge, "errors", label, *count);
        }
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

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
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

    fn delta(isolate: &str, sequence: u64) -> EdgeCounters {
        let refused = [("burst".to_owned(), 2)].into();
        EdgeCounters { isolate: isolate.to_owned(), sequence, passed: 3, refused, ..EdgeCounters::default() }
    }

    #[test]
    fn a_repeated_report_counts_once() {
        let counters = Counters::default();
        assert!(counters.report(&delta("a", 1)));
        assert!(!counters.report(&delta("a", 1)));
        assert!(counters.report(&delta("b", 1)));
        assert_eq!(counters.edge()["passed"][""], 6);
        assert_eq!(counters.edge()["refused"]["burst"], 4);
    }

    #[test]
    fn isolates_are_forgotten_rather_than_kept_for_ever() {
        let counters = Counters::default();
        for isolate in 0..MAX_ISOLATES + 10 {
            counters.report(&delta(&isolate.to_string(), 1));
        }
        assert_eq!(counters.lock().isolates.len(), MAX_ISOLATES);
    }
}
