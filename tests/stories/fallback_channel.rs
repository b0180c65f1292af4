//! Text messages take over where WhatsApp cannot carry a code: the same challenge, the same code, and the fan is told which way it comes.

use otp_graph_sim::{Channel, Fault, Operation, Receipt, Rule};
use otp_shared::{problem::ProblemCode, routes};
use otp_tests::harness::{Answer, Fan, Plan, Sent, Sms, Stack, Store, challenge_of};
use serde_json::json;

use super::receipts::{listening, received, state};

const FANS: usize = 8;

/// What arrived last for that number, as a code of this challenge.
fn read(stack: &Stack, accepted: &Answer, phone: &str, channel: Channel) -> Sent {
    let message = stack.graph.messages_to(phone).pop().expect("it has arrived");
    assert_eq!(message.channel, channel);
    Sent { phone: phone.to_owned(), challenge_id: challenge_of(accepted), code: message.code }
}

/// Asks, gets a text, and signs in with its code.
async fn by_text(stack: &Stack, fan: &Fan, channel: Channel) -> Sent {
    let phone = stack.phone();
    let accepted = fan.request(&phone).await.expect(202);
    assert_eq!(accepted.json()["channel"], "sms", "{accepted}");
    assert_eq!(stack.graph.messages_to(&phone).len(), 1);
    let sent = read(stack, &accepted, &phone, channel);
    fan.verify(&sent, &sent.code).await.expect(200);
    sent
}

#[tokio::test(flavor = "multi_thread")]
async fn while_whatsapp_is_down_every_fan_gets_a_text() {
    for (provider, channel) in [(Sms::AfricasTalking, Channel::AfricasTalking), (Sms::Twilio, Channel::Twilio)] {
        let stack = Plan::on(Store::Redis).without_edge().sms(provider).start().await;
        stack.graph.script(Rule::always(Fault::Bare { status: 503, accepted: false }));
        for _ in 0..FANS {
            let fan = stack.fan();
            let sent = by_text(&stack, &fan, channel).await;
            assert_eq!(state(&fan, &sent.challenge_id).await, json!({ "delivery": "accepted", "channel": "sms" }));
        }
        stack.graph.clear_script();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_fallback_every_fan_is_told_when_to_come_back_and_no_quota_is_lost() {
    for fault in [Fault::Bare { status: 503, accepted: false }, Fault::error(131_000), Fault::error(368)] {
        let stack = Plan::on(Store::Redis).without_edge().start().await;
        stack.graph.script(Rule::always(fault.clone()));
        for _ in 0..FANS {
            let (fan, phone) = (stack.fan(), stack.phone());
            for _ in 0..3 {
                let refused = fan.request(&phone).await.refused(ProblemCode::DeliveryUnavailable);
                assert!(refused.retry_after_s() >= 1, "{fault:?}");
            }
        }
        assert!(stack.graph.messages().is_empty());
        for kind in ["cell", "recipients"] {
            assert!(stack.redis().keys(&format!("otp:{{v1}}:{kind}*")).is_empty(), "{fault:?} costs nobody anything: {kind}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_is_not_on_whatsapp_gets_a_text() {
    let stack = Plan::on(Store::Embedded).without_edge().sms(Sms::Twilio).start().await;
    stack.graph.script(Rule::once(Fault::error(131_026)));
    by_text(&stack, &stack.fan(), Channel::Twilio).await;
    let (fan, phone) = (stack.fan(), stack.phone());
    assert_eq!(fan.request(&phone).await.expect(202).json()["channel"], "whatsapp", "others go on over WhatsApp");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_approved_template_codes_go_as_texts() {
    let plan = Plan::on(Store::Embedded).without_edge().sms(Sms::AfricasTalking);
    let stack = plan.origin("OTP_WHATSAPP_TEMPLATE_APPROVED", "0").start().await;
    by_text(&stack, &stack.fan(), Channel::AfricasTalking).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_failed_is_sent_again_as_a_text_with_the_same_code() {
    let stack = listening(Plan::on(Store::Redis).sms(Sms::Twilio)).await;
    let fan = stack.fan();
    let (first, id) = received(&stack, &fan).await;
    stack.graph.receipt(&id, Receipt::Failed { code: 131_026 }).await.expect("the webhook is taken");
    let resent = fan.resend(&first).await.expect(202);
    assert_eq!(resent.json()["channel"], "sms", "{resent}");
    let second = read(&stack, &resent, &first.phone, Channel::Twilio);
    assert_eq!((&second.code, &second.challenge_id), (&first.code, &first.challenge_id));
    stack.graph.receipt(&id, Receipt::Delivered).await.expect("the webhook is taken");
    assert_eq!(
        state(&fan, &first.challenge_id).await,
        json!({ "delivery": "accepted", "channel": "sms" }),
        "the receipt was of the other one"
    );
    fan.verify(&second, &second.code).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_of_whatsapp_is_not_followed_by_a_text() {
    let stack = Plan::on(Store::Embedded).without_edge().sms(Sms::Twilio).start().await;
    let (fan, phone) = (stack.fan(), stack.phone());
    stack.graph.script(Rule::once(Fault::Drop { accepted: true }));
    let accepted = fan.request(&phone).await.expect(202).json();
    assert_eq!((&accepted["channel"], &accepted["delivery"]), (&json!("whatsapp"), &json!("unconfirmed")));
    assert_eq!(stack.graph.messages_to(&phone).len(), 1, "one message, one charge");
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_have_a_budget_of_their_own_and_their_failures_cost_no_quota() {
    let plan = Plan::on(Store::Embedded).without_edge().sms(Sms::Twilio).origin("SMS_HOUR", "4").origin("OTP_REPLICAS", "2");
    let stack = plan.origin("OTP_WHATSAPP_TEMPLATE_APPROVED", "0").start().await;
    let (fan, phone) = (stack.fan(), stack.phone());
    stack.graph.script(Rule::once(Fault::error(20_429)).on(Operation::Sms));
    let refused = fan.request(&phone).await;
    assert_eq!(refused.status, 503, "{refused}");
    for _ in 0..2 {
        by_text(&stack, &stack.fan(), Channel::Twilio).await;
    }
    let refused = fan.post(routes::OTP_REQUEST, &json!({ "phone": phone })).await;
    refused.assert_is_a_problem();
    assert_eq!((refused.status, stack.graph.messages_to(&phone).len()), (503, 0), "half of four, for half of the replicas");
}
