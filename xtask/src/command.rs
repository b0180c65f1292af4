//! Starting other programs and telling how they ended.
//!
//! Programs that outlive one step are `up`'s affair (`up/service.rs`); here everything is waited for.

use std::env;
use std::ffi::OsStr;
use std::process::{Command, Stdio};

use crate::failure::{Context as _, Failure, Outcome};

/// A program that does not see what `cargo run` said about xtask itself.
///
/// Build scripts such as ring's watch `CARGO_PKG_NAME` and others: with ours in their environment, half the
/// tree is compiled again each time somebody changes between `cargo test` and `cargo xtask test`. And with
/// `CARGO`, cargo-machete takes its first argument for its own name.
pub fn program(name: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(name);
    for (variable, _) in env::vars_os() {
        if variable.to_str().is_some_and(describes_xtask) {
            command.env_remove(variable);
        }
    }
    command
}

fn describes_xtask(variable: &str) -> bool {
    variable == "CARGO" || variable.starts_with("CARGO_PKG_") || variable.starts_with("CARGO_MANIFEST_")
}

/// The cargo that runs us, so that the toolchain stays the same.
pub fn cargo(arguments: &[&str]) -> Command {
    let mut command = program(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments);
    command
}

/// Runs to the end with our terminal; anything but success is a failure that shows the command.
pub fn run(command: &mut Command) -> Outcome {
    let line = shown(command);
    let status = command.status().or_say(format_args!("cannot start `{line}`"))?;
    if status.success() {
        return Ok(());
    }
    Err(Failure::new(format!("`{line}` failed ({status})")))
}

/// Runs to the end and returns what it printed; its complaints go to our terminal.
pub fn output(command: &mut Command) -> Outcome<String> {
    let line = shown(command);
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output().or_say(format_args!("cannot start `{line}`"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(Failure::new(format!("`{line}` failed ({})", output.status)))
}

/// What it prints when it works, `None` when it does not or is not there: for asking, silently.
pub fn ask(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Whether a program of this name is on the `PATH`.
pub fn on_path(name: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|directory| directory.join(name).is_file())
}

/// The command as one could type it: the program's own name, without the way to it.
fn shown(command: &Command) -> String {
    let program = std::path::Path::new(command.get_program()).file_name().unwrap_or_default();
    let words = std::iter::once(program).chain(command.get_args());
    words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_program_is_named_with_its_arguments() {
        let failure = run(Command::new("/bin/sh").args(["-c", "exit 3"])).unwrap_err();
        assert_eq!(failure.to_string(), "`sh -c exit 3` failed (exit status: 3)");
    }

    #[test]
    fn a_program_that_is_not_there_answers_nothing() {
        assert_eq!(ask(&mut Command::new("there-is-no-such-program")), None);
        assert!(!on_path("there-is-no-such-program"));
    }

    #[test]
    fn children_do_not_hear_of_xtask_itself() {
        assert!(describes_xtask("CARGO"));
        assert!(describes_xtask("CARGO_PKG_NAME"));
        assert!(describes_xtask("CARGO_MANIFEST_DIR"));
        assert!(!describes_xtask("CARGO_HOME"));
        assert!(!describes_xtask("CARGO_TARGET_DIR"));
    }
}
