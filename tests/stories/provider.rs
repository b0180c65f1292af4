//! Meta fails in every way: each gets its answer in time, and no fan pays for it.

use std::time::{Duration, Instant};

use otp_graph_sim::{Fault, Rule};
use otp_shared::problem::ProblemCode;
use otp_tests::harness::{Answer, Plan, Sent, Stack, Store, challenge_of, until};

/// What a fan is answered.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Told {
    Accepted,
    Unconfirmed,
    Refused(ProblemCode),
}

/// The deadline of a send is 8 s, the edge's 10 s.
const IN_TIME: Duration = Duration::from_secs(11);

fn told(answer: &Answer) -> Told {
    if answer.status == 202 {
        let unconfirmed = answer.json()["delivery"] == "unconfirmed";
        return if unconfirmed { Told::Unconfirmed } else { Told::Accepted };
    }
    answer.assert_is_a_problem();
    let code = ProblemCode::ALL.iter().find(|code| Some(code.as_str()) == answer.code().as_deref());
    Told::Refused(*code.expect("a problem has a known code"))
}

/// The answer to a request that meets `fault`, and what is true of the number afterwards.
async fn check(fault: Fault, expected: Told) {
    let stack = Plan::on(Store::Embedded).without_edge().start().await;
    let (fan, phone) = (stack.signed_fan(), stack.phone());
    stack.graph.script(Rule::always(fault.clone()).to(&phone));
    let begun = Instant::now();
    let answer = fan.request(&phone).await;
    assert_eq!(told(&answer), expected, "{fault:?}: {answer}");
    assert!(begun.elapsed() < IN_TIME, "{fault:?} took {:?}", begun.elapsed());
    let arrived = stack.graph.messages_to(&phone).len();
    assert!(arrived <= 1, "{fault:?}: a lost answer is never sent again");
    stack.graph.clear_script();

    if let Told::Refused(_) = expected {
        assert_eq!(arrived, 0, "{fault:?}: the fan was told that nothing came");
        // The default cooldown is a minute: it was given back.
        until_sending_works(&stack).await;
        fan.request(&phone).await.expect(202);
    } else {
        fan.request(&phone).await.refused(ProblemCode::RateLimited);
        if arrived == 1 {
            let code = stack.graph.arrived(&phone, 1).await.code;
            let sent = Sent { phone, challenge_id: challenge_of(&answer), code };
            fan.verify(&sent, &sent.code).await.expect(200);
        }
    }
}

/// Waits until a code for somebody else goes out: after a failure the origin may spare the provider for a while.
pub async fn until_sending_works(stack: &Stack) {
    let fan = stack.fan();
    let works = async || (fan.request(&stack.phone()).await.status == 202).then_some(());
    let patience = Duration::from_secs(90);
    assert!(otp_tests::harness::within(patience, works).await.is_some(), "nothing is sent {patience:?} after the provider is well again");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_explicit_rejection_is_told_and_costs_no_quota() {
    // A wrong parameter (400) and one to the wrong person.
    check(Fault::error(100), Told::Refused(ProblemCode::DeliveryUnavailable)).await;
    check(Fault::error(131_026), Told::Refused(ProblemCode::Undeliverable)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_token_is_told_and_costs_no_quota() {
    check(Fault::error(190), Told::Refused(ProblemCode::DeliveryUnavailable)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_service_is_told_and_costs_no_quota() {
    check(Fault::error(131_000), Told::Refused(ProblemCode::DeliveryUnavailable)).await;
    check(Fault::Bare { status: 500, accepted: false }, Told::Refused(ProblemCode::DeliveryUnavailable)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_template_missing_in_every_language_is_told() {
    check(Fault::error(132_001), Told::Refused(ProblemCode::TemplateNotApproved)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_says_nothing_leaves_the_send_unconfirmed_and_the_code_verifies() {
    check(Fault::Garbage, Told::Unconfirmed).await;
    check(Fault::NoId, Told::Unconfirmed).await;
    check(Fault::Drop { accepted: true }, Told::Unconfirmed).await;
    check(Fault::Drop { accepted: false }, Told::Unconfirmed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_never_answers_is_waited_for_8_s_and_the_code_verifies() {
    check(Fault::Hang, Told::Unconfirmed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_provider_is_waited_for_through_the_edge_too() {
    let stack = Plan::on(Store::Embedded).start().await;
    let (fan, phone) = (stack.fan(), stack.phone());
    stack.graph.script(Rule::once(Fault::Hang));
    let begun = Instant::now();
    let answer = fan.request(&phone).await.expect(202);
    assert_eq!(answer.json()["delivery"], "unconfirmed");
    assert!(begun.elapsed() < IN_TIME, "{:?}", begun.elapsed());
    assert_eq!(stack.graph.messages_to(&phone).len(), 1);
    stack.graph.script(Rule::once(Fault::Slow).after(Duration::from_secs(5)));
    let slow = fan.request(&stack.phone()).await.expect(202);
    assert_eq!(slow.json()["delivery"], "accepted");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_throttle_is_waited_out_and_one_message_arrives() {
    let stack = Plan::on(Store::Embedded).without_edge().start().await;
    let (fan, phone) = (stack.fan(), stack.phone());
    stack.graph.script(Rule::once(Fault::error(130_429)));
    assert_eq!(told(&fan.request(&phone).await), Told::Accepted);
    assert_eq!(stack.graph.messages_to(&phone).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fan_who_hangs_up_cancels_nothing() {
    let stack = Plan::on(Store::Redis).start().await;
    let (fan, phone) = (stack.fan(), stack.phone());
    stack.graph.script(Rule::once(Fault::Slow).after(Duration::from_secs(2)));
    let key = "a-fan-who-hangs-up-0001";
    let call = tokio::spawn({
        let (fan, phone) = (fan.once(key), phone.clone());
        async move { fan.request(&phone).await }
    });
    let code = stack.graph.arrived(&phone, 1).await.code;
    call.abort();
    // The send's bookkeeping runs to its end: the repeat gets the first answer.
    let again =
        until("the first request is booked", async || Some(fan.once(key).request(&phone).await).filter(|it| it.status == 202)).await;
    let sent = Sent { phone, challenge_id: challenge_of(&again), code };
    fan.verify(&sent, &sent.code).await.expect(200);
    assert_eq!(stack.graph.messages_to(&sent.phone).len(), 1);
}
