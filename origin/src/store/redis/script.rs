//! A transaction as the arguments of `commit.lua`, and its answer as an [`Outcome`].
//!
//! **Invariant:** no number above 2^53 travels: Lua's numbers are doubles.

use std::collections::BTreeMap;

use ::redis::{Script, ScriptInvocation};

use crate::{
    store::StoreError,
    transaction::{Before, Charge, Committed, Count, Key, Outcome, Step, Transaction, Value, Values, Write},
};

/// What the script answers: a word, the time, and then values or arrival times.
pub type Reply = Vec<Option<Vec<u8>>>;

/// The script ran after its deadline and did nothing.
pub const LATE: &str = "late";

/// Prepares the call of `script` that commits `transaction` unless Redis' microsecond is past `deadline_us`.
pub fn encode<'a>(script: &'a Script, transaction: &Transaction, deadline_us: u64) -> ScriptInvocation<'a> {
    let mut call = script.prepare_invoke();
    let keys = transaction.keys();
    for key in &keys {
        call.key(&***key);
    }
    let Transaction { slot: _, id, expect, write, charge, count, peek } = transaction;
    let parts = [usize::from(id.is_some()), expect.len(), write.len(), charge.len(), count.len()];
    call.arg(deadline_us).arg(&parts[..]);
    if let Some(id) = id {
        call.arg(&*id.token).arg(id.ttl_ms.max(1));
    }
    for expect in expect {
        compare(&mut call, &expect.value.clone().into());
    }
    for write in write {
        encode_write(&mut call, write);
    }
    let conditions = keys.get(parts.iter().sum()..keys.len() - peek.len()).unwrap_or_default();
    // Lua counts from one; zero is no condition.
    let place = |unless: &Option<Key>| {
        let among = unless.as_ref().and_then(|key| conditions.iter().position(|condition| *condition == key));
        among.map_or(0, |at| parts.iter().sum::<usize>() + at + 1)
    };
    for Charge { by_us, capacity_us, unless, .. } in charge {
        call.arg(by_us).arg(capacity_us).arg(place(unless));
    }
    for count in count {
        encode_count(&mut call, count, place(&count.unless));
    }
    call
}

fn compare(call: &mut ScriptInvocation<'_>, before: &Before) {
    match before {
        Before::Any => call.arg("any").arg(""),
        Before::Absent => call.arg("absent").arg(""),
        Before::Is(value) => call.arg("is").arg(&**value),
    };
}

fn encode_write(call: &mut ScriptInvocation<'_>, write: &Write) {
    compare(call, &write.before);
    match (&write.after, write.ttl_ms) {
        (None, _) => call.arg("").arg("delete"),
        (Some(value), None) => call.arg(&**value).arg(""),
        (Some(value), Some(ttl_ms)) => call.arg(&**value).arg(ttl_ms.max(1)),
    };
}

fn encode_count(call: &mut ScriptInvocation<'_>, count: &Count, unless: usize) {
    call.arg(count.window.slot_us).arg(count.window.slots);
    match count.by {
        Step::Up => call.arg(""),
        Step::Down { counted_at_us } => call.arg(counted_at_us),
    };
    match count.cap {
        Some(cap) => call.arg(cap),
        None => call.arg(""),
    };
    call.arg(count.window.ttl_ms().max(1)).arg(unless);
}

/// What came of `transaction`; `None`: the script ran [late](LATE).
pub fn decode(transaction: &Transaction, reply: Reply) -> Result<Option<Outcome>, StoreError> {
    let mut reply = reply.into_iter();
    let word = reply.next().flatten().unwrap_or_default();
    let now_us = number(reply.next().flatten())?;
    let values = |rest| Values { now_us, values: by_key(transaction.keys(), rest) };
    match word.as_slice() {
        b"committed" => {
            let arrivals_us = reply.map(|arrival| arrival.filter(|text| !text.is_empty()).map(|text| number(Some(text))).transpose());
            Ok(Some(Outcome::Committed(Committed { now_us, arrivals_us: arrivals_us.collect::<Result<_, _>>()? })))
        }
        b"changed" => Ok(Some(Outcome::Changed(values(reply)))),
        b"full" => Ok(Some(Outcome::Full(values(reply)))),
        word if word == LATE.as_bytes() => Ok(None),
        _ => Err(StoreError::Corrupt("an answer of no version of ours".into())),
    }
}

/// Each key with what the server has under it.
pub fn by_key<'a>(keys: impl IntoIterator<Item = &'a Key>, values: impl Iterator<Item = Option<Vec<u8>>>) -> BTreeMap<Key, Option<Value>> {
    keys.into_iter().cloned().zip(values.map(|value| value.map(Value::from))).collect()
}

fn number(text: Option<Vec<u8>>) -> Result<u64, StoreError> {
    let number = text.and_then(|text| String::from_utf8(text).ok()?.parse().ok());
    number.ok_or_else(|| StoreError::Corrupt("a number that is none".into()))
}
