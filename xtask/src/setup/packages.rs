//! Programs that the tests start and that come as Debian packages.

use super::Piece;
use crate::command::{ask, on_path, program, run};
use crate::failure::{Failure, Outcome};

/// A program and the package that holds it.
const PROGRAMS: [(&str, &str); 6] = [
    ("redis-server", "redis-server"),
    ("chromium", "chromium"),
    ("jq", "jq"),
    ("curl", "curl"),
    ("uuidgen", "uuid-runtime"),
    ("openssl", "openssl"),
];

/// All of [`PROGRAMS`].
pub struct DebianPackages;

impl Piece for DebianPackages {
    fn name(&self) -> String {
        format!("{} (from Debian)", missing(on_path).join(", "))
    }

    fn why(&self) -> &'static str {
        "the end-to-end tests start a real Redis, a browser and the runbook's own commands"
    }

    fn present(&self) -> bool {
        missing(on_path).is_empty()
    }

    fn install(&self) -> Outcome {
        let packages = missing(on_path);
        match administrator() {
            Some(prefix) => apt(prefix, &packages),
            None => Err(Failure::new(format!("please install them yourself, then come back:\n\n    {}", by_hand(&packages)))),
        }
    }
}

/// The packages of the programs that are not there.
fn missing(there: impl Fn(&str) -> bool) -> Vec<&'static str> {
    PROGRAMS.iter().filter(|(program, _)| !there(program)).map(|(_, package)| *package).collect()
}

/// What to put in front of a command to run it as root; `None` where only a person can.
fn administrator() -> Option<&'static [&'static str]> {
    if !on_path("apt-get") {
        None
    } else if nix::unistd::geteuid().is_root() {
        Some(&["env"])
    } else {
        ask(program("sudo").args(["-n", "true"])).map(|_| ["sudo", "-n", "env"].as_slice())
    }
}

fn apt(prefix: &[&str], packages: &[&str]) -> Outcome {
    // Without fresh lists apt asks for versions that the archive may no longer hold.
    run(&mut apt_get(prefix, &["update"]))?;
    run(apt_get(prefix, &["install", "--yes", "--no-install-recommends"]).args(packages))
}

fn apt_get(prefix: &[&str], arguments: &[&str]) -> std::process::Command {
    let (first, rest) = prefix.split_first().expect("both prefixes of `administrator` have a first word");
    let mut command = program(first);
    command.args(rest).args(["DEBIAN_FRONTEND=noninteractive", "apt-get", "--quiet"]).args(arguments);
    command
}

fn by_hand(packages: &[&str]) -> String {
    format!("sudo apt-get update && sudo apt-get install --yes --no-install-recommends {}", packages.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_missing_is_installed() {
        assert_eq!(missing(|program| program != "uuidgen" && program != "jq"), ["jq", "uuid-runtime"]);
        assert!(missing(|_| true).is_empty());
    }

    #[test]
    fn a_person_is_told_the_exact_command() {
        assert_eq!(
            by_hand(&["jq", "uuid-runtime"]),
            "sudo apt-get update && sudo apt-get install --yes --no-install-recommends jq uuid-runtime"
        );
    }

    #[test]
    fn packages_are_installed_without_questions() {
        let command = apt_get(&["sudo", "-n", "env"], &["update"]);
        let words: Vec<_> = command.get_args().collect();
        assert_eq!(words, ["-n", "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "--quiet", "update"]);
    }
}
