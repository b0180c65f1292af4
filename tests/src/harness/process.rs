//! A child process in a process group of its own, whose output is kept line by line.
//!
//! **Invariant:** when a [`Process`] is dropped, its whole group is gone.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::{reaper, wait::until};

/// How long a child may take to end by itself before it is killed.
const GRACE: Duration = Duration::from_secs(5);

/// The lines of one output so far; clones look at the same output.
#[derive(Clone, Debug, Default)]
pub struct Lines(Arc<Mutex<Vec<String>>>);

impl Lines {
    /// A copy of all of them.
    pub fn all(&self) -> Vec<String> {
        self.lock().clone()
    }

    /// The line at `index`, once it is there.
    pub fn get(&self, index: usize) -> Option<String> {
        self.lock().get(index).cloned()
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.lock().len()
    }

    /// What `pick` makes of the first line of which it makes something.
    pub fn find<T>(&self, pick: impl FnMut(&str) -> Option<T>) -> Option<T> {
        self.lock().iter().map(String::as_str).find_map(pick)
    }

    fn push(&self, line: String) {
        self.lock().push(line);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One running child.
#[derive(Debug)]
pub struct Process {
    name: &'static str,
    child: Child,
    input: Option<ChildStdin>,
    out: Lines,
    err: Lines,
    readers: Vec<JoinHandle<()>>,
    gone: bool,
}

impl Process {
    /// Starts `command`; `name` is for messages.
    pub fn start(name: &'static str, mut command: Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let mut child =
            command.spawn().unwrap_or_else(|error| panic!("{name} does not start ({}): {error}", command.get_program().display()));
        reaper::register(child.id());
        let (out, err) = (Lines::default(), Lines::default());
        let readers =
            [child.stdout.take().map(|pipe| follow(pipe, out.clone())), child.stderr.take().map(|pipe| follow(pipe, err.clone()))];
        Self { name, input: child.stdin.take(), child, out, err, readers: readers.into_iter().flatten().collect(), gone: false }
    }

    /// Its process id, which is its group's too.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it wrote to the standard output.
    pub fn out(&self) -> &Lines {
        &self.out
    }

    /// What it wrote to the standard error.
    pub fn err(&self) -> &Lines {
        &self.err
    }

    /// Writes one line to its standard input.
    pub fn tell(&mut self, line: &str) {
        let pipe = self.input.as_mut().expect("the input is piped");
        writeln!(pipe, "{line}").unwrap_or_else(|error| panic!("{} takes no input: {error}", self.name));
    }

    /// Sends a signal to the group.
    pub fn signal(&self, signal: Signal) {
        // An ESRCH says that there is nobody left to tell.
        let _ = killpg(self.group(), signal);
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits until it has ended by itself.
    pub async fn ended(&mut self) {
        let what = format!("{} ends", self.name);
        until(&what, async || self.has_ended().then_some(())).await;
        self.sweep();
    }

    /// Asks it to end, and makes it end when it does not. Its output is complete afterwards.
    pub fn stop(&mut self) {
        if self.gone {
            return;
        }
        self.signal(Signal::SIGTERM);
        // A stopped process takes no SIGTERM.
        self.signal(Signal::SIGCONT);
        let end = Instant::now() + GRACE;
        while !self.has_ended() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(5));
        }
        self.sweep();
    }

    /// Ends it without a chance to do anything.
    pub fn kill(&mut self) {
        if !self.gone {
            self.sweep();
        }
    }

    /// Kills what is left of the group, and reads what is left of the output.
    fn sweep(&mut self) {
        self.signal(Signal::SIGKILL);
        let _ = self.child.wait();
        for reader in self.readers.drain(..) {
            let _ = reader.join();
        }
        reaper::forget(self.child.id());
        self.gone = true;
    }

    fn group(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).expect("a process id is a positive i32"))
    }

    /// The last lines it wrote, for the message of a failed story.
    pub fn tail(&self) -> String {
        let last = |lines: &Lines| lines.all().into_iter().rev().take(40).rev().collect::<Vec<_>>().join("\n");
        format!("--- {} wrote:\n{}\n{}\n", self.name, last(&self.out), last(&self.err))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stop();
        if std::thread::panicking() {
            eprintln!("{}", self.tail());
        }
    }
}

fn follow(pipe: impl Read + Send + 'static, lines: Lines) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let mut pipe = BufReader::new(pipe);
        let mut line = Vec::new();
        while pipe.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            lines.push(String::from_utf8_lossy(&line).trim_end().to_owned());
            line.clear();
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Process {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Process::start("sh", command)
    }

    /// Whether anybody of the group is left; signal 0 only asks.
    fn alive(group: Pid) -> bool {
        killpg(group, None).is_ok()
    }

    #[tokio::test]
    async fn a_dropped_process_takes_its_children_along() {
        let process = shell("(trap '' TERM; exec sleep 1000) & echo started; wait");
        until("the shell runs", async || process.out().get(0)).await;
        let group = process.group();
        assert!(alive(group));
        drop(process);
        // The grandchild's end is seen once its new parent has waited for it.
        until("the group is gone", async || (!alive(group)).then_some(())).await;
    }

    #[tokio::test]
    async fn its_output_is_complete_after_its_end() {
        let mut process = shell("read line; echo \"out $line\"; echo err >&2; exit 3");
        process.tell("told");
        process.ended().await;
        assert_eq!((process.out().all(), process.err().all()), (vec!["out told".to_owned()], vec!["err".to_owned()]));
    }
}
