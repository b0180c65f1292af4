//! What the rules are asked about fans' calls and providers' receipts, and what they answer. Not the rules: those are in `request`, `guess`, `outcome` and `receipt`.
//!
//! **Invariant:** nothing here holds a phone number or a code; numbers come as keyed hashes.

use otp_shared::limits::{Limit, Quota};

use crate::transaction::Key;

/// A keyed hash of a phone number, by which limits are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PhoneKey(pub [u8; 16]);

/// The random 128 bits of a challenge id: its record's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChallengeKey(pub [u8; 16]);

/// A keyed hash of a provider's name for a message: the name itself, a `wamid`, holds the number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MessageKey(pub [u8; 16]);

/// Where a request comes from, in the form that limits use.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ClientNetwork {
    /// The IPv4 address, or the IPv6 /64.
    pub address: String,
    /// The IPv6 /48.
    pub site: Option<String>,
}

/// What every call of a fan carries.
#[derive(Debug, Clone)]
pub struct Call {
    /// Random; a repeat of the same id gets its first verdict again and is charged once.
    pub id: [u8; 16],
    /// The edge's nonce: seen before under another id, the call is a replay.
    pub nonce: [u8; 16],
    /// The version of the operator state that the caller judged by.
    pub operator_version: u64,
    /// The fan's own idempotency key.
    pub idempotency: Option<Idempotency>,
}

/// An `Idempotency-Key`, hashed under a key, with the hash of the body it came with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Idempotency {
    /// Hash of the route, the key and the number.
    pub key: [u8; 16],
    /// Hash of the body.
    pub body: [u8; 16],
}

/// The quotas in force, one for each limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quotas([Quota; Limit::ALL.len()]);

impl Default for Quotas {
    fn default() -> Self {
        Self(Limit::ALL.map(Limit::default_quota))
    }
}

impl RequestCall {
    /// Tells apart the number's sends.
    pub fn tag(&self) -> u32 {
        let [a, b, c, d, ..] = self.call.id;
        u32::from_be_bytes([a, b, c, d])
    }
}

impl Quotas {
    /// The quota of `limit`.
    pub fn of(&self, limit: Limit) -> Quota {
        Limit::ALL.iter().zip(self.0).find(|(each, _)| **each == limit).map_or(limit.default_quota(), |(_, quota)| quota)
    }

    /// The same with another quota for `limit`.
    #[must_use]
    pub fn with(mut self, limit: Limit, quota: Quota) -> Self {
        for (each, slot) in Limit::ALL.iter().zip(&mut self.0) {
            if *each == limit {
                *slot = quota;
            }
        }
        self
    }

    /// One replica's part of every limit while replicas count apart. Guesses per challenge are not shared out: each replica allows them all.
    #[must_use]
    pub fn share(&self, replicas: u32) -> Self {
        let part = |limit: Limit| if limit == Limit::VerifyChallenge { self.of(limit) } else { self.of(limit).share(replicas) };
        Self(Limit::ALL.map(part))
    }
}

/// What the first send of a challenge took from the address that asked, to be given back when its code is used.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share {
    /// The send, among those of its number.
    pub tag: u32,
    /// The IPv4 address, or the IPv6 /64.
    pub address: String,
    /// What was charged to it, in microseconds of its cell.
    pub address_us: u64,
    /// The IPv6 /48.
    pub site: Option<String>,
    /// What was charged to it, in microseconds of its cell.
    pub site_us: u64,
}

/// Everything that one send charged besides its number's record: what a failed send gives back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Charged {
    /// Cells and the microseconds added to each.
    pub cells: Vec<(Key, u64)>,
    /// Counters that counted it.
    pub counters: Vec<Key>,
    /// When, as the store's Unix microsecond.
    pub at_us: u64,
}

/// May a message be sent?
#[derive(Debug, Clone)]
pub struct RequestCall {
    /// Replay, repeat and operator version.
    pub call: Call,
    /// The challenge, new or resent.
    pub challenge: ChallengeKey,
    /// Unix millisecond at which the challenge ends.
    pub expires_at_ms: u64,
    /// A resend: the challenge must be neither used nor locked.
    pub resend: bool,
    /// The number.
    pub phone: PhoneKey,
    /// Where the request comes from.
    pub network: ClientNetwork,
    /// The subject under which the number is held: `phone:<hash>`.
    pub phone_hold: String,
    /// The subject under which the address is held: `address:<address>`.
    pub address_hold: String,
}

/// The answer to a [`RequestCall`]. Every limit was charged, or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestVerdict {
    /// Charged; send.
    Send {
        /// Guesses left for the challenge.
        attempts_left: u32,
        /// What the send charged.
        charged: Charged,
    },
    /// Nothing was charged; do not send.
    Refused {
        /// The limit that ends last.
        limit: Limit,
        /// Milliseconds until every limit would pass.
        retry_after_ms: u64,
        /// The subject came back too often: it is held until then.
        hold: Option<Hold>,
    },
    /// A resend of a challenge that was used or has expired.
    Unknown,
    /// A resend of a challenge whose guesses are used; it ends in so many milliseconds.
    Locked {
        /// Milliseconds until the challenge ends.
        retry_after_ms: u64,
    },
    /// See [`Interruption`].
    Interrupted(Interruption),
}

/// What stops a call before any limit is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Interruption {
    /// The edge's nonce was seen before.
    Replayed,
    /// The operator state has changed since; load it, and call again with a new id.
    StaleOperatorState,
    /// The first request with this idempotency key is still being answered.
    InProgress,
    /// This idempotency key came with another body before.
    Mismatch,
    /// This idempotency key was answered before, with what [`SendReport::answer`] or [`VerifyCall::answer`] said.
    Repeat(String),
}

/// A subject that stays refused until a time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hold {
    /// `phone:<hash>` or `address:<address>`.
    pub subject: String,
    /// Unix millisecond at which it ends.
    pub until_ms: u64,
}

/// What became of a send that was allowed.
#[derive(Debug, Clone)]
pub struct SendReport {
    /// The call it belongs to.
    pub request: RequestCall,
    /// What it charged.
    pub charged: Charged,
    /// What became of it.
    pub outcome: SendOutcome,
    /// What a repeat of the idempotency key gets; `None` when the send failed, so that a repeat tries again.
    pub answer: Option<String>,
}

/// What is known of a send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SendOutcome {
    /// The provider took it, or its answer was lost.
    Left {
        /// `whatsapp` or `sms`.
        channel: otp_shared::wire::Channel,
        /// `accepted` or `unconfirmed`.
        delivery: otp_shared::wire::Delivery,
        /// The provider's name for it; `None`: its answer was lost, and the first receipt will tell.
        message: Option<MessageKey>,
        /// When, as Unix millisecond.
        at_ms: u64,
    },
    /// Known not to have left, by the number's own fault (it is not on WhatsApp): the number's limits are given back.
    Undeliverable,
    /// Known not to have left, by ours or the provider's fault: every limit is given back.
    Failed,
}

/// Is this guess accepted?
#[derive(Debug, Clone)]
pub struct VerifyCall {
    /// Replay, repeat and operator version.
    pub call: Call,
    /// The challenge.
    pub challenge: ChallengeKey,
    /// Unix millisecond at which it ends.
    pub expires_at_ms: u64,
    /// Whether the guess is right; told to nobody before the attempt is counted.
    pub correct: bool,
    /// The number: a right guess makes it known.
    pub phone: PhoneKey,
    /// Where the guess comes from.
    pub network: ClientNetwork,
    /// What a repeat of the idempotency key gets after a right guess.
    pub answer: String,
}

/// The answer to a [`VerifyCall`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VerifyVerdict {
    /// Right, in time, and the first. The challenge is used now.
    Accepted,
    /// Wrong; counted.
    Incorrect {
        /// Guesses left.
        attempts_left: u32,
    },
    /// All guesses were used before this one.
    Locked {
        /// Milliseconds until the challenge ends.
        retry_after_ms: u64,
    },
    /// Used or expired.
    Unknown,
    /// [`Limit::VerifyIp`] refuses; the guess was not counted.
    Refused {
        /// The limit.
        limit: Limit,
        /// Milliseconds until it would pass.
        retry_after_ms: u64,
    },
    /// See [`Interruption`].
    Interrupted(Interruption),
}

/// Where the newest message of a challenge is. Receipts move it forwards only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeliveryRecord {
    /// How it travels.
    pub channel: otp_shared::wire::Channel,
    /// How far it got.
    pub delivery: otp_shared::wire::Delivery,
    /// Why it failed, if it did.
    pub reason: Option<otp_shared::wire::FailureReason>,
    /// Unix millisecond at which it was sent.
    pub sent_at_ms: u64,
}

/// What a provider tells of a message later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// What we sent along with the message, if it came back.
    pub challenge: Option<ChallengeKey>,
    /// Which message.
    pub message: MessageKey,
    /// How far it got.
    pub delivery: otp_shared::wire::Delivery,
    /// Why it failed, if it did.
    pub reason: Option<otp_shared::wire::FailureReason>,
}
