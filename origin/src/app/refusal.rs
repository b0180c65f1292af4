//! Why a use case says no. Not the words of the answer: those are `http::problem_response`'s.
//!
//! **Invariant:** `Display` holds no number, code or token, so it may be logged and counted.

use otp_shared::{limits::Limit, problem::ProblemCode, subject::SubjectError};

use super::operators::import::Mistake;
use crate::{domain::evaluation::Hold, store::StoreError};

/// Why a use case says no.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// A field is not of its form; says which, and what it should be.
    #[error("{0}")]
    InvalidField(&'static str),
    /// A blacklist entry's type and value name nobody.
    #[error(transparent)]
    InvalidSubject(#[from] SubjectError),
    /// Lines of an import that cannot be taken, so that none was.
    #[error("{} lines of an import cannot be taken", .0.len())]
    Import(Vec<Mistake>),
    /// An import has more entries than are taken at once.
    #[error("too many entries")]
    TooManyEntries,
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
    /// The token is no operator's.
    #[error("wrong admin token")]
    WrongAdminToken,
    /// What is asked for, or should be changed, is not there.
    #[error("not found")]
    NotFound,
    /// A blacklist entry would refuse very many people and nobody insisted; says what it covers.
    #[error("too wide: {0}")]
    TooWide(&'static str),
    /// The entry was written to KV by hand, and only by hand can it be removed.
    #[error("written by hand")]
    ManualKvEntry,
    /// The edge does not list what was written to KV by hand; says why.
    #[error("the edge does not list manual KV entries: {0}")]
    ManualKvUnknown(String),
    /// The store did not answer, and nothing stands in for it.
    #[error("store: {0}")]
    Store(#[from] StoreError),
    /// No durable copy took the operator's change; nothing changed.
    #[error("no durable copy took the change")]
    NotDurable,
}

impl Refused {
    /// The stable code by which it is told, counted and recorded.
    pub fn code(&self) -> ProblemCode {
        match self {
            Self::InvalidField(_) | Self::InvalidSubject(_) | Self::Import(_) => ProblemCode::InvalidBody,
            Self::TooManyEntries => ProblemCode::TooLarge,
            Self::InvalidPhone => ProblemCode::InvalidPhone,
            Self::UnsupportedCountry => ProblemCode::UnsupportedCountry,
            Self::Blacklisted(_) => ProblemCode::Blacklisted,
            Self::ConsentStale => ProblemCode::ConsentStale,
            Self::ChallengeUnknown => ProblemCode::ChallengeUnknown,
            Self::ChallengeLocked { .. } => ProblemCode::ChallengeLocked,
            Self::CodeIncorrect { .. } => ProblemCode::CodeIncorrect,
            Self::Limited { .. } => ProblemCode::RateLimited,
            Self::InProgress => ProblemCode::InProgress,
            Self::IdempotencyMismatch => ProblemCode::IdempotencyMismatch,
            Self::Replayed | Self::Unauthorized | Self::WrongAdminToken => ProblemCode::Unauthorized,
            Self::Undeliverable => ProblemCode::Undeliverable,
            Self::TemplateNotApproved => ProblemCode::TemplateNotApproved,
            Self::DeliveryUnavailable { .. } => ProblemCode::DeliveryUnavailable,
            Self::SessionNotAuthorised => ProblemCode::SessionNotAuthorised,
            Self::NotFound => ProblemCode::NotFound,
            Self::TooWide(_) | Self::ManualKvEntry => ProblemCode::Conflict,
            Self::Store(_) | Self::NotDurable | Self::ManualKvUnknown(_) => ProblemCode::OriginUnavailable,
        }
    }

    /// Seconds until the same would pass, where that is known.
    pub fn retry_after_s(&self) -> Option<u64> {
        match self {
            Self::Limited { retry_after_ms, .. } | Self::ChallengeLocked { retry_after_ms } => Some(retry_after_ms.div_ceil(1000)),
            Self::DeliveryUnavailable { retry_after_s } => Some(*retry_after_s),
            Self::Store(_) => Some(2),
            _ => None,
        }
    }
}
