//! Records that no version of ours wrote, or a newer one did: nothing is guessed of them, and nothing is written over them.

use ::redis::Commands;
use otp_shared::limits::Limit;

use super::{Fixture, StoreFactory, again, cases, guess, keyed, on_fallback::connected, only, resend, wide};
use crate::{
    domain::{
        evaluation::VerifyVerdict,
        record::{answer_key, attempts_key, challenge_key, phone_key},
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
