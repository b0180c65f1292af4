//! The configuration: environment variables, read once at start, into types. Not defaults of other modules: each variable's doc says what unset means.
//!
//! **Invariant:** a start with a bad variable stops with one message that names all of them; secrets are never echoed.

use std::{collections::BTreeMap, fmt::Display, net::SocketAddr, str::FromStr, time::Duration};

use otp_shared::{
    limits::{Limit, Quota},
    secret::Secret,
};

use crate::{
    channels::whatsapp::WhatsAppConfig,
    domain::{evaluation::Quotas, numbering::Countries},
    http::admin_auth::AdminTokens,
    store::redis::RedisConfig,
};

mod reader;
mod sms;
pub use reader::{ConfigError, Reader};
pub use sms::SmsSettings;

/// Everything the origin is told at start.
pub struct Config {
    /// `ORIGIN_LISTEN`; unset: `127.0.0.1:8080`.
    pub listen: SocketAddr,
    /// `REDIS_URL`, `REDIS_MODE`, `REDIS_SENTINEL_NAME`; unset: the embedded memory store.
    pub redis: Option<RedisConfig>,
    /// `OTP_SECRET`; required.
    pub secret: Secret,
    /// `OTP_SECRET_PREVIOUS`; unset: only the current secret is valid.
    pub secret_previous: Option<Secret>,
    /// `EDGE_SHARED_SECRET`; required.
    pub edge_secret: Secret,
    /// `EDGE_SHARED_SECRET_PREVIOUS`; unset: only the current secret is valid.
    pub edge_secret_previous: Option<Secret>,
    /// `EDGE_URL`; unset: operator changes reach only the origin.
    pub edge_url: Option<String>,
    /// `ADMIN_TOKENS` or `ADMIN_TOKEN`; unset: the admin API is disabled.
    pub admin_tokens: AdminTokens,
    /// `SESSION_TTL_S`; unset: 30 days.
    pub session_ttl: Duration,
    /// `WHATSAPP_…`; the access data are required.
    pub whatsapp: WhatsAppConfig,
    /// `SMS_…`; unset: no fallback channel.
    pub sms: Option<SmsSettings>,
    /// `OTP_COUNTRIES`; required.
    pub countries: Countries,
    /// `OTP_TTL_S`, 30 to 900; unset: 300.
    pub challenge_ttl: Duration,
    /// `OTP_LIMIT_…`; unset: each limit's default.
    pub quotas: Quotas,
    /// `OTP_REPLICAS`, how many replicas share what each counts by itself: messages a second, texts, and every limit while Redis is away; unset: 1.
    pub replicas: u32,
    /// `OTP_REPLICA`, this replica's name; unset: `HOSTNAME`, or else a random one.
    pub replica: String,
    /// `OTP_HOLD_THRESHOLD`, refusals after which a subject is held; unset: 5.
    pub hold_threshold: u32,
    /// `SNAPSHOT_INTERVAL_MS`; unset: 10,000, as often as KV takes it comfortably.
    pub publish_interval: Duration,
    /// `OTP_MEMORY_RECORDS`, the most records kept in memory; unset: 400,000.
    pub memory_records: usize,
}

/// Every variable this reads, for the documents' completeness test.
pub fn variables() -> Vec<String> {
    let mut reader = Reader::new(BTreeMap::new());
    _ = read(&mut reader);
    reader.asked()
}

impl Config {
    /// Reads and checks all variables; the error names every bad one.
    pub fn from_variables(variables: BTreeMap<String, String>) -> Result<Self, ConfigError> {
        let mut reader = Reader::new(variables);
        let config = read(&mut reader);
        reader.finish(config)
    }
}

/// Reads every variable, whatever the first bad one is; `None` when a required one is missing or bad.
fn read(r: &mut Reader) -> Option<Config> {
    let listen = r.parse_or("ORIGIN_LISTEN", "an address and port such as 127.0.0.1:8080", SocketAddr::from(([127, 0, 0, 1], 8080)));
    let redis = read_redis(r);
    let secret = r.secret("OTP_SECRET");
    let secret_previous = r.optional_secret("OTP_SECRET_PREVIOUS");
    let edge_secret = r.secret("EDGE_SHARED_SECRET");
    let edge_secret_previous = r.optional_secret("EDGE_SHARED_SECRET_PREVIOUS");
    let edge_url = r.optional("EDGE_URL", "a URL such as https://otp.example.rw", |text| text.starts_with("http").then(|| text.to_owned()));
    let admin_tokens = read_admin_tokens(r);
    let session_ttl = r.seconds("SESSION_TTL_S", 60..=366 * 86_400, 30 * 86_400);
    let challenge_ttl = r.seconds("OTP_TTL_S", 30..=900, 300);
    let replicas = r.parse_or("OTP_REPLICAS", "a number from 1", 1u32).max(1);
    let whatsapp = read_whatsapp(r, challenge_ttl, replicas);
    let sms = sms::read(r, replicas);
    let countries = r.required("OTP_COUNTRIES", "country codes such as RW,KE, or all", Countries::parse);
    let quotas = read_quotas(r);
    let replica = read_replica(r);
    let hold_threshold = r.parse_or("OTP_HOLD_THRESHOLD", "a number from 1", 5u32).max(1);
    let publish_interval = Duration::from_millis(r.parse_or("SNAPSHOT_INTERVAL_MS", "milliseconds", 10_000u64).max(10));
    let memory_records = r.parse_or("OTP_MEMORY_RECORDS", "a number from 1000", 400_000usize).max(1000);
    Some(Config {
        listen,
        redis,
        secret: secret?,
        secret_previous,
        edge_secret: edge_secret?,
        edge_secret_previous,
        edge_url,
        admin_tokens,
        session_ttl,
        whatsapp: whatsapp?,
        sms,
        countries: countries?,
        challenge_ttl,
        quotas,
        replicas,
        replica,
        hold_threshold,
        publish_interval,
        memory_records,
    })
}

fn read_redis(r: &mut Reader) -> Option<RedisConfig> {
    let is_url = |text: &str| text.split(',').all(|url| url.starts_with("redis://") || url.starts_with("rediss://"));
    let url = r.optional_hidden("REDIS_URL", "a URL that begins with redis:// or rediss://", |text| is_url(text).then(|| text.to_owned()));
    let mode = r.optional("REDIS_MODE", "standalone, sentinel or cluster", |text| text.parse().ok());
    let sentinel_name = r.text_or("REDIS_SENTINEL_NAME", "mymaster");
    Some(RedisConfig { url: url?, mode: mode.unwrap_or_default(), sentinel_name })
}

fn read_admin_tokens(r: &mut Reader) -> AdminTokens {
    let form = "name=token,name=token with tokens of at least 24 characters";
    let many = r.optional_hidden("ADMIN_TOKENS", form, AdminTokens::parse);
    let one = r.optional_hidden("ADMIN_TOKEN", "a token of at least 24 characters", |text| AdminTokens::parse(&format!("admin={text}")));
    many.or(one).unwrap_or_default()
}

fn read_whatsapp(r: &mut Reader, challenge_ttl: Duration, replicas: u32) -> Option<WhatsAppConfig> {
    let base_url = r.text_or("WHATSAPP_BASE_URL", "https://graph.facebook.com");
    let api_version = r.text_or("WHATSAPP_API_VERSION", "v26.0");
    let phone_number_id = r.required("WHATSAPP_PHONE_NUMBER_ID", "the number's id at Meta", non_empty);
    let token = r.required_hidden("WHATSAPP_TOKEN", "the system user's token", non_empty);
    let waba_id = r.required("WHATSAPP_WABA_ID", "the WhatsApp Business Account's id", non_empty);
    let app_secret = r.required_hidden("WHATSAPP_APP_SECRET", "the app's secret, which signs webhooks", non_empty);
    let verify_token = r.required_hidden("WHATSAPP_VERIFY_TOKEN", "the token of the webhook's handshake", non_empty);
    let template = r.required("WHATSAPP_TEMPLATE", "the template's name", non_empty);
    let languages = r.text_or("WHATSAPP_LANGUAGES", "rw_RW,en_US");
    let approved = r.optional("OTP_WHATSAPP_TEMPLATE_APPROVED", "0 or 1", |text| match text {
        "1" => Some(true),
        "0" => Some(false),
        _ => None,
    });
    let rate_limit_doc = r.optional("OTP_WHATSAPP_RATE_LIMIT_DOC", "a link", non_empty);
    let sends_per_s = r.parse_or("WHATSAPP_SENDS_PER_S", "messages a second, from 1", 80u32).max(1);
    Some(WhatsAppConfig {
        base_url,
        api_version,
        phone_number_id: phone_number_id?,
        token: token?,
        waba_id: waba_id?,
        app_secret: app_secret?,
        verify_token: verify_token?,
        template: template?,
        languages: languages.split(',').map(|language| language.trim().to_owned()).filter(|language| !language.is_empty()).collect(),
        approved,
        rate_limit_doc,
        sends_per_s: share(sends_per_s, replicas),
        code_life_s: challenge_ttl.as_secs(),
    })
}

fn read_quotas(r: &mut Reader) -> Quotas {
    Limit::ALL.into_iter().fold(Quotas::default(), |quotas, limit| {
        match r.optional(&limit.variable(), "COUNT/WINDOW with the units s, m, h, d, as in 5/1h", |text| Quota::parse(text).ok()) {
            Some(quota) => quotas.with(limit, quota),
            None => quotas,
        }
    })
}

fn read_replica(r: &mut Reader) -> String {
    let is_name = |text: &str| {
        let fits =
            (1..=63).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
        fits.then(|| text.to_owned())
    };
    let named = r.optional("OTP_REPLICA", "1 to 63 of A-Z, a-z, 0-9, -, _ and .", is_name);
    let host = r.optional("HOSTNAME", "any text", |text| Some(is_name(text))).flatten();
    named.or(host).unwrap_or_else(|| format!("replica-{}", otp_shared::signature::hex(&crate::clock::random::<4>())))
}

/// One replica's part of what all have together: none of nothing, and at least one of something.
fn share(of_all: u32, replicas: u32) -> u32 {
    if of_all == 0 { 0 } else { (of_all / replicas).max(1) }
}

fn non_empty(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

impl Reader {
    fn secret(&mut self, name: &str) -> Option<Secret> {
        self.required_hidden(name, "a secret of at least 32 bytes", |text| Secret::parse(text).ok())
    }

    fn optional_secret(&mut self, name: &str) -> Option<Secret> {
        self.optional_hidden(name, "a secret of at least 32 bytes", |text| Secret::parse(text).ok())
    }

    fn parse_or<T: FromStr + Display>(&mut self, name: &str, form: &str, default: T) -> T {
        self.optional(name, form, |text| text.parse().ok()).unwrap_or(default)
    }

    fn seconds(&mut self, name: &str, range: std::ops::RangeInclusive<u64>, default: u64) -> Duration {
        let form = format!("seconds from {} to {}", range.start(), range.end());
        let seconds = self.optional(name, &form, |text| text.parse().ok().filter(|seconds| range.contains(seconds)));
        Duration::from_secs(seconds.unwrap_or(default))
    }

    fn text_or(&mut self, name: &str, default: &str) -> String {
        self.optional(name, "any text", non_empty).unwrap_or_else(|| default.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(crate) fn complete() -> BTreeMap<String, String> {
        let set = [
            ("OTP_SECRET", "0123456789abcdef0123456789abcdef"),
            ("EDGE_SHARED_SECRET", "fedcba9876543210fedcba9876543210"),
            ("WHATSAPP_PHONE_NUMBER_ID", "2000"),
            ("WHATSAPP_TOKEN", "token"),
            ("WHATSAPP_WABA_ID", "1000"),
            ("WHATSAPP_APP_SECRET", "app-secret"),
            ("WHATSAPP_VERIFY_TOKEN", "verify"),
            ("WHATSAPP_TEMPLATE", "otp_login"),
            ("OTP_COUNTRIES", "RW,KE"),
        ];
        set.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
    }

    fn with(name: &str, value: &str) -> Result<Config, ConfigError> {
        let mut variables = complete();
        variables.insert(name.to_owned(), value.to_owned());
        Config::from_variables(variables)
    }

    #[test]
    fn what_is_unset_has_its_default() {
        let config = Config::from_variables(complete()).unwrap();
        assert_eq!(config.listen.to_string(), "127.0.0.1:8080");
        assert_eq!(config.challenge_ttl, Duration::from_mins(5));
        assert_eq!(config.quotas, Quotas::default());
        assert!(config.redis.is_none());
    }

    #[test]
    fn all_that_is_missing_is_named_at_once() {
        let message = Config::from_variables(BTreeMap::new()).err().unwrap().to_string();
        for name in complete().keys() {
            assert!(message.contains(name.as_str()), "{name} in {message}");
        }
    }

    #[test]
    fn a_bad_value_is_shown_with_what_it_should_be() {
        for (name, value) in [
            ("OTP_TTL_S", "29"),
            ("OTP_TTL_S", "901"),
            ("ORIGIN_LISTEN", "8080"),
            ("OTP_LIMIT_REQUEST_PHONE_HOUR", "5"),
            ("REDIS_MODE", "clustered"),
            ("OTP_WHATSAPP_TEMPLATE_APPROVED", "yes"),
            ("OTP_COUNTRIES", "Rwanda"),
            ("OTP_REPLICAS", "two"),
        ] {
            let message = with(name, value).err().expect(name).to_string();
            assert!(message.contains(name) && message.contains(value), "{message}");
        }
    }

    #[test]
    fn a_secret_is_never_echoed() {
        for (name, value) in
            [("OTP_SECRET", "hunter2"), ("ADMIN_TOKEN", "hunter2"), ("REDIS_URL", "hunter2"), ("ADMIN_TOKENS", "a=hunter2")]
        {
            let message = with(name, value).err().expect(name).to_string();
            assert!(message.contains(name) && !message.contains("hunter2"), "{message}");
        }
    }

    #[test]
    fn each_replica_sends_its_share() {
        let mut variables = complete();
        for (name, value) in [
            ("OTP_REPLICAS", "3"),
            ("SMS_PROVIDER", "twilio"),
            ("SMS_ACCOUNT", "a"),
            ("SMS_KEY", "k"),
            ("SMS_SENDER", "s"),
            ("SMS_HOUR", "2"),
        ] {
            variables.insert(name.to_owned(), value.to_owned());
        }
        let config = Config::from_variables(variables).unwrap();
        assert_eq!(config.whatsapp.sends_per_s, 26, "a third of 80");
        let mut budget = config.sms.unwrap().budget;
        assert!(budget.take(1_790_000_000_000).is_ok() && budget.take(1_790_000_000_000).is_err(), "at least one of two");
        assert_eq!((share(0, 3), share(1_000_000, 1)), (0, 1_000_000));
    }

    #[test]
    fn limits_are_read_by_their_variables() {
        let config = with("OTP_LIMIT_REQUEST_PHONE_HOUR", "7/2h").unwrap();
        assert_eq!(config.quotas.of(Limit::RequestPhoneHour), Quota { count: 7, window_s: 7200 });
    }
}
