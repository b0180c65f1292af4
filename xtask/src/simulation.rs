//! `cargo xtask simulate-faults`: the origin's use cases on a simulated server that loses replies, empties,
//! splits and jumps in time. The schedules and what must hold in them are `origin/tests/simulation`'s.

use crate::command::{cargo, run as run_command};
use crate::failure::{Failure, Outcome};

/// What is run when a flag is not given.
const UNSET: [(&str, &str); 2] = [("--seed", "1"), ("--schedules", "100000")];
/// As it is shipped: a schedule takes a millisecond there, and ten times that in a debug build.
const RELEASE: [&str; 7] = ["test", "--release", "--package", "otp-origin", "--test", "simulation", "--"];

const USAGE: &str = "cargo xtask simulate-faults [--seed N] [--schedules N] [--survey] [--sabotage NAME]

  --seed N         the first schedule (1); one that fails is replayed with its seed and --schedules 1
  --schedules N    how many (100000)
  --survey         count the kinds of failure instead of stopping at the first
  --sabotage NAME  put in one fault of origin/tests/simulation/sabotage.rs, which has to be found";

/// Runs it with the flags as they came.
pub fn run(flags: &[&str]) -> Outcome {
    if flags.iter().any(|flag| ["--help", "-h"].contains(flag)) {
        println!("{USAGE}");
        return Ok(());
    }
    let mut rest = flags.iter();
    while let Some(flag) = rest.next() {
        match *flag {
            "--survey" => {}
            "--seed" | "--schedules" | "--sabotage" => _ = rest.next(),
            other => return Err(Failure::new(format!("there is no {other} here\n\n{USAGE}"))),
        }
    }
    let unset = UNSET
        .into_iter()
        .filter(|(flag, _)| !flags.contains(flag) && !flags.contains(&"--sabotage"))
        .flat_map(|(flag, value)| [flag, value]);
    run_command(cargo(&RELEASE).args(flags).args(unset))
}
