//! Records that no version of ours wrote, or a newer one did: nothing is guessed of them, and nothing is written over them.

use ::redis::Commands;
use otp_shared::limits::Limit;

use super::{
    Fixture, HOLD_THRESHOLD, StoreFactory, again, cases, guess, keyed,
    on_fallback::{connected, replica},
    on_redis::wait_until,
    only, resend, wide,
};
use crate::{
    domain::{
        evaluation::{RequestCall, VerifyVerdict},
        record::{
            answer_key, attempts_key, challenge_key,
            holds::{SHARDS, shard_key},
            holds_key, phone_key, refusals_key,
        },
    },
    store::{StoreError, StoreState, contract::server::Server},
    transaction::Key,
};

cases![
    a_request_on_a_damaged_record_is_an_error,
    a_resend_on_damaged_guesses_is_an_error,
    a_guess_on_a_damaged_record_is_an_error,
    a_damaged_cell_is_an_empty_one,
];

/// A newer format, a record that ends early, and nothing at all.
const DAMAGED: [&[u8]; 3] = [&[9, 0, 0, 0, 0, 0, 0], &[1, 0, 7], b""];

fn is_corrupt<T: std::fmt::Debug>(answer: &Result<T, StoreError>) {
    assert!(matches!(answer, Err(StoreError::Corrupt(_))), "{answer:?}");
}

async fn is_untouched(fixture: &Fixture, key: &Key, bytes: &[u8]) {
    assert_eq!(fixture.get(key).await.as_deref(), Some(bytes));
}

async fn a_request_on_a_damaged_record_is_an_error(factory: &dyn StoreFactory) {
    let fixture = factory.fixture(wide()).await;
    for bytes in DAMAGED {
        let asked = keyed(fixture.ask(1), 7, 1);
        for key in [phone_key(asked.phone), challenge_key(asked.challenge), answer_key(&[7; 16])] {
            fixture.put(key.clone(), bytes).await;
            is_corrupt(&fixture.records.request(&asked).await);
            is_untouched(&fixture, &key, bytes).await;
        }
    }
}

async fn a_resend_on_damaged_guesses_is_an_error(factory: &dyn StoreFactory) {
    let fixture = factory.fixture(wide()).await;
    for bytes in DAMAGED {
        let asked = fixture.ask(1);
        fixture.sent(&asked).await;
        fixture.put(attempts_key(asked.challenge), bytes).await;
        is_corrupt(&fixture.records.request(&resend(&asked)).await);
    }
}

async fn a_guess_on_a_damaged_record_is_an_error(factory: &dyn StoreFactory) {
    let fixture = factory.fixture(wide()).await;
    for bytes in DAMAGED {
        let asked = fixture.ask(1);
        let key = attempts_key(asked.challenge);
        fixture.put(key.clone(), bytes).await;
        for correct in [true, false] {
            is_corrupt(&fixture.records.verify(&guess(&asked, correct)).await);
        }
        is_untouched(&fixture, &key, bytes).await;
    }
}

async fn a_damaged_cell_is_an_empty_one(factory: &dyn StoreFactory) {
    let fixture = factory.fixture(wide()).await;
    let asked = fixture.ask(1);
    for cell in ["otp:{v1}:cell:request.ip:203.0.113.1", "otp:{v1}:recipients"] {
        fixture.put(cell.into(), b"\xff7").await;
    }
    fixture.sent(&asked).await;
}

/// Redis holds this instead of what was written there.
fn damage(server: &Server, key: &Key, bytes: &[u8]) {
    let _: () = server.connection().set(&**key, bytes).expect("it answers");
}

fn is_untouched_at(server: &Server, key: &Key, bytes: &[u8]) {
    let found: Vec<u8> = server.connection().get(&**key).expect("it answers");
    assert_eq!(found, bytes, "nothing is written over what cannot be read");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_decides_what_redis_has_in_a_form_that_cannot_be_read() {
    let server = Server::start(&[]);
    let fixture = connected(&server, only(Limit::RequestPhoneHour, "2/1h")).await;
    for bytes in DAMAGED {
        let asked = fixture.ask(bytes.len().try_into().expect("a few"));
        damage(&server, &phone_key(asked.phone), bytes);
        damage(&server, &attempts_key(asked.challenge), bytes);
        for _ in 0..2 {
            fixture.sent(&again(&asked)).await;
        }
        assert_eq!(fixture.refused(&again(&asked)).await.0, Limit::RequestPhoneHour, "the limit holds");
        assert_eq!(fixture.verify(&guess(&asked, false)).await, VerifyVerdict::Incorrect { attempts_left: 4 });
        assert_eq!(fixture.verify(&guess(&asked, true)).await, VerifyVerdict::Accepted);
        assert_eq!(fixture.verify(&guess(&asked, true)).await, VerifyVerdict::Unknown, "a code works once");
        is_untouched_at(&server, &phone_key(asked.phone), bytes);
        is_untouched_at(&server, &attempts_key(asked.challenge), bytes);
    }
    assert_eq!(fixture.records.state(), StoreState::Connected, "others are served by redis");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_used_before_the_damage_stays_used() {
    let server = Server::start(&[]);
    let fixture = connected(&server, wide()).await;
    for bytes in DAMAGED {
        let asked = fixture.ask(1);
        fixture.sent(&asked).await;
        assert_eq!(fixture.verify(&guess(&asked, true)).await, VerifyVerdict::Accepted);
        damage(&server, &attempts_key(asked.challenge), bytes);
        assert_eq!(fixture.verify(&guess(&asked, true)).await, VerifyVerdict::Unknown);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_memory_decides_because_of_one_record_holds_for_all_the_others_and_at_every_replica() {
    let server = Server::start(&[]);
    let quotas = only(Limit::RequestPhoneHour, "2/1h");
    let (fixture, other) = (replica(&server, 1, quotas.clone(), 1), replica(&server, 2, quotas, 1));
    for fixture in [&fixture, &other] {
        wait_until(&fixture.records, StoreState::Connected).await;
    }
    let of_refusals = |asked: &RequestCall| refusals_key(&asked.phone_hold);
    let of_challenge = |asked: &RequestCall| challenge_key(asked.challenge);
    for (phone, key) in [(1, of_refusals as fn(&RequestCall) -> Key), (2, of_challenge)] {
        let asked = fixture.ask(phone);
        damage(&server, &of_challenge(&asked), b"\x09");
        for _ in 0..2 {
            fixture.sent(&again(&asked)).await;
        }
        damage(&server, &key(&asked), b"\x09");
        for fixture in [&fixture, &other, &fixture] {
            assert_eq!(fixture.refused(&again(&asked)).await.0, Limit::RequestPhoneHour);
        }
        assert_eq!(fixture.verify(&guess(&asked, true)).await, VerifyVerdict::Accepted);
        for fixture in [&fixture, &other, &fixture] {
            assert_eq!(fixture.verify(&guess(&asked, true)).await, VerifyVerdict::Unknown, "a code works once");
        }
        is_untouched_at(&server, &key(&asked), b"\x09");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn holds_are_listed_though_one_list_cannot_be_read() {
    let server = Server::start(&[]);
    let fixture = connected(&server, only(Limit::RequestPhoneHour, "1/1h")).await;
    let asked = fixture.ask(1);
    fixture.sent(&asked).await;
    for _ in 0..HOLD_THRESHOLD {
        fixture.refused(&again(&asked)).await;
    }
    let list = shard_key(&asked.phone_hold);
    let damaged = (0..SHARDS).map(holds_key).find(|key| *key != list).expect("there are many");
    damage(&server, &damaged, b"\x09");
    let held: Vec<_> = fixture.records.holds().await.expect("it answers").into_iter().map(|hold| hold.subject).collect();
    assert_eq!(held, [asked.phone_hold]);
}
