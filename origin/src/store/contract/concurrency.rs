//! Many at once: nothing is lost, and nobody waits for ever.

use std::sync::Arc;

use futures_util::future::join_all;

use super::{Fixture, HOUR, all, bytes, cases, charge, count, key, write, write_bytes};
use crate::transaction::{Before, Outcome, Step, counter::Counter};

cases![
    a_hot_cell_and_a_hot_counter_lose_nothing_and_are_no_reason_to_retry,
    of_many_that_want_the_last_place_one_gets_it,
    a_record_that_many_increment_counts_all_of_them,
];

async fn join<T: Send + 'static>(tasks: impl Iterator<Item = impl Future<Output = T> + Send + 'static>) -> Vec<T> {
    let tasks: Vec<_> = tasks.map(tokio::spawn).collect();
    join_all(tasks).await.into_iter().map(|ended| ended.expect("it does not panic")).collect()
}

async fn a_hot_cell_and_a_hot_counter_lose_nothing_and_are_no_reason_to_retry(fixture: Arc<Fixture>) {
    let first = fixture.committed(&charge("cell", 100, 10_000)).await;
    let task = |n| {
        let fixture = Arc::clone(&fixture);
        let own = write(&format!("own {n}"), Before::Absent, Some("1"));
        async move { fixture.committed(&all([charge("cell", 1, 10_000), count("counter", Step::Up, 64), own])).await }
    };
    join((0..64).map(task)).await;
    let values = fixture.full(&all([charge("cell", 100, 10_000), count("counter", Step::Up, 64)])).await;
    let arrival_us = first.now_us + 164_000_000;
    assert_eq!(values.values[&key("cell")], Some(bytes(&arrival_us.to_string())));
    assert_eq!(Counter::read(values.values[&key("counter")].as_ref(), HOUR, values.now_us).total(), 64);
}

async fn of_many_that_want_the_last_place_one_gets_it(fixture: Arc<Fixture>) {
    let task = |_| {
        let fixture = Arc::clone(&fixture);
        async move { fixture.commit(&all([charge("cell", 60, 60), count("counter", Step::Up, 1)])).await }
    };
    let outcomes = join((0..64).map(task)).await;
    assert_eq!(outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Committed(_))).count(), 1);
    assert!(outcomes.iter().all(|outcome| !matches!(outcome, Outcome::Changed(_))));
}

/// Adds one, deciding again on what comes back; how many commits that took.
async fn increment(fixture: Arc<Fixture>) -> usize {
    let mut known = None;
    for commits in 1.. {
        let sum = known.as_deref().map_or(0, |value: &[u8]| String::from_utf8_lossy(value).parse::<u32>().expect("a number"));
        let next = write_bytes("sum", known.into(), Some(bytes(&(sum + 1).to_string())), Some(60_000));
        match fixture.commit(&next).await {
            Outcome::Committed(_) => return commits,
            Outcome::Changed(values) => known = values.values[&key("sum")].clone(),
            Outcome::Full(_) => panic!("nothing is charged"),
        }
    }
    unreachable!("it ends")
}

async fn a_record_that_many_increment_counts_all_of_them(fixture: Arc<Fixture>) {
    let commits = join((0..100).map(|_| increment(Arc::clone(&fixture)))).await;
    assert_eq!(fixture.get("sum").await.as_deref(), Some("100"));
    // Whoever fails does so because another got further.
    assert!(commits.iter().all(|commits| *commits <= 100), "{commits:?}");
}
