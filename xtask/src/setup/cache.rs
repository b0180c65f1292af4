//! The tool cache: where tools live by version, and the lock that lets one set-up at a time write to it.
//!
//! Not under `target/`: tools outlive `cargo clean` and serve every checkout.

use std::env;
use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::failure::{Context as _, Failure, Outcome};

/// `$XDG_CACHE_HOME/whatsapp-otp`, or `~/.cache/whatsapp-otp`.
pub fn root() -> Outcome<PathBuf> {
    root_from(env::var_os("XDG_CACHE_HOME"), env::var_os("HOME"))
}

fn root_from(xdg: Option<OsString>, home: Option<OsString>) -> Outcome<PathBuf> {
    let set = |variable: Option<OsString>| variable.filter(|value| !value.is_empty()).map(PathBuf::from);
    // The XDG specification: a relative path is invalid and has to be ignored.
    let xdg = set(xdg).filter(|path| path.is_absolute());
    xdg.or_else(|| set(home).map(|home| home.join(".cache")))
        .map(|cache| cache.join("whatsapp-otp"))
        .ok_or_else(|| Failure::new("neither XDG_CACHE_HOME nor HOME is set: no place to keep tools in"))
}

/// Where one version of one tool lives: versions never share a directory, so checkouts never fight over one.
pub fn directory_of(root: &Path, tool: &str, version: &str) -> PathBuf {
    root.join(format!("{tool}-{version}"))
}

/// One build directory for all tools: they share most of their dependencies.
pub fn build_directory(root: &Path) -> PathBuf {
    root.join("build")
}

/// Once every tool is there, the build directory is a gigabyte of nothing.
pub fn drop_build_directory() -> Outcome {
    let directory = build_directory(&root()?);
    if !directory.exists() {
        return Ok(());
    }
    let _lock = lock()?;
    remove(&directory)
}

/// Removes a directory with all that is in it; one that is not there is fine.
pub fn remove(directory: &Path) -> Outcome {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error).or_say(format_args!("cannot remove {}", directory.display())),
        _ => Ok(()),
    }
}

/// Held while a piece is installed; released when dropped, also by a killed process.
pub fn lock() -> Outcome<File> {
    let root = root()?;
    let path = root.join("lock");
    let cannot = format!("cannot lock {}", path.display());
    fs::create_dir_all(&root).or_say(&cannot)?;
    let file = File::options().create(true).truncate(false).write(true).open(&path).or_say(&cannot)?;
    match file.try_lock() {
        Ok(()) => return Ok(file),
        Err(TryLockError::WouldBlock) => println!("set-up: waiting for another set-up to end (it holds {})", path.display()),
        Err(TryLockError::Error(error)) => return Err(error).or_say(cannot),
    }
    file.lock().or_say(cannot)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root_for(xdg: Option<&str>, home: Option<&str>) -> Outcome<PathBuf> {
        root_from(xdg.map(OsString::from), home.map(OsString::from))
    }

    #[test]
    fn the_cache_follows_xdg_and_falls_back_to_home() {
        assert_eq!(root_for(Some("/x"), Some("/h")).unwrap(), Path::new("/x/whatsapp-otp"));
        assert_eq!(root_for(None, Some("/h")).unwrap(), Path::new("/h/.cache/whatsapp-otp"));
    }

    #[test]
    fn an_empty_or_relative_xdg_is_as_good_as_none() {
        assert_eq!(root_for(Some(""), Some("/h")).unwrap(), Path::new("/h/.cache/whatsapp-otp"));
        assert_eq!(root_for(Some("cache"), Some("/h")).unwrap(), Path::new("/h/.cache/whatsapp-otp"));
    }

    #[test]
    fn without_a_home_the_failure_names_both_variables() {
        let failure = root_for(None, None).unwrap_err().to_string();
        assert!(failure.contains("XDG_CACHE_HOME") && failure.contains("HOME"), "{failure}");
    }

    #[test]
    fn a_tool_lives_under_its_name_and_version() {
        assert_eq!(directory_of(Path::new("/c"), "worker-build", "0.8.7"), Path::new("/c/worker-build-0.8.7"));
    }
}
