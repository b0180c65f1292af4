//! The whole store of the origin, from the use cases to the server's records, in a seeded simulation: no sockets, no threads within a
//! schedule, no clock of the system.
//!
//! Run by `cargo test` it runs a share of schedules and every sabotage. `--seed N --schedules N` runs those, and a seed that fails is
//! replayed with `--seed N --schedules 1`. `--survey` counts the kinds of failure instead of stopping at the first. `--sabotage NAME` puts in
//! one fault of `sabotage.rs`, which has to be found; a seed with it shows the steps.

mod ending;
mod executor;
mod fans;
mod faults;
mod model;
mod operators;
mod providers;
mod quotas;
mod random;
mod remote;
mod replica;
mod sabotage;
mod scene;
mod schedule;
mod server;
mod world;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    process::ExitCode,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Instant,
};

use sabotage::Sabotage;
use schedule::Failure;

const WORKERS: usize = 2;
/// Schedules of a run by `cargo test`.
const SHARE: u64 = if cfg!(debug_assertions) { 500 } else { 20_000 };
/// A sabotage has to be found within so many.
const FOUND_WITHIN: u64 = 10_000;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.iter().any(|word| word == "--list") {
        println!("simulation: test");
        return ExitCode::SUCCESS;
    }
    // A filter of `cargo test` that names other tests.
    if words.first().is_some_and(|word| !word.starts_with('-') && !"simulation".contains(&**word)) {
        return ExitCode::SUCCESS;
    }
    run_as_told(&words).unwrap_or_else(|wrong| {
        eprintln!("{wrong}");
        ExitCode::FAILURE
    })
}

fn run_as_told(words: &[String]) -> Result<ExitCode, String> {
    let after = |flag: &str| {
        let at = words.iter().position(|word| word == flag)?;
        Some(words.get(at + 1).ok_or_else(|| format!("{flag} wants a value")))
    };
    let number = |flag: &str| -> Result<Option<u64>, String> {
        let Some(text) = after(flag).transpose()? else { return Ok(None) };
        text.parse().map(Some).map_err(|_| format!("{flag} wants a number, and not {text}"))
    };
    let (seed, schedules) = (number("--seed")?, number("--schedules")?);
    if let Some(name) = after("--sabotage").transpose()? {
        let named = Sabotage::ALL.into_iter().find(|sabotage| format!("{sabotage:?}") == *name);
        let sabotage = named.ok_or_else(|| format!("there is no sabotage {name}; there are {:?}", Sabotage::ALL))?;
        return Ok(match seed {
            Some(seed) => report(seed, schedules.unwrap_or(1), Some(sabotage)),
            None => find([sabotage], schedules.unwrap_or(FOUND_WITHIN)),
        });
    }
    if words.iter().any(|word| word == "--survey") {
        return Ok(survey(seed.unwrap_or(1), schedules.unwrap_or(1000)));
    }
    Ok(match (seed, schedules) {
        (None, None) => test(),
        (seed, schedules) => report(seed.unwrap_or(1), schedules.unwrap_or(1), None),
    })
}

/// What `cargo test` runs.
fn test() -> ExitCode {
    if report(1, SHARE, None) == ExitCode::FAILURE {
        return ExitCode::FAILURE;
    }
    find(Sabotage::ALL, FOUND_WITHIN)
}

/// Each of them has to make a schedule fail.
fn find(sabotages: impl IntoIterator<Item = Sabotage>, schedules: u64) -> ExitCode {
    let mut result = ExitCode::SUCCESS;
    for sabotage in sabotages {
        if let Some(failure) = first_failure(1, schedules, Some(sabotage)) {
            println!("sabotage {sabotage:?}: found by schedule {}: {}", failure.seed, failure.what);
        } else {
            println!("sabotage {sabotage:?}: NOT FOUND in {schedules} schedules");
            result = ExitCode::FAILURE;
        }
    }
    result
}

fn report(seed: u64, schedules: u64, sabotage: Option<Sabotage>) -> ExitCode {
    let started = Instant::now();
    let failure = first_failure(seed, schedules, sabotage);
    match failure {
        None => {
            println!("{schedules} schedules from seed {seed}: every invariant held, {:.1} s", started.elapsed().as_secs_f64());
            ExitCode::SUCCESS
        }
        Some(Failure { seed, what, trace }) => {
            println!("schedule {seed} fails: {what}\n\n{trace}\nreplay it with: cargo xtask simulate-faults --seed {seed} --schedules 1");
            ExitCode::FAILURE
        }
    }
}

/// Runs all of them, and lists each kind of failure with how often it came and its first seed.
fn survey(seed: u64, schedules: u64) -> ExitCode {
    let mut kinds = std::collections::BTreeMap::<String, (u64, u64)>::new();
    for failure in (seed..seed + schedules).filter_map(|seed| run(seed, None)) {
        let kind: String = failure.what.chars().map(|letter| if letter.is_ascii_digit() { '#' } else { letter }).take(90).collect();
        kinds.entry(kind).or_insert((0, failure.seed)).0 += 1;
    }
    for (kind, (times, first)) in &kinds {
        println!("{times:6} times, first {first}: {kind}");
    }
    if kinds.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The failing schedule with the smallest seed.
fn first_failure(seed: u64, schedules: u64, sabotage: Option<Sabotage>) -> Option<Failure> {
    let (next, stop) = (AtomicU64::new(seed), AtomicBool::new(false));
    let end = seed + schedules;
    let work = || {
        while !stop.load(Ordering::Relaxed) {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= end {
                return None;
            }
            if let Some(failure) = run(seed, sabotage) {
                stop.store(true, Ordering::Relaxed);
                return Some(failure);
            }
        }
        None
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..WORKERS).map(|_| scope.spawn(work)).collect();
        let failures = workers.into_iter().filter_map(|worker| worker.join().expect("a worker catches its panics"));
        failures.min_by_key(|failure| failure.seed)
    })
}

/// A panic is a failure as any other.
fn run(seed: u64, sabotage: Option<Sabotage>) -> Option<Failure> {
    let result = catch_unwind(AssertUnwindSafe(|| schedule::run(seed, sabotage)));
    result.unwrap_or_else(|_| Err(Failure { seed, what: "11. it panics".into(), trace: String::new() })).err()
}
