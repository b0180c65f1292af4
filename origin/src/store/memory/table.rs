//! A map whose entries end by themselves and whose size is bounded. Not a cache: an entry in force is found until it ends, unless the table is full.
//!
//! **Invariant:** an entry past its end is never seen, whether or not it was swept; the table never holds more than its capacity.

use std::collections::{BTreeMap, BTreeSet};

/// Ended entries that are dropped at every insert, so that sweeping keeps up with inserting.
const SWEPT_AT_ONCE: usize = 4;

#[derive(Debug)]
struct Entry<V> {
    value: V,
    end_us: u64,
    /// The change that last touched it.
    changed: u64,
}

/// Entries by key, each with the Unix microsecond at which it ends.
#[derive(Debug)]
pub struct Table<K, V> {
    entries: BTreeMap<K, Entry<V>>,
    by_end: BTreeSet<(u64, K)>,
    capacity: usize,
    changes: u64,
}

/// No room: every entry is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full;

impl<K: Ord + Clone, V> Table<K, V> {
    /// Empty, for at most `capacity` entries.
    pub fn new(capacity: usize) -> Self {
        Self { entries: BTreeMap::new(), by_end: BTreeSet::new(), capacity: capacity.max(1), changes: 0 }
    }

    /// The value in force at `now_us`.
    pub fn get(&self, key: &K, now_us: u64) -> Option<&V> {
        self.entries.get(key).filter(|entry| now_us < entry.end_us).map(|entry| &entry.value)
    }

    /// The same, to change.
    pub fn get_mut(&mut self, key: &K, now_us: u64) -> Option<&mut V> {
        let entry = self.entries.get_mut(key).filter(|entry| now_us < entry.end_us)?;
        self.changes += 1;
        entry.changed = self.changes;
        Some(&mut entry.value)
    }

    /// Puts the entry in place of any before it; when all are in force and there is no room, the one that ends first makes way.
    pub fn put(&mut self, key: K, value: V, end_us: u64, now_us: u64) {
        self.sweep(now_us);
        if self.entries.len() >= self.capacity
            && !self.entries.contains_key(&key)
            && let Some((_, first)) = self.by_end.pop_first()
        {
            self.entries.remove(&first);
        }
        self.place(key, value, end_us);
    }

    /// Puts the entry if there is room for it without forgetting one in force.
    pub fn try_put(&mut self, key: K, value: V, end_us: u64, now_us: u64) -> Result<(), Full> {
        self.sweep(now_us);
        if self.entries.len() >= self.capacity && !self.entries.contains_key(&key) {
            return Err(Full);
        }
        self.place(key, value, end_us);
        Ok(())
    }

    /// Takes the entry out; `None` when there was none in force.
    pub fn remove(&mut self, key: &K, now_us: u64) -> Option<V> {
        let entry = self.entries.remove(key)?;
        self.by_end.remove(&(entry.end_us, key.clone()));
        (now_us < entry.end_us).then_some(entry.value)
    }

    /// What is in force, with the microsecond at which each ends.
    pub fn iter(&self, now_us: u64) -> impl Iterator<Item = (&K, &V, u64)> {
        self.entries.iter().filter(move |(_, entry)| now_us < entry.end_us).map(|(key, entry)| (key, &entry.value, entry.end_us))
    }

    /// Changes so far: what to pass to [`Self::changed_since`] later.
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// What is in force and was touched after so many changes.
    pub fn changed_since(&self, changes: u64, now_us: u64) -> impl Iterator<Item = (&K, &V, u64)> {
        let touched = self.entries.iter().filter(move |(_, entry)| entry.changed > changes && now_us < entry.end_us);
        touched.map(|(key, entry)| (key, &entry.value, entry.end_us))
    }

    /// Entries held, ended ones that were not yet swept among them.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    fn place(&mut self, key: K, value: V, end_us: u64) {
        self.changes += 1;
        if let Some(before) = self.entries.insert(key.clone(), Entry { value, end_us, changed: self.changes }) {
            self.by_end.remove(&(before.end_us, key.clone()));
        }
        self.by_end.insert((end_us, key));
    }

    fn sweep(&mut self, now_us: u64) {
        for _ in 0..SWEPT_AT_ONCE {
            match self.by_end.first() {
                Some((end_us, _)) if *end_us <= now_us => {}
                _ => return,
            }
            if let Some((_, key)) = self.by_end.pop_first() {
                self.entries.remove(&key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_past_its_end_is_not_seen() {
        let mut table = Table::new(4);
        table.put("a", 1, 10, 0);
        assert_eq!(table.get(&"a", 9), Some(&1));
        assert_eq!(table.get(&"a", 10), None);
        assert_eq!(table.remove(&"a", 10), None);
    }

    #[test]
    fn what_changed_since_is_told_and_nothing_else() {
        let mut table = Table::new(4);
        table.put("a", 1, 10, 0);
        table.put("b", 1, 10, 0);
        let then = table.changes();
        assert_eq!(table.changed_since(then, 0).count(), 0);
        *table.get_mut(&"a", 0).expect("it is there") = 2;
        assert_eq!(table.changed_since(then, 0).map(|(key, ..)| *key).collect::<Vec<_>>(), ["a"]);
        assert_eq!(table.changed_since(0, 0).count(), 2);
        assert_eq!(table.changed_since(0, 10).count(), 0);
    }

    #[test]
    fn the_table_stays_within_its_capacity() {
        let mut table = Table::new(100);
        for n in 0..10_000u64 {
            table.put(n, (), n + 1_000_000, n);
        }
        assert_eq!(table.len(), 100);
        assert_eq!(table.iter(10_000).next().map(|(key, ..)| *key), Some(9_900), "those that end last stay");
    }

    #[test]
    fn ended_entries_make_room_first() {
        let mut table = Table::new(2);
        table.put("ended", (), 5, 0);
        table.put("in force", (), 100, 0);
        assert_eq!(table.try_put("new", (), 100, 10), Ok(()));
        assert_eq!(table.try_put("one too many", (), 100, 10), Err(Full));
        assert!(table.get(&"in force", 10).is_some());
    }

    #[test]
    fn sweeping_keeps_up_with_inserting() {
        let mut table = Table::new(100_000);
        for n in 0..10_000u64 {
            table.put(n, (), n + 10, n);
        }
        assert!(table.len() < 20, "{}", table.len());
    }
}
