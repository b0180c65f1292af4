//! How the service does, for everybody: no secrets, no numbers.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use otp_shared::limits::{Limit, Quota};
use serde::Serialize;

use super::App;
use crate::{channels::whatsapp, domain::consent, store::StoreState};

/// `GET /otp/status`
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// The store's state.
    pub redis: StoreState,
    /// The limits.
    pub rate_limits: RateLimits,
    /// Whether codes may be sent.
    pub template: whatsapp::TemplateReport,
    /// Whether codes can be sent.
    pub whatsapp: whatsapp::SendingReport,
    /// What of the operator state is published to the edge.
    pub snapshot: SnapshotStatus,
}

/// The limits in force and how often each refused since the start.
#[derive(Serialize)]
pub struct RateLimits {
    /// By the limit's name.
    pub limits: BTreeMap<&'static str, Quota>,
    /// How often each refused since the start.
    pub refused: BTreeMap<String, u64>,
}

/// What of the operator state is published to the edge.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SnapshotStatus {
    /// Whether an edge is configured; without one, changes reach only the origin.
    pub edge: bool,
    /// The version that this replica published last, if it was this replica's turn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// When, as Unix second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub published_at_s: Option<u64>,
    /// Why the last attempt failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Whether another replica publishes at present.
    #[serde(skip)]
    pub elsewhere: bool,
    /// The ids of the changes that are in the version that this replica published last, each with the Unix second at which it was published first.
    #[serde(skip)]
    pub changes: Arc<HashMap<String, u64>>,
}

impl App {
    /// How the service does.
    pub fn status(&self) -> Status {
        let refused = self.telemetry.counters.origin().remove("limited").unwrap_or_default();
        let limits = Limit::ALL.iter().map(|limit| (limit.name(), self.settings.quotas.of(*limit))).collect();
        Status {
            redis: self.store.state(),
            rate_limits: RateLimits { limits, refused },
            template: self.template_status(),
            whatsapp: self.sender.whatsapp.sending(),
            snapshot: self.snapshot_status(),
        }
    }

    /// How the store does, without asking it.
    pub fn store_state(&self) -> StoreState {
        self.store.state()
    }

    /// Milliseconds by which the store's clock is ahead of ours (negative: behind), when last seen.
    pub fn clock_skew_ms(&self) -> i64 {
        self.store.skew_ms()
    }

    /// How many entries of the operator state are in force, by kind.
    pub fn entries_in_force(&self) -> BTreeMap<String, u64> {
        let now_ms = self.clock.now_ms();
        let mut kinds = BTreeMap::new();
        for change in self.operators.changes().iter().filter(|change| change.in_force(now_ms)) {
            *kinds.entry(change.target.kind().to_owned()).or_default() += 1;
        }
        kinds
    }

    /// Whether codes may be sent, and what an operator should look at.
    fn template_status(&self) -> whatsapp::TemplateReport {
        let mut status = self.sender.whatsapp.status();
        status.warnings.extend(self.consent_mismatches());
        status
    }

    /// Where the languages of consent and of the template differ, in words.
    pub fn consent_mismatches(&self) -> Vec<String> {
        let languages: Vec<_> = self.sender.whatsapp.status().languages.into_iter().map(|language| language.code).collect();
        consent::mismatches(&languages)
    }

    /// What of the operator state is published to the edge.
    pub fn snapshot_status(&self) -> SnapshotStatus {
        self.publication.published.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }
}
