//! The steps of `check` and `test`, in their order, with their time.
//!
//! Steps come in phases, cheap ones first. All steps of a phase run, so that one run shows every fault of a
//! kind; a phase with a failure ends the run, because the next one would only repeat it.

use std::time::{Duration, Instant};

use crate::command::{cargo, program, run};
use crate::failure::{Failure, Outcome};
use crate::setup::cargo_tools;
use crate::{edge, guards, setup};

/// What a step found that is worth a word in the summary; mostly nothing.
type Note = String;

/// One step: a name, why it is there, and the work.
struct Step {
    name: &'static str,
    why: &'static str,
    work: fn() -> Outcome<Note>,
}

/// The binaries that `up` and the stories start, built as part of the workspace: with the same features as in
/// the tests, so that nothing is compiled twice.
pub const BUILD_BINARIES: [&str; 6] = ["build", "--workspace", "--bin", "otp-origin", "--bin", "otp-graph"];

const SET_UP: &[Step] = &[Step { name: "set-up", why: "install what the machine lacks", work: || quietly(setup::for_tests()) }];
const CHECKS: &[Step] = &[
    Step { name: "format", why: "rustfmt agrees with every file", work: || quietly(run(&mut cargo(&["fmt", "--all", "--check"]))) },
    Step { name: "guards", why: "the design's promises about dependencies hold", work: || quietly(guards::check()) },
    Step { name: "clippy", why: "no warning in any native target", work: || quietly(run(&mut cargo(&CLIPPY))) },
    Step { name: "clippy, wasm", why: "no warning in the Worker as it is shipped", work: || quietly(run(&mut cargo(&CLIPPY_WASM))) },
    Step { name: "deny", why: "licences, sources and bans of dependencies", work: || quietly(deny(&["bans", "licenses", "sources"])) },
    Step { name: "machete", why: "no dependency that nothing uses", work: || quietly(machete()) },
];
const BUILDS: &[Step] = &[
    Step { name: "edge", why: "the Worker builds and stays small", work: worker },
    Step { name: "binaries", why: "the programs that the stories start", work: || quietly(run(&mut cargo(&BUILD_BINARIES))) },
];
const TESTS: &[Step] = &[Step {
    name: "tests",
    why: "unit, contract, documentation and end-to-end tests",
    work: || quietly(run(&mut cargo(&["test", "--workspace"]))),
}];
const CLIPPY: [&str; 6] = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
const CLIPPY_WASM: [&str; 8] = ["clippy", "--package", "otp-edge", "--target", "wasm32-unknown-unknown", "--", "-D", "warnings"];

/// Every check that comes before the tests.
pub fn check() -> Outcome {
    go_through(&[SET_UP, CHECKS, BUILDS])
}

/// Every check and every test: what CI requires.
pub fn test() -> Outcome {
    go_through(&[SET_UP, CHECKS, BUILDS, TESTS])
}

/// Only the end-to-end stories that fit `filter`, on fresh builds of what they start.
pub fn stories(filter: &[&str]) -> Outcome {
    setup::for_tests()?;
    edge::build()?;
    run(&mut cargo(&BUILD_BINARIES))?;
    run(cargo(&["test", "--package", "otp-tests", "--test", "stories", "--"]).args(filter))
}

/// Asks the advisory database, which changes daily and needs the web: never a condition for a merge.
pub fn advisories() -> Outcome {
    setup::for_advisories()?;
    deny(&["advisories"])
}

fn deny(checks: &[&str]) -> Outcome {
    run(program(cargo_tools::deny().path()?).arg("check").args(checks))
}

fn machete() -> Outcome {
    run(&mut program(cargo_tools::machete().path()?))
}

fn worker() -> Outcome<Note> {
    edge::build()?;
    edge::check_size()
}

fn quietly(outcome: Outcome) -> Outcome<Note> {
    outcome.map(|()| Note::new())
}

fn go_through(phases: &[&[Step]]) -> Outcome {
    let mut lines = Vec::new();
    let mut failures: Vec<String> = Vec::new();
    for phase in phases {
        let failed_before = !failures.is_empty();
        for step in *phase {
            if failed_before {
                lines.push(format!("{:<14} {:>8}  not run", step.name, ""));
                continue;
            }
            let (took, outcome) = perform(step);
            lines.push(format!("{:<14} {:>6.1} s  {}", step.name, took.as_secs_f64(), verdict(&outcome)));
            failures.extend(outcome.err().map(|failure| format!("{}: {failure}", step.name)));
        }
    }
    println!("\nsummary\n  {}", lines.join("\n  "));
    if failures.is_empty() { Ok(()) } else { Err(Failure::new(failures.join("\nerror: "))) }
}

fn perform(step: &Step) -> (Duration, Outcome<Note>) {
    println!("\n== {}: {}", step.name, step.why);
    let start = Instant::now();
    let outcome = (step.work)();
    let took = start.elapsed();
    println!("== {}: {} after {:.1} s", step.name, verdict(&outcome), took.as_secs_f64());
    (took, outcome)
}

fn verdict(outcome: &Result<Note, Failure>) -> String {
    match outcome {
        Ok(note) if note.is_empty() => "ok".to_owned(),
        Ok(note) => format!("ok, {note}"),
        Err(_) => "FAILED".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: Step = Step { name: "good", why: "it works", work: || Ok("77 KB".to_owned()) };
    const BAD: Step = Step { name: "bad", why: "it does not", work: || Err(Failure::new("a sentence")) };
    const NEVER: Step = Step { name: "never", why: "it comes too late", work: || panic!("ran after a failure") };

    #[test]
    fn a_failed_phase_is_finished_and_ends_the_run() {
        let failure = go_through(&[&[GOOD, BAD, BAD], &[NEVER]]).unwrap_err();
        assert_eq!(failure.to_string(), "bad: a sentence\nerror: bad: a sentence");
    }

    #[test]
    fn a_run_without_failures_succeeds() {
        assert_eq!(go_through(&[&[GOOD], &[GOOD]]), Ok(()));
    }

    #[test]
    fn a_note_is_told_beside_the_verdict() {
        assert_eq!(verdict(&Ok("77 KB".to_owned())), "ok, 77 KB");
        assert_eq!(verdict(&Ok(String::new())), "ok");
    }
}
