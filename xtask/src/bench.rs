//! The benchmarks, one line each in [`BENCHES`].
//!
//! Figures of a busy machine are worth little: run it on a quiet one, twice, and compare ratios.

use crate::command::{cargo, run as run_command};
use crate::failure::Outcome;
use crate::setup;

/// What is measured, and the cargo command that does it. Add a line for a new one.
const BENCHES: &[(&str, &[&str])] = &[
    ("look-ups in a snapshot of a million numbers, as the edge does them", &["bench", "--package", "otp-shared", "--bench", "snapshot"]),
    ("memory of the fallback through a million requests", &["bench", "--package", "otp-origin", "--bench", "memory"]),
    ("requests, verifies and webhooks, with Redis up and away", &["bench", "--package", "otp-tests", "--bench", "origin"]),
];
/// What the last one starts, as it is shipped.
const RELEASE_BINARIES: [&str; 4] = ["build", "--release", "--package", "otp-origin"];

/// Runs all of them, one after the other: two cores are no place for two benchmarks.
pub fn run(words: &[&str]) -> Outcome {
    setup::for_tests()?;
    run_command(&mut cargo(&RELEASE_BINARIES))?;
    BENCHES.iter().try_for_each(|(what, command)| {
        println!("\n== bench: {what}");
        run_command(cargo(command).args(words))
    })
}
