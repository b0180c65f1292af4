//! The simulator: all of its state behind one lock, and a way to wait for a change.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::business_number::BusinessNumber;
use crate::clock::Clock;
use crate::error::StatusStyle;
use crate::ids::Ids;
use crate::messages::Message;
use crate::rate_limits::RateLimits;
use crate::script::{Rule, Script, only_digits};
use crate::settings::Settings;
use crate::template::Template;

/// How long [`Simulator::wait_for`] waits before it panics.
const WAIT_TIMEOUT: Duration = Duration::from_secs(10);

/// The phones, the templates, the business number and the script.
///
/// Tests script it with these methods; `/control/*` offers the same over HTTP. Methods about
/// webhooks, receipts and templates are in the modules of these.
#[derive(Debug)]
pub struct Simulator {
    pub(crate) settings: Settings,
    pub(crate) clock: Clock,
    pub(crate) ids: Ids,
    pub(crate) http: reqwest::Client,
    state: Mutex<State>,
    changed: watch::Sender<()>,
    tasks: Mutex<JoinSet<()>>,
}

/// Everything that changes while the simulator runs.
#[derive(Debug)]
pub(crate) struct State {
    pub messages: Vec<Message>,
    pub templates: Vec<Template>,
    pub number: BusinessNumber,
    pub script: Script,
    pub rate_limits: RateLimits,
    /// Delays every response.
    pub latency: Duration,
    pub style: StatusStyle,
    pub automatic: bool,
    /// Whether webhooks spell languages with a hyphen.
    pub hyphens: bool,
    pub webhook: Option<String>,
    /// Whether the handshake with the URL in `webhook` has succeeded.
    pub subscribed: bool,
}

impl Simulator {
    /// A simulator to which no message has arrived.
    pub fn new(settings: Settings) -> Arc<Self> {
        let state = State {
            messages: Vec::new(),
            templates: settings.templates.clone(),
            number: BusinessNumber::default(),
            script: Script::default(),
            rate_limits: RateLimits::default(),
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

    /// The settings that it was started with.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The clock, which a test may move forward.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// All messages that arrived, newest last.
    pub fn messages(&self) -> Vec<Message> {
        self.lock().messages.clone()
    }

    /// The messages that arrived for `number`, newest last. `number` has its country code, and may
    /// be in any spelling.
    pub fn messages_to(&self, number: &str) -> Vec<Message> {
        let to = format!("+{}", only_digits(number));
        self.lock().messages.iter().filter(|message| message.to == to).cloned().collect()
    }

    /// Waits until at least `count` messages to `number` have arrived, and returns the newest of
    /// them.
    ///
    /// # Panics
    /// If that takes more than ten seconds.
    pub async fn arrived(&self, number: &str, count: usize) -> Message {
        let to = format!("+{}", only_digits(number));
        self.wait_for(&format!("message {count} to {to}"), |all| {
            let theirs: Vec<&Message> = all.iter().filter(|message| message.to == to).collect();
            theirs.last().filter(|_| theirs.len() >= count).copied().cloned()
        })
        .await
    }

    /// Waits until `probe` finds something among the messages, and returns it. `probe` runs under
    /// the lock, so it must not call the simulator.
    ///
    /// # Panics
    /// If that takes more than ten seconds; the panic shows `what` and all messages.
    pub async fn wait_for<T>(&self, what: &str, probe: impl Fn(&[Message]) -> Option<T>) -> T {
        let mut changed = self.changed.subscribe();
        let search = async {
            loop {
                let found = probe(&self.lock().messages);
                if let Some(found) = found {
                    return found;
                }
                // It returns an error only if the sender is gone, and `self` holds the sender.
                let _ = changed.changed().await;
            }
        };
        let found = tokio::time::timeout(WAIT_TIMEOUT, search).await;
        found.unwrap_or_else(|_| panic!("no {what} within {WAIT_TIMEOUT:?}; there is {:#?}", self.messages()))
    }

    /// Removes all messages.
    pub fn clear_messages(&self) {
        self.update(|state| state.messages.clear());
    }

    /// Adds a rule after those that are not used up.
    pub fn script(&self, rule: Rule) {
        self.lock().script.push(rule);
    }

    /// The rules that are not used up.
    pub fn rules(&self) -> Vec<Rule> {
        self.lock().script.rules().to_vec()
    }

    /// Removes all rules.
    pub fn clear_script(&self) {
        self.lock().script.clear();
    }

    /// Delays every response by `latency`.
    pub fn set_latency(&self, latency: Duration) {
        self.lock().latency = latency;
    }

    /// Sets the table from which errors get their HTTP status.
    pub fn set_status_style(&self, style: StatusStyle) {
        self.lock().style = style;
    }

    /// Sets whether the receipts `sent` and `delivered` follow every accepted send automatically.
    pub fn set_automatic(&self, automatic: bool) {
        self.lock().automatic = automatic;
    }

    /// Sets whether webhooks spell languages with a hyphen, as some of Meta's examples do.
    pub fn set_hyphens(&self, hyphens: bool) {
        self.lock().hyphens = hyphens;
    }

    /// Sets how many messages a second are accepted before 130429. `None`: no limit.
    pub fn limit_throughput(&self, mps: Option<u32>) {
        self.lock().rate_limits.throughput_mps = mps;
    }

    /// Sets whether too many messages to one person are refused with 131056.
    pub fn limit_pairs(&self, limited: bool) {
        self.lock().rate_limits.pair_limit = limited;
    }

    /// The state, for reading, or for a change that [`Simulator::wait_for`] does not look at. Must
    /// not be held across an `await`.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state, and wakes every [`Simulator::wait_for`].
    pub(crate) fn update<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = change(&mut self.lock());
        self.changed.send_replace(());
        result
    }

    /// Runs `task` in the background, until it ends or the simulator stops.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task);
    }

    /// Ends all tasks of [`Simulator::spawn`]. They hold the simulator, so without this it would
    /// live as long as they do.
    pub(crate) fn abort(&self) {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).abort_all();
    }
}

/// The client for webhooks. It ignores the machine's proxy settings and follows no redirects.
fn http() -> reqwest::Client {
    let builder = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
    builder.build().expect("no option is set that could be refused")
}
