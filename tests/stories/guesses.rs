//! Nobody guesses a code, and nobody's guesses keep its owner out.

use otp_shared::problem::ProblemCode;
use otp_tests::harness::{Answer, Fan, Plan, Sent, Stack, Store};
use tokio::task::JoinSet;

#[tokio::test(flavor = "multi_thread")]
async fn of_200_parallel_wrong_guesses_five_are_compared_on_embedded_memory() {
    of_200_parallel_wrong_guesses_five_are_compared(Store::Embedded).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_200_parallel_wrong_guesses_five_are_compared_on_redis() {
    of_200_parallel_wrong_guesses_five_are_compared(Store::Redis).await;
}

async fn of_200_parallel_wrong_guesses_five_are_compared(store: Store) {
    let stack = Plan::on(store).start().await;
    let sent = stack.fan().receive_code(&stack.graph, &stack.phone()).await;
    let answers = together(200, |n| {
        let (fan, sent) = (stack.fan(), sent.clone());
        async move { fan.verify(&sent, &sent.wrong_code(n)).await }
    })
    .await;
    assert_eq!(count(&answers, ProblemCode::CodeIncorrect), 5);
    assert_eq!(count(&answers, ProblemCode::ChallengeLocked), 195);
    for answer in &answers {
        answer.assert_is_a_problem();
    }
    stack.fan().verify(&sent, &sent.code).await.refused(ProblemCode::ChallengeLocked);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_30_parallel_correct_verifies_one_succeeds_on_embedded_memory() {
    let stack = Plan::on(Store::Embedded).start().await;
    of_30_parallel_correct_verifies_one_succeeds(&stack).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_30_parallel_correct_verifies_one_succeeds_on_redis() {
    let stack = Plan::on(Store::Redis).start().await;
    of_30_parallel_correct_verifies_one_succeeds(&stack).await;
}

/// Three times over: a race that is lost once in ten shows.
pub async fn of_30_parallel_correct_verifies_one_succeeds(stack: &Stack) {
    for _ in 0..3 {
        let fan = stack.fan();
        let sent = fan.receive_code(&stack.graph, &stack.phone()).await;
        let answers = together(30, |_| {
            let (fan, sent) = (fan.clone(), sent.clone());
            async move { fan.verify(&sent, &sent.code).await }
        })
        .await;
        assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
        assert_eq!(count(&answers, ProblemCode::ChallengeUnknown), 29);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_who_requests_guesses_and_floods_does_not_keep_the_owner_from_verifying() {
    let stack = Plan::on(Store::Redis).start().await;
    let (owner, stranger) = (stack.fan(), stack.fan());
    let sent = owner.receive_code(&stack.graph, &stack.phone()).await;

    // Requests, until the number is refused at the edge itself.
    for _ in 0..12 {
        stranger.request(&sent.phone).await.expect(429);
    }
    // Guesses: of made-up challenges, of the stranger's own challenge, and at the owner's number from many addresses.
    let own = stranger.receive_code(&stack.graph, &stack.phone()).await;
    let others_number = Sent { phone: sent.phone.clone(), ..own.clone() };
    let made_up = Sent { challenge_id: own.challenge_id.chars().rev().collect(), ..others_number.clone() };
    flood(&stack, &[others_number, made_up]).await;

    let fresh = stack.fan();
    fresh.verify(&sent, &sent.wrong_code(0)).await.refused(ProblemCode::CodeIncorrect);
    owner.verify(&sent, &sent.code).await.expect(200);
}

/// 80 guesses at each from one address, over what an address may try, and as many from others.
async fn flood(stack: &Stack, targets: &[Sent]) {
    let one = stack.fan();
    for target in targets {
        let answers = together(160, |n| {
            let (fan, target) = (if n % 2 == 0 { one.clone() } else { stack.fan() }, target.clone());
            async move { fan.verify(&target, &target.wrong_code(n)).await }
        })
        .await;
        let told = |answer: &&Answer| matches!(answer.code().as_deref(), Some("challenge_unknown" | "rate_limited"));
        assert_eq!(answers.iter().filter(told).count(), 160, "nothing is compared");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authentic_challenge_that_nobody_remembers_still_counts_to_five() {
    let mut stack = Plan::on(Store::Redis).start().await;
    let fan = stack.fan();
    let sent = fan.receive_code(&stack.graph, &stack.phone()).await;
    stack.redis_mut().restart_empty().await;
    stack.kill_origin();
    stack.start_origin().await;
    for left in (0..5).rev() {
        let wrong = fan.verify(&sent, &sent.wrong_code(left)).await.refused(ProblemCode::CodeIncorrect);
        assert_eq!(wrong.json()["attemptsLeft"], left);
    }
    fan.verify(&sent, &sent.code).await.refused(ProblemCode::ChallengeLocked);
}

/// What `count` calls answer that are under way at the same time.
pub async fn together<F>(count: u32, call: impl Fn(u32) -> F) -> Vec<Answer>
where
    F: Future<Output = Answer> + Send + 'static,
{
    let calls: JoinSet<Answer> = (0..count).map(call).collect();
    calls.join_all().await
}

/// How many were refused with `code`.
pub fn count(answers: &[Answer], code: ProblemCode) -> usize {
    answers.iter().filter(|answer| answer.code().as_deref() == Some(code.as_str())).count()
}

/// Asks for a code until the answer says `code`; every answer on the way is a 429.
pub async fn refused_until(fan: &Fan, phone: &str, code: ProblemCode) -> Answer {
    for _ in 0..20 {
        let answer = fan.request(phone).await.expect(429);
        if answer.code().as_deref() == Some(code.as_str()) {
            return answer;
        }
    }
    panic!("20 refusals, and none says {}", code.as_str());
}
