//! What a stand-in is started with. The defaults are development values: anyone may know them, so they open nothing else.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use crate::error::StatusStyle;
use crate::template::{self, Template};

/// Identity, credentials and first state of a stand-in.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The bearer token that every Graph call must carry.
    pub token: String,
    /// The business number's id, as in the path of a send.
    pub phone_number_id: String,
    /// The WhatsApp Business Account's id, as in the path of the template lookup.
    pub waba_id: String,
    /// The business's own number, which a recipient without a plus inherits its country code from.
    pub business: Business,
    /// Key of `X-Hub-Signature-256`.
    pub app_secret: String,
    /// What the handshake sends as `hub.verify_token`.
    pub verify_token: String,
    /// Where webhooks go; the handshake precedes the first. None: nowhere, until one is set.
    pub webhook: Option<String>,
    /// Whether `sent` and `delivered` follow every accepted send by themselves.
    pub automatic: bool,
    /// Which of the two tables gives an error its HTTP status.
    pub style: StatusStyle,
    /// How often, and how patiently, a webhook is repeated.
    pub retry: Retry,
    /// The templates at the start.
    pub templates: Vec<Template>,
    /// Credentials of the two SMS stand-ins.
    pub sms: Sms,
}

/// The business's own number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Business {
    /// Its country calling code, digits only.
    pub country_code: String,
    /// The whole number, digits only.
    pub digits: String,
}

/// Bounded exponential backoff. Meta goes on for days; nobody waits that long for a test.
#[derive(Clone, Copy, Debug)]
pub struct Retry {
    /// Posts in all, the first one included.
    pub attempts: u32,
    /// The pause after the first failure; it doubles up to ten seconds.
    pub first: Duration,
}

/// What the SMS stand-ins take as credentials.
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
