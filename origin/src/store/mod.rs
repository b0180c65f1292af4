//! What the origin remembers: limits, used codes, deliveries, operator state. One trait, one contract (`contract`), every implementation.
//! Not the policy: quotas and verdicts are the domain's.
//!
//! **Invariant:** [`Store::request`] and [`Store::verify`] are one atomic step each, and on Redis one round trip.

use async_trait::async_trait;

use crate::domain::{
    judgement::{
        ChallengeKey, DeliveryRecord, Hold, MessageKey, Receipt, RequestCall, RequestVerdict, Settlement, VerifyCall, VerifyVerdict,
    },
    operator::Change,
};
use otp_shared::limits::Limit;

#[cfg(test)]
mod contract;
pub mod fallback;
pub mod memory;
pub mod redis;

/// Why the store did not answer. Whether the call took effect is not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Not reached, or no answer in time.
    #[error("the store is not available: {0}")]
    Unavailable(String),
    /// It answered what no version of ours writes.
    #[error("the store's answer is not understood: {0}")]
    Corrupt(String),
}

/// How the store does, in the words of `/otp/status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub enum StoreState {
    /// Redis answers.
    #[serde(rename = "connected")]
    Connected,
    /// Redis does not; memory stands in.
    #[serde(rename = "memory fallback")]
    MemoryFallback,
    /// No Redis is configured.
    #[serde(rename = "memory (embedded)")]
    MemoryEmbedded,
}

/// The operator state as a store holds it: every subject's newest change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OperatorCopy {
    /// Grows with every change.
    pub version: u64,
    /// Whether the copy has its epoch mark: without it, the store is empty or new and must be filled before anything is published from it.
    pub filled: bool,
    /// In no order.
    pub changes: Vec<Change>,
}

/// The right to publish a snapshot, for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// Greater than that of every lease before: the snapshot's version.
    pub version: u64,
}

/// What the origin remembers.
#[async_trait]
pub trait Store: Send + Sync {
    /// Judges a request for a message: replay, operator version, idempotency, resend, limits; charges all of them or none.
    async fn request(&self, call: &RequestCall) -> Result<RequestVerdict, StoreError>;

    /// Notes what became of a send: its delivery record, the repeat's answer, limits to give back.
    async fn settle(&self, settlement: &Settlement) -> Result<(), StoreError>;

    /// Judges a guess, counts it, and marks the challenge used when it is right. A right guess also gives the request's share back to
    /// the address that *requested*, and makes the number known for 90 days.
    async fn verify(&self, call: &VerifyCall) -> Result<VerifyVerdict, StoreError>;

    /// Charges `limit` under `key`; the error is the milliseconds until it would pass.
    async fn charge(&self, limit: Limit, key: &str) -> Result<Result<(), u64>, StoreError>;

    /// Where the challenge's newest message is.
    async fn delivery(&self, challenge: ChallengeKey) -> Result<Option<DeliveryRecord>, StoreError>;

    /// Moves the delivery of the message that the receipt is about forwards; a step back changes nothing. A failure gives the message's share of
    /// the number's limits back, once. `false`: neither the message nor its challenge is known.
    async fn receipt(&self, receipt: &Receipt) -> Result<bool, StoreError>;

    /// Whoever got the message did not ask for it: charges the address that did with `sends` more sends, once, and never beyond the limit's
    /// window. `false`: nothing is known of the message, or it was disowned before. Known for 24 h.
    async fn disown(&self, message: MessageKey, sends: u32) -> Result<bool, StoreError>;

    /// Whether `id` is seen for the first time; it is remembered for `ttl_ms`. By this, a message that is delivered twice counts once.
    async fn first_time(&self, id: &str, ttl_ms: u64) -> Result<bool, StoreError>;

    /// Remembers a fan's sign-out until the cookie would have ended (Unix milliseconds).
    async fn revoke(&self, session: &str, until_ms: u64) -> Result<(), StoreError>;

    /// Whether the session was signed out.
    async fn revoked(&self, session: &str) -> Result<bool, StoreError>;

    /// The whole operator state.
    async fn operator(&self) -> Result<OperatorCopy, StoreError>;

    /// The version of the operator state: when it is the one a replica knows, there is nothing to read.
    async fn operator_version(&self) -> Result<u64, StoreError>;

    /// Merges changes, newest per subject winning, sets the epoch mark, and returns the new version. Changes that are new go to the audit.
    async fn merge_operator(&self, changes: &[Change]) -> Result<u64, StoreError>;

    /// The newest audit records first, as they were made.
    async fn audit(&self, limit: usize) -> Result<Vec<Change>, StoreError>;

    /// Takes or renews the publisher's lease for `replica`; `None` while another replica has it.
    async fn lease(&self, replica: &str, ttl_ms: u64) -> Result<Option<Lease>, StoreError>;

    /// The holds in force.
    async fn holds(&self) -> Result<Vec<Hold>, StoreError>;

    /// Lifts a hold and forgets the refusals behind it; `false`: there was none.
    async fn lift_hold(&self, subject: &str) -> Result<bool, StoreError>;

    /// How the store does, without asking it.
    fn state(&self) -> StoreState;

    /// Milliseconds by which the store's clock is ahead of ours (negative: behind), when last seen.
    fn skew_ms(&self) -> i64;
}
