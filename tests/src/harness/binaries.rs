//! Where the programs are that the harness starts. Nothing is built here: what is missing is named, with the command that builds it.

use std::path::{Path, PathBuf};

/// The repository's root.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("this package lies in the repository's root").to_owned()
}

/// A program of this workspace, from the target directory that the running test was built into.
pub fn built(name: &str, package: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a running test has a path");
    // target/debug/deps/stories-… → target/debug
    let directory = test.ancestors().nth(2).expect("cargo puts tests two levels below the profile's directory");
    existing(directory.join(name), &format!("cargo build -p {package}"))
}

/// A file of the repository.
pub fn file(path: &str, command: &str) -> PathBuf {
    existing(repository().join(path), command)
}

fn existing(path: PathBuf, command: &str) -> PathBuf {
    assert!(path.exists(), "{} is missing; `{command}` makes it; `cargo xtask test` makes everything", path.display());
    path
}
