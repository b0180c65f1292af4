//! Records in memory: a map whose entries end by themselves and whose size is bounded, with the transactions of `commit.lua`. It reads no clock and has no lock.
//!
//! **Invariant:** an entry past its end is never seen, whether or not it was swept; there are never more entries than the capacity, and what was spent or revoked is
//! never forgotten before its end.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::transaction::{Before, Charge, Committed, Count, Key, Outcome, Step, Transaction, Value, Values, arrival_us, counter::Counter};

/// Ended entries that are dropped at every write, so that sweeping keeps up with inserting.
const SWEPT_AT_ONCE: usize = 8;
/// The end of an entry that has none.
const NEVER: u64 = u64::MAX;

/// A map of records.
#[derive(Debug)]
pub struct Table {
    entries: HashMap<Key, Entry>,
    /// By end: those that may make way, and those that must not.
    evictable: BTreeSet<(u64, Key)>,
    kept: BTreeSet<(u64, Key)>,
    /// By change: what was committed here and nowhere else.
    dirty: BTreeMap<u64, Key>,
    capacity: usize,
    changes: u64,
}

#[derive(Debug)]
struct Entry {
    value: Value,
    end_us: u64,
    /// The number of the change that wrote it.
    change: u64,
    /// The microsecond at which Redis had the value, if Redis told it; 0: it gives way to whatever Redis tells.
    told_at_us: u64,
}

/// A record in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// Its name.
    pub key: &'a Key,
    /// Its bytes.
    pub value: &'a Value,
    /// Microseconds until it ends; `None`: never.
    pub left_us: Option<u64>,
    /// The number of the change that wrote it.
    pub change: u64,
}

/// Whether what is committed is known elsewhere too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// Redis has it, or there is no Redis.
    Clean,
    /// Redis has to be told.
    Dirty,
}

/// No room: everything that is kept is spent or revoked, and in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("memory is full of what must not be forgotten")]
pub struct NoRoom;

/// What a transaction does to one key: the new value and its end, or its removal.
type Change = (Key, Option<(Value, u64)>);

impl Table {
    /// Empty, for at most `capacity` entries.
    pub fn new(capacity: usize) -> Self {
        let (evictable, kept) = Default::default();
        Self { entries: HashMap::new(), evictable, kept, dirty: BTreeMap::new(), capacity: capacity.max(1), changes: 0 }
    }

    /// The value in force at `now_us`.
    pub fn get(&self, key: &str, now_us: u64) -> Option<&Value> {
        self.entries.get(key).filter(|entry| now_us < entry.end_us).map(|entry| &entry.value)
    }

    /// What is in force under each key.
    pub fn read<'a>(&self, keys: impl IntoIterator<Item = &'a Key>, now_us: u64) -> Values {
        Values { now_us, values: keys.into_iter().map(|key| (key.clone(), self.get(key, now_us).cloned())).collect() }
    }

    /// Commits all of the transaction, or nothing.
    pub fn commit(&mut self, transaction: &Transaction, now_us: u64, mark: Mark) -> Result<Outcome, NoRoom> {
        let id = transaction.id.as_ref().and_then(|id| Some((id, self.get(&id.key, now_us)?)));
        let repeated = id.is_some_and(|(id, token)| *token == id.token);
        let changed = id.is_some() || self.has_changed(transaction, now_us);
        if !repeated && changed {
            return Ok(Outcome::Changed(self.read(transaction.keys(), now_us)));
        }
        if repeated {
            return Ok(Outcome::Committed(Committed { now_us, arrivals_us: self.arrivals(transaction, now_us) }));
        }
        let (charged, counted) = (self.charge(transaction, now_us), self.count(transaction, now_us));
        let (Some(arrivals_us), Some(counted)) = (charged, counted) else {
            return Ok(Outcome::Full(self.read(transaction.keys(), now_us)));
        };
        let committed = Committed { now_us, arrivals_us };
        let mut changes = records(transaction, now_us);
        changes.extend(cells(transaction, &committed));
        changes.extend(counted);
        self.apply(changes, now_us, mark, 0)?;
        Ok(Outcome::Committed(committed))
    }

    /// Takes over what Redis committed, if there is room for all of it.
    pub fn mirror(&mut self, transaction: &Transaction, committed: &Committed) -> Result<(), NoRoom> {
        let now_us = committed.now_us;
        // A repeat was counted when it was committed.
        let repeated = transaction.id.as_ref().is_some_and(|id| self.get(&id.key, now_us) == Some(&id.token));
        let mut changes = records(transaction, now_us);
        changes.extend(cells(transaction, committed));
        changes.retain(|(key, after)| {
            let stands = self.stands(key, now_us);
            if let (true, Some((value, end_us))) = (stands, after) {
                self.keep_until(key, value, *end_us);
            }
            !stands
        });
        if !repeated {
            let counters = self.counters(transaction, now_us).filter(|(count, _)| !self.is_dirty(&count.key));
            changes.extend(counters.map(|(count, counter)| counted(count, &counter, now_us)));
        }
        self.apply(changes, now_us, Mark::Clean, now_us)
    }

    /// Takes over what Redis has under a key: a value and its milliseconds, or nothing. Without room for it, it is not taken over.
    pub fn put_told(&mut self, key: Key, value: Option<(Value, u64)>, now_us: u64) {
        if !self.stands(&key, now_us) {
            let after = value.map(|(value, ttl_ms)| (value, end_us(Some(ttl_ms), now_us)));
            _ = self.apply(vec![(key, after)], now_us, Mark::Clean, now_us);
        }
    }

    /// Answers are not always taken over in the order in which Redis gave them: what it told later stands. And so does what it was not told yet.
    fn stands(&self, key: &str, now_us: u64) -> bool {
        self.entries.get(key).is_some_and(|entry| entry.told_at_us > now_us) || self.is_dirty(key)
    }

    fn is_dirty(&self, key: &str) -> bool {
        let change = self.entries.get(key).map(|entry| entry.change);
        change.and_then(|change| self.dirty.get(&change)).is_some_and(|dirty| **dirty == *key)
    }

    /// Of what is dirty, only what is told stays so.
    pub fn clean_unless(&mut self, is_told: impl Fn(&str) -> bool) {
        self.dirty.retain(|_, key| is_told(key));
    }

    /// What Redis tells has no end, so it was guessed: if this is the same value, its own end stands.
    fn keep_until(&mut self, key: &Key, value: &Value, end_us: u64) {
        let Some(entry) = self.entries.get_mut(key).filter(|entry| entry.value == *value && entry.end_us < end_us) else { return };
        let guessed_us = std::mem::replace(&mut entry.end_us, end_us);
        self.by_end(key, guessed_us).remove(&(guessed_us, key.clone()));
        self.by_end(key, end_us).insert((end_us, key.clone()));
    }

    /// Takes over a value that Redis has. Without room for it, it is not taken over.
    pub fn put_clean(&mut self, key: Key, value: Value, ttl_ms: Option<u64>, now_us: u64) {
        _ = self.apply(vec![(key, Some((value, end_us(ttl_ms, now_us))))], now_us, Mark::Clean, 0);
    }

    /// Drops the entry.
    pub fn forget(&mut self, key: &str) {
        if let Some((key, entry)) = self.entries.remove_entry(key) {
            self.dirty.remove(&entry.change);
            self.by_end(&key, entry.end_us).remove(&(entry.end_us, key));
        }
    }

    /// What is in force and dirty, in the order in which it was written.
    pub fn dirty(&self, now_us: u64) -> impl Iterator<Item = Record<'_>> {
        self.dirty.values().filter_map(move |key| record(key, self.entries.get(key)?, now_us))
    }

    /// The entry is known elsewhere now; `false` when it was written again since that change.
    pub fn clean(&mut self, key: &str, change: u64) -> bool {
        let unchanged = self.dirty.get(&change).is_some_and(|dirty| **dirty == *key);
        unchanged && self.dirty.remove(&change).is_some()
    }

    /// Nothing is known elsewhere any more, and Redis may be another one, with another clock.
    pub fn mark_all_dirty(&mut self, now_us: u64) {
        for entry in self.entries.values_mut() {
            entry.told_at_us = 0;
        }
        let in_force = self.entries.iter().filter(|(_, entry)| now_us < entry.end_us);
        self.dirty = in_force.map(|(key, entry)| (entry.change, Key::clone(key))).collect();
    }

    /// From now on entries are judged by a clock that is so far ahead of the one before: what is left of each stays. `moved` is a value in the new time.
    pub fn move_clock(&mut self, by_us: i64, moved: impl Fn(&Key, &Value) -> Value) {
        self.evictable.clear();
        self.kept.clear();
        for (key, mut entry) in std::mem::take(&mut self.entries) {
            if entry.end_us != NEVER {
                entry.end_us = entry.end_us.saturating_add_signed(by_us);
            }
            entry.value = moved(&key, &entry.value);
            self.by_end(&key, entry.end_us).insert((entry.end_us, key.clone()));
            self.entries.insert(key, entry);
        }
    }

    /// What is in force, in no order.
    pub fn iter(&self, now_us: u64) -> impl Iterator<Item = Record<'_>> {
        self.entries.iter().filter_map(move |(key, entry)| record(key, entry, now_us))
    }

    fn has_changed(&self, transaction: &Transaction, now_us: u64) -> bool {
        let mut expected = transaction.expect.iter();
        let mut writes = transaction.write.iter();
        expected.any(|expect| self.get(&expect.key, now_us) != expect.value.as_ref())
            || writes.any(|write| match &write.before {
                Before::Any => false,
                Before::Absent => self.get(&write.key, now_us).is_some(),
                Before::Is(value) => self.get(&write.key, now_us) != Some(value),
            })
    }

    fn is_present(&self, key: Option<&Key>, now_us: u64) -> bool {
        key.is_some_and(|key| self.get(key, now_us).is_some())
    }

    /// Each cell's arrival time; `None`: left alone.
    fn arrivals(&self, transaction: &Transaction, now_us: u64) -> Vec<Option<u64>> {
        let arrival = |charge: &Charge| arrival_us(self.get(&charge.key, now_us)).unwrap_or(now_us).max(now_us);
        let cells = transaction.charge.iter();
        cells.map(|charge| (!self.is_present(charge.unless.as_ref(), now_us)).then(|| arrival(charge))).collect()
    }

    /// The same after the charges; `None`: one of them has no room.
    fn charge(&self, transaction: &Transaction, now_us: u64) -> Option<Vec<Option<u64>>> {
        let charged = transaction.charge.iter().zip(self.arrivals(transaction, now_us)).map(|(charge, arrival_us)| {
            let charged = arrival_us.map(|arrival_us| charge.apply(Some(arrival_us), now_us));
            charged.map_or(Some(None), |(arrival_us, has_room)| has_room.then_some(Some(arrival_us)))
        });
        charged.collect()
    }

    /// The counters after the counts; `None`: one of them has no room.
    fn count(&self, transaction: &Transaction, now_us: u64) -> Option<Vec<Change>> {
        let has_room =
            |count: &Count, counter: &Counter| count.by != Step::Up || count.cap.is_none_or(|cap| counter.total() <= u64::from(cap));
        let counters = self.counters(transaction, now_us);
        counters.map(|(count, counter)| has_room(count, &counter).then(|| counted(count, &counter, now_us))).collect()
    }

    /// The counters that are not left alone, one step further.
    fn counters<'a>(&self, transaction: &'a Transaction, now_us: u64) -> impl Iterator<Item = (&'a Count, Counter)> {
        let counts = transaction.count.iter().filter(move |count| !self.is_present(count.unless.as_ref(), now_us));
        counts.map(move |count| (count, Counter::read(self.get(&count.key, now_us), count.window, now_us).step(count.by)))
    }

    /// All of the changes, or none when there is no room for all.
    fn apply(&mut self, changes: Vec<Change>, now_us: u64, mark: Mark, told_at_us: u64) -> Result<(), NoRoom> {
        self.sweep(now_us);
        self.make_room(&changes, now_us)?;
        for (key, after) in changes {
            self.forget(&key);
            if let Some((value, end_us)) = after {
                self.changes += 1;
                if mark == Mark::Dirty {
                    self.dirty.insert(self.changes, key.clone());
                }
                self.by_end(&key, end_us).insert((end_us, key.clone()));
                self.entries.insert(key, Entry { value, end_us, change: self.changes, told_at_us });
            }
        }
        Ok(())
    }

    /// Ended entries make way first, then those that end first.
    fn make_room(&mut self, changes: &[Change], now_us: u64) -> Result<(), NoRoom> {
        let new = changes.iter().filter(|(key, after)| after.is_some() && !self.entries.contains_key(key)).count();
        let missing = (self.entries.len() + new).saturating_sub(self.capacity);
        if missing == 0 {
            return Ok(());
        }
        let stays = |key: &Key| changes.iter().any(|(changed, _)| changed == key);
        let ended = self.kept.iter().take_while(|(end_us, _)| *end_us <= now_us);
        let victims = ended.chain(&self.evictable).filter(|(_, key)| !stays(key)).take(missing);
        let victims: Vec<_> = victims.map(|(_, key)| key.clone()).collect();
        if victims.len() < missing {
            return Err(NoRoom);
        }
        for key in victims {
            self.forget(&key);
        }
        Ok(())
    }

    fn sweep(&mut self, now_us: u64) {
        let all = self.evictable.iter().take_while(|(end_us, _)| *end_us <= now_us);
        let all = all.chain(self.kept.iter().take_while(|(end_us, _)| *end_us <= now_us));
        let ended: Vec<_> = all.take(SWEPT_AT_ONCE).map(|(_, key)| key.clone()).collect();
        for key in ended {
            self.forget(&key);
        }
    }

    fn by_end(&mut self, key: &str, end_us: u64) -> &mut BTreeSet<(u64, Key)> {
        let kept = end_us == NEVER || ["spent:", "revoked:"].iter().any(|prefix| key.starts_with(prefix));
        if kept { &mut self.kept } else { &mut self.evictable }
    }
}

/// The id and the writes.
fn records(transaction: &Transaction, now_us: u64) -> Vec<Change> {
    let id = transaction.id.iter().map(|id| (id.key.clone(), Some((id.token.clone(), end_us(Some(id.ttl_ms), now_us)))));
    let writes = transaction.write.iter().map(|write| {
        let after = write.after.as_ref().map(|value| (value.clone(), end_us(write.ttl_ms, now_us)));
        (write.key.clone(), after)
    });
    id.chain(writes).collect()
}

/// The charged cells, each until it has drained.
fn cells(transaction: &Transaction, committed: &Committed) -> impl Iterator<Item = Change> {
    let charged = transaction.charge.iter().zip(&committed.arrivals_us);
    charged.filter_map(|(charge, arrival_us)| {
        let arrival_us = (*arrival_us)?;
        let left_ms = arrival_us.saturating_sub(committed.now_us).div_ceil(1000);
        let value = arrival_us.to_string().into_bytes().into();
        Some((charge.key.clone(), (left_ms > 0).then(|| (value, end_us(Some(left_ms), committed.now_us)))))
    })
}

/// A counter ends with its window, or when nothing is in it.
fn counted(count: &Count, counter: &Counter, now_us: u64) -> Change {
    let counts_any = counter.total() > 0;
    (count.key.clone(), counts_any.then(|| (counter.to_value(), end_us(Some(count.window.ttl_ms()), now_us))))
}

fn end_us(ttl_ms: Option<u64>, now_us: u64) -> u64 {
    ttl_ms.map_or(NEVER, |ttl_ms| now_us.saturating_add(ttl_ms.max(1).saturating_mul(1000)))
}

fn record<'a>(key: &'a Key, entry: &'a Entry, now_us: u64) -> Option<Record<'a>> {
    let left_us = (entry.end_us != NEVER).then(|| entry.end_us - now_us.min(entry.end_us));
    (left_us != Some(0)).then_some(Record { key, value: &entry.value, left_us, change: entry.change })
}

#[cfg(test)]
mod tests;
