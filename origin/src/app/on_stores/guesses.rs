//! Guesses: five for the life of a challenge, one acceptance, also in parallel.

use std::sync::Arc;

use otp_shared::limits::Limit;
use tokio::task::JoinSet;

use super::{Fixture, StoreFactory, again, cases, guess, only, resend, wide};
use crate::domain::evaluation::{RequestCall, RequestVerdict, VerifyCall, VerifyVerdict};

cases![
    a_used_code_is_refused,
    five_guesses_mean_five,
    the_right_guess_may_be_the_last,
    of_thirty_parallel_right_guesses_one_is_accepted,
    of_two_hundred_parallel_wrong_guesses_five_are_counted,
    a_repeated_guess_is_counted_once,
    an_ended_challenge_is_unknown,
    a_challenge_without_a_record_is_adopted,
    a_refused_address_uses_up_no_guess,
    a_right_guess_is_accepted_whatever_its_address_has_used_up,
    guesses_at_what_is_used_or_locked_or_ended_cost_their_address,
    a_resend_keeps_the_guesses,
    a_resend_of_a_used_challenge_is_unknown,
    a_resend_of_an_ended_challenge_is_unknown,
    a_resend_with_less_than_a_minute_left_is_unknown_and_not_charged,
    a_resend_of_a_locked_challenge_is_locked,
];

const ACCEPTED: VerifyVerdict = VerifyVerdict::Accepted;

const fn incorrect(attempts_left: u32) -> VerifyVerdict {
    VerifyVerdict::Incorrect { attempts_left }
}

async fn a_used_code_is_refused(factory: &dyn StoreFactory) {
    let fixture = factory.fixture(wide()).await;
    let asked = fixture.ask(1);
    fixture.sent(&asked).await;
    assert_eq!(fixture.verify(&guess(&asked, true)).await, ACCEPTED);
    for correct in [true, false] {
        assert_eq!(fixture.verify(&guess(&asked, correct)).await, VerifyVerdict::Unknown);
    }
}

async fn use_up(fixture: &Fixture, asked: &RequestCall) {
    for attempts_left in [4, 3, 2, 1, 0] {
        assert_eq!(fixture.verify(&guess(asked, false)).await, incorrect(attempts_left));
    }
}

async fn five_guesses_mean_five(factory: &dyn StoreFactory) {
    let fixture = factory.fixture(wide()).await;
    let asked = fixture.ask(1);
    fixture.sent(&asked).await;
    use_up(&fixture, &asked).await;
    for correct in [true, false] {
        let VerifyVerdict::Locked { retry_after_ms } = fixture.verify(&guess(&asked, correct)).await else { panic!("not locked") };
        assert!(retry_after_ms.abs_diff(300_000) < 5_000, "{retry_after_ms}: until the challenge ends");
    }
}

async fn the_right_guess_may_be_the_last(factory: &dyn StoreFactory) {
    let fixture = factory.fixture(wide()).await;
    let asked = fixture.ask(1);
    for attempts_left in [4, 3, 2, 1] {
        assert_eq!(fixture.verify(&guess(&asked, false)).await, incorrect(attempts_left));
    }
    assert_eq!(fixture.verify(&guess(&asked, true)).await, ACCEPTED);
}

async fn all_at_once(fixture: &Fixture, guesses: Vec<VerifyCall>) -> Vec<VerifyVerdict> {
    let mut tasks = JoinSet::new();
    for guess in guesses {
        let records = Arc::clone(&fixture.records);
        tasks.spawn(async move { records.verify(&guess).await.expect("the store answers") });
    }
    tasks.join_all().await
}

async fn of_thirty_parallel_right_guesses_one_is_accepted(factory: &dyn StoreFactory) {
    let fixture = factory.fixture(wide()).await;
    let asked = fixture.ask(1);
    let verdicts = all_at_once(&fixture, (0..30).map(|_| guess(&asked, true)).collect()).await;
    assert_eq!(verdicts.iter().filter(|verdict| **verdict == ACCEPTED).count(), 1);
    assert_eq!(verdicts.iter().filter(|verdict| **verdict == VerifyVerdict::Unknown).count(), 29);
}

async fn of_two_hundred_parallel_wrong_guesses_five_are_counted(factory: &dyn StoreFactory) {
    let fixture = factory.fixture(wide()).await;
    let asked = fixture.ask(1);
    let verdicts = all_at_once(&fixture, (0..200).map(|_| guess(&asked, false)).collect()).await;
    let mut left: Vec<u32> = verdicts
        .iter()
        .filter_map(|verdict| if let VerifyVerdict::Incorrect { attempts_left } = verdict { Some(*attempts_left) } else { None })
        .collect();
    left.sort_unstable();
    assert_eq!(left, [0, 1, 2, 3, 4]);
    assert_eq!(verdicts.iter().filter(|verdict| matches!(verdict, VerifyVerdict::Locked { .. })).count(), 195);
}

async fn a_repeated_guess_is_counted_once(factory: &dyn StoreFactory) {
    let fixture = factory.fixture(wide()).await;
    let asked = fixture.ask(1);
    let wrong = guess(&asked, false);
    for _ in 0..10 {
        assert_eq!(fixture.verify(&wrong).await, incorrect(4));
    }
    let right = guess(&asked, true);
    for _ in 0..10 {
        assert_eq!(fixture.verify(&right).await, ACCEPTED, "whose answer was lost may ask again");
    }
}

async fn an_ended_challenge_is_unknown(factory: &dyn StoreFactory) {
    let fixture = factory.fixture(wide()).await;
    let asked = RequestCall { expires_at_ms: fixture.now_ms() + 500, ..fixture.ask(1) };
    assert_eq!(fixture.verify(&guess(&asked, false)).await, incorrect(4));
    fixture.pass(500).await;
    assert_eq!(fixture.verify(&guess(&asked, true)).await, VerifyVerdict::Unknown);
}

async fn a_challenge_without_a_record_is_adopted(factory: &dyn StoreFactory) {
    let fixture = factory.fixture(wide()).await;
    let never_seen = fixture.ask(1);
    assert_eq!(fixture.verify(&guess(&never_seen, false)).await, incorrect(4));
    assert_eq!(fixture.verify(&guess(&never_seen, true)).await, ACCEPTED);
}

async fn a_refused_address_uses_up_no_guess(factory: &dyn StoreFactory) {
    let fixture = factory.fixture(only(Limit::VerifyIp, "2/1s")).await;
    let asked = fixture.ask(1);
    assert_eq!(fixture.verify(&guess(&asked, false)).await, incorrect(4));
    assert_eq!(fixture.verify(&guess(&asked, false)).await, incorrect(3));
    let VerifyVerdict::Refused { limit, retry_after_ms } = fixture.verify(&guess(&asked, false)).await else { panic!("not refused") };
    assert_eq!(limit, Limit::VerifyIp);
    fixture.pass(retry_after_ms).await;
    assert_eq!(fixture.verify(&guess(&asked, false)).await, incorrect(2));
}

fn is_refused(verdict: &VerifyVerdict) -> bool {
    matches!(verdict, VerifyVerdict::Refused { limit: Limit::VerifyIp, .. })
}

async fn a_right_guess_is_accepted_whatever_its_address_has_used_up(factory: &dyn StoreFactory) {
    let fixture = factory.fixture(only(Limit::VerifyIp, "1/1h")).await;
    let (asked, other) = (fixture.ask(1), fixture.ask(2));
    assert_eq!(fixture.verify(&guess(&asked, false)).await, incorrect(4));
    assert!(is_refused(&fixture.verify(&guess(&asked, false)).await));
    for asked in [&asked, &other] {
        assert_eq!(fixture.verify(&guess(asked, true)).await, ACCEPTED);
    }
    assert!(is_refused(&fixture.verify(&guess(&other, false)).await), "a right guess gives nothing back");
}

async fn guesses_at_what_is_used_or_locked_or_ended_cost_their_address(factory: &dyn StoreFactory) {
    let fixture = factory.fixture(only(Limit::VerifyIp, "6/1h")).await;
    let (used, locked) = (fixture.ask(1), fixture.ask(2));
    let ended = RequestCall { expires_at_ms: fixture.now_ms(), ..fixture.ask(3) };
    assert_eq!(fixture.verify(&guess(&used, true)).await, ACCEPTED);
    for asked in [&used, &ended, &ended, &ended, &ended, &ended] {
        assert_eq!(fixture.verify(&guess(asked, true)).await, VerifyVerdict::Unknown);
    }
    for asked in [&used, &ended, &locked] {
        assert!(is_refused(&fixture.verify(&guess(asked, false)).await));
    }
    let fixture = factory.fixture(only(Limit::VerifyIp, "6/1h")).await;
    use_up(&fixture, &locked).await;
    assert!(matches!(fixture.verify(&guess(&locked, true)).await, VerifyVerdict::Locked { .. }));
    assert!(is_refused(&fixture.verify(&guess(&locked, true)).await));
}

async fn a_resend_keeps_the_guesses(factory: &dyn StoreFactory) {
    let fixture = factory.fixture(wide()).await;
    let asked = fixture.ask(1);
    fixture.sent(&asked).await;
    assert_eq!(fixture.verify(&guess(&asked, false)).await, incorrect(4));
    assert_eq!(fixture.sent(&resend(&asked)).await, 4);
    assert_eq!(fixture.verify(&guess(&asked, false)).await, incorrect(3));
}

async fn a_resend_of_a_used_challenge_is_unknown(factory: &dyn StoreFactory) {
    let fixture = factory.fixture(wide()).await;
    let asked = fixture.ask(1);
    assert_eq!(fixture.verify(&guess(&asked, true)).await, ACCEPTED);
    assert_eq!(fixture.request(&resend(&asked)).await, RequestVerdict::Unknown);
}

async fn a_resend_of_an_ended_challenge_is_unknown(factory: &dyn StoreFactory) {
    let fixture = factory.fixture(wide()).await;
    let asked = RequestCall { expires_at_ms: fixture.now_ms() + 200, ..fixture.ask(1) };
    fixture.sent(&asked).await;
    fixture.pass(200).await;
    assert_eq!(fixture.request(&resend(&asked)).await, RequestVerdict::Unknown);
}

async fn a_resend_with_less_than_a_minute_left_is_unknown_and_not_charged(factory: &dyn StoreFactory) {
    let fixture = factory.fixture(only(Limit::RequestPhoneHour, "2/1h")).await;
    let asked = RequestCall { expires_at_ms: fixture.now_ms() + 59_999, ..fixture.ask(1) };
    fixture.sent(&asked).await;
    for _ in 0..3 {
        assert_eq!(fixture.request(&resend(&asked)).await, RequestVerdict::Unknown);
    }
    fixture.sent(&again(&asked)).await;
    let asked = RequestCall { expires_at_ms: fixture.now_ms() + 65_000, ..fixture.ask(2) };
    fixture.sent(&asked).await;
    fixture.sent(&resend(&asked)).await;
}

async fn a_resend_of_a_locked_challenge_is_locked(factory: &dyn StoreFactory) {
    let fixture = factory.fixture(wide()).await;
    let asked = fixture.ask(1);
    use_up(&fixture, &asked).await;
    assert!(matches!(fixture.request(&resend(&asked)).await, RequestVerdict::Locked { .. }));
}
