//! What a decision asks of a store: an optimistic transaction over small records, and what came of it. Data only: which records there are and what
//! they mean is the domain's, how a transaction becomes atomic is each store's.
//!
//! 1. A decision is made on a [`View`]: what this replica believes of the records.
//! 2. The store commits it if every record it was made on still stands and every cell and counter has room.
//! 3. Otherwise the store's own values come back, and the decision is made again on those.
//!
//! **Invariant:** a transaction happens as a whole or not at all.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

pub mod counter;

use counter::Window;

/// The name of a record, a cell or a counter. Every key holds the hash tag `{v1}`, so that one server of a Redis Cluster has them all.
pub type Key = Arc<str>;

/// The bytes of a record.
pub type Value = Arc<[u8]>;

/// Everything that happens at once, or not at all. No key stands in two parts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Transaction {
    /// The [`Side::slot`] that it was decided for.
    pub slot: u32,
    /// By which a repeat of the same transaction is known.
    pub id: Option<TransactionId>,
    /// Records that must be as they were when the decision was made.
    pub expect: Vec<Expect>,
    /// Records that change.
    pub write: Vec<Write>,
    /// GCRA cells that are charged or refunded.
    pub charge: Vec<Charge>,
    /// Counters of a rolling window.
    pub count: Vec<Count>,
    /// Keys that are not compared, and come back with the rest when nothing was committed.
    pub peek: Vec<Key>,
}

/// Names a transaction. Once it is committed, `key` holds `token` for `ttl_ms`: the same transaction again changes nothing and is answered as committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransactionId {
    /// Absent before, or held by another transaction, which makes this one [`Outcome::Changed`].
    pub key: Key,
    /// Unlike that of any other transaction.
    pub token: Value,
    /// How long it is remembered, in milliseconds.
    pub ttl_ms: u64,
}

/// A record that must have this value. `None`: it must be absent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expect {
    /// Which record.
    pub key: Key,
    /// Its value.
    pub value: Option<Value>,
}

/// A record that changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// Which record.
    pub key: Key,
    /// What it must be before.
    pub before: Before,
    /// What it is then; `None` deletes it.
    pub after: Option<Value>,
    /// Milliseconds until the store may drop it; `None`: never.
    pub ttl_ms: Option<u64>,
}

/// What a record must be before it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Before {
    /// Whatever it is: the new value does not depend on it.
    Any,
    /// Not there.
    Absent,
    /// This.
    Is(Value),
}

impl From<Option<Value>> for Before {
    fn from(value: Option<Value>) -> Self {
        value.map_or(Self::Absent, Self::Is)
    }
}

/// Moves the arrival time of a GCRA cell. The cell's value is the Unix microsecond, as decimal digits, at which everything charged will have drained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charge {
    /// Which cell.
    pub key: Key,
    /// Microseconds to add: an emission interval, or a negative one for a refund.
    pub by_us: i64,
    /// A charge that would bring the arrival time further than this from now is [`Outcome::Full`], in microseconds. Refunds are never refused.
    pub capacity_us: u64,
    /// When this key is present, the cell is left alone.
    pub unless: Option<Key>,
}

/// Counts in a rolling window; see [`counter`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Count {
    /// Which counter.
    pub key: Key,
    /// Its window; always the same for one key.
    pub window: Window,
    /// One more, or one less.
    pub by: Step,
    /// Counting beyond it is [`Outcome::Full`]; `None`: no cap.
    pub cap: Option<u32>,
    /// When this key is present, the counter is left alone.
    pub unless: Option<Key>,
}

/// Which way a counter moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// One more, now.
    Up,
    /// One less of those that were counted at that Unix microsecond.
    Down {
        /// When it was counted.
        counted_at_us: u64,
    },
}

/// What was decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision<T> {
    /// This answer, once this is committed.
    Commit(Transaction, T),
    /// This answer; there is nothing to change.
    Tell(T),
    /// None yet: the store has to tell these first.
    Ask(Vec<Key>),
}

/// Who decides: the whole fleet over one store, or a replica that counts apart while the store is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Side {
    /// Names who counts guesses: different on the sides of a split.
    pub slot: u32,
    /// How many count apart, each with its share of every limit; 1 while there is one store.
    pub shares: u32,
}

/// What came of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// All of it happened, now or when the same transaction was committed before.
    Committed(Committed),
    /// A record is not what the decision was made on: nothing happened.
    Changed(Values),
    /// A cell or counter has no room: nothing happened.
    Full(Values),
}

/// A committed transaction.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Committed {
    /// The store's Unix microsecond.
    pub now_us: u64,
    /// The arrival time of each cell in [`Transaction::charge`] now; `None`: it was left alone because of [`Charge::unless`].
    pub arrivals_us: Vec<Option<u64>>,
}

/// What the store has under every key of a transaction, or under the keys of a read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Values {
    /// The store's Unix microsecond.
    pub now_us: u64,
    /// By key; `None`: absent.
    pub values: BTreeMap<Key, Option<Value>>,
}

impl Transaction {
    /// Every key, in the order of the parts: id, expectations, writes, charges, counts, their `unless`, peeks.
    pub fn keys(&self) -> Vec<&Key> {
        let parts = self.id.iter().map(|id| &id.key).chain(self.expect.iter().map(|expect| &expect.key));
        let parts = parts.chain(self.write.iter().map(|write| &write.key)).chain(self.charge.iter().map(|charge| &charge.key));
        let parts = parts.chain(self.count.iter().map(|count| &count.key)).chain(self.conditions());
        parts.chain(&self.peek).collect()
    }

    /// The keys whose presence leaves a cell or counter alone, each once.
    pub fn conditions(&self) -> BTreeSet<&Key> {
        let of_charges = self.charge.iter().filter_map(|charge| charge.unless.as_ref());
        of_charges.chain(self.count.iter().filter_map(|count| count.unless.as_ref())).collect()
    }
}

impl Charge {
    /// The arrival time after this charge, and whether there is room for it.
    pub fn apply(&self, arrival_us: Option<u64>, now_us: u64) -> (u64, bool) {
        let arrival_us = arrival_us.unwrap_or(now_us).max(now_us).saturating_add_signed(self.by_us);
        (arrival_us, self.by_us <= 0 || arrival_us.saturating_sub(now_us) <= self.capacity_us)
    }
}

/// The arrival time that a cell's value tells. `None`: absent, or not a number that a script can hold (2^53).
pub fn arrival_us(cell: Option<&Value>) -> Option<u64> {
    let digits = cell.filter(|cell| cell.iter().all(u8::is_ascii_digit))?;
    std::str::from_utf8(digits).ok()?.parse().ok().filter(|us| *us < 1 << 53)
}

/// What a decision is made on: what the store told in this call, and for the rest what this replica believes.
pub struct View<'a> {
    now_us: u64,
    side: Side,
    told: &'a BTreeMap<Key, Option<Value>>,
    believe: &'a dyn Fn(&Key) -> Option<Value>,
    consulted: RefCell<BTreeMap<Key, Option<Value>>>,
}

impl<'a> View<'a> {
    /// A view at the store's Unix microsecond `now_us`.
    pub fn new(now_us: u64, side: Side, told: &'a BTreeMap<Key, Option<Value>>, believe: &'a dyn Fn(&Key) -> Option<Value>) -> Self {
        Self { now_us, side, told, believe, consulted: RefCell::default() }
    }

    /// The store's Unix microsecond.
    pub fn now_us(&self) -> u64 {
        self.now_us
    }

    /// The store's Unix millisecond.
    pub fn now_ms(&self) -> u64 {
        self.now_us / 1000
    }

    /// Who decides.
    pub fn side(&self) -> Side {
        self.side
    }

    /// A record that the decision is made on: the transaction fails if the store has another. The same each time, whatever another call commits meanwhile.
    pub fn record(&self, key: &Key) -> Option<Value> {
        if let Some(seen) = self.consulted.borrow().get(key) {
            return seen.clone();
        }
        let value = self.told.get(key).map_or_else(|| (self.believe)(key), Clone::clone);
        self.consulted.borrow_mut().insert(Arc::clone(key), value.clone());
        value
    }

    /// What the store told of a key in this call. `None`: nothing yet.
    pub fn told(&self, key: &Key) -> Option<Option<&Value>> {
        self.told.get(key).map(Option::as_ref)
    }

    /// What is known of a key that is not compared, told or believed.
    pub fn hint(&self, key: &Key) -> Option<Value> {
        self.told.get(key).map_or_else(|| (self.believe)(key), Clone::clone)
    }

    /// The records that were looked at, with the values that were seen.
    pub fn into_consulted(self) -> BTreeMap<Key, Option<Value>> {
        self.consulted.into_inner()
    }
}
