//! Records: written as a whole or not at all, on what they were decided on, until they end.

use std::sync::Arc;

use super::{Fixture, all, bytes, cases, charge, count, expect, id, key, peek, write, write_bytes};
use crate::transaction::{Before, Step, Transaction, Value};

cases![
    what_was_committed_is_read,
    nothing_is_a_transaction_too,
    a_record_that_changed_is_not_overwritten,
    absent_is_not_the_same_as_any_value,
    the_values_of_all_keys_come_back_and_peeks_are_not_compared,
    one_stale_expectation_stops_everything,
    a_repeat_is_committed_once,
    the_id_of_another_transaction_changes_nothing,
    a_record_ends,
    a_record_without_an_end_stays,
    a_record_is_deleted,
    records_hold_any_bytes,
];

fn is(text: &str) -> Before {
    Before::Is(bytes(text))
}

async fn what_was_committed_is_read(fixture: Arc<Fixture>) {
    assert_eq!(fixture.get("a").await, None);
    let before_us = fixture.store.now_us();
    let committed = fixture.committed(&all([write("a", Before::Absent, Some("1")), write("b", Before::Any, Some(""))])).await;
    assert!(committed.now_us.abs_diff(before_us) < 1_000_000, "its own time: {} and {before_us}", committed.now_us);
    let values = fixture.store.read(&[key("a"), key("b"), key("c")]).await.expect("the store answers");
    assert!(values.now_us >= committed.now_us);
    assert_eq!(values.values.into_values().collect::<Vec<_>>(), [Some(bytes("1")), Some(bytes("")), None]);
    fixture.committed(&write("a", is("1"), Some("2"))).await;
    fixture.committed(&write("a", Before::Any, Some("3"))).await;
    assert_eq!(fixture.get("a").await.as_deref(), Some("3"));
}

async fn nothing_is_a_transaction_too(fixture: Arc<Fixture>) {
    assert_eq!(fixture.committed(&Transaction::default()).await.arrivals_us, []);
    assert_eq!(fixture.store.read(&[]).await.expect("the store answers").values.len(), 0);
    fixture.committed(&peek("a")).await;
}

async fn a_record_that_changed_is_not_overwritten(fixture: Arc<Fixture>) {
    fixture.committed(&write("a", Before::Any, Some("theirs"))).await;
    let values = fixture.changed(&write("a", is("ours"), Some("new"))).await;
    assert_eq!(values.values[&key("a")], Some(bytes("theirs")));
    fixture.changed(&write("a", Before::Absent, Some("new"))).await;
    fixture.changed(&write("a", is("their"), None)).await;
    assert_eq!(fixture.get("a").await.as_deref(), Some("theirs"));
}

async fn absent_is_not_the_same_as_any_value(fixture: Arc<Fixture>) {
    fixture.changed(&expect("a", Some(""))).await;
    fixture.changed(&write("a", is(""), Some("1"))).await;
    fixture.committed(&expect("a", None)).await;
    fixture.committed(&write("a", Before::Any, Some(""))).await;
    fixture.changed(&expect("a", None)).await;
    fixture.changed(&write("a", Before::Absent, Some("1"))).await;
    fixture.committed(&expect("a", Some(""))).await;
}

async fn the_values_of_all_keys_come_back_and_peeks_are_not_compared(fixture: Arc<Fixture>) {
    fixture.committed(&all([write("a", Before::Any, Some("1")), write("p", Before::Any, Some("2"))])).await;
    let rest = || all([peek("p"), peek("q"), charge("cell", 1, 10), count("counter", Step::Up, 5), write("w", Before::Any, Some("w"))]);
    let values = fixture.changed(&all([id("id", "t"), expect("a", None), rest()])).await;
    let present: Vec<_> = values.values.iter().filter_map(|(key, value)| value.as_ref().map(|_| &**key)).collect();
    assert_eq!(present, ["otp:{v1}:a", "otp:{v1}:p"]);
    assert_eq!(values.values.len(), 7);
    fixture.committed(&all([expect("a", Some("1")), rest()])).await;
}

async fn one_stale_expectation_stops_everything(fixture: Arc<Fixture>) {
    fixture.committed(&write("version", Before::Any, Some("2"))).await;
    let rest = || all([id("id", "t"), write("a", Before::Any, Some("1")), charge("cell", 1, 10), count("counter", Step::Up, 5)]);
    fixture.changed(&all([expect("version", Some("1")), rest()])).await;
    for name in ["id", "a", "cell", "counter"] {
        assert_eq!(fixture.get(name).await, None, "{name}");
    }
    fixture.committed(&all([expect("version", Some("2")), rest()])).await;
    for name in ["id", "a", "cell", "counter"] {
        assert!(fixture.get(name).await.is_some(), "{name}");
    }
}

async fn a_repeat_is_committed_once(fixture: Arc<Fixture>) {
    let transaction =
        all([id("id", "t"), write("a", Before::Absent, Some("1")), charge("cell", 60, 60), count("counter", Step::Up, 1), peek("p")]);
    let first = fixture.committed(&transaction).await;
    let counter = fixture.get("counter").await;
    for _ in 0..3 {
        assert_eq!(fixture.committed(&transaction).await.arrivals_us, first.arrivals_us, "though all of it would be refused now");
    }
    assert_eq!(fixture.get("counter").await, counter);
    fixture.committed(&write("a", is("1"), Some("2"))).await;
    fixture.committed(&transaction).await;
    assert_eq!(fixture.get("a").await.as_deref(), Some("2"));
}

async fn the_id_of_another_transaction_changes_nothing(fixture: Arc<Fixture>) {
    fixture.committed(&all([id("id", "one"), write("a", Before::Any, Some("1"))])).await;
    let values = fixture.changed(&all([id("id", "other"), write("a", Before::Any, Some("2")), charge("cell", 1, 10)])).await;
    assert_eq!(values.values[&key("id")], Some(bytes("one")));
    assert_eq!((fixture.get("a").await.as_deref(), fixture.get("cell").await), (Some("1"), None));
}

async fn a_record_ends(fixture: Arc<Fixture>) {
    let short = |name: &str, ttl_ms| write_bytes(name, Before::Any, Some(bytes("1")), Some(ttl_ms));
    let mut brief = id("id", "t");
    brief.id.iter_mut().for_each(|id| id.ttl_ms = 200);
    fixture.committed(&all([brief, short("a", 200), short("b", 60_000)])).await;
    assert!(fixture.get("a").await.is_some());
    fixture.pass(200).await;
    assert_eq!((fixture.get("a").await, fixture.get("id").await), (None, None));
    fixture.committed(&all([id("id", "other"), expect("a", None), write("b", is("1"), Some("2"))])).await;
}

async fn a_record_without_an_end_stays(fixture: Arc<Fixture>) {
    fixture.committed(&write_bytes("a", Before::Any, Some(bytes("1")), Some(100))).await;
    fixture.committed(&write_bytes("a", Before::Any, Some(bytes("2")), None)).await;
    fixture.pass(150).await;
    assert_eq!(fixture.get("a").await.as_deref(), Some("2"), "the new value has no end");
}

async fn a_record_is_deleted(fixture: Arc<Fixture>) {
    fixture.committed(&write("a", Before::Absent, None)).await;
    fixture.committed(&write("a", Before::Any, Some("1"))).await;
    fixture.committed(&write("a", is("1"), None)).await;
    assert_eq!(fixture.get("a").await, None);
    fixture.committed(&all([write("a", Before::Absent, Some("2")), write("b", Before::Any, None)])).await;
}

async fn records_hold_any_bytes(fixture: Arc<Fixture>) {
    let mut before = Before::Absent;
    let large: Vec<u8> = (0u8..=255).cycle().take(40_000).collect();
    for value in [&b"\0"[..], b"\xff\0\xff", b"\r\n$-1\r\n", b"false", "é".as_bytes(), &large, b"\0\0"] {
        let value = Value::from(value);
        fixture.committed(&write_bytes("a", before, Some(value.clone()), Some(60_000))).await;
        let values = fixture.store.read(&[key("a")]).await.expect("the store answers");
        assert_eq!(values.values[&key("a")], Some(value.clone()));
        before = Before::Is(value);
    }
    let near: Value = b"\0\0\0"[..].into();
    fixture.changed(&write_bytes("a", Before::Is(near), None, None)).await;
}
