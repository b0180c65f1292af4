//! The records that the origin keeps: their keys, their bytes, and how two copies of one merge. Not what is decided on them.
//!
//! Every record is packed bytes behind a format number, so that one that is damaged or of a newer version is refused and never guessed at. Keys hold the hash
//! tag `{v1}`, which puts all of them into one slot of a Redis Cluster. Below `otp:` everything may be flushed at any time; what must survive a flush has
//! another prefix.
//!
//! **Invariant:** copies merge in any order, any number of times, to the same record, and what was used, counted or taken stays so.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use otp_shared::{limits::Limit, signature::hex};

use super::evaluation::{ChallengeKey, MessageKey, PhoneKey};
use crate::transaction::{Key, Value};

pub mod answer;
pub mod attempts;
pub mod call;
pub mod challenge;
pub mod holds;
pub mod merge;
pub mod message;
pub mod phone;
pub mod refusals;

/// A record that no version of ours wrote, or a newer one did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a record of {0} is damaged or of a newer format")]
pub struct Damaged(pub &'static str);

/// What a marker holds: its presence is what counts, and the Unix millisecond of its end, as decimal digits, lets a replica that only read it keep it for as
/// long. The layout before wrote `1`.
pub fn marker(until_ms: u64) -> Value {
    until_ms.to_string().into_bytes().into()
}

/// The end of a marker, as Unix millisecond; long ago for one of the layout before.
pub fn marker_end_ms(marker: &Value) -> Option<u64> {
    std::str::from_utf8(marker).ok()?.parse().ok()
}

/// The messages sent to a number: [`phone::PhoneRecord`].
pub fn phone_key(phone: PhoneKey) -> Key {
    format!("otp:{{v1}}:phone:{}", short(&phone.0)).into()
}

/// Where a challenge's newest message is: [`challenge::ChallengeRecord`].
pub fn challenge_key(challenge: ChallengeKey) -> Key {
    format!("otp:{{v1}}:challenge:{}", short(&challenge.0)).into()
}

/// What a message belongs to: [`message::MessageRecord`].
pub fn message_key(message: MessageKey) -> Key {
    format!("otp:{{v1}}:message:{}", short(&message.0)).into()
}

/// Guesses and use of a challenge: [`attempts::Attempts`].
pub fn attempts_key(challenge: ChallengeKey) -> Key {
    format!("spent:{{v1}}:{}", short(&challenge.0)).into()
}

/// What repeats of an idempotency key get: [`answer::AnswerRecord`].
pub fn answer_key(idempotency: &[u8; 16]) -> Key {
    format!("otp:{{v1}}:answer:{}", short(idempotency)).into()
}

/// The call that a nonce of the edge stands for: [`call::CallRecord`]. Or the transaction of another random name.
pub fn call_key(name: &[u8; 16]) -> Key {
    format!("otp:{{v1}}:call:{}", short(name)).into()
}

/// A marker: the number verified within 90 days.
pub fn known_key(phone: PhoneKey) -> Key {
    format!("known:{{v1}}:{}", hex(&phone.0)).into()
}

/// A marker: the webhook event was taken in.
pub fn seen_key(event: &str) -> Key {
    format!("otp:{{v1}}:seen:{event}").into()
}

/// A marker: the fan signed out of the session.
pub fn revoked_key(session: &str) -> Key {
    format!("revoked:{{v1}}:{session}").into()
}

/// The GCRA cell of `limit` for a subject.
pub fn cell_key(limit: Limit, subject: &str) -> Key {
    format!("otp:{{v1}}:cell:{}:{subject}", limit.name()).into()
}

/// The counter of what verified at an address or site.
pub fn verified_key(subject: &str) -> Key {
    format!("verified:{{v1}}:{subject}").into()
}

/// The counter of different numbers that messages were sent to; `unknown`: of those that never verified.
pub fn recipients_key(unknown: bool) -> Key {
    if unknown { "otp:{v1}:recipients:unknown" } else { "otp:{v1}:recipients" }.into()
}

/// How often a subject (`phone:<hash>`, `address:<address>`) was refused: [`refusals::Refusals`].
pub fn refusals_key(subject: &str) -> Key {
    format!("otp:{{v1}}:refused:{subject}").into()
}

/// One of the [`holds::SHARDS`] lists of holds.
pub fn holds_key(shard: u8) -> Key {
    format!("otp:{{v1}}:holds:{shard:02x}").into()
}

/// The version of the operator state, as decimal digits; absent while nothing was changed.
pub const OPERATOR_VERSION: &str = "operator:{v1}:version";
/// Whose turn it is to publish, by name.
pub const LEASE: &str = "operator:{v1}:lease";
/// The version that was published last, as decimal digits.
pub const LAST_LEASE: &str = "operator:{v1}:lease:last";

fn short(bytes: &[u8; 16]) -> String {
    BASE64.encode(bytes)
}

/// Packs a record.
struct Packer(Vec<u8>);

impl Packer {
    fn new(format: u8) -> Self {
        Self(vec![format])
    }

    fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn u32(&mut self, number: u32) {
        self.bytes(&number.to_be_bytes());
    }

    /// Six bytes: milliseconds until the year 10889, microseconds for nine years.
    fn u48(&mut self, number: u64) {
        let number = number.min((1 << 48) - 1);
        self.bytes(number.to_be_bytes().get(2..).unwrap_or_default());
    }

    /// At most 255 bytes: longer ones are cut, and ours never are.
    fn text(&mut self, text: &str) {
        let bytes = text.as_bytes().get(..text.len().min(255)).unwrap_or_default();
        self.byte(u8::try_from(bytes.len()).unwrap_or(u8::MAX));
        self.bytes(bytes);
    }

    fn value(self) -> Value {
        self.0.into()
    }
}

/// Unpacks a record.
struct Unpacker<'a>(&'a [u8]);

impl<'a> Unpacker<'a> {
    /// `None` for another format.
    fn new(value: &'a [u8], format: u8) -> Option<Self> {
        value.split_first().filter(|(first, _)| **first == format).map(|(_, rest)| Self(rest))
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*array)
    }

    fn byte(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    fn flag(&mut self) -> Option<bool> {
        match self.byte()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    fn u48(&mut self) -> Option<u64> {
        self.array::<6>().map(|bytes| bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    fn text(&mut self) -> Option<String> {
        let length = usize::from(self.byte()?);
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        String::from_utf8(text.to_vec()).ok()
    }

    fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// `None` when something follows.
    fn end<T>(self, record: T) -> Option<T> {
        self.is_empty().then_some(record)
    }
}

/// Unix milliseconds moved by the difference of two clocks.
fn shifted(ms: u64, by_ms: i64) -> u64 {
    if ms == 0 { 0 } else { ms.saturating_add_signed(by_ms) }
}
