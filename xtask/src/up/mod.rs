//! `cargo xtask up`: the whole product on this machine, and its orderly end.
//!
//! 1. Install and build what is missing.
//! 2. Choose addresses and development values.
//! 3. Start the stand-in, the edge and the origin; wait until each answers.
//! 4. Show where everything is; call the edge's cron every minute, which `wrangler dev` does not.
//! 5. On Ctrl-C, or when a part dies, stop all of it.

mod environment;
mod options;
mod parts;
mod service;
mod shown;
mod signals;

use std::env;
use std::fs::{self, File, TryLockError};
use std::net::SocketAddr;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use environment::Variables;
use options::{Addresses, Options};
use parts::Ready;
use service::Service;

use crate::command::{cargo, run as run_command};
use crate::failure::{Context as _, Failure, Outcome};
use crate::pipeline::BUILD_BINARIES;
use crate::{edge, http, setup};

/// How long a part may take to answer for the first time. A loaded machine is slow, a broken part dies sooner.
const PATIENCE: Duration = Duration::from_secs(90);
/// How long one question may take; a part that hangs at first is asked again.
const ONE_TRY: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(100);
const CRON_EVERY: Duration = Duration::from_mins(1);
const CRON: &str = "/cdn-cgi/handler/scheduled?cron=*+*+*+*+*";

/// Runs until Ctrl-C.
pub fn run(words: &[&str]) -> Outcome {
    if words.iter().any(|word| ["--help", "-h"].contains(word)) {
        println!("{}", options::USAGE);
        return Ok(());
    }
    let options = Options::parse(words)?;
    let _only_one = claim(&options.state)?;
    let caller = callers_variables();
    let with_graph = !caller.contains_key("WHATSAPP_BASE_URL");
    // Before the builds: a taken port should not be told after minutes.
    let addresses = Addresses::choose(&options, caller.get("ORIGIN_LISTEN").map(String::as_str), with_graph)?;
    build()?;
    let drawn = environment::drawn(&options.state.join("secrets.env"))?;
    let variables = environment::fill(&caller, &drawn, &parts::stand_in_settings(&addresses)?, &addresses);
    signals::catch()?;
    let mut stack = Stack::start(&addresses, &variables, &options.state, with_graph)?;
    let _told = shown::ready(&addresses, &caller, &variables, &options.state)?;
    let end = stack.watch(addresses.edge);
    println!("\nstopping");
    end
}

/// Only the stand-in for WhatsApp, in the foreground.
pub fn graph_alone(words: &[&str]) -> Outcome {
    run_command(cargo(&["run", "--quiet", "--package", "otp-graph-sim", "--bin", "otp-graph", "--"]).args(words))
}

fn build() -> Outcome {
    setup::for_building()?;
    edge::build()?;
    run_command(&mut cargo(&BUILD_BINARIES))
}

/// One stack a state directory: two would write to one KV and to each other's logs.
fn claim(state: &Path) -> Outcome<File> {
    let cannot = format!("cannot use {}", state.display());
    fs::create_dir_all(state).or_say(&cannot)?;
    let lock = File::create(state.join("lock")).or_say(&cannot)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(Failure::new(format!(
            "another `cargo xtask up` runs on {0} (see {0}/up.json): stop it, or pass --state DIR",
            state.display()
        ))),
        Err(TryLockError::Error(error)) => Err(error).or_say(cannot),
    }
}

/// What of our environment concerns the product. The rest is inherited, too.
fn callers_variables() -> Variables {
    const OURS: [&str; 6] = ["ADMIN_TOKEN", "EDGE_", "ORIGIN_", "OTP_", "REDIS_", "WHATSAPP_"];
    let text = env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    text.filter(|(name, _)| OURS.iter().any(|prefix| name.starts_with(prefix))).collect()
}

/// The running parts. They are dropped, and so stopped, from the outside in: what is in flight can finish.
struct Stack {
    edge: Service,
    origin: Service,
    graph: Option<Service>,
}

impl Stack {
    fn start(addresses: &Addresses, variables: &Variables, state: &Path, with_graph: bool) -> Outcome<Self> {
        println!("up: starting");
        let mut graph = if with_graph { Some(Service::start("graph", parts::graph(addresses, variables)?, state)?) } else { None };
        let mut edge = Service::start("edge", parts::edge(addresses, variables, state)?, state)?;
        // The origin asks Meta for its template when it starts, so the stand-in has to be there first.
        if let Some(graph) = &mut graph {
            wait_for(&Ready::graph(addresses), graph)?;
        }
        let mut origin = Service::start("origin", parts::origin(variables)?, state)?;
        wait_for(&Ready::origin(addresses), &mut origin)?;
        wait_for(&Ready::edge(addresses), &mut edge)?;
        Ok(Self { edge, origin, graph })
    }

    /// Until somebody wants to stop, or a part dies.
    fn watch(&mut self, edge: SocketAddr) -> Outcome {
        let mut next_cron = Instant::now();
        while !signals::stopping() {
            self.parts().try_for_each(alive)?;
            if Instant::now() >= next_cron {
                next_cron += CRON_EVERY;
                // Aside: a slow Worker must not keep us from seeing a part die. What goes wrong is in its log.
                thread::spawn(move || http::status(edge, CRON, CRON_EVERY));
            }
            thread::sleep(POLL);
        }
        Ok(())
    }

    fn parts(&mut self) -> impl Iterator<Item = &mut Service> {
        [&mut self.edge, &mut self.origin].into_iter().chain(self.graph.as_mut())
    }
}

fn wait_for(ready: &Ready, service: &mut Service) -> Outcome {
    let start = Instant::now();
    let mut answer = String::from("nothing");
    while start.elapsed() < PATIENCE {
        alive(service)?;
        if signals::stopping() {
            return Err(Failure::new(format!("stopped before the {} was ready", service.name)));
        }
        match http::status(ready.address, ready.path, ONE_TRY) {
            Ok(200) => {
                println!("up: {} is ready after {:.1} s", service.name, start.elapsed().as_secs_f64());
                return Ok(());
            }
            Ok(status) => answer = status.to_string(),
            Err(error) => answer = error.to_string(),
        }
        thread::sleep(POLL);
    }
    Err(told(service, &format!("is not ready after {} s: {} answers {answer}", PATIENCE.as_secs(), ready.path)))
}

fn alive(service: &mut Service) -> Outcome {
    match service.ended() {
        Some(status) => Err(told(service, &format!("ended by itself ({status})"))),
        None => Ok(()),
    }
}

fn told(service: &Service, what: &str) -> Failure {
    Failure::new(format!("the {} {what}. Its last lines ({}):\n{}", service.name, service.log.display(), service.last_lines()))
}
