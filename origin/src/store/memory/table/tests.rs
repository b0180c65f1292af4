use std::sync::Arc;

use super::*;
use crate::transaction::{TransactionId, Write, counter::Window};

fn put(key: &str, value: &str, ttl_ms: Option<u64>) -> Transaction {
    Transaction { write: vec![Write { key: key.into(), before: Before::Any, after: Some(bytes(value)), ttl_ms }], ..Default::default() }
}

fn bytes(text: &str) -> Value {
    text.as_bytes().into()
}

fn commit(table: &mut Table, transaction: &Transaction, now_us: u64) {
    assert!(matches!(table.commit(transaction, now_us, Mark::Dirty), Ok(Outcome::Committed(_))));
}

fn keys<'a>(records: impl Iterator<Item = Record<'a>>) -> Vec<&'a str> {
    records.map(|record| &**record.key).collect()
}

#[test]
fn an_entry_past_its_end_is_not_seen() {
    let mut table = Table::new(4);
    commit(&mut table, &put("a", "1", Some(10)), 0);
    commit(&mut table, &put("b", "1", None), 0);
    assert_eq!(table.get("a", 9_999), Some(&bytes("1")));
    assert_eq!(table.get("a", 10_000), None);
    assert_eq!(table.get("b", u64::MAX - 1), Some(&bytes("1")));
    assert_eq!(keys(table.iter(10_000)), ["b"]);
    assert_eq!(table.iter(4_000).filter_map(|record| record.left_us).collect::<Vec<_>>(), [6_000]);
    assert_eq!(keys(table.dirty(10_000)), ["b"]);
}

#[test]
fn what_is_left_of_an_entry_stays_when_the_clock_is_moved() {
    for by_us in [50_000_i64, -50_000] {
        let mut table = Table::new(4);
        let (before_us, after_us) = (100_000, 100_000_u64.saturating_add_signed(by_us));
        commit(&mut table, &put("spent:1", "1", Some(10)), before_us);
        commit(&mut table, &put("a", "1", Some(20)), before_us);
        commit(&mut table, &put("b", "1", None), before_us);
        table.move_clock(by_us, |key, value| if **key == *"a" { bytes("moved") } else { value.clone() });
        let mut left: Vec<_> = table.iter(after_us).map(|record| (&**record.key, record.left_us)).collect();
        left.sort_unstable();
        assert_eq!(left, [("a", Some(20_000)), ("b", None), ("spent:1", Some(10_000))]);
        assert_eq!(table.get("a", after_us), Some(&bytes("moved")));
        assert_eq!(keys(table.dirty(after_us)), ["spent:1", "a", "b"]);
        commit(&mut table, &put("c", "1", Some(1)), after_us + 20_000);
        assert!(table.get("a", 0).is_none() && table.get("spent:1", 0).is_none(), "what has ended is swept");
    }
}

#[test]
fn what_was_written_again_meanwhile_stays_dirty() {
    let mut table = Table::new(4);
    commit(&mut table, &put("a", "1", None), 0);
    commit(&mut table, &put("b", "1", None), 0);
    let told: Vec<_> = table.dirty(0).map(|record| (record.key.clone(), record.change)).collect();
    commit(&mut table, &put("a", "2", None), 0);
    for (key, change) in &told {
        table.clean(key, *change);
    }
    assert_eq!(keys(table.dirty(0)), ["a"]);
    table.put_clean("a".into(), bytes("merged"), None, 0);
    assert_eq!(table.dirty(0).count(), 0);
    table.forget("a");
    assert_eq!(keys(table.iter(0)), ["b"]);
}

#[test]
fn what_ends_first_makes_way_but_nothing_that_was_spent_or_revoked() {
    let mut table = Table::new(3);
    for (key, ttl_ms) in [("spent:1", 1), ("revoked:1", 2), ("a", 20), ("b", 10), ("c", 30)] {
        commit(&mut table, &put(key, "1", Some(ttl_ms)), 0);
    }
    assert!(table.get("spent:1", 0).is_some() && table.get("revoked:1", 0).is_some());
    assert_eq!((table.get("a", 0), table.get("b", 0)), (None, None));
    assert!(table.get("c", 0).is_some());
    commit(&mut table, &put("spent:2", "1", Some(30)), 0);
    let before = table.read(&["d".into(), "spent:1".into()], 0);
    assert_eq!(table.commit(&put("d", "1", Some(5)), 0, Mark::Clean), Err(NoRoom));
    assert_eq!(table.commit(&put("spent:3", "1", Some(5)), 0, Mark::Clean), Err(NoRoom));
    assert_eq!(table.read(&["d".into(), "spent:1".into()], 0), before);
    commit(&mut table, &put("spent:1", "2", Some(30)), 0);
    commit(&mut table, &put("spent:3", "1", Some(5)), 2_000);
    assert!(table.get("revoked:1", 1_999).is_none(), "it had ended");
}

#[test]
fn the_table_stays_within_its_capacity_and_sweeps_as_it_goes() {
    let mut table = Table::new(100);
    for n in 0..10_000u64 {
        commit(&mut table, &put(&format!("lasting {n}"), "1", Some(n + 1_000_000)), n);
    }
    assert_eq!((table.entries.len(), table.evictable.len(), table.dirty.len()), (100, 100, 100));
    let mut table = Table::new(100_000);
    for n in 0..10_000u64 {
        commit(&mut table, &put(&format!("short {n}"), "1", Some(10)), n * 1000);
    }
    assert!(table.entries.len() < 20, "{}", table.entries.len());
}

/// One of everything.
fn transaction() -> Transaction {
    let window = Window::new(3_600_000_000, 12);
    Transaction {
        id: Some(TransactionId { key: "id".into(), token: bytes("t"), ttl_ms: 1000 }),
        charge: vec![Charge { key: "cell".into(), by_us: 5_000_000, capacity_us: 10_000_000, unless: None }],
        count: vec![Count { key: "counter".into(), window, by: Step::Up, cap: Some(2), unless: None }],
        ..put("record", "value", Some(500))
    }
}

#[test]
fn what_redis_told_later_stands_whatever_order_its_answers_come_in() {
    let (mut redis, mut mirror) = (Table::new(100), Table::new(100));
    let first = put("guesses", "1", None);
    let mut second = put("guesses", "2", None);
    let Transaction { charge, count, .. } = transaction();
    (second.charge, second.count) = (charge, count);
    let mut answers = Vec::new();
    for (now_us, transaction) in [(1, &first), (2, &second), (3, &second)] {
        let Ok(Outcome::Committed(committed)) = redis.commit(transaction, now_us, Mark::Clean) else { panic!("there is room") };
        answers.push((transaction, committed));
    }
    for (transaction, committed) in answers.iter().rev() {
        mirror.mirror(transaction, committed).expect("there is room");
    }
    for key in ["guesses", "cell", "counter"] {
        assert_eq!(mirror.get(key, 3), redis.get(key, 3), "{key}");
    }
    mirror.put_told("guesses".into(), Some((bytes("1"), 10)), 1);
    mirror.put_told("guesses".into(), None, 1);
    assert_eq!(mirror.get("guesses", 3), Some(&bytes("2")));
    mirror.mark_all_dirty(3);
    mirror.put_told("guesses".into(), Some((bytes("3"), 10)), 4);
    assert_eq!(mirror.get("guesses", 3), Some(&bytes("2")), "what was not told yet stands");
    mirror.clean_unless(|_| false);
    mirror.put_told("guesses".into(), Some((bytes("3"), 10)), 1);
    assert_eq!(mirror.get("guesses", 3), Some(&bytes("3")), "another server may have another clock");
}

#[test]
fn a_mirror_has_what_redis_committed() {
    let (mut redis, mut mirror) = (Table::new(100), Table::new(100));
    for _ in 0..2 {
        let Ok(Outcome::Committed(committed)) = redis.commit(&transaction(), 1_790_000_000_000_000, Mark::Clean) else {
            panic!("there is room")
        };
        mirror.mirror(&transaction(), &committed).expect("there is room");
        let all = |table: &Table| -> BTreeMap<Key, (Value, Option<u64>)> {
            table.iter(committed.now_us).map(|record| (Arc::clone(record.key), (record.value.clone(), record.left_us))).collect()
        };
        assert_eq!(all(&mirror), all(&redis));
        assert_eq!(all(&redis).len(), 4);
        assert_eq!(mirror.dirty(0).count(), 0);
    }
}

#[test]
fn a_value_that_was_told_before_its_commit_was_answered_keeps_its_end() {
    let mut table = Table::new(4);
    let committed = Committed { now_us: 1_000, arrivals_us: Vec::new() };
    table.put_told("a".into(), Some((bytes("1"), 60)), 2_000);
    table.put_told("b".into(), Some((bytes("2"), 60)), 2_000);
    for key in ["a", "b"] {
        table.mirror(&put(key, "1", Some(300)), &committed).unwrap();
    }
    assert_eq!(table.get("a", 300_999), Some(&bytes("1")));
    assert_eq!(table.get("a", 301_000), None);
    assert_eq!(table.get("b", 61_000), Some(&bytes("2")), "another value was told later, and stands");
    assert_eq!(table.get("b", 62_000), None);
}
