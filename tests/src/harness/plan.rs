//! What a stack is started with. The defaults are the product as it ships, but for what a story would have to wait for.

use otp_shared::limits::Limit;

use super::{admin::ADMIN_TOKEN, origin::Environment, stack::Stack, workerd::Burst};
use otp_graph_sim::Graph;

pub(super) const OTP_SECRET: &str = "otp-secret-of-the-stories-0123456789abcdef";
pub(super) const EDGE_SECRET: &str = "edge-secret-of-the-stories-0123456789abcdef";

/// Where the origin keeps its records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Store {
    /// In its own memory.
    Embedded,
    /// In a redis-server of the stack's own.
    Redis,
}

/// What a stack is started with.
#[derive(Debug, Clone)]
pub struct Plan {
    pub(super) store: Store,
    pub(super) environment: Environment,
    pub(super) unset: Vec<String>,
    pub(super) edge: bool,
    pub(super) burst: Burst,
    pub(super) refresh_s: u32,
    pub(super) sms: Option<Sms>,
}

/// Who carries codes as text messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sms {
    /// Africa's Talking.
    AfricasTalking,
    /// Twilio.
    Twilio,
}

impl Plan {
    /// The product as it ships, except that snapshots travel in a second and bursts are not limited.
    pub fn on(store: Store) -> Self {
        Self {
            store,
            environment: Environment::default(),
            unset: Vec::new(),
            edge: true,
            burst: Burst { pair: 100_000, address: 100_000 },
            refresh_s: 1,
            sms: None,
        }
    }

    /// No edge: fans come to the origin with a signature as the edge makes it.
    #[must_use]
    pub fn without_edge(mut self) -> Self {
        self.edge = false;
        self
    }

    /// Another quota, as in `5/1h`.
    #[must_use]
    pub fn limit(mut self, limit: Limit, quota: &str) -> Self {
        self.environment = self.environment.limit(limit, quota);
        self
    }

    /// Another variable for the origin.
    #[must_use]
    pub fn origin(mut self, name: &str, value: &str) -> Self {
        self.environment = self.environment.set(name, value);
        self
    }

    /// A variable that the origin is not given.
    #[must_use]
    pub fn unset(mut self, name: &str) -> Self {
        self.unset.push(name.to_owned());
        self
    }

    /// Other limits of the platform's binding.
    #[must_use]
    pub fn burst(mut self, burst: Burst) -> Self {
        self.burst = burst;
        self
    }

    /// Another age at which an isolate reads its snapshot again.
    #[must_use]
    pub fn refresh_s(mut self, seconds: u32) -> Self {
        self.refresh_s = seconds;
        self
    }

    /// With text messages as the fallback channel.
    #[must_use]
    pub fn sms(mut self, provider: Sms) -> Self {
        self.sms = Some(provider);
        self
    }

    /// Starts it all.
    pub async fn start(self) -> Stack {
        Stack::start(self).await
    }

    /// The variables of a complete origin, before the plan's own.
    pub fn environment(graph: &Graph) -> Environment {
        let settings = graph.settings();
        Environment::default()
            .set("OTP_SECRET", OTP_SECRET)
            .set("EDGE_SHARED_SECRET", EDGE_SECRET)
            .set("ADMIN_TOKENS", &format!("ops={ADMIN_TOKEN}"))
            .set("WHATSAPP_BASE_URL", graph.url())
            .set("WHATSAPP_PHONE_NUMBER_ID", &settings.phone_number_id)
            .set("WHATSAPP_TOKEN", &settings.token)
            .set("WHATSAPP_WABA_ID", &settings.waba_id)
            .set("WHATSAPP_APP_SECRET", &settings.app_secret)
            .set("WHATSAPP_VERIFY_TOKEN", &settings.verify_token)
            .set("WHATSAPP_TEMPLATE", otp_graph_sim::TEMPLATE)
            .set("OTP_WHATSAPP_TEMPLATE_APPROVED", "1")
            .set("OTP_COUNTRIES", "all")
            .set("OTP_REPLICA", "replica-1")
            .set("SNAPSHOT_INTERVAL_MS", "100")
    }
}

impl Sms {
    /// The variables of an origin that uses the stand-in of this provider.
    pub(super) fn environment(self, graph: &Graph) -> Environment {
        let settings = &graph.settings().sms;
        let (name, account, key) = match self {
            Self::AfricasTalking => ("africastalking", &settings.username, &settings.api_key),
            Self::Twilio => ("twilio", &settings.account_sid, &settings.auth_token),
        };
        Environment::default()
            .set("SMS_PROVIDER", name)
            .set("SMS_BASE_URL", graph.url())
            .set("SMS_ACCOUNT", account)
            .set("SMS_KEY", key)
            .set("SMS_SENDER", "RAYON")
    }
}
