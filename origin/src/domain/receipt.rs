//! What a provider tells of a message later: receipts move its challenge forwards, a failure gives its share of the number's limits back, and a receiver who
//! did not ask for it charges whoever did.
//!
//! **Invariant:** order and repetition do no harm: a receipt moves forwards only, a refund and a complaint count once.

use otp_shared::{limits::Limit, wire::Delivery};

use super::{
    evaluation::{MessageKey, PhoneKey, Quotas, Receipt},
    limits,
    record::{
        Damaged, cell_key,
        challenge::{ChallengeRecord, rank},
        challenge_key,
        message::{self, MessageRecord},
        message_key,
        phone::PhoneRecord,
        phone_key,
    },
};
use crate::transaction::{Decision, Transaction, Value, View, Write, arrival_us};

/// What a receipt says of its message's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// It failed, for the first time.
    Failed,
    /// Nothing that gives anything back.
    Other,
}

/// Decides what a receipt changes. `Tell(false)`: nothing is known of the message or of its challenge.
pub fn decide(receipt: &Receipt, quotas: &Quotas, view: &View<'_>) -> Result<Decision<bool>, Damaged> {
    let name = message_key(receipt.message);
    let named = view.record(&name);
    let note = MessageRecord::read(named.as_ref())?;
    let Some(challenge) = note.as_ref().map(|note| note.challenge).or(receipt.challenge) else { return Ok(Decision::Tell(false)) };
    let key = challenge_key(challenge);
    let before = view.record(&key);
    let mut record = ChallengeRecord::read(before.as_ref())?;
    let mut transaction = Transaction { slot: view.side().slot, ..Transaction::default() };
    let note = match note {
        Some(note) => note,
        None if before.is_none() => return Ok(Decision::Tell(false)),
        None => match record.newest.as_mut().and_then(|newest| newest.unnamed.take()) {
            Some(unnamed) => unnamed,
            None => return Ok(overtaking(receipt, record, Stored { key, before }, transaction)),
        },
    };
    let mut changed = note.clone();
    if advance(&mut record, &mut changed, receipt) == Told::Failed
        && let Some(phone) = note.charged
    {
        refund_phone(phone, note.tag, quotas, &mut transaction, view)?;
    }
    if named.as_ref() != Some(&changed.to_value()) {
        transaction.write.push(Write { key: name, before: named.into(), after: Some(changed.to_value()), ttl_ms: Some(message::TTL_MS) });
    }
    Ok(write_challenge(&record, Stored { key, before }, transaction))
}

/// A record as the store has it.
struct Stored {
    key: crate::transaction::Key,
    before: Option<Value>,
}

/// The receipt came before its own send was noted: it waits in the challenge.
fn overtaking(receipt: &Receipt, mut record: ChallengeRecord, stored: Stored, transaction: Transaction) -> Decision<bool> {
    let ahead = |early: &Receipt| early.message != receipt.message || rank(receipt.delivery) > rank(early.delivery);
    if record.early.as_ref().is_none_or(ahead) {
        record.early = Some(receipt.clone());
    }
    write_challenge(&record, stored, transaction)
}

fn write_challenge(record: &ChallengeRecord, stored: Stored, mut transaction: Transaction) -> Decision<bool> {
    let after = record.to_value();
    // A challenge that has ended is not made anew.
    if let Some(before) = stored.before.filter(|before| *before != after) {
        let ttl_ms = Some(CHALLENGE_MS);
        transaction.write.push(Write { key: stored.key, before: Some(before).into(), after: Some(after), ttl_ms });
    }
    if transaction.write.is_empty() { Decision::Tell(true) } else { Decision::Commit(transaction, true) }
}

/// For how long a challenge's record is kept after a receipt, in milliseconds: the longest life of one, and a minute.
const CHALLENGE_MS: u64 = 960_000;

/// Moves the challenge's newest message forwards, if the receipt is about that one, and takes the refund out of the note when the message's end is known.
pub fn advance(record: &mut ChallengeRecord, note: &mut MessageRecord, receipt: &Receipt) -> Told {
    if let Some(newest) = record.newest.as_mut().filter(|newest| newest.tag == note.tag)
        && rank(receipt.delivery) > rank(newest.delivery.delivery)
    {
        (newest.delivery.delivery, newest.delivery.reason) = (receipt.delivery, receipt.reason);
    }
    if !is_final(receipt.delivery) {
        return Told::Other;
    }
    let charged = note.charged.take();
    if charged.is_some() && receipt.delivery == Delivery::Failed { Told::Failed } else { Told::Other }
}

/// Whether nothing more is given back after such a receipt.
fn is_final(delivery: Delivery) -> bool {
    matches!(delivery, Delivery::Failed | Delivery::Delivered)
}

/// Gives a send's share of its number's limits back.
pub fn refund_phone(phone: PhoneKey, tag: u32, quotas: &Quotas, transaction: &mut Transaction, view: &View<'_>) -> Result<(), Damaged> {
    let key = phone_key(phone);
    let before = view.record(&key);
    let mut record = PhoneRecord::read(before.as_ref())?;
    if record.refund(tag) {
        let ttl_ms = Some(limits::phone_ttl_ms(quotas));
        transaction.write.push(Write { key, before: before.into(), after: Some(record.to_value()), ttl_ms });
    }
    Ok(())
}

/// Whoever got the message did not ask for it: charges the address that did with `sends` more, once, and never beyond the limit's window. `Tell(false)`: nothing
/// is known of the message, or it was reported before.
pub fn report_unsolicited(message: MessageKey, sends: u32, quotas: &Quotas, view: &View<'_>) -> Result<Decision<bool>, Damaged> {
    let name = message_key(message);
    let named = view.record(&name);
    let Some(mut note) = MessageRecord::read(named.as_ref())? else { return Ok(Decision::Tell(false)) };
    let Some(address) = note.requester.take() else { return Ok(Decision::Tell(false)) };
    let quota = quotas.of(Limit::RequestIp);
    let key = cell_key(Limit::RequestIp, &address);
    let before = view.record(&key);
    let now_us = view.now_us();
    let arrival = arrival_us(before.as_ref()).unwrap_or(now_us).max(now_us);
    let charged = (arrival + quota.emission_us() * u64::from(sends)).min(now_us + quota.window_ms() * 1000).max(arrival);
    let ttl_ms = Some((charged - now_us).div_ceil(1000).max(1));
    let cell = Write { key, before: before.into(), after: Some(charged.to_string().into_bytes().into()), ttl_ms };
    let note = Write { key: name, before: named.into(), after: Some(note.to_value()), ttl_ms: Some(message::TTL_MS) };
    let transaction = Transaction { slot: view.side().slot, write: vec![note, cell], ..Transaction::default() };
    Ok(Decision::Commit(transaction, true))
}
