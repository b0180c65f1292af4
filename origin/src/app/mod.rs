//! The use cases: what happens when a fan asks, guesses and signs in, and what operators do. Not HTTP, and no policy of
//! their own.
//!
//! **Invariant:** nothing here knows HTTP. A use case parses what it is given, once for all who call it, and returns a
//! domain answer or a [`refusal::Refused`].

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use hmac::Mac;
use otp_shared::{
    phone::Phone,
    secret::{self, Secret},
    snapshot::PhoneHasher,
};
use tokio::sync::Notify;
use tokio_util::task::TaskTracker;

use crate::{
    channels::{Channel, whatsapp::WhatsApp},
    clock::Clock,
    domain::{
        challenge::Challenges,
        judgement::{MessageKey, PhoneKey, Quotas},
        numbering::Countries,
        session::Sessions,
    },
    edge::EdgeClient,
};
use counters::Counters;
use decisions::Decisions;
use operators::{Operators, manual_kv::ManualKvCache};
use records::Records;
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

/// The origin, put together.
pub struct App {
    /// What the use cases need of the configuration.
    pub settings: Settings,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Limits, used codes, operator state.
    pub store: Records,
    /// In the order they are tried.
    pub channels: Vec<Arc<dyn Channel>>,
    /// The first channel, where its own state is shown and its webhooks are read.
    pub whatsapp: Arc<WhatsApp>,
    /// `None`: operator changes reach only the origin.
    pub edge: Option<EdgeClient>,
    /// Ids and codes.
    pub challenges: Challenges,
    /// Session ids and cookies.
    pub sessions: Sessions,
    /// This replica's copy of the operator state.
    pub operators: Operators,
    /// What happened since the start.
    pub counters: Counters,
    /// Why somebody was refused lately.
    pub decisions: Decisions,
    /// How long things take.
    pub timings: Timings,
    /// What ops wrote to KV by hand, as the edge listed it last.
    pub manual_kv: ManualKvCache,
    /// Hashes numbers as the edge does.
    pub hasher: PhoneHasher,
    /// Hashes numbers, idempotency keys and the names of messages for the store.
    pub keys: StoreKeys,
    /// What was published last, for `/otp/status`.
    pub published: Mutex<SnapshotStatus>,
    /// Wakes the publisher.
    pub changed: Notify,
    /// Sends and their bookkeeping, which run to their end whoever hangs up.
    pub tasks: TaskTracker,
}

/// The keys under which numbers, idempotency keys and the names of messages are hashed before they reach a store.
pub struct StoreKeys {
    phone: [u8; 32],
    idempotency: [u8; 32],
    message: [u8; 32],
}

impl StoreKeys {
    /// Derives the keys.
    pub fn new(secret: &Secret) -> Self {
        Self {
            phone: secret.derive("store/phone"),
            idempotency: secret.derive("store/idempotency"),
            message: secret.derive("store/message"),
        }
    }

    /// The number's name in the store.
    pub fn phone(&self, phone: Phone) -> PhoneKey {
        PhoneKey(short_tag(&self.phone, &[phone.digits().as_bytes()]))
    }

    /// The name in the store of what a provider calls a message: a `wamid` holds the number.
    pub fn message(&self, id: &str) -> MessageKey {
        MessageKey(short_tag(&self.message, &[id.as_bytes()]))
    }

    /// The name of an idempotency key, for one route and number.
    pub fn idempotency(&self, parts: &[&[u8]]) -> [u8; 16] {
        short_tag(&self.idempotency, parts)
    }
}

/// A 128-bit tag over parts, each with its length, so that no two lists of parts collide.
fn short_tag(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 16] {
    let feed = |mac: hmac::Hmac<sha2::Sha256>, part: &&[u8]| mac.chain_update((part.len() as u64).to_be_bytes()).chain_update(part);
    let tag = parts.iter().fold(secret::mac(key), feed).finalize().into_bytes();
    let mut short = [0; 16];
    short.copy_from_slice(&tag[..16]);
    short
}
