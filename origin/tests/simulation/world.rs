//! Everything that a schedule acts on: clocks, servers, links, chance, and what the calls were told.

use std::{
    borrow::Cow,
    fmt::Write as _,
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::future::BoxFuture;
use otp_origin::{
    clock::Clock,
    domain::evaluation::Quotas,
    transaction::{Outcome, Transaction, arrival_us},
};

use crate::{
    executor::pause,
    model::{Model, OF_ALL},
    random::Random,
    sabotage::Sabotage,
    server::Server,
};

/// What happens to a call on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is answered.
    Answer,
    /// It never arrives.
    LoseCall,
    /// It takes effect, and the reply is lost.
    LoseReply,
    /// It arrives after its deadline: nothing is done.
    Late,
    /// Its caller gives it up, and it takes effect a moment later.
    Delay,
    /// The client sends it twice.
    Twice,
}

/// A replica's own clock, in Unix milliseconds. A sleep is turns of the executor, not time.
pub struct ReplicaClock(AtomicU64);

impl ReplicaClock {
    pub fn at(now_ms: u64) -> Self {
        Self(AtomicU64::new(now_ms))
    }

    pub fn advance_ms(&self, by_ms: u64) {
        self.0.fetch_add(by_ms, Ordering::Relaxed);
    }
}

impl Clock for ReplicaClock {
    fn now_ms(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
        Box::pin(pause(40))
    }
}

/// The simulated world.
pub struct World {
    pub random: Random,
    pub servers: Vec<Server>,
    /// The server that each replica talks to; `None`: its link is cut.
    pub links: Vec<Option<usize>>,
    /// The server that stays, when there are two.
    pub main: usize,
    /// A copy to restore.
    pub backup: Option<Server>,
    /// The servers' Unix millisecond when the true time was zero.
    pub start_ms: u64,
    /// How many calls of a hundred go wrong.
    pub flaky: u64,
    pub model: Model,
    pub sabotage: Option<Sabotage>,
    /// The steps, when they are asked for.
    pub trace: Option<String>,
}

pub fn lock(world: &Mutex<World>) -> MutexGuard<'_, World> {
    world.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl World {
    pub fn new(random: Random, replicas: usize, quotas: Quotas, now_ms: u64, sabotage: Option<Sabotage>, traced: bool) -> Self {
        Self {
            random,
            servers: vec![Server::new(now_ms)],
            links: vec![Some(0); replicas],
            main: 0,
            backup: None,
            start_ms: now_ms,
            flaky: 0,
            model: Model::new(quotas, replicas),
            sabotage,
            trace: traced.then(String::new),
        }
    }

    /// Adds a line to the trace.
    pub fn note(&mut self, line: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            _ = writeln!(trace, "  {:>9} ms  {}", self.model.now.ms, line());
        }
    }

    pub fn fate(&mut self) -> Fate {
        if !self.random.chance(self.flaky) {
            return Fate::Answer;
        }
        self.model.faults += 1;
        let fate = self.random.pick(&[Fate::LoseCall, Fate::LoseReply, Fate::LoseReply, Fate::Late, Fate::Delay, Fate::Twice, Fate::Twice]);
        self.note(|| format!("    a call: {fate:?}"));
        fate
    }

    /// Commits at a server, and notes what that means.
    pub fn commit(&mut self, server: usize, replica: usize, transaction: &Transaction) -> Outcome {
        let to_run = self.sabotage.map_or(Cow::Borrowed(transaction), |sabotage| Cow::Owned(sabotage.of_commit(transaction)));
        let at = &mut self.servers[server];
        let was_committed = at.has_committed(&to_run);
        let outcome = at.commit(&to_run);
        if matches!(outcome, Outcome::Committed(_)) && !was_committed {
            let clock_ms = at.clock_ms;
            self.model.applied(&mut at.known, transaction, clock_ms);
        }
        if was_committed && self.sabotage == Some(Sabotage::RepeatsCharged) {
            let charge = transaction.charge.iter().filter(|charge| charge.by_us > 0).cloned().collect();
            _ = at.commit(&Transaction { charge, ..Transaction::default() });
        }
        if let Some(arrival_us) = arrival_us(at.table.get(OF_ALL, at.now_us())) {
            self.model.check_charged(arrival_us, self.start_ms);
        }
        if self.trace.is_some() {
            let what = match &outcome {
                Outcome::Committed(_) if was_committed => "committed before",
                Outcome::Committed(_) => "committed",
                Outcome::Changed(_) => "changed",
                Outcome::Full(_) => "full",
            };
            let keys: Vec<_> = transaction.write.iter().map(|write| write.key.to_string()).collect();
            self.note(|| format!("    server {server}, replica {replica}: {what} {}", keys.join(" ")));
        }
        outcome
    }

    /// A replica has told a server all it knows.
    pub fn resynced(&mut self, server: usize, replica: usize) {
        self.note(|| format!("    replica {replica} is in step with server {server}"));
        self.model.met(&mut self.servers[server].known, replica);
    }

    /// Perhaps a call that was given up takes effect now.
    pub fn deliver_delayed(&mut self) {
        for server in 0..self.servers.len() {
            if self.servers[server].delayed.is_empty() || !self.random.chance(30) {
                continue;
            }
            let (deadline_us, replica, transaction) = self.servers[server].delayed.remove(0);
            if self.servers[server].is_up && self.servers[server].now_us() <= deadline_us {
                self.note(|| "    a call that was given up takes effect".to_owned());
                self.commit(server, replica, &transaction);
            }
        }
    }

    /// From now on no call goes wrong, and none is on its way; how many of a hundred did.
    pub fn calm_down(&mut self) -> u64 {
        self.servers.iter_mut().for_each(|server| server.delayed.clear());
        std::mem::take(&mut self.flaky)
    }

    /// Breaks every connection to a server.
    pub fn restart(&mut self, server: usize) {
        self.servers[server].start += 1;
        self.servers[server].delayed.clear();
    }
}

/// What happens to servers.
impl World {
    pub fn stop(&mut self) {
        self.note(|| "the server stops".to_owned());
        let main = self.main;
        self.servers[main].is_up = false;
        self.restart(main);
    }

    pub fn start(&mut self) {
        let main = self.main;
        if !self.servers[main].is_up {
            self.note(|| "the server is back as it was".to_owned());
            self.servers[main].is_up = true;
        }
    }

    pub fn start_empty(&mut self) {
        self.note(|| "the server is back, empty".to_owned());
        let main = self.main;
        self.servers[main].empty();
        self.servers[main].is_up = true;
        self.restart(main);
    }

    pub fn back_up(&mut self) {
        self.note(|| "a copy is set aside".to_owned());
        self.backup = Some(self.servers[self.main].copy());
    }

    pub fn start_restored(&mut self) {
        let Some(backup) = &self.backup else { return };
        let mut restored = backup.copy();
        self.note(|| "the server is back as an older copy".to_owned());
        let (main, clock_ms) = (self.main, self.servers[self.main].clock_ms);
        (restored.clock_ms, restored.start) = (clock_ms, self.servers[main].start);
        self.servers[main] = restored;
        self.restart(main);
    }

    /// A copy becomes the new master, and some replicas go on talking to the old one.
    pub fn split(&mut self, moved: u64) {
        let old = self.main;
        let lags = moved & 1024 == 0;
        let mut copied = self.backup.as_ref().filter(|_| lags).unwrap_or(&self.servers[old]).copy();
        copied.clock_ms = self.servers[old].clock_ms;
        self.note(|| format!("the server splits{}", if lags { ", and the new master is an older copy" } else { "" }));
        self.servers.push(copied);
        self.main = self.servers.len() - 1;
        for (replica, link) in self.links.iter_mut().enumerate() {
            if *link == Some(old) && moved >> replica & 1 == 1 {
                *link = Some(self.main);
            }
        }
    }

    /// The old master is thrown away, and all links are there.
    pub fn heal(&mut self) {
        self.note(|| "all talk to one server".to_owned());
        let main = self.main;
        for server in (0..self.servers.len()).filter(|server| *server != main) {
            self.servers[server].is_up = false;
        }
        self.links.fill(Some(main));
    }

    pub fn flush(&mut self) {
        self.note(|| "otp:* is flushed".to_owned());
        let main = self.main;
        self.servers[main].flush("otp:");
        if self.sabotage == Some(Sabotage::FlushTakesGuesses) {
            self.servers[main].flush("spent:");
        }
        self.servers.iter_mut().for_each(|server| server.known.flush());
        if let Some(backup) = &mut self.backup {
            backup.known.flush();
        }
        self.model.flushed();
    }

    pub fn jump(&mut self, by_ms: u64) {
        self.note(|| format!("the server's clock jumps by {by_ms} ms"));
        self.model.now.jumped_ms += by_ms;
        let main = self.main;
        self.servers[main].clock_ms += by_ms;
    }
}
