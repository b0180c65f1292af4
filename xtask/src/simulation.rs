//! `cargo xtask simulate-faults`: the origin's use cases on a simulated server that loses replies, empties,
//! splits and jumps in time. The schedules and what must hold in them are `origin/tests/simulation`'s.

use crate::command::{cargo, run as run_command};
use crate::failure::Outcome;

/// What is run when a flag is not given.
const UNSET: [(&str, &str); 2] = [("--seed", "1"), ("--schedules", "100000")];
/// As it is shipped: a schedule takes a millisecond there, and ten times that in a debug build.
const RELEASE: [&str; 7] = ["test", "--release", "--package", "otp-origin", "--test", "simulation", "--"];

/// Runs it with the flags as they came.
pub fn run(flags: &[&str]) -> Outcome {
    let unset = UNSET.into_iter().filter(|(flag, _)| !flags.contains(flag)).flat_map(|(flag, value)| [flag, value]);
    run_command(cargo(&RELEASE).args(flags).args(unset))
}
