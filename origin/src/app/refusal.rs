//! Why a use case says no. Not how it is told: the mapping to problem codes is `http::problem`'s.
//!
//! **Invariant:** `Display` holds no number, code or token, so it may be logged and counted.

use otp_shared::limits::Limit;

use crate::{domain::judgement::Hold, store::StoreError};

/// Why a use case says no.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// A field is not of its form; says which, and what it should be.
    #[error("{0}")]
    InvalidField(&'static str),
    /// Not a phone number, or not in its canonical spelling.
    #[error("not a phone number in its canonical international form")]
    InvalidPhone,
    /// Its country is not served.
    #[error("country not served")]
    UnsupportedCountry,
    /// An operator blocked the number or the address.
    #[error("blacklisted by {0}")]
    Blacklisted(&'static str),
    /// The consent text has changed.
    #[error("another consent version was shown")]
    ConsentStale,
    /// Expired, used, forged, or never was.
    #[error("no such challenge")]
    ChallengeUnknown,
    /// All guesses are used.
    #[error("challenge locked")]
    ChallengeLocked {
        /// Milliseconds until it ends.
        retry_after_ms: u64,
    },
    /// Wrong code.
    #[error("code incorrect")]
    CodeIncorrect {
        /// Guesses left.
        attempts_left: u32,
    },
    /// A limit is reached.
    #[error("limit {}", limit.name())]
    Limited {
        /// Which.
        limit: Limit,
        /// Milliseconds until the same request would pass.
        retry_after_ms: u64,
        /// To be told to the edge.
        hold: Option<Hold>,
    },
    /// The same idempotency key is being answered.
    #[error("in progress")]
    InProgress,
    /// The idempotency key came with another body.
    #[error("idempotency mismatch")]
    IdempotencyMismatch,
    /// The edge's signature was used before.
    #[error("replayed")]
    Replayed,
    /// The number cannot be reached.
    #[error("undeliverable")]
    Undeliverable,
    /// No approved template.
    #[error("template not approved")]
    TemplateNotApproved,
    /// The message could not be sent.
    #[error("delivery unavailable")]
    DeliveryUnavailable {
        /// Seconds.
        retry_after_s: u64,
    },
    /// Neither verified nor authorised by an operator.
    #[error("session not authorised")]
    SessionNotAuthorised,
    /// No valid cookie, token or signature.
    #[error("unauthorized")]
    Unauthorized,
    /// What should be removed is not there.
    #[error("not found")]
    NotFound,
    /// The store did not answer, and nothing stands in for it.
    #[error("store: {0}")]
    Store(#[from] StoreError),
    /// No durable copy took the operator's change; nothing changed.
    #[error("no durable copy took the change")]
    NotDurable,
}
