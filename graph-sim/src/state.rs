//! The stand-in's whole memory, behind one lock, and the means to wait for a change of it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::clock::Clock;
use crate::error::StatusStyle;
use crate::ids::Ids;
use crate::message::Message;
use crate::number::Number;
use crate::script::{Rule, Script, only_digits};
use crate::settings::Settings;
use crate::template::Template;
use crate::throttle::Throttle;

/// How long [`World::wait_for`] waits before it gives up.
const PATIENCE: Duration = Duration::from_secs(10);

/// The world as the stand-in sees it: the phones, the templates, the script. Every scripting method is here or in the module
/// of its subject; the HTTP control routes call the same ones.
#[derive(Debug)]
pub struct World {
    pub(crate) settings: Settings,
    pub(crate) clock: Clock,
    pub(crate) ids: Ids,
    pub(crate) http: reqwest::Client,
    state: Mutex<State>,
    changed: watch::Sender<()>,
    tasks: Mutex<JoinSet<()>>,
}

/// What changes while the stand-in runs.
#[derive(Debug)]
pub(crate) struct State {
    pub messages: Vec<Message>,
    pub templates: Vec<Template>,
    pub number: Number,
    pub script: Script,
    pub throttle: Throttle,
    pub latency: Duration,
    pub style: StatusStyle,
    pub automatic: bool,
    pub hyphens: bool,
    pub webhook: Option<String>,
    /// Whether the handshake with `webhook` has succeeded.
    pub subscribed: bool,
}

impl World {
    /// A world with nothing arrived yet.
    pub fn new(settings: Settings) -> Arc<Self> {
        let state = State {
            messages: Vec::new(),
            templates: settings.templates.clone(),
            number: Number::default(),
            script: Script::default(),
            throttle: Throttle::default(),
            latency: Duration::ZERO,
            style: settings.style,
            automatic: settings.automatic,
            hyphens: false,
            webhook: settings.webhook.clone(),
            subscribed: false,
        };
        Arc::new(Self {
            settings,
            clock: Clock::default(),
            ids: Ids::default(),
            http: http(),
            state: Mutex::new(state),
            changed: watch::Sender::new(()),
            tasks: Mutex::new(JoinSet::new()),
        })
    }

    /// What it was started with.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Its clock.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Everything that arrived, newest last.
    pub fn messages(&self) -> Vec<Message> {
        self.lock().messages.clone()
    }

    /// What arrived for one number, in any spelling with its country code; newest last.
    pub fn messages_to(&self, number: &str) -> Vec<Message> {
        let to = format!("+{}", only_digits(number));
        self.lock().messages.iter().filter(|message| message.to == to).cloned().collect()
    }

    /// The newest message to `number` once there are at least `count`.
    ///
    /// # Panics
    /// After ten seconds without.
    pub async fn arrived(&self, number: &str, count: usize) -> Message {
        let to = format!("+{}", only_digits(number));
        self.wait_for(&format!("message {count} to {to}"), |all| {
            let theirs: Vec<&Message> = all.iter().filter(|message| message.to == to).collect();
            theirs.last().filter(|_| theirs.len() >= count).copied().cloned()
        })
        .await
    }

    /// What `probe` finds among the messages, as soon as it finds something. It looks while they are locked: it must not ask
    /// the world for anything itself.
    ///
    /// # Panics
    /// After ten seconds without; the text says what was waited for and what is there.
    pub async fn wait_for<T>(&self, what: &str, probe: impl Fn(&[Message]) -> Option<T>) -> T {
        let mut changed = self.changed.subscribe();
        let search = async {
            loop {
                let found = probe(&self.lock().messages);
                if let Some(found) = found {
                    return found;
                }
                // The sender lives in `self`, so this only ever returns because something changed.
                let _ = changed.changed().await;
            }
        };
        let found = tokio::time::timeout(PATIENCE, search).await;
        found.unwrap_or_else(|_| panic!("no {what} within {PATIENCE:?}; there is {:#?}", self.messages()))
    }

    /// Forgets every message.
    pub fn clear_messages(&self) {
        self.change(|state| state.messages.clear());
    }

    /// Adds a rule behind those still waiting.
    pub fn script(&self, rule: Rule) {
        self.lock().script.push(rule);
    }

    /// The rules still waiting.
    pub fn rules(&self) -> Vec<Rule> {
        self.lock().script.rules().to_vec()
    }

    /// Forgets every rule.
    pub fn clear_script(&self) {
        self.lock().script.clear();
    }

    /// Holds every answer back for `latency`.
    pub fn set_latency(&self, latency: Duration) {
        self.lock().latency = latency;
    }

    /// Chooses the table of HTTP statuses.
    pub fn set_status_style(&self, style: StatusStyle) {
        self.lock().style = style;
    }

    /// Whether `sent` and `delivered` follow every accepted send by themselves.
    pub fn set_automatic(&self, automatic: bool) {
        self.lock().automatic = automatic;
    }

    /// Whether webhooks spell languages with a hyphen, as some of Meta's examples do.
    pub fn set_hyphens(&self, hyphens: bool) {
        self.lock().hyphens = hyphens;
    }

    /// Messages a second before 130429; None lifts the limit.
    pub fn limit_throughput(&self, mps: Option<u32>) {
        self.lock().throttle.throughput_mps = mps;
    }

    /// Whether too many messages to one person meet 131056.
    pub fn limit_pairs(&self, limited: bool) {
        self.lock().throttle.pairs = limited;
    }

    /// A look at the state, or a change nobody waits for. Never held across an await.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A change that those who wait should see.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = change(&mut self.lock());
        self.changed.send_replace(());
        result
    }

    /// Runs `task` beside the answers, until it ends or the stand-in stops.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task);
    }

    /// Ends everything that [`World::spawn`] began; they hold the world, so it would live on with them.
    pub(crate) fn abort(&self) {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).abort_all();
    }
}

/// Webhooks go where they are sent: past any proxy of the machine, and not on to where a redirect points.
fn http() -> reqwest::Client {
    let builder = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
    builder.build().expect("no option is set that could be refused")
}
