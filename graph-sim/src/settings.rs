//! What the simulator is started with.
//!
//! The defaults are development values that everybody may know. They must not be used anywhere
//! else.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use crate::error::StatusStyle;
use crate::template::{self, Template};

/// Identity, credentials and initial state.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The address to listen on; port 0 means any free one.
    pub listen: SocketAddr,
    /// The bearer token that every Graph API call has to carry.
    pub token: String,
    /// The business number's id, which is in the path of a send.
    pub phone_number_id: String,
    /// The WhatsApp Business Account's id, which is in the path of the template lookup.
    pub waba_id: String,
    /// The business's own number. A recipient without a plus gets its country code.
    pub business: Business,
    /// The key of the signature in `X-Hub-Signature-256`.
    pub app_secret: String,
    /// `hub.verify_token` of the handshake.
    pub verify_token: String,
    /// The URL that webhooks are posted to, after a handshake. Absent: none is posted until
    /// [`Simulator::set_webhook`](crate::Simulator::set_webhook) gives one.
    pub webhook: Option<String>,
    /// Whether the receipts `sent` and `delivered` follow every accepted send automatically.
    pub automatic: bool,
    /// The table from which errors get their HTTP status.
    pub style: StatusStyle,
    /// How a webhook is retried.
    pub retry: Retry,
    /// The templates that exist at the start.
    pub templates: Vec<Template>,
    /// Credentials for the two text-message providers.
    pub sms: Sms,
}

/// The business's own number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Business {
    /// Its country calling code, digits only.
    pub country_code: String,
    /// The whole number with its country code, digits only.
    pub digits: String,
}

/// Retries of a webhook, with exponential backoff. Meta retries for days; here the attempts are
/// bounded, so that a test does not wait.
#[derive(Clone, Copy, Debug)]
pub struct Retry {
    /// The number of attempts, including the first.
    pub attempts: u32,
    /// The pause after the first attempt. It doubles after each, up to ten seconds.
    pub first: Duration,
}

/// The credentials that the text-message providers accept.
#[derive(Clone, Debug)]
pub struct Sms {
    /// Africa's Talking `username`.
    pub username: String,
    /// Africa's Talking `apiKey`.
    pub api_key: String,
    /// Twilio's account SID.
    pub account_sid: String,
    /// Twilio's auth token.
    pub auth_token: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            token: "development-whatsapp-token".to_owned(),
            phone_number_id: "200000000000002".to_owned(),
            waba_id: "100000000000001".to_owned(),
            business: Business { country_code: "250".to_owned(), digits: "250700000000".to_owned() },
            app_secret: "development-app-secret".to_owned(),
            verify_token: "development-verify-token".to_owned(),
            webhook: None,
            automatic: false,
            style: StatusStyle::Plain,
            retry: Retry { attempts: 6, first: Duration::from_millis(100) },
            templates: template::defaults(),
            sms: Sms::default(),
        }
    }
}

impl Default for Sms {
    fn default() -> Self {
        Self {
            username: "sandbox".to_owned(),
            api_key: "development-africastalking-key".to_owned(),
            account_sid: "AC00000000000000000000000000000001".to_owned(),
            auth_token: "development-twilio-token".to_owned(),
        }
    }
}
