//! Guesses: five for the life of a challenge, one acceptance, also in parallel.

use std::sync::Arc;

use otp_shared::limits::Limit;
use tokio::task::JoinSet;

use super::{Bench, Bencher, cases, guess, only, resend, wide};
use crate::domain::judgement::{RequestCall, RequestVerdict, VerifyCall, VerifyVerdict};

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
    a_resend_keeps_the_guesses,
    a_resend_of_a_used_challenge_is_unknown,
    a_resend_of_an_ended_challenge_is_unknown,
    a_resend_of_a_locked_challenge_is_locked,
];

const ACCEPTED: VerifyVerdict = VerifyVerdict::Accepted;

const fn incorrect(attempts_left: u32) -> VerifyVerdict {
    VerifyVerdict::Incorrect { attempts_left }
}

async fn a_used_code_is_refused(bencher: &dyn Bencher) {
    let bench = bencher.bench(wide()).await;
    let asked = bench.ask(1);
    bench.sent(&asked).await;
    assert_eq!(bench.verify(&guess(&asked, true)).await, ACCEPTED);
    for correct in [true, false] {
        assert_eq!(bench.verify(&guess(&asked, correct)).await, VerifyVerdict::Unknown);
    }
}

async fn use_up(bench: &Bench, asked: &RequestCall) {
    for attempts_left in [4, 3, 2, 1, 0] {
        assert_eq!(bench.verify(&guess(asked, false)).await, incorrect(attempts_left));
    }
}

async fn five_guesses_mean_five(bencher: &dyn Bencher) {
    let bench = bencher.bench(wide()).await;
    let asked = bench.ask(1);
    bench.sent(&asked).await;
    use_up(&bench, &asked).await;
    for correct in [true, false] {
        let VerifyVerdict::Locked { retry_after_ms } = bench.verify(&guess(&asked, correct)).await else { panic!("not locked") };
        assert!(retry_after_ms.abs_diff(300_000) < 5_000, "{retry_after_ms}: until the challenge ends");
    }
}

async fn the_right_guess_may_be_the_last(bencher: &dyn Bencher) {
    let bench = bencher.bench(wide()).await;
    let asked = bench.ask(1);
    for attempts_left in [4, 3, 2, 1] {
        assert_eq!(bench.verify(&guess(&asked, false)).await, incorrect(attempts_left));
    }
    assert_eq!(bench.verify(&guess(&asked, true)).await, ACCEPTED);
}

async fn all_at_once(bench: &Bench, guesses: Vec<VerifyCall>) -> Vec<VerifyVerdict> {
    let mut tasks = JoinSet::new();
    for guess in guesses {
        let store = Arc::clone(&bench.store);
        tasks.spawn(async move { store.verify(&guess).await.expect("the store answers") });
    }
    tasks.join_all().await
}

async fn of_thirty_parallel_right_guesses_one_is_accepted(bencher: &dyn Bencher) {
    let bench = bencher.bench(wide()).await;
    let asked = bench.ask(1);
    let verdicts = all_at_once(&bench, (0..30).map(|_| guess(&asked, true)).collect()).await;
    assert_eq!(verdicts.iter().filter(|verdict| **verdict == ACCEPTED).count(), 1);
    assert_eq!(verdicts.iter().filter(|verdict| **verdict == VerifyVerdict::Unknown).count(), 29);
}

async fn of_two_hundred_parallel_wrong_guesses_five_are_counted(bencher: &dyn Bencher) {
    let bench = bencher.bench(wide()).await;
    let asked = bench.ask(1);
    let verdicts = all_at_once(&bench, (0..200).map(|_| guess(&asked, false)).collect()).await;
    let mut left: Vec<u32> = verdicts
        .iter()
        .filter_map(|verdict| if let VerifyVerdict::Incorrect { attempts_left } = verdict { Some(*attempts_left) } else { None })
        .collect();
    left.sort_unstable();
    assert_eq!(left, [0, 1, 2, 3, 4]);
    assert_eq!(verdicts.iter().filter(|verdict| matches!(verdict, VerifyVerdict::Locked { .. })).count(), 195);
}

async fn a_repeated_guess_is_counted_once(bencher: &dyn Bencher) {
    let bench = bencher.bench(wide()).await;
    let asked = bench.ask(1);
    let wrong = guess(&asked, false);
    for _ in 0..10 {
        assert_eq!(bench.verify(&wrong).await, incorrect(4));
    }
    let right = guess(&asked, true);
    for _ in 0..10 {
        assert_eq!(bench.verify(&right).await, ACCEPTED, "whose answer was lost may ask again");
    }
}

async fn an_ended_challenge_is_unknown(bencher: &dyn Bencher) {
    let bench = bencher.bench(wide()).await;
    let asked = RequestCall { expires_at_ms: bench.clock.now_ms() + 500, ..bench.ask(1) };
    assert_eq!(bench.verify(&guess(&asked, false)).await, incorrect(4));
    bench.pass(500).await;
    assert_eq!(bench.verify(&guess(&asked, true)).await, VerifyVerdict::Unknown);
}

async fn a_challenge_without_a_record_is_adopted(bencher: &dyn Bencher) {
    let bench = bencher.bench(wide()).await;
    let never_seen = bench.ask(1);
    assert_eq!(bench.verify(&guess(&never_seen, false)).await, incorrect(4));
    assert_eq!(bench.verify(&guess(&never_seen, true)).await, ACCEPTED);
}

async fn a_refused_address_uses_up_no_guess(bencher: &dyn Bencher) {
    let bench = bencher.bench(only(Limit::VerifyIp, "2/1s")).await;
    let asked = bench.ask(1);
    assert_eq!(bench.verify(&guess(&asked, false)).await, incorrect(4));
    assert_eq!(bench.verify(&guess(&asked, false)).await, incorrect(3));
    let VerifyVerdict::Refused { limit, retry_after_ms } = bench.verify(&guess(&asked, true)).await else { panic!("not refused") };
    assert_eq!(limit, Limit::VerifyIp);
    bench.pass(retry_after_ms).await;
    assert_eq!(bench.verify(&guess(&asked, false)).await, incorrect(2));
}

async fn a_resend_keeps_the_guesses(bencher: &dyn Bencher) {
    let bench = bencher.bench(wide()).await;
    let asked = bench.ask(1);
    bench.sent(&asked).await;
    assert_eq!(bench.verify(&guess(&asked, false)).await, incorrect(4));
    assert_eq!(bench.request(&resend(&asked)).await, RequestVerdict::Send { attempts_left: 4 });
    assert_eq!(bench.verify(&guess(&asked, false)).await, incorrect(3));
}

async fn a_resend_of_a_used_challenge_is_unknown(bencher: &dyn Bencher) {
    let bench = bencher.bench(wide()).await;
    let asked = bench.ask(1);
    assert_eq!(bench.verify(&guess(&asked, true)).await, ACCEPTED);
    assert_eq!(bench.request(&resend(&asked)).await, RequestVerdict::Unknown);
}

async fn a_resend_of_an_ended_challenge_is_unknown(bencher: &dyn Bencher) {
    let bench = bencher.bench(wide()).await;
    let asked = RequestCall { expires_at_ms: bench.clock.now_ms() + 200, ..bench.ask(1) };
    bench.sent(&asked).await;
    bench.pass(200).await;
    assert_eq!(bench.request(&resend(&asked)).await, RequestVerdict::Unknown);
}

async fn a_resend_of_a_locked_challenge_is_locked(bencher: &dyn Bencher) {
    let bench = bencher.bench(wide()).await;
    let asked = bench.ask(1);
    use_up(&bench, &asked).await;
    assert!(matches!(bench.request(&resend(&asked)).await, RequestVerdict::Locked { .. }));
}
