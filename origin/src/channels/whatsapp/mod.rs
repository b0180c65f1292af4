//! Codes over WhatsApp: the adapter of Meta's Cloud API behind [`Channel`], and what Meta tells by
//! itself. Not the choice of a channel, nor what a receipt does to a challenge: those are use
//! cases.
//!
//! **Invariant:** a [`Channel::send`] sends at most one message. It calls again only after Meta's
//! explicit refusal, or when no connection was made; see `client`.
//!
//! - `sending` the attempts of one send; `message` the body; `client` one call; `errors` what each
//!   of Meta's codes means
//! - `shaper`, `pair_rate_limit` when a send has to wait
//! - `templates`, `template_status` which translation may be sent; `lookup`, `watch` ask Meta
//! - `webhook`, `webhook_verifier` read Meta's webhooks; `events` what they change here
//! - `report` what operators see

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use otp_shared::wire;
use tokio::sync::Notify;

use super::{Channel, Message, Refusal, Sent, breaker::Breaker};
use crate::{clock::Clock, domain::locale::Locale};

mod client;
mod config;
pub mod errors;
mod events;
mod lookup;
mod message;
mod pair_rate_limit;
mod report;
mod sending;
mod shaper;
mod template_status;
mod templates;
mod watch;
pub mod webhook;
pub mod webhook_verifier;

use self::{
    client::Client, pair_rate_limit::PairRateLimit, report::SendCounts, shaper::Shaper, templates::Templates,
    webhook_verifier::WebhookVerifier,
};
pub use self::{
    client::LookupError,
    config::WhatsAppConfig,
    report::{LanguageReport, SendingReport, TemplateReport},
    template_status::{Source, TemplateStatus},
};

/// Sends codes over one WhatsApp number.
pub struct WhatsApp {
    config: WhatsAppConfig,
    client: Client,
    webhook_verifier: WebhookVerifier,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    /// Wakes the watch before its time: the template's status is in doubt.
    recheck: Notify,
}

/// What changes. Behind one lock, which is never held over an await.
struct State {
    templates: Templates,
    breaker: Breaker,
    shaper: Shaper,
    pair_rate_limit: PairRateLimit,
    counts: SendCounts,
    /// Why the last lookup failed; `None`: it did not.
    lookup_error: Option<LookupError>,
    /// The warnings that are in the log already.
    logged_warnings: Vec<String>,
}

impl WhatsApp {
    /// Nothing is sent or looked up yet.
    pub fn new(config: WhatsAppConfig, clock: Arc<dyn Clock>) -> Arc<Self> {
        let state = State {
            templates: Templates::new(&config.template, &config.languages, config.approved, clock.now_ms() / 1_000),
            breaker: Breaker::default(),
            shaper: Shaper::new(config.sends_per_s),
            pair_rate_limit: PairRateLimit::default(),
            counts: SendCounts::default(),
            lookup_error: None,
            logged_warnings: Vec::new(),
        };
        Arc::new(Self {
            client: Client::new(&config),
            webhook_verifier: WebhookVerifier::new(&config.app_secret, &config.verify_token),
            state: Mutex::new(state),
            recheck: Notify::new(),
            config,
            clock,
        })
    }

    /// The template, for `/otp/status`.
    pub fn status(&self) -> TemplateReport {
        let state = self.state();
        let mut warnings = state.templates.warnings(self.config.code_life_s);
        warnings.extend(state.lookup_error.as_ref().map(ToString::to_string));
        state.templates.report(self.config.rate_limit_doc.clone(), warnings)
    }

    /// The channel, for `/otp/status`.
    pub fn sending(&self) -> SendingReport {
        let now_ms = self.clock.now_ms();
        let state = self.state();
        SendingReport::new(&state.breaker, &state.shaper, &state.counts, now_ms)
    }

    /// Seconds that Meta tries to deliver a message: without a receipt by then, it will not arrive.
    pub fn template_ttl_s(&self) -> u64 {
        self.state().templates.ttl_s()
    }

    /// Tells Meta's webhooks from forged ones.
    pub fn webhook_verifier(&self) -> &WebhookVerifier {
        &self.webhook_verifier
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Channel for WhatsApp {
    fn name(&self) -> wire::Channel {
        wire::Channel::Whatsapp
    }

    fn unavailable_reason(&self, _locale: Option<&Locale>) -> Option<Refusal> {
        self.state().unavailable_reason(self.clock.now_ms())
    }

    async fn send(&self, message: &Message, deadline: Duration) -> Sent {
        self.send_within(message, deadline).await
    }
}
