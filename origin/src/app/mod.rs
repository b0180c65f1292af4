//! The use cases: what happens when a fan asks, guesses and signs in, and what operators do. Not HTTP, and no policy of
//! their own.
//!
//! **Invariant:** nothing here knows HTTP. A use case parses what it is given, once for all who call it, and returns a
//! domain answer or a [`refusal::Refused`].

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::sync::Notify;
use tokio_util::task::TaskTracker;

use crate::{
    channels::{Channel, whatsapp::WhatsApp},
    clock::Clock,
    domain::{evaluation::Quotas, numbering::Countries},
    edge::EdgeClient,
};
use counters::Counters;
use decisions::Decisions;
use operators::{LastCopy, Operators, manual_kv::ManualKvCache};
use records::Records;
use secrets::Secrets;
use status::SnapshotStatus;
use timings::Timings;

pub mod caller;
pub mod counters;
pub mod decisions;
pub mod delivery;
pub mod evaluate;
#[cfg(test)]
mod on_stores;
pub mod operators;
pub mod publish;
pub mod records;
pub mod refusal;
pub mod request;
pub mod secrets;
pub mod series;
pub mod sessions;
pub mod status;
pub mod timings;
pub mod verify;
pub mod webhook;

/// What the use cases need of the configuration.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How long a challenge lives.
    pub challenge_ttl: Duration,
    /// How long a cookie lives.
    pub session_ttl: Duration,
    /// Whose numbers are served.
    pub countries: Countries,
    /// The limits in force.
    pub quotas: Quotas,
    /// This replica's name.
    pub replica: String,
    /// How often the snapshot may be published.
    pub publish_interval: Duration,
    /// How long a send may take in all.
    pub send_deadline: Duration,
}

/// The origin, put together: the parts that the use cases share.
pub struct App {
    /// What the use cases need of the configuration.
    pub settings: Settings,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Limits, used codes, operator state.
    pub store: Records,
    /// What is made with secrets.
    pub secrets: Secrets,
    /// How codes leave.
    pub sender: Sender,
    /// This replica's copy of the operator state.
    pub operators: Operators,
    /// The snapshot at the edge.
    pub publication: Publication,
    /// Counters, decisions and timings.
    pub telemetry: Telemetry,
}

/// The channels by which codes leave, and the sends that are under way.
pub struct Sender {
    /// In the order they are tried.
    pub channels: Vec<Arc<dyn Channel>>,
    /// The first channel, where its own state is shown and its webhooks are read.
    pub whatsapp: Arc<WhatsApp>,
    /// Sends and their bookkeeping, which run to their end whoever hangs up.
    pub tasks: TaskTracker,
}

impl Sender {
    /// WhatsApp, and text messages after it where they are configured.
    pub fn new(whatsapp: Arc<WhatsApp>, sms: Option<Arc<dyn Channel>>) -> Self {
        let channels = std::iter::once(Arc::clone(&whatsapp) as Arc<dyn Channel>).chain(sms).collect();
        Self { channels, whatsapp, tasks: TaskTracker::new() }
    }
}

/// The snapshot that this replica publishes to the edge, and the manual KV entries that the edge lists.
pub struct Publication {
    /// `None`: operator changes reach only the origin.
    pub edge: Option<EdgeClient>,
    /// What was published last, for `/otp/status`.
    pub published: Mutex<SnapshotStatus>,
    /// Wakes the publisher.
    pub changed: Notify,
    /// The copy of the operator state that the edge took last; held while another is written.
    pub last_copy: tokio::sync::Mutex<LastCopy>,
    /// What ops wrote to KV by hand, as the edge listed it last.
    pub manual_kv: ManualKvCache,
}

impl Publication {
    /// Nothing is published yet.
    pub fn new(edge: Option<EdgeClient>) -> Self {
        let published = Mutex::new(SnapshotStatus { edge: edge.is_some(), ..SnapshotStatus::default() });
        Self { edge, published, changed: Notify::new(), last_copy: tokio::sync::Mutex::default(), manual_kv: ManualKvCache::default() }
    }
}

/// What happened since this replica started.
pub struct Telemetry {
    /// Counts by name, for `/metrics`.
    pub counters: Counters,
    /// Why somebody was refused lately.
    pub decisions: Decisions,
    /// How long things take.
    pub timings: Timings,
}

impl Telemetry {
    /// Nothing has happened yet.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { counters: Counters::new(clock), decisions: Decisions::default(), timings: Timings::default() }
    }
}
