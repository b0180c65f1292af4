//! The fallback channel's variables. Off unless `SMS_PROVIDER` is set; then its access data are required.

use super::{Reader, non_empty, share};
use crate::channels::sms::{AfricasTalking, Budget, Provider, Twilio};

/// Who carries texts, and how many.
#[derive(Debug, Clone)]
pub struct SmsSettings {
    /// `SMS_PROVIDER` with its `SMS_BASE_URL`, `SMS_ACCOUNT`, `SMS_KEY` and `SMS_SENDER`.
    pub provider: Provider,
    /// This replica's share of `SMS_HOUR` and `SMS_DAY`, the most texts of all replicas; unset: 100 and 1,000.
    pub budget: Budget,
}

#[derive(Clone, Copy)]
enum Name {
    AfricasTalking,
    Twilio,
}

/// Reads the variables; `None`: no fallback channel.
pub fn read(r: &mut Reader, replicas: u32) -> Option<SmsSettings> {
    let name = r.optional("SMS_PROVIDER", "africastalking or twilio", |text| match text {
        "africastalking" => Some(Name::AfricasTalking),
        "twilio" => Some(Name::Twilio),
        _ => None,
    });
    let base_url = r.optional("SMS_BASE_URL", "a URL", non_empty);
    let an_hour = r.parse_or("SMS_HOUR", "a number of texts", 100u32);
    let a_day = r.parse_or("SMS_DAY", "a number of texts", 1000u32);
    let account = r.needed_if(name.is_some(), "SMS_ACCOUNT", "the user name at Africa's Talking, or Twilio's account SID");
    let key = r.needed_if_hidden(name.is_some(), "SMS_KEY", "the API key of Africa's Talking, or Twilio's auth token");
    let sender = r.needed_if(name.is_some(), "SMS_SENDER", "the registered sender's name or number");
    let provider = match name? {
        Name::AfricasTalking => Provider::AfricasTalking(AfricasTalking {
            base_url: base_url.unwrap_or_else(|| "https://api.africastalking.com".to_owned()),
            username: account?,
            api_key: key?,
            sender: sender?,
        }),
        Name::Twilio => Provider::Twilio(Twilio {
            base_url: base_url.unwrap_or_else(|| "https://api.twilio.com".to_owned()),
            account_sid: account?,
            auth_token: key?,
            from: sender?,
        }),
    };
    Some(SmsSettings { provider, budget: Budget::new(share(an_hour, replicas), share(a_day, replicas)) })
}

impl Reader {
    fn needed_if(&mut self, needed: bool, name: &str, form: &str) -> Option<String> {
        if needed { self.required(name, form, non_empty) } else { self.optional(name, form, non_empty) }
    }

    fn needed_if_hidden(&mut self, needed: bool, name: &str, form: &str) -> Option<String> {
        if needed { self.required_hidden(name, form, non_empty) } else { self.optional_hidden(name, form, non_empty) }
    }
}
