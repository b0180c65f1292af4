//! The Worker's build: worker-build with the tools that we installed, and the size of what comes out.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::SystemTime;

use crate::command::{program, run};
use crate::failure::{Context as _, Failure, Outcome};
use crate::setup::cargo_tools;

/// What Cloudflare gets to load.
const WASM: &str = "edge/build/index_bg.wasm";
/// Proof of a finished build: its time is when that began, its text how many bytes came out. A Worker of
/// another length was built by hand, in another way.
const STAMP: &str = "edge/build/.built";
/// Everything a change of which changes the Worker.
const INPUTS: [&str; 7] =
    ["edge/src", "edge/Cargo.toml", "shared/src", "shared/Cargo.toml", "Cargo.toml", "Cargo.lock", "xtask/src/edge.rs"];
/// Those that worker-build enables.
const FEATURES: [&str; 7] =
    ["mutable-globals", "sign-ext", "nontrapping-float-to-int", "bulk-memory", "multivalue", "reference-types", "exception-handling"];
/// Gzipped, in bytes: start-up time grows with it, and a dependency too many shows here first.
const LARGEST: usize = 120_000;

/// Builds the Worker into `edge/build`, unless that is newer than everything it is made of.
pub fn build() -> Outcome {
    if up_to_date() {
        return Ok(());
    }
    // Made first: what is edited while the build runs must count as newer than it.
    let began = File::create("target/edge-build-began").and_then(|file| file.metadata()?.modified()).or_say("cannot tell the time")?;
    run(&mut worker_build()?)?;
    run(&mut wasm_opt())?;
    stamp(began).or_say(format_args!("cannot write {STAMP}"))
}

fn stamp(began: SystemTime) -> io::Result<()> {
    let mut file = File::create(STAMP)?;
    write!(file, "{}", fs::metadata(WASM)?.len())?;
    file.set_modified(began)
}

/// worker-build would download these tools; ours are pinned in `Cargo.lock` and `package-lock.json`.
fn worker_build() -> Outcome<Command> {
    let esbuild = std::path::absolute("node_modules/.bin/esbuild").or_say("cannot tell where node_modules is")?;
    let mut command = program(cargo_tools::worker_build().path()?);
    command.args(["--profile", "edge"]).current_dir("edge");
    command.env("WASM_BINDGEN_BIN", cargo_tools::wasm_bindgen()?.path()?).env("ESBUILD_BIN", esbuild);
    Ok(command)
}

/// Our own pass, in place. worker-build's is off (`edge/Cargo.toml`): whatever it is told, it keeps the names
/// that only debuggers read, a fifth of the module.
fn wasm_opt() -> Command {
    let mut command = program("node_modules/.bin/wasm-opt");
    command.args(["-O3", "--strip-debug"]).args(FEATURES.map(|feature| format!("--enable-{feature}"))).args([WASM, "-o", WASM]);
    command
}

fn up_to_date() -> bool {
    let length = fs::metadata(WASM).map(|wasm| wasm.len().to_string());
    let ours = matches!((length, fs::read_to_string(STAMP)), (Ok(length), Ok(stamp)) if length == stamp);
    let unchanged = |since| INPUTS.iter().filter_map(|input| newest(Path::new(input))).all(|changed| changed < since);
    ours && modified(Path::new(STAMP)).is_some_and(unchanged)
}

/// The newest change at or below `path`; a directory's own time tells of removed files.
fn newest(path: &Path) -> Option<SystemTime> {
    let below = fs::read_dir(path).into_iter().flatten().flatten().filter_map(|entry| newest(&entry.path()));
    below.chain(modified(path)).max()
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|metadata| metadata.modified()).ok()
}

/// The Worker's size on the wire; too large is a failure.
pub fn check_size() -> Outcome<String> {
    let packed = run_gzip(WASM)?;
    judge(packed)
}

/// As Cloudflare counts: gzipped, level 9.
fn run_gzip(file: &str) -> Outcome<usize> {
    let packed = program("gzip").args(["-9", "--stdout", file]).stderr(Stdio::inherit()).output().or_say("cannot start gzip")?;
    if packed.status.success() { Ok(packed.stdout.len()) } else { Err(Failure::new(format!("gzip cannot read {file}"))) }
}

fn judge(bytes: usize) -> Outcome<String> {
    let figure = format!("{}.{} KB gzipped of {} KB", bytes / 1000, bytes % 1000 / 100, LARGEST / 1000);
    if bytes <= LARGEST {
        return Ok(figure);
    }
    Err(Failure::new(format!("{WASM} is too large, {figure}: `cargo tree -p otp-edge --target wasm32-unknown-unknown` shows what came in")))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_worker_within_its_size_is_told_with_its_figure() {
        assert_eq!(judge(77_345).unwrap(), "77.3 KB gzipped of 120 KB");
        assert!(judge(LARGEST).is_ok());
    }

    #[test]
    fn a_worker_over_its_size_fails() {
        assert!(judge(LARGEST + 1).unwrap_err().to_string().contains("too large"));
    }

    #[test]
    fn a_change_anywhere_below_makes_a_tree_newer() {
        let root = std::env::temp_dir().join(format!("xtask-newest-{}", std::process::id()));
        fs::create_dir_all(root.join("deep/er")).unwrap();
        let file = File::create(root.join("deep/er/file")).unwrap();
        let later = modified(&root).unwrap() + Duration::from_mins(1);
        file.set_modified(later).unwrap();
        assert_eq!(newest(&root), Some(later));
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn what_does_not_exist_was_never_changed() {
        assert_eq!(newest(Path::new("/there/is/no/such/path")), None);
    }
}
