//! Repeats: the client's own, the network's, the fan's, an attacker's; and what stops a call before it is judged.

use otp_shared::{
    limits::Limit,
    wire::{Channel, Delivery},
};

use super::{Bencher, again, call, cases, guess, keyed, only, resend, wide};
use crate::domain::judgement::{
    Call, Idempotency, Interruption, RequestCall, RequestVerdict, SendOutcome, Settlement, VerifyCall, VerifyVerdict,
};

cases![
    a_repeated_call_id_is_charged_once,
    a_repeated_refusal_counts_once,
    a_nonce_is_good_for_one_call,
    a_call_judged_by_old_operator_state_costs_nothing,
    a_key_in_flight_stops_the_next,
    an_answered_key_gets_the_answer_again,
    a_key_with_another_body_is_a_mismatch,
    an_abandoned_key_is_free_again,
    a_refusal_is_not_stored_under_its_key,
    a_verified_key_gets_the_answer_again,
    a_wrong_guess_is_not_stored_under_its_key,
];

const SEND: RequestVerdict = RequestVerdict::Send { attempts_left: 5 };

fn stopped(interruption: Interruption) -> RequestVerdict {
    RequestVerdict::Interrupted(interruption)
}

fn settled(request: &RequestCall, answer: Option<&str>) -> Settlement {
    let outcome = match answer {
        Some(_) => SendOutcome::Left { channel: Channel::Whatsapp, delivery: Delivery::Accepted, message: None, at_ms: 0 },
        None => SendOutcome::Failed,
    };
    Settlement { request: request.clone(), outcome, answer: answer.map(str::to_owned) }
}

async fn a_repeated_call_id_is_charged_once(bencher: &dyn Bencher) {
    let bench = bencher.bench(only(Limit::RequestPhoneHour, "2/1h")).await;
    let asked = bench.ask(1);
    for _ in 0..5 {
        assert_eq!(bench.request(&asked).await, SEND);
    }
    bench.sent(&again(&asked)).await;
    bench.refused(&again(&asked)).await;
    assert_eq!(bench.request(&asked).await, SEND, "the first verdict stands");
}

async fn a_repeated_refusal_counts_once(bencher: &dyn Bencher) {
    let bench = bencher.bench(only(Limit::RequestPhoneHour, "1/1h")).await;
    let asked = bench.ask(1);
    bench.sent(&asked).await;
    let refused = again(&asked);
    let first = bench.request(&refused).await;
    for _ in 0..10 {
        assert_eq!(bench.request(&refused).await, first);
    }
    assert_eq!(bench.store.holds().await, Ok(vec![]));
}

async fn a_nonce_is_good_for_one_call(bencher: &dyn Bencher) {
    let bench = bencher.bench(wide()).await;
    let asked = bench.ask(1);
    bench.sent(&asked).await;
    let replay = RequestCall { call: Call { id: call().id, ..asked.call.clone() }, ..again(&asked) };
    assert_eq!(bench.request(&replay).await, stopped(Interruption::Replayed));
    let replay = VerifyCall { call: replay.call, ..guess(&asked, true) };
    assert_eq!(bench.verify(&replay).await, VerifyVerdict::Interrupted(Interruption::Replayed));
    assert_eq!(bench.verify(&guess(&asked, true)).await, VerifyVerdict::Accepted);
}

async fn a_call_judged_by_old_operator_state_costs_nothing(bencher: &dyn Bencher) {
    let bench = bencher.bench(only(Limit::RequestPhoneHour, "1/1h")).await;
    let version = bench.store.merge_operator(&[]).await.expect("the store answers");
    assert_ne!(version, 0, "filling is a change");
    let asked = bench.ask(1);
    assert_eq!(bench.request(&asked).await, stopped(Interruption::StaleOperatorState));
    let judged_again = RequestCall { call: Call { id: call().id, operator_version: version, ..asked.call.clone() }, ..asked.clone() };
    assert_eq!(bench.request(&judged_again).await, SEND, "with the nonce of the first");
    let old = guess(&asked, true);
    assert_eq!(bench.verify(&old).await, VerifyVerdict::Interrupted(Interruption::StaleOperatorState));
    let judged_again = VerifyCall { call: Call { operator_version: version, ..old.call.clone() }, ..old };
    assert_eq!(bench.verify(&judged_again).await, VerifyVerdict::Accepted);
}

async fn a_key_in_flight_stops_the_next(bencher: &dyn Bencher) {
    let bench = bencher.bench(wide()).await;
    let asked = keyed(bench.ask(1), 7, 1);
    assert_eq!(bench.request(&asked).await, SEND);
    assert_eq!(bench.request(&keyed(asked.clone(), 7, 1)).await, stopped(Interruption::InProgress));
    assert_eq!(bench.request(&asked).await, SEND, "the client's own resend is no repeat");
    assert_eq!(bench.request(&keyed(asked.clone(), 8, 1)).await, SEND);
}

async fn an_answered_key_gets_the_answer_again(bencher: &dyn Bencher) {
    let bench = bencher.bench(only(Limit::RequestPhoneHour, "1/1h")).await;
    let asked = keyed(bench.ask(1), 7, 1);
    bench.sent(&asked).await;
    bench.store.settle(&settled(&asked, Some("first"))).await.expect("the store answers");
    for _ in 0..3 {
        assert_eq!(bench.request(&keyed(asked.clone(), 7, 1)).await, stopped(Interruption::Repeat("first".into())));
    }
}

async fn a_key_with_another_body_is_a_mismatch(bencher: &dyn Bencher) {
    let bench = bencher.bench(wide()).await;
    let asked = keyed(bench.ask(1), 7, 1);
    bench.sent(&asked).await;
    assert_eq!(bench.request(&keyed(asked.clone(), 7, 2)).await, stopped(Interruption::Mismatch));
    bench.store.settle(&settled(&asked, Some("first"))).await.expect("the store answers");
    assert_eq!(bench.request(&keyed(asked.clone(), 7, 2)).await, stopped(Interruption::Mismatch));
}

async fn an_abandoned_key_is_free_again(bencher: &dyn Bencher) {
    let bench = bencher.bench(only(Limit::RequestPhoneHour, "1/1h")).await;
    let asked = keyed(bench.ask(1), 7, 1);
    bench.sent(&asked).await;
    bench.store.settle(&settled(&asked, None)).await.expect("the store answers");
    let second = keyed(resend(&asked), 7, 1);
    bench.sent(&second).await;
    bench.store.settle(&settled(&asked, None)).await.expect("the store answers");
    assert_eq!(bench.request(&keyed(asked, 7, 1)).await, stopped(Interruption::InProgress), "the second has the key now");
}

async fn a_refusal_is_not_stored_under_its_key(bencher: &dyn Bencher) {
    let bench = bencher.bench(only(Limit::RequestPhoneHour, "1/1s")).await;
    let asked = bench.ask(1);
    bench.sent(&asked).await;
    let (_, retry_after_ms) = bench.refused(&keyed(again(&asked), 7, 1)).await;
    bench.pass(retry_after_ms).await;
    bench.sent(&keyed(again(&asked), 7, 1)).await;
}

fn keyed_guess(of: &RequestCall, correct: bool, body: u8) -> VerifyCall {
    let idempotency = Some(Idempotency { key: [9; 16], body: [body; 16] });
    VerifyCall { call: Call { idempotency, ..call() }, ..guess(of, correct) }
}

async fn a_verified_key_gets_the_answer_again(bencher: &dyn Bencher) {
    let bench = bencher.bench(wide()).await;
    let asked = bench.ask(1);
    assert_eq!(bench.verify(&keyed_guess(&asked, true, 1)).await, VerifyVerdict::Accepted);
    let repeat = VerifyVerdict::Interrupted(Interruption::Repeat("verified".into()));
    assert_eq!(bench.verify(&keyed_guess(&asked, true, 1)).await, repeat);
    assert_eq!(bench.verify(&keyed_guess(&asked, true, 2)).await, VerifyVerdict::Interrupted(Interruption::Mismatch));
    assert_eq!(bench.verify(&guess(&asked, true)).await, VerifyVerdict::Unknown, "without the key it is used");
}

async fn a_wrong_guess_is_not_stored_under_its_key(bencher: &dyn Bencher) {
    let bench = bencher.bench(wide()).await;
    let asked = bench.ask(1);
    for attempts_left in [4, 3] {
        assert_eq!(bench.verify(&keyed_guess(&asked, false, 1)).await, VerifyVerdict::Incorrect { attempts_left });
    }
    assert_eq!(bench.verify(&keyed_guess(&asked, true, 1)).await, VerifyVerdict::Accepted);
}
