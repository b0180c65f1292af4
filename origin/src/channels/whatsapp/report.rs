//! What `/otp/status` and the dashboard show of WhatsApp. The names are the API's.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    shaper::Shaper,
    template_status::{Source, TemplateStatus},
};
use crate::channels::breaker::Breaker;

/// The `template` of `/otp/status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TemplateReport {
    /// Whether codes can be sent in some language; `null` until Meta or the operator has said so.
    pub approved: Option<bool>,
    /// The best language's status.
    pub status: TemplateStatus,
    /// The template's name.
    pub name: String,
    /// Every configured language, in order of preference.
    pub languages: Vec<LanguageReport>,
    /// `OTP_WHATSAPP_RATE_LIMIT_DOC`.
    pub rate_limit_doc: Option<String>,
    /// Who said so.
    pub source: Option<Source>,
    /// Since when, in Unix seconds.
    pub since: Option<u64>,
    /// Meta's reason, or the operator's flag.
    pub reason: Option<String>,
    /// What an operator should look at, in words.
    pub warnings: Vec<String>,
}

/// One language of [`TemplateReport`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LanguageReport {
    /// Meta's code, such as `rw_RW`.
    pub code: String,
    /// Whether codes can be sent in it; `null`: not known.
    pub approved: Option<bool>,
    /// Its status with Meta.
    pub status: TemplateStatus,
    /// Who said so.
    pub source: Option<Source>,
    /// Since when, in Unix seconds.
    pub since: Option<u64>,
    /// Meta's reason.
    pub reason: Option<String>,
    /// Meta's category; anything but `AUTHENTICATION` is wrong.
    pub category: Option<String>,
    /// Seconds that Meta tries to deliver a message.
    pub ttl_s: Option<u64>,
    /// `GREEN`, `YELLOW`, `RED` or `UNKNOWN`.
    pub quality: Option<String>,
}

/// The `whatsapp` of `/otp/status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SendingReport {
    /// `sending`, `outage`, `maintenance` or `halted`.
    pub state: &'static str,
    /// Since when it is not `sending`, in Unix seconds.
    pub since: Option<u64>,
    /// Seconds until the next attempt.
    pub retry_after_s: Option<u64>,
    /// What an operator does about it.
    pub advice: Option<&'static str>,
    /// Messages a second at present.
    pub sends_per_s: u32,
    /// Messages that Meta took since the start.
    pub accepted: u64,
    /// Messages whose response was lost since the start.
    pub unconfirmed: u64,
    /// Refusals since the start, by Meta's code.
    pub errors: BTreeMap<u32, u64>,
}

/// What became of the messages since the start.
#[derive(Debug, Default)]
pub struct SendCounts {
    /// Meta took them.
    pub accepted: u64,
    /// Their response was lost.
    pub unconfirmed: u64,
    /// Meta refused them, by its code.
    pub errors: BTreeMap<u32, u64>,
}

impl SendingReport {
    pub(super) fn new(breaker: &Breaker, shaper: &Shaper, counts: &SendCounts, now_ms: u64) -> Self {
        let open = breaker.open();
        Self {
            state: open.map_or("sending", |open| open.cause.name()),
            since: open.map(|open| open.since_ms / 1_000),
            retry_after_s: open.map(|open| open.until_ms.saturating_sub(now_ms).div_ceil(1_000).max(1)),
            advice: open.and_then(|open| open.cause.advice()),
            sends_per_s: shaper.rate_per_s(),
            accepted: counts.accepted,
            unconfirmed: counts.unconfirmed,
            errors: counts.errors.clone(),
        }
    }
}
