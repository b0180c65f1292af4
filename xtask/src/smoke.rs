//! `cargo xtask smoke`: builds and runs the checklist, which is a program of its own because it speaks TLS, JSON and Redis.

use crate::command::cargo;
use crate::failure::{Context as _, Failure, Outcome};

/// Runs it with the flags as they came. Its command line is never shown: there may be a token in it.
pub fn run(flags: &[&str]) -> Outcome {
    let mut checklist = cargo(&["run", "--quiet", "--package", "otp-tests", "--bin", "otp-smoke", "--"]);
    let status = checklist.args(flags).status().or_say("cannot start cargo")?;
    if status.success() { Ok(()) } else { Err(Failure::new("the checklist did not pass")) }
}
