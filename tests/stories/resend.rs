//! One code a challenge: a resend brings the same one, and nothing else changes.

use std::time::Duration;

use otp_shared::{limits::Limit, problem::ProblemCode};
use otp_tests::harness::{Answer, Plan, Sent, Store, challenge_of};

#[tokio::test(flavor = "multi_thread")]
async fn a_resend_brings_the_same_code_with_the_same_expiry_and_attempts() {
    for store in [Store::Embedded, Store::Redis] {
        let stack = Plan::on(store).limit(Limit::RequestPhoneCooldown, "1/2s").start().await;
        let fan = stack.fan();
        let sent = fan.receive_code(&stack.graph, &stack.phone()).await;
        for left in [4, 3] {
            let wrong = fan.verify(&sent, &sent.wrong_code(left)).await.refused(ProblemCode::CodeIncorrect);
            assert_eq!(wrong.json()["attemptsLeft"], left);
        }

        let early = fan.resend(&sent).await.refused(ProblemCode::RateLimited);
        assert_eq!(early.json()["limit"], "request.phone.cooldown");
        come_back(&early).await;
        let again = fan.resend(&sent).await.expect(202);
        assert_eq!(challenge_of(&again), sent.challenge_id);
        assert_eq!(again.json()["attemptsLeft"], 3, "{again}");
        let left = again.json()["expiresInS"].as_u64().expect("a 202 says how long the code lives");
        assert!((200..300).contains(&left), "the expiry is the first send's: {again}");
        assert_eq!(stack.graph.arrived(&sent.phone, 2).await.code, sent.code);

        fan.verify(&sent, &sent.code).await.expect(200);
        fan.resend(&sent).await.refused(ProblemCode::ChallengeUnknown);
    }
}

/// Waits as long as the refusal said, to the second and no longer.
async fn come_back(refusal: &Answer) {
    tokio::time::sleep(Duration::from_secs(refusal.retry_after_s())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_challenges_of_one_number_have_their_own_codes_and_attempts() {
    let stack = Plan::on(Store::Embedded).limit(Limit::RequestPhoneCooldown, "100/1s").start().await;
    let (fan, phone) = (stack.fan(), stack.phone());
    let first = fan.receive_code(&stack.graph, &phone).await;
    let second = fan.receive_code(&stack.graph, &phone).await;
    assert_ne!(first.challenge_id, second.challenge_id);
    for n in 0..5 {
        fan.verify(&first, &first.wrong_code(n)).await.refused(ProblemCode::CodeIncorrect);
    }
    fan.verify(&first, &first.code).await.refused(ProblemCode::ChallengeLocked);
    fan.verify(&second, &second.code).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_cannot_resend_or_use_up_anothers_challenge() {
    let stack = Plan::on(Store::Embedded).limit(Limit::RequestPhoneCooldown, "100/1s").start().await;
    let (owner, stranger) = (stack.fan(), stack.fan());
    let sent = owner.receive_code(&stack.graph, &stack.phone()).await;
    // A stranger knows the number, and owns a challenge.
    let own = stranger.receive_code(&stack.graph, &stack.phone()).await;
    let mixed = Sent { phone: sent.phone.clone(), ..own };
    stranger.resend(&mixed).await.refused(ProblemCode::ChallengeUnknown);
    for _ in 0..6 {
        stranger.verify(&mixed, &sent.code).await.refused(ProblemCode::ChallengeUnknown);
    }
    assert_eq!(stack.graph.messages_to(&sent.phone).len(), 1);
    let right = owner.verify(&sent, &sent.wrong_code(0)).await.refused(ProblemCode::CodeIncorrect);
    assert_eq!(right.json()["attemptsLeft"], 4);
    owner.verify(&sent, &sent.code).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_code_is_refused_whatever_is_asked_of_it() {
    let stack = Plan::on(Store::Embedded).without_edge().origin("OTP_TTL_S", "30").start().await;
    let fan = stack.fan();
    let phone = stack.phone();
    let accepted = fan.request(&phone).await.expect(202);
    let lives_s = accepted.json()["expiresInS"].as_u64().expect("a 202 says how long the code lives");
    assert!(lives_s <= 30, "{accepted}");
    let sent = Sent { challenge_id: challenge_of(&accepted), code: stack.graph.arrived(&phone, 1).await.code, phone };
    // As long as the answer said, and no longer.
    tokio::time::sleep(Duration::from_secs(lives_s)).await;
    fan.verify(&sent, &sent.code).await.refused(ProblemCode::ChallengeUnknown);
    fan.resend(&sent).await.refused(ProblemCode::ChallengeUnknown);
    fan.request(&stack.phone()).await.expect(202);
}
