//! What became of a send: where its message is, what a repeat gets, and which limits are given back.
//!
//! **Invariant:** silence gives nothing back, and nothing is given back twice.

use super::{
    evaluation::{DeliveryRecord, MessageKey, Quotas, SendOutcome, SendReport},
    guess::refund,
    limits,
    receipt::{self, Told},
    record::{
        Damaged,
        answer::{AnswerRecord, Progress},
        answer_key,
        challenge::{ChallengeRecord, GRACE_MS, Newest},
        challenge_key,
        message::{self, MessageRecord},
        message_key,
        phone::PhoneRecord,
        phone_key,
    },
    replay,
};
use crate::transaction::{Before, Count, Decision, Step, Transaction, TransactionId, View, Write};
use otp_shared::wire::Channel;

/// Decides what to note.
pub fn decide(report: &SendReport, quotas: &Quotas, view: &View<'_>) -> Result<Decision<()>, Damaged> {
    let mut transaction = Transaction { slot: view.side().slot, ..Transaction::default() };
    let is_repeated = has_left(report, view)?;
    match &report.outcome {
        _ if is_repeated => {}
        SendOutcome::Left { channel, delivery, message, at_ms } => {
            let delivery = DeliveryRecord { channel: *channel, delivery: *delivery, reason: None, sent_at_ms: *at_ms };
            left(report, delivery, *message, quotas, &mut transaction, view)?;
        }
        SendOutcome::Undeliverable => refund_phone(report, quotas, &mut transaction, view)?,
        SendOutcome::Failed => {
            refund_phone(report, quotas, &mut transaction, view)?;
            refund_rest(report, &quotas.share(view.side().shares), &mut transaction, view)?;
        }
    }
    note_answer(report, &mut transaction, view)?;
    let unchanged = transaction.write.is_empty() && transaction.charge.is_empty() && transaction.count.is_empty();
    Ok(if unchanged { Decision::Tell(()) } else { Decision::Commit(transaction, ()) })
}

/// Whether it was noted before that the message left.
fn has_left(report: &SendReport, view: &View<'_>) -> Result<bool, Damaged> {
    let record = ChallengeRecord::read(view.record(&challenge_key(report.request.challenge)).as_ref())?;
    Ok(record.newest.is_some_and(|newest| newest.tag == report.request.tag()))
}

/// The message left; whatever a receipt told before that is taken in now.
fn left(
    report: &SendReport,
    delivery: DeliveryRecord,
    message: Option<MessageKey>,
    quotas: &Quotas,
    transaction: &mut Transaction,
    view: &View<'_>,
) -> Result<(), Damaged> {
    let request = &report.request;
    let key = challenge_key(request.challenge);
    let before = view.record(&key);
    let mut record = ChallengeRecord::read(before.as_ref())?;
    let mut note = MessageRecord {
        challenge: request.challenge,
        tag: request.tag(),
        charged: Some(request.phone),
        requester: Some(request.network.address.clone()),
    };
    record.newest = Some(Newest { tag: request.tag(), delivery, unnamed: None });
    let early = record.early.take().filter(|early| message.is_none_or(|message| message == early.message));
    let name = message.or(early.as_ref().map(|early| early.message));
    match name {
        Some(name) => {
            if let Some(early) = early
                && receipt::advance(&mut record, &mut note, &early) == Told::Failed
            {
                refund_phone(report, quotas, transaction, view)?;
            }
            let after = Some(note.to_value());
            transaction.write.push(Write { key: message_key(name), before: Before::Any, after, ttl_ms: Some(message::TTL_MS) });
        }
        // Only WhatsApp sends receipts.
        None if delivery.channel == Channel::Whatsapp => {
            if let Some(newest) = &mut record.newest {
                newest.unnamed = Some(note);
            }
        }
        None => {}
    }
    let ttl_ms = Some((request.expires_at_ms + GRACE_MS).saturating_sub(view.now_ms()).max(1));
    transaction.write.push(Write { key, before: before.into(), after: Some(record.to_value()), ttl_ms });
    Ok(())
}

fn refund_phone(report: &SendReport, quotas: &Quotas, transaction: &mut Transaction, view: &View<'_>) -> Result<(), Damaged> {
    receipt::refund_phone(report.request.phone, report.request.tag(), quotas, transaction, view)
}

/// Gives back what was charged to all but the number; once, since a refund of a cell that is repeated would be a second one.
fn refund_rest(report: &SendReport, quotas: &Quotas, transaction: &mut Transaction, view: &View<'_>) -> Result<(), Damaged> {
    let (request, charged) = (&report.request, &report.charged);
    let mut name = request.call.id;
    for byte in &mut name {
        *byte ^= 0xff;
    }
    transaction.id = Some(TransactionId { key: super::record::call_key(&name), token: request.call.id.as_slice().into(), ttl_ms: 90_000 });
    transaction.charge = charged.cells.iter().map(|(key, us)| refund(key.clone(), *us, quotas)).collect();
    if !charged.counters.is_empty() && uncount_recipient(report, transaction)? {
        let step = Step::Down { counted_at_us: charged.at_us };
        let counters = charged.counters.iter();
        transaction.count =
            counters.map(|key| Count { key: key.clone(), window: limits::window_of(key), by: step, cap: None, unless: None }).collect();
    }
    forget_share(report, transaction, view)
}

/// The number counts among the day's recipients no more: its next send counts it anew. `false`: another message to it did leave.
fn uncount_recipient(report: &SendReport, transaction: &mut Transaction) -> Result<bool, Damaged> {
    let key = phone_key(report.request.phone);
    let Some(write) = transaction.write.iter_mut().find(|write| write.key == key) else { return Ok(false) };
    let mut record = PhoneRecord::read(write.after.as_ref())?;
    let is_recipient = record.sends.iter().any(|send| !send.refunded && send.at_ms >= record.recipient_since_ms);
    if !is_recipient {
        record.recipient_since_ms = 0;
        write.after = Some(record.to_value());
    }
    Ok(!is_recipient)
}

/// The share was given back already: a right guess gives none back.
fn forget_share(report: &SendReport, transaction: &mut Transaction, view: &View<'_>) -> Result<(), Damaged> {
    let request = &report.request;
    let key = challenge_key(request.challenge);
    let before = view.record(&key);
    let mut record = ChallengeRecord::read(before.as_ref())?;
    if record.share.take_if(|share| share.tag == request.tag()).is_some() {
        let ttl_ms = Some((request.expires_at_ms + GRACE_MS).saturating_sub(view.now_ms()).max(1));
        // A challenge of which nothing left is not known to receipts.
        let after = (record != ChallengeRecord::default()).then(|| record.to_value());
        transaction.write.push(Write { key, before: before.into(), after, ttl_ms });
    }
    Ok(())
}

/// What repeats get. A key that another call has by now is left alone, and so is an answer that was given.
fn note_answer(report: &SendReport, transaction: &mut Transaction, view: &View<'_>) -> Result<(), Damaged> {
    let call = &report.request.call;
    let Some(asked) = call.idempotency else { return Ok(()) };
    let known = AnswerRecord::read(view.record(&answer_key(&asked.key)).as_ref())?;
    if known.is_some_and(|known| known.progress != Progress::InFlight { call: call.id }) {
        return Ok(());
    }
    let (progress, ttl_ms) = match &report.answer {
        Some(answer) => (Progress::Answered(answer.clone()), report.request.expires_at_ms.saturating_sub(view.now_ms())),
        None => (Progress::Failed { call: call.id }, replay::IN_FLIGHT_MS),
    };
    transaction.write.extend(replay::note(call, progress, ttl_ms, view));
    Ok(())
}
