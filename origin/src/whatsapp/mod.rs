//! Codes over WhatsApp: the adapter of Meta's Cloud API behind [`Channel`], and what Meta tells by itself. Not the choice of a channel, nor what
//! a receipt does to a challenge: those are use cases.
//!
//! **Invariant:** one message leaves at most once for each [`Channel::send`]. A send goes out again only after Meta's explicit refusal, or when no
//! connection came about; see `client`.
//!
//! - `errors` what each of Meta's codes means; `client` one call; `message` the body; `sending` the attempts of one send
//! - `templates`, `standing`, `lookup`, `hearing` which translation may be sent
//! - `breaker`, `shaper`, `pairs` when to hold back
//! - `webhook`, `signature` what Meta tells by itself

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use otp_shared::wire;
use tokio::sync::Notify;

use crate::{
    app::channel::{Channel, Message, Refusal, Sent},
    clock::Clock,
    domain::locale::Locale,
};

pub(crate) mod breaker;
mod client;
pub mod errors;
mod hearing;
mod lookup;
mod message;
mod pairs;
mod sending;
mod shaper;
pub mod signature;
mod standing;
mod templates;
pub mod webhook;

use self::{breaker::Breaker, client::Client, pairs::Pairs, shaper::Shaper, signature::Proof, templates::Templates};
pub use self::{
    client::LookupError,
    sending::SendingStatus,
    standing::{Source, Standing},
    templates::{LanguageStatus, TemplateStatus},
};

/// The WhatsApp account, and how to use it. `Debug` shows no secret.
#[derive(Clone)]
pub struct WhatsAppConfig {
    /// `WHATSAPP_BASE_URL`
    pub base_url: String,
    /// `WHATSAPP_API_VERSION`
    pub api_version: String,
    /// `WHATSAPP_PHONE_NUMBER_ID`
    pub phone_number_id: String,
    /// `WHATSAPP_TOKEN`
    pub token: String,
    /// `WHATSAPP_WABA_ID`
    pub waba_id: String,
    /// `WHATSAPP_APP_SECRET`
    pub app_secret: String,
    /// `WHATSAPP_VERIFY_TOKEN`
    pub verify_token: String,
    /// `WHATSAPP_TEMPLATE`
    pub template: String,
    /// `WHATSAPP_LANGUAGES`, in order of preference.
    pub languages: Vec<String>,
    /// `OTP_WHATSAPP_TEMPLATE_APPROVED`; `None`: learned from Meta.
    pub approved: Option<bool>,
    /// `OTP_WHATSAPP_RATE_LIMIT_DOC`
    pub rate_limit_doc: Option<String>,
    /// Messages a second that this replica may send: its share of the number's throughput.
    pub sends_per_s: u32,
    /// `OTP_TTL_S`: a template that Meta delivers for longer is warned about.
    pub code_life_s: u64,
}

/// Sends codes over one WhatsApp number.
pub struct WhatsApp {
    config: WhatsAppConfig,
    client: Client,
    proof: Proof,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    /// Wakes the watcher before its time: the template is not what it was thought to be.
    doubt: Notify,
}

/// What changes. Behind one lock, which is never held over an await.
struct State {
    templates: Templates,
    breaker: Breaker,
    shaper: Shaper,
    pairs: Pairs,
    tally: sending::Tally,
    /// Why the last lookup failed, if it did.
    lookup_error: Option<LookupError>,
    /// The warnings that are in the log already.
    warned: Vec<String>,
}

impl WhatsApp {
    /// Nothing is sent or asked yet.
    pub fn new(config: WhatsAppConfig, clock: Arc<dyn Clock>) -> Arc<Self> {
        let state = State {
            templates: Templates::new(&config.template, &config.languages, config.approved, clock.now_ms() / 1_000),
            breaker: Breaker::default(),
            shaper: Shaper::new(config.sends_per_s),
            pairs: Pairs::default(),
            tally: sending::Tally::default(),
            lookup_error: None,
            warned: Vec::new(),
        };
        Arc::new(Self {
            client: Client::new(&config),
            proof: Proof::new(&config.app_secret, &config.verify_token),
            state: Mutex::new(state),
            doubt: Notify::new(),
            config,
            clock,
        })
    }

    /// The template, for `/otp/status`.
    pub fn status(&self) -> TemplateStatus {
        let state = self.state();
        let mut warnings = state.templates.warnings(self.config.code_life_s);
        warnings.extend(state.lookup_error.as_ref().map(ToString::to_string));
        state.templates.status(self.config.rate_limit_doc.clone(), warnings)
    }

    /// The channel, for `/otp/status`.
    pub fn sending(&self) -> SendingStatus {
        let now_ms = self.clock.now_ms();
        let state = self.state();
        SendingStatus::new(&state.breaker, &state.shaper, &state.tally, now_ms)
    }

    /// Seconds that Meta tries to deliver a message: without a receipt by then, it will not arrive.
    pub fn template_ttl_s(&self) -> u64 {
        self.state().templates.ttl_s()
    }

    /// Whether the value of `X-Hub-Signature-256` signs the webhook's raw body.
    pub fn signed(&self, header: Option<&str>, raw_body: &[u8]) -> bool {
        self.proof.signs(header, raw_body)
    }

    /// Whether a handshake's `hub.verify_token` is ours.
    pub fn subscribed(&self, verify_token: &str) -> bool {
        self.proof.subscribes(verify_token)
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

    fn obstacle(&self, _locale: Option<&Locale>) -> Option<Refusal> {
        self.obstacle_now()
    }

    async fn send(&self, message: &Message, deadline: Duration) -> Sent {
        self.send_within(message, deadline).await
    }
}

impl std::fmt::Debug for WhatsAppConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WhatsAppConfig")
            .field("base_url", &self.base_url)
            .field("api_version", &self.api_version)
            .field("phone_number_id", &self.phone_number_id)
            .field("waba_id", &self.waba_id)
            .field("template", &self.template)
            .field("languages", &self.languages)
            .field("approved", &self.approved)
            .field("sends_per_s", &self.sends_per_s)
            .finish_non_exhaustive()
    }
}
