//! How long things take, as histograms. Not the numbers' text: that is `http::metrics`'.
//!
//! **Invariant:** a histogram has no labels but its name: what is measured is told apart by nothing that a caller sends.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use tokio::time::Instant;

/// The upper bounds of the buckets, in milliseconds: from an embedded store's step to the longest send.
pub const BOUNDS_MS: [u64; 13] = [1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000];

/// How often something took how long.
#[derive(Debug, Default)]
pub struct Histogram {
    /// One for each bound, and one for what took longer.
    buckets: [AtomicU64; BOUNDS_MS.len() + 1],
    sum_us: AtomicU64,
}

/// A histogram's figures at one time.
#[derive(Debug, Clone, PartialEq)]
pub struct Figures {
    /// How often it took at most [`BOUNDS_MS`]; the last one is how often in all.
    pub at_most: [u64; BOUNDS_MS.len() + 1],
    /// Of all together.
    pub sum: Duration,
}

/// What is measured.
#[derive(Debug, Default)]
pub struct Timings {
    /// A request for a code, from the parsed body to the answer; includes the send.
    pub request: Histogram,
    /// A guess.
    pub verify: Histogram,
    /// One judgement by the store.
    pub store: Histogram,
    /// One message, from leaving the queue of its channel to the provider's answer.
    pub send: Histogram,
}

impl Timings {
    /// Each with its name.
    pub fn all(&self) -> [(&'static str, &Histogram); 4] {
        [("request", &self.request), ("verify", &self.verify), ("store", &self.store), ("send", &self.send)]
    }
}

impl Histogram {
    /// Waits for `work`, and notes how long that took.
    pub async fn time<T>(&self, work: impl Future<Output = T>) -> T {
        let began = Instant::now();
        let done = work.await;
        self.note(began.elapsed());
        done
    }

    /// Something took so long.
    pub fn note(&self, took: Duration) {
        let bucket = BOUNDS_MS.iter().position(|bound| took <= Duration::from_millis(*bound)).unwrap_or(BOUNDS_MS.len());
        if let Some(bucket) = self.buckets.get(bucket) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.sum_us.fetch_add(took_us, Ordering::Relaxed);
    }

    /// The figures now.
    pub fn figures(&self) -> Figures {
        let mut total = 0;
        let at_most = self.buckets.each_ref().map(|bucket| {
            total += bucket.load(Ordering::Relaxed);
            total
        });
        Figures { at_most, sum: Duration::from_micros(self.sum_us.load(Ordering::Relaxed)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_took_as_long_as_a_bound_is_within_it() {
        let histogram = Histogram::default();
        for took_ms in [0, 1, 2, 100, 101, 10_000, 20_000] {
            histogram.note(Duration::from_millis(took_ms));
        }
        let figures = histogram.figures();
        assert_eq!(figures.at_most, [2, 3, 3, 3, 3, 3, 4, 5, 5, 5, 5, 5, 6, 7]);
        assert_eq!(figures.sum, Duration::from_millis(30_204));
    }

    #[tokio::test]
    async fn work_is_measured_and_handed_on() {
        let histogram = Histogram::default();
        assert_eq!(histogram.time(async { 7 }).await, 7);
        assert_eq!(histogram.figures().at_most.last(), Some(&1));
    }
}
