//! The origin as a process, configured by its environment alone.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::Signal;
use otp_shared::limits::Limit;
use serde_json::Value;

use super::{
    binaries,
    process::{Lines, Process},
    wait::{PATIENCE, within},
};

/// How long an origin may take to give up its start.
const REFUSAL: Duration = Duration::from_secs(5);

/// The variables that an origin is started with. It inherits none.
#[derive(Debug, Clone, Default)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// With `name` set.
    #[must_use]
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.0.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Without `name`.
    #[must_use]
    pub fn unset(mut self, name: &str) -> Self {
        self.0.remove(name);
        self
    }

    /// With another quota, as in `5/1h`.
    #[must_use]
    pub fn limit(self, limit: Limit, quota: &str) -> Self {
        self.set(&limit.variable(), quota)
    }

    /// The variables of `other` over these.
    #[must_use]
    pub fn over(mut self, other: &Self) -> Self {
        self.0.extend(other.0.clone());
        self
    }
}

/// A running origin.
#[derive(Debug)]
pub struct Origin {
    process: Process,
    port: u16,
}

impl Origin {
    /// Starts it on `port` and waits until it listens; `Err` with its last words when it ends instead.
    pub async fn start(environment: &Environment, port: u16) -> Result<Self, String> {
        let mut process = run(&environment.clone().set("ORIGIN_LISTEN", &format!("127.0.0.1:{port}")));
        let listens = within(PATIENCE, async || match process.out().find(listening) {
            Some(port) => Some(Some(port)),
            None => process.has_ended().then_some(None),
        });
        if let Some(port) = listens.await.flatten() {
            return Ok(Self { process, port });
        }
        process.kill();
        Err(process.tail())
    }

    /// Starts one that has to refuse its environment. Returns what it said; panics when it runs.
    pub async fn refused_start(environment: &Environment) -> String {
        let mut process = run(&environment.clone().set("ORIGIN_LISTEN", "127.0.0.1:0"));
        let ended = within(REFUSAL, async || process.has_ended().then_some(())).await;
        process.kill();
        assert!(ended.is_some(), "the origin started: {}", process.tail());
        process.tail()
    }

    /// `http://127.0.0.1:PORT`
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Its JSON log so far.
    pub fn log(&self) -> &Lines {
        self.process.out()
    }

    /// Everything it wrote.
    pub fn written(&self) -> Vec<String> {
        let mut lines = self.process.out().all();
        lines.extend(self.process.err().all());
        lines
    }

    /// Asks it to end, as Kubernetes does, and does not wait.
    pub fn terminate(&self) {
        self.process.signal(Signal::SIGTERM);
    }

    /// Waits until it has ended by itself.
    pub async fn ended(&mut self) {
        self.process.ended().await;
    }

    /// Ends it at once.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Ends it as Kubernetes does; its log is complete afterwards.
    pub fn stop(&mut self) {
        self.process.stop();
    }
}

fn run(environment: &Environment) -> Process {
    let mut command = Command::new(binaries::built("otp-origin", "otp-origin"));
    command.env_clear().envs(&environment.0);
    Process::start("otp-origin", command)
}

/// The port in the line that says `"listening":"127.0.0.1:PORT"`.
fn listening(line: &str) -> Option<u16> {
    let line: Value = serde_json::from_str(line).ok()?;
    let address = line.get("listening").or_else(|| line.get("fields")?.get("listening"))?.as_str()?;
    address.rsplit_once(':')?.1.parse().ok()
}
