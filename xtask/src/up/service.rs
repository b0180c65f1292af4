//! One running part: its process group, its log, and its end.
//!
//! **Invariant:** a service that is dropped has stopped, and so has everything that it started.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, PipeReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::signals;
use crate::failure::{Context as _, Outcome};

/// How long a part may take to end by itself: the origin finishes requests whose send to Meta may take 8 s.
const GRACE: Duration = Duration::from_secs(10);
/// How many of the last lines are told when a part dies.
const LAST_LINES: usize = 20;
const POLL: Duration = Duration::from_millis(20);

/// A started program.
pub struct Service {
    pub name: &'static str,
    pub log: PathBuf,
    child: Child,
    reader: JoinHandle<()>,
    journal: Arc<Mutex<Journal>>,
}

/// What a service has said: all of it in a file, the end of it at hand.
struct Journal {
    name: &'static str,
    file: File,
    last: VecDeque<String>,
}

impl Service {
    /// Starts `command` in a process group of its own, so that Ctrl-C reaches us alone and a signal to the
    /// group reaches the children of wrappers too.
    pub fn start(name: &'static str, mut command: Command, directory: &Path) -> Outcome<Self> {
        let log = directory.join(format!("{name}.log"));
        let file = File::create(&log).or_say(format_args!("cannot write {}", log.display()))?;
        let journal = Arc::new(Mutex::new(Journal { name, file, last: VecDeque::new() }));
        // One pipe for both, so that the log has them in the order they were said.
        let (said, mouth) = io::pipe().or_say("cannot make a pipe")?;
        command.process_group(0).stdin(Stdio::null());
        command.stdout(mouth.try_clone().or_say("cannot share a pipe")?).stderr(mouth);
        let child = command.spawn().or_say(format_args!("cannot start the {name}"))?;
        let reader = follow(said, &journal);
        Ok(Self { name, log, child, reader, journal })
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Its last words, for a person. What a grandchild may still say is not waited for.
    pub fn last_lines(&self) -> String {
        let deadline = Instant::now() + Duration::from_secs(1);
        while !self.reader.is_finished() && Instant::now() < deadline {
            thread::sleep(POLL);
        }
        let journal = self.journal.lock().expect("the reader does not panic while it holds the journal");
        journal.last.iter().fold(String::new(), |lines, line| lines + "  " + line + "\n")
    }

    fn stop(&mut self) {
        self.signal(Signal::SIGTERM);
        let deadline = Instant::now() + GRACE;
        while self.ended().is_none() && Instant::now() < deadline && !signals::impatient() {
            thread::sleep(POLL);
        }
        // What is left of the group: a part that would not go, or children that a wrapper left behind.
        self.signal(Signal::SIGKILL);
        let _reaped = self.child.wait();
    }

    /// A group that is gone already is what we want.
    fn signal(&self, signal: Signal) {
        if let Ok(id) = i32::try_from(self.child.id()) {
            let _gone = killpg(Pid::from_raw(id), signal);
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.stop();
    }
}

fn follow(pipe: PipeReader, journal: &Arc<Mutex<Journal>>) -> JoinHandle<()> {
    let journal = Arc::clone(journal);
    thread::spawn(move || {
        // Bytes, not text: one odd byte must not end the log.
        for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line);
            journal.lock().expect("the reader does not panic while it holds the journal").note(line.trim_end());
        }
    })
}

impl Journal {
    fn note(&mut self, line: &str) {
        // A full disk must not stop what is being watched.
        let _lost = writeln!(self.file, "{line}");
        if is_error(line) {
            eprintln!("{} | {line}", self.name);
        }
        if self.last.len() == LAST_LINES {
            self.last.pop_front();
        }
        self.last.push_back(line.to_owned());
    }
}

/// Lines worth interrupting a person for: the origin's JSON, wrangler's marks, Rust's panics.
fn is_error(line: &str) -> bool {
    ["\"level\":\"ERROR\"", "[ERROR]", "ERROR\u{1b}", "panicked at", "error: "].iter().any(|mark| line.contains(mark))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn started(script: &str) -> (Service, PathBuf) {
        let name = format!("xtask-service-{}-{:?}", std::process::id(), thread::current().id());
        let directory = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&directory).unwrap();
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        (Service::start("part", command, &directory).unwrap(), directory)
    }

    fn until(mut condition: impl FnMut() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while !condition() {
            assert!(Instant::now() < deadline, "it never came true");
            thread::sleep(POLL);
        }
    }

    #[test]
    fn a_part_that_dies_is_told_with_its_last_words() {
        let (mut service, directory) = started("for i in $(seq 30); do echo line $i; done; echo bad >&2; exit 3");
        until(|| service.ended().is_some());
        assert_eq!(service.ended().and_then(|status| status.code()), Some(3));
        let last = service.last_lines();
        assert!(last.contains("  bad\n") && last.contains("  line 30\n") && !last.contains("  line 1\n"), "{last}");
        assert_eq!(std::fs::read_to_string(&service.log).unwrap().lines().count(), 31);
        std::fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn a_dropped_part_takes_its_children_along() {
        let (service, directory) = started("sleep 600 & echo $!; wait");
        let mut child = String::new();
        until(|| {
            child = std::fs::read_to_string(&service.log).unwrap().trim().to_owned();
            !child.is_empty()
        });
        drop(service);
        let child = Pid::from_raw(child.parse().unwrap());
        until(|| nix::sys::signal::kill(child, None).is_err() || is_zombie(child));
        std::fs::remove_dir_all(directory).unwrap();
    }

    /// An orphan that nobody reaps (a container without an init) is as good as gone.
    fn is_zombie(process: Pid) -> bool {
        std::fs::read_to_string(format!("/proc/{process}/stat")).is_ok_and(|stat| stat.contains(") Z "))
    }

    #[test]
    fn errors_of_every_part_are_recognised() {
        for line in [r#"{"level":"ERROR","target":"otp::redis"}"#, "✘ [ERROR] bad", "thread 'main' panicked at src/main.rs:1"] {
            assert!(is_error(line), "{line}");
        }
        assert!(!is_error(r#"{"level":"INFO","message":"0 errors"}"#));
    }
}
