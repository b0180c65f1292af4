//! Node and the packages of `package-lock.json`.
//!
//! Node itself is the one thing that a person brings along; here its version is only looked at.

use std::fs;
use std::path::Path;

use super::Piece;
use crate::command::{ask, program, run};
use crate::failure::{Context as _, Failure, Outcome};

/// The oldest major version that wrangler and Miniflare run on.
const OLDEST: u32 = 20;

/// Node and npm, brought along.
pub struct Node;

impl Piece for Node {
    fn name(&self) -> String {
        format!("Node {OLDEST} or newer, with npm")
    }

    fn why(&self) -> &'static str {
        "wrangler runs the Worker on it"
    }

    fn present(&self) -> bool {
        let version = ask(program("node").arg("--version"));
        version.as_deref().and_then(major).is_some_and(|major| major >= OLDEST) && crate::command::on_path("npm")
    }

    fn install(&self) -> Outcome {
        Err(Failure::new(format!("please install Node {OLDEST} or newer with npm: https://nodejs.org/en/download")))
    }
}

fn major(version: &str) -> Option<u32> {
    version.trim().strip_prefix('v')?.split('.').next()?.parse().ok()
}

/// `node_modules`, exactly as `package-lock.json` says.
pub struct Modules;

const LOCKFILE: &str = "package-lock.json";
/// A copy of the lock file that was installed. `npm ci` starts by removing `node_modules`, so a half one has no copy.
const INSTALLED: &str = "node_modules/.installed-lock.json";

impl Piece for Modules {
    fn name(&self) -> String {
        "node_modules as of package-lock.json".to_owned()
    }

    fn why(&self) -> &'static str {
        "wrangler, esbuild and wasm-opt come from npm"
    }

    fn present(&self) -> bool {
        same(Path::new(LOCKFILE), Path::new(INSTALLED))
    }

    fn install(&self) -> Outcome {
        run(program("npm").args(["ci", "--no-audit", "--no-fund"]))?;
        fs::copy(LOCKFILE, INSTALLED).map(|_| ()).or_say(format_args!("cannot write {INSTALLED}"))
    }
}

fn same(one: &Path, other: &Path) -> bool {
    matches!((fs::read(one), fs::read(other)), (Ok(one), Ok(other)) if one == other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_version_of_node_is_read() {
        assert_eq!(major("v20.20.2\n"), Some(20));
        assert_eq!(major("v8.1.0"), Some(8));
        assert_eq!(major("20.1.0"), None);
        assert_eq!(major(""), None);
    }

    #[test]
    fn files_that_are_not_there_are_not_the_same() {
        let nothing = Path::new("/there/is/no/such/file");
        assert!(!same(nothing, nothing));
        assert!(same(Path::new("Cargo.toml"), Path::new("Cargo.toml")));
    }
}
