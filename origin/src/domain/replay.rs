//! What stops a call before any limit is looked at: a replay, operator state that has changed since, a repeat of an idempotency key.
//!
//! **Invariant:** a call id is committed once, a nonce stands for one call id, an idempotency key for one body.

use super::{
    evaluation::{Call, Interruption},
    record::{
        Damaged, OPERATOR_VERSION,
        answer::{AnswerRecord, Progress},
        answer_key,
        call::{Answer, CallRecord},
        call_key,
    },
};
use crate::transaction::{Expect, Key, Transaction, TransactionId, Value, View, Write};

/// How long a call is remembered, in milliseconds: a signature is good for 30 s either side of its time.
const CALL_MS: u64 = 90_000;
/// How long a request may stay unanswered before its idempotency key is free again, in milliseconds.
pub const IN_FLIGHT_MS: u64 = 30_000;

/// What the call was answered, when the store tells that it was committed before: the answer was lost on the way.
pub fn first_answer(call: &Call, view: &View<'_>) -> Result<Option<Answer>, Damaged> {
    let known = CallRecord::read(view.told(&call_key(&call.nonce)).flatten())?;
    Ok(known.filter(|known| known.id == call.id).map(|known| known.answer))
}

/// What stops the call, if anything does. The version comes first: a call judged by old operator state costs nothing.
pub fn interruption(call: &Call, view: &View<'_>) -> Result<Option<Interruption>, Damaged> {
    if view.told(&version_key()).is_some_and(|told| told != version(call.operator_version).as_ref()) {
        return Ok(Some(Interruption::StaleOperatorState));
    }
    if CallRecord::read(view.told(&call_key(&call.nonce)).flatten())?.is_some_and(|first| first.id != call.id) {
        return Ok(Some(Interruption::Replayed));
    }
    let Some(asked) = &call.idempotency else { return Ok(None) };
    let known = AnswerRecord::read(view.record(&answer_key(&asked.key)).as_ref())?;
    Ok(known.and_then(|known| match known.progress {
        _ if known.body != asked.body => Some(Interruption::Mismatch),
        Progress::InFlight { call: first } if first == call.id => None,
        Progress::InFlight { .. } => Some(Interruption::InProgress),
        Progress::Failed { .. } => None,
        Progress::Answered(answer) => Some(Interruption::Repeat(answer)),
    }))
}

/// A transaction that is committed only while nothing stops the call, and by which its answer is known afterwards.
pub fn transaction(call: &Call, answer: Answer, view: &View<'_>) -> Transaction {
    let token = CallRecord { id: call.id, answer }.to_value();
    let id = TransactionId { key: call_key(&call.nonce), token, ttl_ms: CALL_MS };
    let expect = vec![Expect { key: version_key(), value: version(call.operator_version) }];
    Transaction { slot: view.side().slot, id: Some(id), expect, ..Transaction::default() }
}

/// Notes how far the call got, for repeats of its idempotency key.
pub fn note(call: &Call, progress: Progress, ttl_ms: u64, view: &View<'_>) -> Option<Write> {
    let asked = call.idempotency?;
    let key = answer_key(&asked.key);
    let before = view.record(&key).into();
    let after = Some(AnswerRecord { progress, body: asked.body }.to_value());
    Some(Write { key, before, after, ttl_ms: Some(ttl_ms.max(1)) })
}

fn version_key() -> Key {
    OPERATOR_VERSION.into()
}

/// Decimal digits; nothing was changed before version 1.
fn version(version: u64) -> Option<Value> {
    (version > 0).then(|| version.to_string().into_bytes().into())
}
