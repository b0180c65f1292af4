//! What is remembered of a challenge: guesses and use (`spent`), and where its message is. Not its code: that is derived.
//!
//! **Invariant:** a used mark and a counted guess are never forgotten before the challenge ends; when there is no room, new ones are not taken in.

use std::collections::BTreeMap;

use otp_shared::wire::{Channel, Delivery};

use super::{
    limits::Share,
    table::{Full, Table},
};
use crate::domain::judgement::{ChallengeKey, DeliveryRecord, MessageKey, PhoneKey, Receipt, RequestCall};

/// For how long records outlive their challenge, so that clocks that differ do not revive it.
pub const LINGER_MS: u64 = 60_000;
/// For how long it is known who asked for a message.
pub const NOTED_US: u64 = 86_400_000_000;

/// Guesses by replica slot, and whether the challenge was used: both merge by the greater one.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Deserialize)]
pub struct Spent {
    /// Guesses counted by each replica.
    pub attempts: BTreeMap<String, u32>,
    /// A right guess was accepted.
    pub used: bool,
}

impl Spent {
    /// All replicas' guesses.
    pub fn total(&self) -> u32 {
        self.attempts.values().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// Takes in what another copy knows.
    pub fn merge(&mut self, other: &Self) {
        for (slot, count) in &other.attempts {
            let known = self.attempts.entry(slot.clone()).or_default();
            *known = (*known).max(*count);
        }
        self.used |= other.used;
    }
}

/// What a send charged to its number's limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Charged {
    /// Whose limits.
    pub phone: PhoneKey,
    /// The call that was charged.
    pub call: [u8; 16],
}

/// A receipt of nothing that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotOurs;

/// What is known of a message that left.
#[derive(Debug, Clone)]
struct Note {
    challenge: ChallengeKey,
    /// Until it is known whether the message arrived: what to give back if it does not.
    charged: Option<Charged>,
    /// The address that asked for it, until somebody disowns it.
    requester: Option<String>,
}

/// Of one challenge.
#[derive(Debug, Default)]
struct Message {
    share: Option<Share>,
    /// The call that sent the newest message, and where that message is.
    newest: Option<([u8; 16], DeliveryRecord)>,
    /// The newest message's name.
    name: Option<MessageKey>,
    /// The newest message's note, while nobody has told its name.
    unnamed: Option<Note>,
    /// A receipt that came before the provider's answer was settled.
    early: Option<Receipt>,
}

/// The challenges of the last lifetime.
#[derive(Debug)]
pub struct Challenges {
    pub(super) spent: Table<ChallengeKey, Spent>,
    messages: Table<ChallengeKey, Message>,
    notes: Table<MessageKey, Note>,
}

impl Challenges {
    /// None yet.
    pub fn new(capacity: usize) -> Self {
        Self { spent: Table::new(capacity), messages: Table::new(capacity), notes: Table::new(capacity) }
    }

    /// What was spent; nothing for a challenge without a record.
    pub fn spent(&self, key: ChallengeKey, now_us: u64) -> Spent {
        self.spent.get(&key, now_us).cloned().unwrap_or_default()
    }

    /// Keeps what was spent.
    pub fn set_spent(&mut self, key: ChallengeKey, spent: Spent, expires_at_ms: u64, now_us: u64) -> Result<(), Full> {
        self.spent.try_put(key, spent, end_us(expires_at_ms), now_us)
    }

    /// Takes in what another copy knows.
    pub fn merge_spent(&mut self, key: ChallengeKey, known: &Spent, expires_at_ms: u64, now_us: u64) -> Result<(), Full> {
        let mut spent = self.spent(key, now_us);
        spent.merge(known);
        self.set_spent(key, spent, expires_at_ms, now_us)
    }

    /// A message is about to be sent; the first one that was charged has the share.
    pub fn sending(&mut self, key: ChallengeKey, share: Share, expires_at_ms: u64, now_us: u64) {
        let mut message = self.messages.remove(&key, now_us).unwrap_or_default();
        message.share.get_or_insert(share);
        message.early = None;
        self.messages.put(key, message, end_us(expires_at_ms), now_us);
    }

    /// The provider took the message, or its answer was lost. Returns what to give back, if the message has failed already.
    pub fn left(&mut self, request: &RequestCall, record: DeliveryRecord, name: Option<MessageKey>, now_us: u64) -> Option<Charged> {
        let (key, call) = (request.challenge, request.call.id);
        let mut message = self.messages.remove(&key, now_us).unwrap_or_default();
        let repeated = message.newest.is_some_and(|(known, _)| known == call);
        let early = if repeated { None } else { message.early.take() };
        if !repeated {
            let charged = Some(Charged { phone: request.phone, call });
            let note = Note { challenge: key, charged, requester: Some(request.origin.address.clone()) };
            (message.newest, message.name, message.unnamed) = (Some((call, record)), name, None);
            match name {
                Some(name) => self.notes.put(name, note, now_us + NOTED_US, now_us),
                // Only WhatsApp sends receipts.
                None => message.unnamed = Some(note).filter(|_| record.channel == Channel::Whatsapp),
            }
        }
        self.messages.put(key, message, end_us(request.expires_at_ms), now_us);
        let own = early.filter(|early| name.is_none_or(|name| name == early.message))?;
        self.receipt(&own, now_us).unwrap_or(None)
    }

    /// The share was given back already.
    pub fn forget_share(&mut self, key: ChallengeKey, call: [u8; 16], now_us: u64) {
        if let Some(message) = self.messages.get_mut(&key, now_us) {
            message.share.take_if(|share| share.call == call);
            self.forget_empty(key, now_us);
        }
    }

    /// Takes the share out, to be given back.
    pub fn take_share(&mut self, key: ChallengeKey, now_us: u64) -> Option<Share> {
        let share = self.messages.get_mut(&key, now_us)?.share.take();
        self.forget_empty(key, now_us);
        share
    }

    fn forget_empty(&mut self, key: ChallengeKey, now_us: u64) {
        let empty = |message: &Message| message.share.is_none() && message.newest.is_none() && message.early.is_none();
        if self.messages.get(&key, now_us).is_some_and(empty) {
            self.messages.remove(&key, now_us);
        }
    }

    /// Where the newest message is.
    pub fn delivery(&self, key: ChallengeKey, now_us: u64) -> Option<DeliveryRecord> {
        self.messages.get(&key, now_us)?.newest.map(|(_, record)| record)
    }

    /// Takes in a receipt. Returns what to give back, if it tells for the first time that the message failed.
    pub fn receipt(&mut self, receipt: &Receipt, now_us: u64) -> Result<Option<Charged>, NotOurs> {
        let named = self.notes.get(&receipt.message, now_us).map(|note| note.challenge);
        let message = self.messages.get_mut(&named.or(receipt.challenge).ok_or(NotOurs)?, now_us);
        if named.is_none() {
            let message = message.ok_or(NotOurs)?;
            let Some(note) = message.unnamed.take() else {
                message.overtaken_by(receipt);
                return Ok(None);
            };
            message.name = Some(receipt.message);
            message.advance(receipt);
            self.notes.put(receipt.message, note, now_us + NOTED_US, now_us);
        } else if let Some(message) = message {
            message.advance(receipt);
        }
        let note = self.notes.get_mut(&receipt.message, now_us).ok_or(NotOurs)?;
        Ok(match receipt.delivery {
            Delivery::Failed => note.charged.take(),
            Delivery::Delivered => note.charged.take().and(None),
            _ => None,
        })
    }

    /// The address that asked for the message; told once.
    pub fn take_requester(&mut self, message: MessageKey, now_us: u64) -> Option<String> {
        self.notes.get_mut(&message, now_us)?.requester.take()
    }
}

impl Message {
    /// Moves the newest message forwards, if the receipt is about it.
    fn advance(&mut self, receipt: &Receipt) {
        let own = self.name == Some(receipt.message);
        if let Some((_, newest)) = self.newest.as_mut().filter(|(_, newest)| own && rank(receipt.delivery) > rank(newest.delivery)) {
            (newest.delivery, newest.reason) = (receipt.delivery, receipt.reason);
        }
    }

    fn overtaken_by(&mut self, receipt: &Receipt) {
        let ahead = |early: &Receipt| early.message != receipt.message || rank(receipt.delivery) > rank(early.delivery);
        if self.early.as_ref().is_none_or(ahead) {
            self.early = Some(receipt.clone());
        }
    }
}

/// How far a message got. `delivered` is last: who reports it has seen it arrive, whatever failed before.
pub const fn rank(delivery: Delivery) -> u8 {
    match delivery {
        Delivery::Unconfirmed => 0,
        Delivery::Accepted => 1,
        Delivery::Sent => 2,
        Delivery::Failed => 3,
        Delivery::Delivered => 4,
    }
}

const fn end_us(expires_at_ms: u64) -> u64 {
    (expires_at_ms + LINGER_MS) * 1000
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn spent() -> impl Strategy<Value = Spent> {
        (proptest::collection::btree_map("[abc]", 0u32..5, 0..3), any::<bool>()).prop_map(|(attempts, used)| Spent { attempts, used })
    }

    fn merged(mut one: Spent, other: &Spent) -> Spent {
        one.merge(other);
        one
    }

    proptest! {
        #[test]
        fn copies_of_what_was_spent_merge_in_any_order_and_any_number_of_times(a in spent(), b in spent(), c in spent()) {
            prop_assert_eq!(merged(a.clone(), &a).total(), a.total());
            prop_assert_eq!(merged(a.clone(), &b), merged(b.clone(), &a));
            prop_assert_eq!(merged(merged(a.clone(), &b), &c), merged(a.clone(), &merged(b.clone(), &c)));
            prop_assert!(merged(a.clone(), &b).total() >= a.total().max(b.total()), "no guess is lost");
        }
    }
}
