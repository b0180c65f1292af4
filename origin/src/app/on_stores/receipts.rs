//! Receipts, and what hangs on them: which message they are about, limits given back, and who asked for a message that nobody wanted.

use otp_shared::{
    limits::Limit,
    wire::{Channel, Delivery, FailureReason},
};

use super::{Fixture, StoreFactory, again, cases, fresh, only, resend, wide};
use crate::domain::evaluation::{DeliveryRecord, MessageKey, Receipt, RequestCall, SendOutcome};

cases![
    a_record_tells_when_it_was_sent_and_why_it_failed,
    a_failed_message_gives_its_share_back_once,
    a_message_that_arrived_gives_nothing_back,
    a_failure_may_overtake_its_outcome,
    a_lost_answer_is_made_up_for_by_the_first_receipt,
    a_receipt_finds_its_challenge_by_the_message_alone,
    a_receipt_of_an_older_message_leaves_the_newest_alone,
    an_outcome_that_is_repeated_moves_nothing_back,
    a_text_message_is_not_moved_by_receipts_of_whatsapp,
    whoever_asked_for_an_unwanted_code_is_charged_once,
    an_unwanted_code_charges_no_more_than_the_whole_quota,
];

fn named(request: &RequestCall) -> MessageKey {
    MessageKey(request.call.id)
}

async fn leave(fixture: &Fixture, request: &RequestCall, channel: Channel, message: Option<MessageKey>) {
    let delivery = if message.is_some() { Delivery::Accepted } else { Delivery::Unconfirmed };
    let outcome = SendOutcome::Left { channel, delivery, message, at_ms: 1_790_000_000_123 };
    fixture.record_outcome(request, outcome, None).await;
}

/// Asked for, charged, and taken by WhatsApp.
async fn sent(fixture: &Fixture, request: &RequestCall) {
    fixture.sent(request).await;
    leave(fixture, request, Channel::Whatsapp, Some(named(request))).await;
}

fn told(request: &RequestCall, delivery: Delivery) -> Receipt {
    let reason = (delivery == Delivery::Failed).then_some(FailureReason::Undeliverable);
    Receipt { challenge: Some(request.challenge), message: named(request), delivery, reason }
}

async fn tell(fixture: &Fixture, receipt: &Receipt) {
    assert_eq!(fixture.records.receipt(receipt).await, Ok(true));
}

async fn record(fixture: &Fixture, request: &RequestCall) -> DeliveryRecord {
    fixture.records.delivery(request.challenge).await.expect("the store answers").expect("it left")
}

/// Room for one message an hour.
async fn one_an_hour(factory: &dyn StoreFactory) -> Fixture {
    factory.fixture(only(Limit::RequestPhoneHour, "1/1h")).await
}

async fn a_record_tells_when_it_was_sent_and_why_it_failed(factory: &dyn StoreFactory) {
    let fixture = factory.fixture(wide()).await;
    let asked = fixture.ask(1);
    sent(&fixture, &asked).await;
    let mut expected =
        DeliveryRecord { channel: Channel::Whatsapp, delivery: Delivery::Accepted, reason: None, sent_at_ms: 1_790_000_000_123 };
    assert_eq!(record(&fixture, &asked).await, expected);
    tell(&fixture, &told(&asked, Delivery::Failed)).await;
    (expected.delivery, expected.reason) = (Delivery::Failed, Some(FailureReason::Undeliverable));
    assert_eq!(record(&fixture, &asked).await, expected);
    tell(&fixture, &told(&asked, Delivery::Delivered)).await;
    (expected.delivery, expected.reason) = (Delivery::Delivered, None);
    assert_eq!(record(&fixture, &asked).await, expected);
}

async fn a_failed_message_gives_its_share_back_once(factory: &dyn StoreFactory) {
    let fixture = one_an_hour(factory).await;
    let asked = fixture.ask(1);
    sent(&fixture, &asked).await;
    fixture.refused(&again(&asked)).await;
    for _ in 0..3 {
        tell(&fixture, &told(&asked, Delivery::Failed)).await;
    }
    let second = again(&asked);
    sent(&fixture, &second).await;
    tell(&fixture, &told(&asked, Delivery::Failed)).await;
    fixture.refused(&again(&asked)).await;
}

async fn a_message_that_arrived_gives_nothing_back(factory: &dyn StoreFactory) {
    let fixture = one_an_hour(factory).await;
    let asked = fixture.ask(1);
    sent(&fixture, &asked).await;
    tell(&fixture, &told(&asked, Delivery::Delivered)).await;
    tell(&fixture, &told(&asked, Delivery::Failed)).await;
    fixture.refused(&again(&asked)).await;
}

async fn a_failure_may_overtake_its_outcome(factory: &dyn StoreFactory) {
    let fixture = one_an_hour(factory).await;
    let asked = fixture.ask(1);
    fixture.sent(&asked).await;
    tell(&fixture, &told(&asked, Delivery::Failed)).await;
    fixture.refused(&again(&asked)).await;
    leave(&fixture, &asked, Channel::Whatsapp, Some(named(&asked))).await;
    assert_eq!(record(&fixture, &asked).await.delivery, Delivery::Failed);
    assert_eq!(record(&fixture, &asked).await.reason, Some(FailureReason::Undeliverable));
    fixture.sent(&again(&asked)).await;
}

async fn a_lost_answer_is_made_up_for_by_the_first_receipt(factory: &dyn StoreFactory) {
    let fixture = one_an_hour(factory).await;
    let asked = fixture.ask(1);
    fixture.sent(&asked).await;
    leave(&fixture, &asked, Channel::Whatsapp, None).await;
    tell(&fixture, &told(&asked, Delivery::Sent)).await;
    let stranger = Receipt { message: MessageKey(fresh()), ..told(&asked, Delivery::Delivered) };
    tell(&fixture, &stranger).await;
    assert_eq!(record(&fixture, &asked).await.delivery, Delivery::Sent, "that was about another message");
    tell(&fixture, &told(&asked, Delivery::Failed)).await;
    assert_eq!(record(&fixture, &asked).await.delivery, Delivery::Failed);
    fixture.sent(&again(&asked)).await;
    assert_eq!(fixture.records.report_unsolicited(named(&asked), 1).await, Ok(true));
}

async fn a_receipt_finds_its_challenge_by_the_message_alone(factory: &dyn StoreFactory) {
    let fixture = factory.fixture(wide()).await;
    let asked = fixture.ask(1);
    sent(&fixture, &asked).await;
    tell(&fixture, &Receipt { challenge: None, ..told(&asked, Delivery::Sent) }).await;
    assert_eq!(record(&fixture, &asked).await.delivery, Delivery::Sent);
    let nothing = Receipt { challenge: None, message: MessageKey(fresh()), delivery: Delivery::Sent, reason: None };
    assert_eq!(fixture.records.receipt(&nothing).await, Ok(false));
}

async fn a_receipt_of_an_older_message_leaves_the_newest_alone(factory: &dyn StoreFactory) {
    let fixture = factory.fixture(only(Limit::RequestPhoneHour, "2/1h")).await;
    let first = fixture.ask(1);
    sent(&fixture, &first).await;
    let second = resend(&first);
    sent(&fixture, &second).await;
    fixture.refused(&again(&first)).await;
    tell(&fixture, &told(&first, Delivery::Failed)).await;
    assert_eq!(record(&fixture, &first).await.delivery, Delivery::Accepted);
    fixture.sent(&again(&first)).await;
}

async fn an_outcome_that_is_repeated_moves_nothing_back(factory: &dyn StoreFactory) {
    let fixture = factory.fixture(wide()).await;
    let asked = fixture.ask(1);
    sent(&fixture, &asked).await;
    tell(&fixture, &told(&asked, Delivery::Delivered)).await;
    leave(&fixture, &asked, Channel::Whatsapp, Some(named(&asked))).await;
    assert_eq!(record(&fixture, &asked).await.delivery, Delivery::Delivered);
}

async fn a_text_message_is_not_moved_by_receipts_of_whatsapp(factory: &dyn StoreFactory) {
    let fixture = factory.fixture(wide()).await;
    let asked = fixture.ask(1);
    fixture.sent(&asked).await;
    leave(&fixture, &asked, Channel::Sms, None).await;
    tell(&fixture, &told(&asked, Delivery::Failed)).await;
    let record = record(&fixture, &asked).await;
    assert_eq!((record.channel, record.delivery), (Channel::Sms, Delivery::Unconfirmed));
}

async fn whoever_asked_for_an_unwanted_code_is_charged_once(factory: &dyn StoreFactory) {
    let fixture = factory.fixture(only(Limit::RequestIp, "4/1h")).await;
    let asked = fixture.ask(1);
    sent(&fixture, &asked).await;
    assert_eq!(fixture.records.report_unsolicited(MessageKey(fresh()), 2).await, Ok(false), "nobody knows that message");
    assert_eq!(fixture.records.report_unsolicited(named(&asked), 2).await, Ok(true));
    assert_eq!(fixture.records.report_unsolicited(named(&asked), 2).await, Ok(false));
    fixture.sent(&again(&asked)).await;
    assert_eq!(fixture.refused(&again(&asked)).await.0, Limit::RequestIp);
    fixture.sent(&RequestCall { network: fixture.ask(2).network, ..again(&asked) }).await;
}

async fn an_unwanted_code_charges_no_more_than_the_whole_quota(factory: &dyn StoreFactory) {
    let fixture = factory.fixture(only(Limit::RequestIp, "4/1h")).await;
    let asked = fixture.ask(1);
    sent(&fixture, &asked).await;
    assert_eq!(fixture.records.report_unsolicited(named(&asked), 1_000).await, Ok(true));
    let (limit, retry_after_ms) = fixture.refused(&again(&asked)).await;
    assert_eq!(limit, Limit::RequestIp);
    assert!(retry_after_ms <= 900_000, "a quarter of an hour for the next one: {retry_after_ms}");
}
