//! `cargo xtask …`: everything a person does with this repository, one word each.
//!
//! It finds out what the machine lacks, installs it, and starts the programs that do the work. It holds no
//! logic of the product, and it has few dependencies: it is the first thing that a newcomer waits for.
//!
//! **Invariant:** nothing outside the checkout, the tool cache and Debian's packages is changed, and every
//! process that was started is stopped.

mod bench;
mod command;
mod edge;
mod failure;
mod guards;
mod http;
mod pipeline;
mod setup;
mod simulation;
mod smoke;
mod up;

use std::env;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use failure::{Context as _, Failure, Outcome};

const USAGE: &str = "\
cargo xtask up          run edge, origin and a stand-in for WhatsApp; `up --help` lists the flags
cargo xtask test        every check and every test, as CI does
cargo xtask test NAME   only the end-to-end stories whose name contains NAME
cargo xtask check       every check that comes before the tests
cargo xtask bench       the benchmarks
cargo xtask simulate-faults  replicas and their store through seeded outages; `--seed N --schedules N` (unset: 1, 100000)
cargo xtask smoke       the post-incident checklist, against a running deployment; `smoke --help` lists the flags
cargo xtask graph       only the stand-in for WhatsApp; further words are its own flags
cargo xtask advisories  known vulnerabilities of our dependencies (asks the web)

Each installs what it misses, and says so.";

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    match enter_checkout().and_then(|()| dispatch(&words)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("\nerror: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(words: &[String]) -> Outcome {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["up", rest @ ..] => up::run(rest),
        ["test"] => pipeline::test(),
        ["test", filter @ ..] => pipeline::stories(filter),
        ["check"] => pipeline::check(),
        ["bench", rest @ ..] => bench::run(rest),
        ["simulate-faults", rest @ ..] => simulation::run(rest),
        ["smoke", rest @ ..] => smoke::run(rest),
        ["graph", rest @ ..] => up::graph_alone(rest),
        ["advisories"] => pipeline::advisories(),
        [] | ["help" | "--help" | "-h"] => {
            println!("{USAGE}");
            Ok(())
        }
        [other, ..] => Err(Failure::new(format!("there is no `cargo xtask {other}`\n\n{USAGE}"))),
    }
}

/// Every path in this program is relative to the checkout, wherever it was called from.
fn enter_checkout() -> Outcome {
    let root = checkout();
    env::set_current_dir(&root).or_say(format_args!("cannot enter {}", root.display()))
}

/// Asked at run time, not compiled in: a checkout may be moved.
fn checkout() -> PathBuf {
    env::var_os("CARGO_MANIFEST_DIR").and_then(|xtask| Path::new(&xtask).parent().map(Path::to_owned)).unwrap_or_else(|| PathBuf::from("."))
}
