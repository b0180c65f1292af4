//! Tools that cargo installs into the cache, each at one version.
//!
//! Debug builds: they compile in a third of the time and are as good here. Never `--locked`: that would ask
//! for exact old versions of every dependency, which a registry may have withdrawn.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use super::{Piece, cache, lockfile};
use crate::command::{ask, cargo, program, run};
use crate::failure::{Context as _, Failure, Outcome};

/// One binary of one version of one crate.
pub struct CargoTool {
    package: &'static str,
    binary: &'static str,
    version: String,
    why: &'static str,
}

/// Compiles the Worker and wraps it for Cloudflare.
pub fn worker_build() -> CargoTool {
    tool("worker-build", "worker-build", "0.8.7", "it builds the Worker (about two minutes, once)")
}

/// Finds dependencies that nothing uses.
pub fn machete() -> CargoTool {
    tool("cargo-machete", "cargo-machete", "0.9.2", "it finds unused dependencies (about a minute, once)")
}

/// Judges licences, sources, duplicates and advisories of dependencies.
pub fn deny() -> CargoTool {
    tool("cargo-deny", "cargo-deny", "0.20.2", "it checks licences and sources of dependencies (some minutes, once)")
}

/// Makes JavaScript bindings of the wasm. Its version must be that of the library in `Cargo.lock`, to the digit.
pub fn wasm_bindgen() -> Outcome<CargoTool> {
    let text = fs::read_to_string("Cargo.lock").or_say("cannot read Cargo.lock")?;
    let versions = lockfile::versions(&text, "wasm-bindgen");
    let version = versions.first().ok_or_else(|| Failure::new("Cargo.lock names no wasm-bindgen: which version of its tool to use?"))?;
    Ok(tool("wasm-bindgen-cli", "wasm-bindgen", version, "it makes the Worker's JavaScript bindings (two to three minutes, once)"))
}

fn tool(package: &'static str, binary: &'static str, version: &str, why: &'static str) -> CargoTool {
    CargoTool { package, binary, version: version.to_owned(), why }
}

impl CargoTool {
    /// The binary's place, whether or not it is there.
    pub fn path(&self) -> Outcome<PathBuf> {
        Ok(self.binary_in(&self.directory(&cache::root()?)))
    }

    fn directory(&self, cache: &Path) -> PathBuf {
        cache::directory_of(cache, self.package, &self.version)
    }

    fn binary_in(&self, directory: &Path) -> PathBuf {
        directory.join("bin").join(self.binary)
    }

    /// A file that does not run, or runs as another version, is not the tool.
    fn answers_in(&self, directory: &Path) -> bool {
        let answer = ask(program(self.binary_in(directory)).arg("--version"));
        answer.is_some_and(|answer| names_version(&answer, &self.version))
    }

    fn install_into(&self, cache: &Path) -> Outcome {
        let unfinished = cache.join(format!("{}-{}.unfinished", self.package, self.version));
        cache::remove(&unfinished)?;
        self.cargo_install(&unfinished, &cache::build_directory(cache))?;
        let directory = self.directory(cache);
        cache::remove(&directory)?;
        fs::rename(&unfinished, &directory).or_say(format_args!("cannot move {} into place", self.package))
    }

    fn cargo_install(&self, root: &Path, build_directory: &Path) -> Outcome {
        let mut command = cargo(&["install", "--debug", self.package, "--version", &self.version]);
        command.arg("--root").arg(root).arg("--target-dir").arg(build_directory);
        // Nobody debugs these, and without the data they need a third of the space and less time.
        command.env("CARGO_PROFILE_DEV_DEBUG", "false");
        // Else cargo ends with advice to put this directory, which is about to be moved, on the PATH.
        command.env("PATH", path_with(&root.join("bin"))?);
        run(&mut command)
    }
}

impl Piece for CargoTool {
    fn name(&self) -> String {
        format!("{} {}", self.package, self.version)
    }

    fn why(&self) -> &'static str {
        self.why
    }

    fn present(&self) -> bool {
        cache::root().is_ok_and(|cache| self.answers_in(&self.directory(&cache)))
    }

    fn install(&self) -> Outcome {
        self.install_into(&cache::root()?)
    }
}

fn path_with(directory: &Path) -> Outcome<OsString> {
    let path = env::var_os("PATH").unwrap_or_default();
    let directories = env::split_paths(&path).chain([directory.to_owned()]);
    env::join_paths(directories).or_say("the PATH cannot be extended")
}

/// Some tools answer `name 1.2.3`, some `1.2.3`, some add a commit.
fn names_version(answer: &str, version: &str) -> bool {
    answer.split_whitespace().any(|word| word == version)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_version_is_a_whole_word_of_the_answer() {
        assert!(names_version("cargo-deny 0.20.2\n", "0.20.2"));
        assert!(names_version("0.8.7", "0.8.7"));
        assert!(names_version("wasm-bindgen 0.2.130 (1a2b3c)", "0.2.130"));
        assert!(!names_version("wasm-bindgen 0.2.130", "0.2.13"));
        assert!(!names_version("", "0.8.7"));
    }

    #[test]
    fn a_tool_that_is_not_there_is_not_present() {
        assert!(!machete().answers_in(Path::new("/there/is/no/such/directory")));
    }

    #[test]
    fn a_binary_of_another_version_is_not_the_tool() {
        let directory = std::env::temp_dir().join(format!("xtask-tool-{}", std::process::id()));
        let binary = machete().binary_in(&directory);
        fs::create_dir_all(directory.join("bin")).unwrap();
        for (answer, expected) in [("0.9.1", false), ("0.9.2", true)] {
            fs::write(&binary, format!("#!/bin/sh\necho {answer}\n")).unwrap();
            fs::set_permissions(&binary, fs::Permissions::from_mode(0o755)).unwrap();
            assert_eq!(machete().answers_in(&directory), expected, "{answer}");
        }
        fs::remove_dir_all(&directory).unwrap();
    }
}
