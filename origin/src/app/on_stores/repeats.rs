//! Repeats: the client's own, the network's, the fan's, an attacker's; and what stops a call before it is judged.

use otp_shared::limits::Limit;

use super::{LEFT, StoreFactory, again, call, cases, guess, keyed, only, resend, wide};
use crate::domain::evaluation::{Call, Idempotency, Interruption, RequestCall, RequestVerdict, SendOutcome, VerifyCall, VerifyVerdict};

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
    a_verified_key_gets_the_answer_again_after_the_challenge_ended,
    a_wrong_guess_is_not_stored_under_its_key,
];

fn stopped(interruption: Interruption) -> RequestVerdict {
    RequestVerdict::Interrupted(interruption)
}

async fn a_repeated_call_id_is_charged_once(factory: &dyn StoreFactory) {
    let fixture = factory.fixture(only(Limit::RequestPhoneHour, "2/1h")).await;
    let asked = fixture.ask(1);
    for _ in 0..5 {
        assert_eq!(fixture.sent(&asked).await, 5);
    }
    fixture.sent(&again(&asked)).await;
    fixture.refused(&again(&asked)).await;
    assert_eq!(fixture.sent(&asked).await, 5, "the first verdict stands");
}

async fn a_repeated_refusal_counts_once(factory: &dyn StoreFactory) {
    let fixture = factory.fixture(only(Limit::RequestPhoneHour, "1/1h")).await;
    let asked = fixture.ask(1);
    fixture.sent(&asked).await;
    let refused = again(&asked);
    let (limit, first_ms) = fixture.refused(&refused).await;
    for _ in 0..10 {
        let (repeated, retry_after_ms) = fixture.refused(&refused).await;
        assert_eq!(repeated, limit);
        assert!((first_ms - 2_000..=first_ms + 1).contains(&retry_after_ms), "{retry_after_ms} of {first_ms}");
    }
    assert_eq!(fixture.records.holds().await, Ok(vec![]));
}

async fn a_nonce_is_good_for_one_call(factory: &dyn StoreFactory) {
    let fixture = factory.fixture(wide()).await;
    let asked = fixture.ask(1);
    fixture.sent(&asked).await;
    let replay = RequestCall { call: Call { id: call().id, ..asked.call.clone() }, ..again(&asked) };
    assert_eq!(fixture.request(&replay).await, stopped(Interruption::Replayed));
    let replay = VerifyCall { call: replay.call, ..guess(&asked, true) };
    assert_eq!(fixture.verify(&replay).await, VerifyVerdict::Interrupted(Interruption::Replayed));
    assert_eq!(fixture.verify(&guess(&asked, true)).await, VerifyVerdict::Accepted);
}

async fn a_call_judged_by_old_operator_state_costs_nothing(factory: &dyn StoreFactory) {
    let fixture = factory.fixture(only(Limit::RequestPhoneHour, "1/1h")).await;
    let version = fixture.records.merge_operator(&[]).await.expect("the store answers");
    assert_ne!(version, 0, "filling is a change");
    let asked = fixture.ask(1);
    assert_eq!(fixture.request(&asked).await, stopped(Interruption::StaleOperatorState));
    let judged_again = RequestCall { call: Call { id: call().id, operator_version: version, ..asked.call.clone() }, ..asked.clone() };
    assert_eq!(fixture.sent(&judged_again).await, 5, "with the nonce of the first");
    let old = guess(&asked, true);
    assert_eq!(fixture.verify(&old).await, VerifyVerdict::Interrupted(Interruption::StaleOperatorState));
    let judged_again = VerifyCall { call: Call { operator_version: version, ..old.call.clone() }, ..old };
    assert_eq!(fixture.verify(&judged_again).await, VerifyVerdict::Accepted);
}

async fn a_key_in_flight_stops_the_next(factory: &dyn StoreFactory) {
    let fixture = factory.fixture(wide()).await;
    let asked = keyed(fixture.ask(1), 7, 1);
    assert_eq!(fixture.sent(&asked).await, 5);
    assert_eq!(fixture.request(&keyed(asked.clone(), 7, 1)).await, stopped(Interruption::InProgress));
    assert_eq!(fixture.sent(&asked).await, 5, "the client's own resend is no repeat");
    assert_eq!(fixture.sent(&keyed(asked.clone(), 8, 1)).await, 5);
}

async fn an_answered_key_gets_the_answer_again(factory: &dyn StoreFactory) {
    let fixture = factory.fixture(only(Limit::RequestPhoneHour, "1/1h")).await;
    let asked = keyed(fixture.ask(1), 7, 1);
    fixture.sent(&asked).await;
    fixture.record_outcome(&asked, LEFT, Some("first")).await;
    for _ in 0..3 {
        assert_eq!(fixture.request(&keyed(asked.clone(), 7, 1)).await, stopped(Interruption::Repeat("first".into())));
    }
}

async fn a_key_with_another_body_is_a_mismatch(factory: &dyn StoreFactory) {
    let fixture = factory.fixture(wide()).await;
    let asked = keyed(fixture.ask(1), 7, 1);
    fixture.sent(&asked).await;
    assert_eq!(fixture.request(&keyed(asked.clone(), 7, 2)).await, stopped(Interruption::Mismatch));
    fixture.record_outcome(&asked, LEFT, Some("first")).await;
    assert_eq!(fixture.request(&keyed(asked.clone(), 7, 2)).await, stopped(Interruption::Mismatch));
}

async fn an_abandoned_key_is_free_again(factory: &dyn StoreFactory) {
    let fixture = factory.fixture(only(Limit::RequestPhoneHour, "1/1h")).await;
    let asked = keyed(fixture.ask(1), 7, 1);
    fixture.sent(&asked).await;
    fixture.record_outcome(&asked, SendOutcome::Failed, None).await;
    let second = keyed(resend(&asked), 7, 1);
    fixture.sent(&second).await;
    fixture.record_outcome(&asked, SendOutcome::Failed, None).await;
    assert_eq!(fixture.request(&keyed(asked, 7, 1)).await, stopped(Interruption::InProgress), "the second has the key now");
}

async fn a_refusal_is_not_stored_under_its_key(factory: &dyn StoreFactory) {
    let fixture = factory.fixture(only(Limit::RequestPhoneHour, "1/1s")).await;
    let asked = fixture.ask(1);
    fixture.sent(&asked).await;
    let (_, retry_after_ms) = fixture.refused(&keyed(again(&asked), 7, 1)).await;
    fixture.pass(retry_after_ms).await;
    fixture.sent(&keyed(again(&asked), 7, 1)).await;
}

fn keyed_guess(of: &RequestCall, correct: bool, body: u8) -> VerifyCall {
    let idempotency = Some(Idempotency { key: [9; 16], body: [body; 16] });
    VerifyCall { call: Call { idempotency, ..call() }, ..guess(of, correct) }
}

async fn a_verified_key_gets_the_answer_again(factory: &dyn StoreFactory) {
    let fixture = factory.fixture(wide()).await;
    let asked = fixture.ask(1);
    assert_eq!(fixture.verify(&keyed_guess(&asked, true, 1)).await, VerifyVerdict::Accepted);
    let repeat = VerifyVerdict::Interrupted(Interruption::Repeat("verified".into()));
    assert_eq!(fixture.verify(&keyed_guess(&asked, true, 1)).await, repeat);
    assert_eq!(fixture.verify(&keyed_guess(&asked, true, 2)).await, VerifyVerdict::Interrupted(Interruption::Mismatch));
    assert_eq!(fixture.verify(&guess(&asked, true)).await, VerifyVerdict::Unknown, "without the key it is used");
}

async fn a_verified_key_gets_the_answer_again_after_the_challenge_ended(factory: &dyn StoreFactory) {
    let fixture = factory.fixture(wide()).await;
    let asked = RequestCall { expires_at_ms: fixture.now_ms() + 500, ..fixture.ask(1) };
    assert_eq!(fixture.verify(&keyed_guess(&asked, true, 1)).await, VerifyVerdict::Accepted);
    fixture.pass(600).await;
    let repeat = VerifyVerdict::Interrupted(Interruption::Repeat("verified".into()));
    assert_eq!(fixture.verify(&keyed_guess(&asked, true, 1)).await, repeat);
}

async fn a_wrong_guess_is_not_stored_under_its_key(factory: &dyn StoreFactory) {
    let fixture = factory.fixture(wide()).await;
    let asked = fixture.ask(1);
    for attempts_left in [4, 3] {
        assert_eq!(fixture.verify(&keyed_guess(&asked, false, 1)).await, VerifyVerdict::Incorrect { attempts_left });
    }
    assert_eq!(fixture.verify(&keyed_guess(&asked, true, 1)).await, VerifyVerdict::Accepted);
}
