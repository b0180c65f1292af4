//! Guards: promises of the design that no compiler checks, each broken one told in a sentence.
//!
//! What to do about a broken guard is never to loosen it first: each says why it is there.

mod paths;
mod source;

use std::fs;
use std::path::{Path, PathBuf};

use crate::command::{cargo, output};
use crate::failure::{Context as _, Failure, Outcome};
use crate::setup::lockfile;

/// Crates that do I/O, tell the time or draw lots: none of them may be under `otp-shared`.
const IMPURE: [&str; 18] = [
    "axum",
    "chrono",
    "coarsetime",
    "fastrand",
    "getrandom",
    "hyper",
    "instant",
    "jiff",
    "mio",
    "quanta",
    "rand",
    "redis",
    "reqwest",
    "time",
    "tokio",
    "web-time",
    "wasm-bindgen",
    "worker",
];
/// What only tests need: none of it may be under `otp-graph-sim`, which `up` builds before it starts.
const TEST_ONLY: [&str; 5] = ["chromiumoxide", "nix", "rcgen", "redis", "tempfile"];
/// The crates that touch the Workers platform.
const PLATFORM: [&str; 4] = ["worker", "wasm_bindgen", "web_sys", "js_sys"];
/// The one directory that may.
const PLATFORM_DIRECTORY: &str = "edge/src/platform";
/// What the origin's rules are kept free of.
const DOMAIN_CRATES: [&str; 5] = ["tokio", "axum", "redis", "reqwest", "hyper"];
const DOMAIN_OUTSIDE: [&str; 4] = ["app", "http", "store", "channels"];

/// Runs every guard and tells of all that are broken.
pub fn check() -> Outcome {
    let mut broken = Vec::new();
    broken.extend(named_in(&tree("otp-shared")?, &IMPURE).into_iter().map(impurity));
    broken.extend(named_in(&tree("otp-graph-sim")?, &TEST_ONLY).into_iter().map(heavy_simulator));
    for (file, text) in sources(Path::new("edge/src"))? {
        broken.extend(platform_leak(&file, &text));
    }
    for (file, text) in sources(Path::new("origin/src/domain"))? {
        broken.extend(domain_leaks(&file, &text));
    }
    broken.extend(unpinned(&read(Path::new("Cargo.lock"))?, &read(Path::new("Cargo.toml"))?));
    if broken.is_empty() { Ok(()) } else { Err(Failure::new(broken.join("\n       "))) }
}

/// The dependencies of `package`, one crate a line, for every platform: what is pure here has to be
/// pure in the Worker too.
fn tree(package: &str) -> Outcome<String> {
    output(&mut cargo(&["tree", "--package", package, "--edges", "normal", "--target", "all", "--prefix", "none"]))
}

/// The crates of `forbidden` that `tree` has, each once.
fn named_in<'a>(tree: &'a str, forbidden: &[&str]) -> Vec<&'a str> {
    let mut names: Vec<&str> = tree.lines().filter_map(|line| line.split_whitespace().next()).collect();
    names.sort_unstable();
    names.dedup();
    names.into_iter().filter(|name| forbidden.contains(name)).collect()
}

fn impurity(name: &str) -> String {
    format!(
        "otp-shared depends on {name} (see `cargo tree -p otp-shared -i {name}`): it runs in the Worker and in every test, so time, \
         chance and I/O reach it as arguments only"
    )
}

fn heavy_simulator(name: &str) -> String {
    format!(
        "otp-graph-sim depends on {name} (see `cargo tree -p otp-graph-sim -i {name}`): `cargo xtask up` builds it before it starts, so \
         what only tests need belongs in otp-tests"
    )
}

fn platform_leak(file: &Path, text: &str) -> Option<String> {
    if file.starts_with(PLATFORM_DIRECTORY) {
        return None;
    }
    let named = paths::crates_named(text, &PLATFORM);
    (!named.is_empty()).then(|| {
        format!(
            "{} names {}: only {PLATFORM_DIRECTORY}/ may, so that the rest of the edge is tested as plain Rust",
            file.display(),
            named.join(", ")
        )
    })
}

fn domain_leaks(file: &Path, text: &str) -> Vec<String> {
    let crates = paths::crates_named(text, &DOMAIN_CRATES).into_iter().map(str::to_owned);
    let modules = paths::modules_reached(text, &DOMAIN_OUTSIDE).into_iter().map(|module| format!("crate::{module}"));
    let file = file.display();
    let mut leaks: Vec<String> = crates
        .chain(modules)
        .map(|name| {
            format!("{file} uses {name}: origin/src/domain/ decides from facts and does no I/O, so nothing points outwards from it")
        })
        .collect();
    leaks.extend(clock_read(text).map(|clock| format!("{file} reads {clock}: in origin/src/domain/ time is an argument")));
    leaks
}

fn clock_read(text: &str) -> Option<&'static str> {
    if paths::names_word(text, "SystemTime") {
        Some("SystemTime")
    } else {
        paths::names_path(text, ["Instant", "now"]).then_some("Instant::now")
    }
}

/// The tool that makes the bindings has to be the library's version to the digit, so the version is pinned.
fn unpinned(cargo_lock: &str, cargo_toml: &str) -> Option<String> {
    let locked = lockfile::versions(cargo_lock, "wasm-bindgen");
    let pinned = cargo_toml.lines().find_map(|line| line.strip_prefix("wasm-bindgen = \"=")?.strip_suffix('"'));
    match (locked.as_slice(), pinned) {
        ([locked], Some(pinned)) if locked == pinned => None,
        _ => Some(format!(
            "Cargo.lock has wasm-bindgen {locked:?}, Cargo.toml pins {pinned:?}: exactly one version, pinned with `=`, has to be in both, \
             or the Worker's bindings are made by a tool that does not fit"
        )),
    }
}

/// Every Rust file below `directory`, with its text, in a stable order.
fn sources(directory: &Path) -> Outcome<Vec<(PathBuf, String)>> {
    let mut files = Vec::new();
    collect(directory, &mut files)?;
    files.sort();
    files.into_iter().map(|file| read(&file).map(|text| (file, text))).collect()
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) -> Outcome {
    let cannot = format!("cannot list {}", directory.display());
    for entry in fs::read_dir(directory).or_say(&cannot)? {
        let path = entry.or_say(&cannot)?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

fn read(file: &Path) -> Outcome<String> {
    fs::read_to_string(file).or_say(format_args!("cannot read {}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_runtime_under_shared_is_told() {
        let tree = "otp-shared v0.1.0 (/somewhere/shared)\nhmac v0.12.1\ntokio v1.49.0\ntokio v1.49.0 (*)\nrand_core v0.6.4\n";
        assert_eq!(named_in(tree, &IMPURE), ["tokio"]);
        assert!(impurity("tokio").starts_with("otp-shared depends on tokio"));
    }

    #[test]
    fn pure_crates_under_shared_are_fine() {
        assert_eq!(named_in("otp-shared v0.1.0\nsha2 v0.10.9\ntime-core v0.1.0\n", &IMPURE), [""; 0]);
    }

    #[test]
    fn a_browser_under_the_simulator_is_told() {
        let tree = "otp-graph-sim v0.1.0 (/somewhere/graph-sim)\naxum v0.8.9\nchromiumoxide v0.9.1\n";
        assert_eq!(named_in(tree, &TEST_ONLY), ["chromiumoxide"]);
        assert!(heavy_simulator("chromiumoxide").starts_with("otp-graph-sim depends on chromiumoxide"));
    }

    #[test]
    fn the_platform_outside_its_directory_is_told() {
        let told = platform_leak(Path::new("edge/src/judge.rs"), "use worker::Env;\nuse js_sys::Date;").unwrap();
        assert!(told.starts_with("edge/src/judge.rs names worker, js_sys"), "{told}");
    }

    #[test]
    fn the_platform_in_its_directory_is_fine() {
        assert_eq!(platform_leak(Path::new("edge/src/platform/kv.rs"), "use worker::Env;"), None);
    }

    #[test]
    fn a_domain_that_reaches_outwards_is_told() {
        let told = domain_leaks(Path::new("origin/src/domain/challenge.rs"), "use tokio::time;\nuse crate::{store::Record, domain::Code};");
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[0].contains("uses tokio") && told[1].contains("uses crate::store"), "{told:?}");
    }

    #[test]
    fn a_domain_that_reads_a_clock_is_told() {
        for bad in ["use std::time::{Duration, SystemTime};", "let start = std::time::Instant::now();"] {
            assert_eq!(domain_leaks(Path::new("origin/src/domain/quota.rs"), bad).len(), 1, "{bad}");
        }
    }

    #[test]
    fn a_domain_of_facts_and_decisions_is_fine() {
        let good = "use otp_shared::Phone;\nuse crate::domain::quota::Quota;\nfn decide(now_s: u64) {}";
        assert_eq!(domain_leaks(Path::new("origin/src/domain/challenge.rs"), good), [""; 0]);
    }

    #[test]
    fn a_lock_that_left_the_pin_is_told() {
        let lock = |version: &str| format!("name = \"wasm-bindgen\"\nversion = \"{version}\"\n");
        let pin = "wasm-bindgen = \"=0.2.130\"\n";
        assert_eq!(unpinned(&lock("0.2.130"), pin), None);
        assert!(unpinned(&lock("0.2.131"), pin).is_some());
        assert!(unpinned(&lock("0.2.130"), "wasm-bindgen = \"0.2.130\"\n").is_some(), "a caret is no pin");
        assert!(unpinned(&(lock("0.2.130") + &lock("0.2.129")), pin).is_some(), "two versions");
        assert!(unpinned("", pin).is_some());
    }
}
