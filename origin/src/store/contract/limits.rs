//! Cells and counters: all of them have room, or nothing is charged.

use std::sync::Arc;

use super::{Fixture, HOUR, all, bytes, cases, charge, count, count_in, key, unless, write, write_bytes};
use crate::transaction::{
    Before, Step,
    counter::{Counter, Window},
};

cases![
    a_cell_takes_as_much_as_it_has_room_for,
    charges_are_taken_together_or_not_at_all,
    a_refund_makes_room_and_is_never_refused,
    a_drained_cell_is_gone,
    a_key_that_is_there_leaves_cells_and_counters_alone,
    a_counter_is_capped,
    a_counter_forgets_what_has_left_its_window,
    a_step_back_makes_room,
    what_is_damaged_is_empty,
];

async fn a_cell_takes_as_much_as_it_has_room_for(fixture: Arc<Fixture>) {
    let first = fixture.committed(&charge("cell", 40, 100)).await;
    assert_eq!(first.arrivals_us, [Some(first.now_us + 40_000_000)]);
    let second = fixture.committed(&charge("cell", 40, 100)).await;
    assert_eq!(second.arrivals_us, [Some(first.now_us + 80_000_000)]);
    let values = fixture.full(&charge("cell", 40, 100)).await;
    let arrival = second.arrivals_us[0].expect("it was charged").to_string();
    assert_eq!(values.values[&key("cell")], Some(bytes(&arrival)));
    fixture.committed(&charge("cell", 15, 100)).await;
}

async fn charges_are_taken_together_or_not_at_all(fixture: Arc<Fixture>) {
    let both = || all([charge("wide", 1, 100), charge("narrow", 6, 10), count("counter", Step::Up, 5), write("a", Before::Any, Some("1"))]);
    fixture.committed(&both()).await;
    let before = [fixture.get("wide").await, fixture.get("counter").await];
    fixture.committed(&write("a", Before::Any, None)).await;
    fixture.full(&both()).await;
    assert_eq!([fixture.get("wide").await, fixture.get("counter").await], before);
    assert_eq!(fixture.get("a").await, None);
    fixture.full(&all([charge("narrow", -6, 10), charge("other", 11, 10)])).await;
    fixture.full(&charge("narrow", 6, 10)).await;
}

async fn a_refund_makes_room_and_is_never_refused(fixture: Arc<Fixture>) {
    fixture.committed(&charge("cell", 100, 100)).await;
    fixture.full(&charge("cell", 10, 100)).await;
    fixture.committed(&charge("cell", -20, 0)).await;
    fixture.committed(&charge("cell", 10, 100)).await;
}

async fn a_drained_cell_is_gone(fixture: Arc<Fixture>) {
    fixture.committed(&charge("cell", 100, 100)).await;
    fixture.committed(&charge("cell", -1000, 100)).await;
    assert_eq!(fixture.get("cell").await, None);
    fixture.committed(&charge("cell", -1, 100)).await;
    assert_eq!(fixture.get("cell").await, None);
    let mut brief = charge("cell", 1, 100);
    brief.charge[0].by_us = 100_000;
    fixture.committed(&brief).await;
    assert!(fixture.get("cell").await.is_some());
    fixture.pass(101).await;
    assert_eq!(fixture.get("cell").await, None);
}

async fn a_key_that_is_there_leaves_cells_and_counters_alone(fixture: Arc<Fixture>) {
    let limited = |key| unless(key, all([charge("cell", 10, 10), count("counter", Step::Up, 1)]));
    fixture.committed(&write("known", Before::Any, Some(""))).await;
    for _ in 0..3 {
        let committed = fixture.committed(&all([limited("known"), charge("other", 1, 100)])).await;
        assert!(matches!(committed.arrivals_us[..], [None, Some(_)]), "{committed:?}");
    }
    assert_eq!([fixture.get("cell").await, fixture.get("counter").await], [None, None]);
    fixture.committed(&limited("unknown")).await;
    let values = fixture.full(&limited("unknown")).await;
    assert_eq!(values.values[&key("unknown")], None, "conditions come back too");
    fixture.committed(&limited("known")).await;
    // What the transaction itself writes comes after.
    fixture.full(&all([write("unknown", Before::Absent, Some("1")), limited("unknown")])).await;
}

async fn a_counter_is_capped(fixture: Arc<Fixture>) {
    for _ in 0..3 {
        fixture.committed(&count("counter", Step::Up, 3)).await;
    }
    let values = fixture.full(&count("counter", Step::Up, 3)).await;
    let counter = Counter::read(values.values[&key("counter")].as_ref(), HOUR, values.now_us);
    assert_eq!(counter.total(), 3);
    fixture.committed(&count("counter", Step::Up, 4)).await;
    let mut uncapped = count("counter", Step::Up, 0);
    uncapped.count[0].cap = None;
    fixture.committed(&uncapped).await;
    fixture.full(&count("untouched", Step::Up, 0)).await;
}

async fn a_counter_forgets_what_has_left_its_window(fixture: Arc<Fixture>) {
    let short = Window::new(900_000, 3);
    for _ in 0..2 {
        fixture.committed(&count_in(short, "counter", Step::Up, 2)).await;
    }
    fixture.full(&count_in(short, "counter", Step::Up, 2)).await;
    fixture.pass(1_250).await;
    fixture.committed(&count_in(short, "counter", Step::Up, 1)).await;
    fixture.full(&count_in(short, "counter", Step::Up, 1)).await;
    fixture.pass(short.ttl_ms()).await;
    assert_eq!(fixture.get("counter").await, None, "nor is it kept");
}

async fn a_step_back_makes_room(fixture: Arc<Fixture>) {
    let counted = fixture.committed(&count("counter", Step::Up, 1)).await;
    fixture.full(&count("counter", Step::Up, 1)).await;
    let back = |counted_at_us| count("counter", Step::Down { counted_at_us }, 0);
    fixture.committed(&back(counted.now_us - 2 * 3_600_000_000)).await;
    fixture.full(&count("counter", Step::Up, 1)).await;
    fixture.committed(&back(counted.now_us)).await;
    fixture.committed(&back(counted.now_us)).await;
    fixture.committed(&count("counter", Step::Up, 1)).await;
    fixture.full(&count("counter", Step::Up, 1)).await;
}

async fn what_is_damaged_is_empty(fixture: Arc<Fixture>) {
    for damaged in ["", "x", "-1", " 1790000000000000", "1e99", "0x7fffffffffffff", "99999999999999999999", "\0", "1790000000000000\n"] {
        let both = || all([charge("cell", 10, 10), count("counter", Step::Up, 1)]);
        let put = |name| write_bytes(name, Before::Any, Some(bytes(damaged)), Some(60_000));
        fixture.committed(&all([put("cell"), put("counter")])).await;
        let committed = fixture.committed(&both()).await;
        assert_eq!(committed.arrivals_us, [Some(committed.now_us + 10_000_000)], "{damaged}");
        fixture.full(&both()).await;
    }
}
