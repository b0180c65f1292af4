//! A transaction as the arguments of `commit.lua`, and its answer as an [`Outcome`].
//!
//! **Invariant:** no number above 2^53 travels: Lua's numbers are doubles.

use std::collections::BTreeMap;

use ::redis::{FromRedisValue, Script, ScriptInvocation, from_redis_value};

use crate::{
    store::StoreError,
    transaction::{Before, Charge, Committed, Count, Expect, Key, Outcome, Step, Transaction, Value, Values, Write},
};

/// What Redis answers where it answers texts.
pub type Reply = Vec<Option<Vec<u8>>>;

/// The script ran after its deadline and did nothing.
pub const LATE: &str = "late";

/// The parts of a record, a cell and a counter in the script's argument, which is
/// `[deadline_us, [token, ttl_ms]?, [before, after, ttl_ms]*, [by_us, capacity_us, unless]*, [slot_us, slots, counted_at_us, cap, ttl_ms, unless]*]`: `commit.lua`
/// reads them by these lengths. `false` is absent or none, `true` any value before and no change after; times to live are texts; `unless` is a place in KEYS.
const RECORD: usize = 3;
const CELL: usize = 3;
const COUNTER: usize = 6;
const ABSENT: bool = false;
const NONE: bool = false;
const ANY: bool = true;
const UNCHANGED: bool = true;

/// Prepares the call of `script` that commits `transaction` unless Redis' microsecond is past `deadline_us`. `guard` is one more expectation.
pub fn encode<'a>(script: &'a Script, transaction: &Transaction, guard: Option<&Expect>, deadline_us: u64) -> ScriptInvocation<'a> {
    let mut call = script.prepare_invoke();
    let keys = keys(transaction, guard);
    for key in &keys {
        call.key(&***key);
    }
    let Transaction { slot: _, id, expect, write, charge, count, peek } = transaction;
    // The keys end with the conditions and the peeks.
    let conditions_at = keys.len() - peek.len() - transaction.conditions().len();
    // Lua counts from one; zero is no condition.
    let place = |unless: &Option<Key>| {
        let among = unless.as_ref().and_then(|key| keys[conditions_at..].iter().position(|condition| *condition == key));
        among.map_or(0, |at| (conditions_at + at + 1) as u64)
    };
    let mut packed = Packed::default();
    packed.list(5);
    packed.number(deadline_us);
    packed.list(2 * usize::from(id.is_some()));
    if let Some(id) = id {
        packed.text(&id.token);
        packed.life(Some(id.ttl_ms));
    }
    packed.list(RECORD * (usize::from(guard.is_some()) + expect.len() + write.len()));
    for expect in guard.into_iter().chain(expect) {
        packed.optional(expect.value.as_ref());
        packed.flag(UNCHANGED);
        packed.flag(NONE);
    }
    for Write { before, after, ttl_ms, .. } in write {
        match before {
            Before::Any => packed.flag(ANY),
            Before::Absent => packed.flag(ABSENT),
            Before::Is(value) => packed.text(value),
        }
        packed.optional(after.as_ref());
        packed.life(*ttl_ms);
    }
    packed.list(CELL * charge.len());
    for Charge { by_us, capacity_us, unless, .. } in charge {
        packed.signed(*by_us);
        packed.number(*capacity_us);
        packed.number(place(unless));
    }
    packed.list(COUNTER * count.len());
    for Count { window, by, cap, unless, .. } in count {
        packed.number(window.slot_us);
        packed.number(window.slots.into());
        match by {
            Step::Up => packed.flag(NONE),
            Step::Down { counted_at_us } => packed.number(*counted_at_us),
        }
        match cap {
            Some(cap) => packed.number((*cap).into()),
            None => packed.flag(NONE),
        }
        packed.life(Some(window.ttl_ms()));
        packed.number(place(unless));
    }
    call.arg(packed.0);
    call
}

fn keys<'a>(transaction: &'a Transaction, guard: Option<&'a Expect>) -> Vec<&'a Key> {
    let mut keys = transaction.keys();
    if let Some(guard) = guard {
        keys.insert(usize::from(transaction.id.is_some()), &guard.key);
    }
    keys
}

/// The script's argument, as `MessagePack`. Records are no UTF-8, and are written as texts all the same: Redis' own reader knows no other kind of bytes.
#[derive(Default)]
struct Packed(Vec<u8>);

impl Packed {
    fn list(&mut self, length: usize) {
        infallible(rmp::encode::write_array_len(&mut self.0, length.try_into().expect("it is far below 4 GiB")));
    }

    fn number(&mut self, number: u64) {
        infallible(rmp::encode::write_uint(&mut self.0, number));
    }

    fn signed(&mut self, number: i64) {
        infallible(rmp::encode::write_sint(&mut self.0, number));
    }

    fn flag(&mut self, flag: bool) {
        infallible(rmp::encode::write_bool(&mut self.0, flag));
    }

    fn text(&mut self, text: &[u8]) {
        infallible(rmp::encode::write_str_len(&mut self.0, text.len().try_into().expect("it is far below 4 GiB")));
        self.0.extend_from_slice(text);
    }

    fn optional(&mut self, value: Option<&Value>) {
        match value {
            Some(value) => self.text(value),
            None => self.flag(NONE),
        }
    }

    /// Milliseconds to live as the text that a command takes; `None`: for ever.
    fn life(&mut self, ttl_ms: Option<u64>) {
        match ttl_ms {
            Some(ttl_ms) => self.text(ttl_ms.max(1).to_string().as_bytes()),
            None => self.flag(NONE),
        }
    }
}

fn infallible<T, E: std::fmt::Debug>(result: Result<T, E>) {
    result.expect("writing to memory does not fail");
}

/// What came of `transaction`; `None`: the script ran [late](LATE).
pub fn decode(transaction: &Transaction, guard: Option<&Expect>, reply: Vec<::redis::Value>) -> Result<Option<Outcome>, StoreError> {
    let mut reply = reply.into_iter();
    let word: String = read(reply.next())?;
    let now_us = read(reply.next())?;
    let values = |rest| -> Result<Values, StoreError> {
        let values: Reply = read(Some(::redis::Value::Array(rest)))?;
        Ok(Values { now_us, values: by_key(keys(transaction, guard), values.into_iter()) })
    };
    match word.as_str() {
        "committed" => Ok(Some(Outcome::Committed(Committed { now_us, arrivals_us: read(Some(::redis::Value::Array(reply.collect())))? }))),
        "changed" => Ok(Some(Outcome::Changed(values(reply.collect())?))),
        "full" => Ok(Some(Outcome::Full(values(reply.collect())?))),
        LATE => Ok(None),
        _ => Err(StoreError::Corrupt("commit.lua answered an unknown word".into())),
    }
}

fn read<T: FromRedisValue>(value: Option<::redis::Value>) -> Result<T, StoreError> {
    from_redis_value(value.unwrap_or(::redis::Value::Nil)).map_err(|error| StoreError::Corrupt(error.to_string()))
}

/// Each key with what the server has under it.
pub fn by_key<'a>(keys: impl IntoIterator<Item = &'a Key>, values: impl Iterator<Item = Option<Vec<u8>>>) -> BTreeMap<Key, Option<Value>> {
    keys.into_iter().cloned().zip(values.map(|value| value.map(Value::from))).collect()
}
