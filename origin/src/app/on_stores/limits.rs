//! Limits: all charged or none, refusals that know when to return, shares that are given back, holds.

use otp_shared::limits::Limit;

use super::{Fixture, HOLD_THRESHOLD, LEFT, StoreFactory, again, cases, guess, only, quota_of, wide};
use crate::domain::evaluation::{ClientNetwork, Hold, RequestCall, RequestVerdict, SendOutcome, VerifyVerdict};

cases![
    the_cooldown_ends_when_it_said,
    the_hour_and_the_day_are_counted_exactly,
    the_limit_that_ends_last_is_named,
    a_refused_request_is_charged_nowhere,
    strangers_at_one_address_share_its_limit,
    the_site_has_a_limit_of_its_own,
    a_verified_code_gives_its_share_back_to_who_asked,
    what_verifies_at_an_address_raises_its_quota,
    half_of_the_ceiling_is_kept_for_known_numbers,
    recipients_are_different_numbers,
    half_of_the_recipients_is_kept_for_known_numbers,
    a_failed_send_gives_everything_back,
    a_failed_send_gives_a_recipient_back,
    a_failed_send_leaves_a_recipient_of_another_message,
    an_undeliverable_send_gives_the_numbers_limits_back_only,
    a_send_that_left_gives_nothing_back,
    a_send_is_given_back_once,
    a_late_give_back_takes_no_other_send_with_it,
    who_comes_back_too_often_is_held_until_the_limit_ends,
    an_address_is_held_by_its_own_limits_only,
    a_lifted_hold_starts_over,
    a_hold_goes_with_its_limit,
    one_cell_is_charged_alone,
];

fn from(mut call: RequestCall, address: &str, site: Option<&str>) -> RequestCall {
    call.network = ClientNetwork { address: address.into(), site: site.map(str::to_owned) };
    call.address_hold = format!("address:{address}");
    call
}

async fn the_cooldown_ends_when_it_said(factory: &dyn StoreFactory) {
    let fixture = factory.fixture(only(Limit::RequestPhoneCooldown, "1/1s")).await;
    let first = fixture.ask(1);
    fixture.sent(&first).await;
    let (limit, retry_after_ms) = fixture.refused(&again(&first)).await;
    assert_eq!(limit, Limit::RequestPhoneCooldown);
    assert!((1..=1000).contains(&retry_after_ms), "{retry_after_ms}");
    fixture.sent(&fixture.ask(2)).await;
    fixture.pass(retry_after_ms).await;
    fixture.sent(&again(&first)).await;
}

async fn the_hour_and_the_day_are_counted_exactly(factory: &dyn StoreFactory) {
    let quotas = wide().with(Limit::RequestPhoneHour, quota_of("3/1s")).with(Limit::RequestPhoneDay, quota_of("5/3s"));
    let fixture = factory.fixture(quotas).await;
    let asked = fixture.ask(1);
    for _ in 0..3 {
        fixture.sent(&again(&asked)).await;
    }
    let (limit, retry_after_ms) = fixture.refused(&again(&asked)).await;
    assert_eq!(limit, Limit::RequestPhoneHour);
    fixture.pass(retry_after_ms).await;
    fixture.sent(&again(&asked)).await;
    let (_, retry_after_ms) = wait_for_room(&fixture, &asked).await;
    assert!(retry_after_ms <= 1000);
    let (limit, retry_after_ms) = fixture.refused(&again(&asked)).await;
    assert_eq!(limit, Limit::RequestPhoneDay, "five were sent in three seconds");
    fixture.pass(retry_after_ms).await;
    fixture.sent(&again(&asked)).await;
}

/// Sends as soon as the limit that refuses ends.
async fn wait_for_room(fixture: &Fixture, asked: &RequestCall) -> (Limit, u64) {
    match fixture.request(&again(asked)).await {
        RequestVerdict::Send { .. } => (Limit::RequestPhoneHour, 0),
        RequestVerdict::Refused { limit, retry_after_ms, .. } => {
            fixture.pass(retry_after_ms).await;
            fixture.sent(&again(asked)).await;
            (limit, retry_after_ms)
        }
        other => panic!("{other:?}"),
    }
}

async fn the_limit_that_ends_last_is_named(factory: &dyn StoreFactory) {
    let quotas = wide().with(Limit::RequestPhoneCooldown, quota_of("1/1s")).with(Limit::RequestIp, quota_of("1/2s"));
    let fixture = factory.fixture(quotas).await;
    let asked = fixture.ask(1);
    fixture.sent(&asked).await;
    let (limit, retry_after_ms) = fixture.refused(&again(&asked)).await;
    assert_eq!(limit, Limit::RequestIp);
    assert!(retry_after_ms > 1000, "{retry_after_ms}: until every limit passes");
    fixture.pass(retry_after_ms).await;
    fixture.sent(&again(&asked)).await;
}

async fn a_refused_request_is_charged_nowhere(factory: &dyn StoreFactory) {
    let quotas = wide().with(Limit::RequestPhoneCooldown, quota_of("1/1h")).with(Limit::RequestIp, quota_of("3/1h"));
    let fixture = factory.fixture(quotas).await;
    let asked = from(fixture.ask(1), "203.0.113.99", None);
    fixture.sent(&asked).await;
    for _ in 0..10 {
        fixture.refused(&again(&asked)).await;
    }
    for phone in [2, 3] {
        fixture.sent(&from(fixture.ask(phone), "203.0.113.99", None)).await;
    }
    let (limit, _) = fixture.refused(&from(fixture.ask(4), "203.0.113.99", None)).await;
    assert_eq!(limit, Limit::RequestIp);
}

async fn strangers_at_one_address_share_its_limit(factory: &dyn StoreFactory) {
    let fixture = factory.fixture(only(Limit::RequestIp, "2/1s")).await;
    for phone in [1, 2] {
        fixture.sent(&from(fixture.ask(phone), "203.0.113.99", None)).await;
    }
    let refused = from(fixture.ask(3), "203.0.113.99", None);
    let (limit, retry_after_ms) = fixture.refused(&refused).await;
    assert_eq!(limit, Limit::RequestIp);
    fixture.sent(&from(fixture.ask(3), "203.0.113.98", None)).await;
    fixture.pass(retry_after_ms).await;
    fixture.sent(&again(&refused)).await;
}

async fn the_site_has_a_limit_of_its_own(factory: &dyn StoreFactory) {
    let fixture = factory.fixture(only(Limit::RequestSite, "2/1h")).await;
    for (phone, net) in [(1, "2001:db8:1:1::/64"), (2, "2001:db8:1:2::/64")] {
        fixture.sent(&from(fixture.ask(phone), net, Some("2001:db8:1::/48"))).await;
    }
    let (limit, _) = fixture.refused(&from(fixture.ask(3), "2001:db8:1:3::/64", Some("2001:db8:1::/48"))).await;
    assert_eq!(limit, Limit::RequestSite);
    fixture.sent(&from(fixture.ask(3), "2001:db8:2:3::/64", Some("2001:db8:2::/48"))).await;
}

async fn a_verified_code_gives_its_share_back_to_who_asked(factory: &dyn StoreFactory) {
    let quotas = wide().with(Limit::RequestIp, quota_of("1/1h")).with(Limit::RequestSite, quota_of("1/1h"));
    let fixture = factory.fixture(quotas).await;
    let at_home = |phone| from(fixture.ask(phone), "2001:db8:1:1::/64", Some("2001:db8:1::/48"));
    let asked = at_home(1);
    fixture.sent(&asked).await;
    fixture.refused(&at_home(2)).await;
    assert_eq!(fixture.verify(&guess(&asked, false)).await, VerifyVerdict::Incorrect { attempts_left: 4 });
    fixture.refused(&at_home(2)).await;
    assert_eq!(fixture.verify(&guess(&asked, true)).await, VerifyVerdict::Accepted);
    fixture.sent(&at_home(2)).await;
    fixture.refused(&at_home(3)).await;
}

async fn what_verifies_at_an_address_raises_its_quota(factory: &dyn StoreFactory) {
    let fixture = factory.fixture(only(Limit::RequestIp, "2/1h")).await;
    let here = |phone| from(fixture.ask(phone), "203.0.113.99", None);
    for phone in 0..8 {
        let asked = here(phone);
        fixture.sent(&asked).await;
        assert_eq!(fixture.verify(&guess(&asked, true)).await, VerifyVerdict::Accepted);
    }
    for phone in 10..14 {
        fixture.sent(&here(phone)).await;
    }
    let (limit, _) = fixture.refused(&here(14)).await;
    assert_eq!(limit, Limit::RequestIp, "half of eight");
}

const DAY_MS: u64 = 86_400_000;

/// A number that verified once.
async fn known(fixture: &Fixture, phone: u8) -> RequestCall {
    let asked = fixture.ask(phone);
    assert_eq!(fixture.verify(&guess(&asked, true)).await, VerifyVerdict::Accepted);
    again(&asked)
}

async fn half_of_the_ceiling_is_kept_for_known_numbers(factory: &dyn StoreFactory) {
    let fixture = factory.fixture(only(Limit::RequestGlobal, "4/1h")).await;
    let friend = known(&fixture, 9).await;
    for phone in [1, 2] {
        fixture.sent(&fixture.ask(phone)).await;
    }
    assert_eq!(fixture.refused(&fixture.ask(3)).await.0, Limit::RequestGlobal);
    for _ in 0..2 {
        fixture.sent(&again(&friend)).await;
    }
    assert_eq!(fixture.refused(&again(&friend)).await.0, Limit::RequestGlobal, "the ceiling holds for all");
}

async fn recipients_are_different_numbers(factory: &dyn StoreFactory) {
    let fixture = factory.fixture(only(Limit::RequestRecipients, "2/24h")).await;
    let (one, two) = (known(&fixture, 1).await, known(&fixture, 2).await);
    let three = known(&fixture, 3).await;
    for asked in [&one, &two, &one, &two, &one] {
        fixture.sent(&again(asked)).await;
    }
    let (limit, retry_after_ms) = fixture.refused(&again(&three)).await;
    assert_eq!(limit, Limit::RequestRecipients);
    assert!((DAY_MS - 60_000..=DAY_MS + 3_600_000).contains(&retry_after_ms), "a day, and an hour at most: {retry_after_ms}");
    if fixture.manual.is_some() {
        fixture.pass(retry_after_ms - 1).await;
        fixture.refused(&again(&three)).await;
        fixture.pass(1).await;
        fixture.sent(&again(&three)).await;
    }
}

async fn half_of_the_recipients_is_kept_for_known_numbers(factory: &dyn StoreFactory) {
    let fixture = factory.fixture(only(Limit::RequestRecipients, "4/24h")).await;
    for phone in [1, 2] {
        fixture.sent(&fixture.ask(phone)).await;
    }
    assert_eq!(fixture.refused(&fixture.ask(3)).await.0, Limit::RequestRecipients);
    fixture.sent(&fixture.ask(1)).await;
    for phone in [8, 9] {
        let friend = known(&fixture, phone).await;
        fixture.sent(&friend).await;
    }
    let late = known(&fixture, 7).await;
    assert_eq!(fixture.refused(&late).await.0, Limit::RequestRecipients);
}

/// Every limit of a request allows one.
fn tight() -> crate::domain::evaluation::Quotas {
    [
        Limit::RequestPhoneCooldown,
        Limit::RequestPhoneHour,
        Limit::RequestPhoneDay,
        Limit::RequestIp,
        Limit::RequestSite,
        Limit::RequestGlobal,
    ]
    .into_iter()
    .fold(wide(), |quotas, limit| quotas.with(limit, quota_of("1/1h")))
}

async fn a_failed_send_gives_everything_back(factory: &dyn StoreFactory) {
    let fixture = factory.fixture(tight()).await;
    let asked = from(fixture.ask(1), "2001:db8:1:1::/64", Some("2001:db8:1::/48"));
    fixture.sent(&asked).await;
    fixture.refused(&again(&asked)).await;
    fixture.record_outcome(&asked, SendOutcome::Failed, None).await;
    fixture.sent(&again(&asked)).await;
    fixture.refused(&again(&asked)).await;
}

async fn a_failed_send_gives_a_recipient_back(factory: &dyn StoreFactory) {
    let fixture = factory.fixture(only(Limit::RequestRecipients, "2/24h")).await;
    let asked = fixture.ask(1);
    fixture.sent(&asked).await;
    let repeated = again(&asked);
    fixture.sent(&repeated).await;
    fixture.record_outcome(&repeated, SendOutcome::Failed, None).await;
    assert_eq!(fixture.refused(&fixture.ask(2)).await.0, Limit::RequestRecipients, "the first message did leave");
    fixture.record_outcome(&asked, SendOutcome::Failed, None).await;
    fixture.sent(&fixture.ask(2)).await;
}

async fn a_failed_send_leaves_a_recipient_of_another_message(factory: &dyn StoreFactory) {
    let fixture = factory.fixture(only(Limit::RequestRecipients, "2/24h")).await;
    let (first, second) = (fixture.ask(1), fixture.ask(1));
    fixture.sent(&first).await;
    fixture.sent(&second).await;
    fixture.record_outcome(&first, SendOutcome::Failed, None).await;
    assert_eq!(fixture.refused(&fixture.ask(2)).await.0, Limit::RequestRecipients, "the second message may have left");
}

async fn an_undeliverable_send_gives_the_numbers_limits_back_only(factory: &dyn StoreFactory) {
    let quotas = wide().with(Limit::RequestPhoneCooldown, quota_of("1/1h")).with(Limit::RequestIp, quota_of("2/1h"));
    let fixture = factory.fixture(quotas).await;
    let asked = fixture.ask(1);
    fixture.sent(&asked).await;
    fixture.record_outcome(&asked, SendOutcome::Undeliverable, None).await;
    let repeated = again(&asked);
    fixture.sent(&repeated).await;
    fixture.record_outcome(&repeated, SendOutcome::Undeliverable, None).await;
    assert_eq!(fixture.refused(&again(&asked)).await.0, Limit::RequestIp, "the address pays for asking");
}

async fn a_send_that_left_gives_nothing_back(factory: &dyn StoreFactory) {
    let fixture = factory.fixture(tight()).await;
    let asked = fixture.ask(1);
    fixture.sent(&asked).await;
    fixture.record_outcome(&asked, LEFT, None).await;
    fixture.record_outcome(&asked, SendOutcome::Failed, None).await;
    fixture.refused(&again(&asked)).await;
}

async fn a_send_is_given_back_once(factory: &dyn StoreFactory) {
    let fixture = factory.fixture(only(Limit::RequestIp, "2/1h")).await;
    let here = |phone| from(fixture.ask(phone), "203.0.113.99", None);
    let asked = here(1);
    fixture.sent(&asked).await;
    fixture.sent(&here(2)).await;
    for _ in 0..2 {
        fixture.record_outcome(&asked, SendOutcome::Failed, None).await;
    }
    assert_eq!(fixture.verify(&guess(&asked, true)).await, VerifyVerdict::Accepted);
    fixture.sent(&here(3)).await;
    fixture.refused(&here(4)).await;
}

async fn a_late_give_back_takes_no_other_send_with_it(factory: &dyn StoreFactory) {
    let fixture = factory.fixture(only(Limit::RequestPhoneHour, "1/1s")).await;
    let slow = fixture.ask(1);
    fixture.sent(&slow).await;
    fixture.pass(1000).await;
    fixture.sent(&again(&slow)).await;
    fixture.record_outcome(&slow, SendOutcome::Failed, None).await;
    fixture.refused(&again(&slow)).await;
}

async fn hold_of(fixture: &Fixture, call: &RequestCall) -> Option<Hold> {
    match fixture.request(call).await {
        RequestVerdict::Refused { hold, .. } => hold,
        other => panic!("not refused: {other:?}"),
    }
}

async fn who_comes_back_too_often_is_held_until_the_limit_ends(factory: &dyn StoreFactory) {
    let fixture = factory.fixture(only(Limit::RequestPhoneCooldown, "1/1s")).await;
    let asked = fixture.ask(1);
    fixture.sent(&asked).await;
    let ends_ms = fixture.now_ms() + 1000;
    for _ in 1..HOLD_THRESHOLD {
        assert_eq!(hold_of(&fixture, &again(&asked)).await, None);
    }
    let hold = hold_of(&fixture, &again(&asked)).await.expect("one too many");
    assert_eq!(hold.subject, asked.phone_hold);
    assert!(hold.until_ms.abs_diff(ends_ms) <= 50, "{} {ends_ms}", hold.until_ms);
    fixture.pass(100).await;
    assert_eq!(hold_of(&fixture, &again(&asked)).await, Some(hold.clone()), "a refusal does not prolong it");
    assert_eq!(fixture.records.holds().await, Ok(vec![hold.clone()]));
    fixture.pass(hold.until_ms - fixture.now_ms()).await;
    assert_eq!(fixture.records.holds().await, Ok(vec![]));
    fixture.sent(&again(&asked)).await;
    assert_eq!(hold_of(&fixture, &again(&asked)).await, None, "the count ended with the limit");
}

async fn an_address_is_held_by_its_own_limits_only(factory: &dyn StoreFactory) {
    let quotas = wide().with(Limit::RequestIp, quota_of("1/1h")).with(Limit::RequestGlobal, quota_of("4/1h"));
    let fixture = factory.fixture(quotas).await;
    let here = |phone| from(fixture.ask(phone), "203.0.113.99", None);
    fixture.sent(&here(1)).await;
    for phone in 2..=HOLD_THRESHOLD {
        assert_eq!(hold_of(&fixture, &here(u8::try_from(phone).expect("small"))).await, None);
    }
    let hold = hold_of(&fixture, &here(9)).await.expect("one too many");
    assert_eq!(hold.subject, "address:203.0.113.99");
    fixture.sent(&fixture.ask(20)).await;
    for _ in 0..=HOLD_THRESHOLD {
        assert_eq!(hold_of(&fixture, &fixture.ask(21)).await, None, "the ceiling holds nobody");
    }
}

async fn a_lifted_hold_starts_over(factory: &dyn StoreFactory) {
    let fixture = factory.fixture(only(Limit::RequestPhoneCooldown, "1/1h")).await;
    let asked = fixture.ask(1);
    fixture.sent(&asked).await;
    for _ in 0..HOLD_THRESHOLD {
        fixture.refused(&again(&asked)).await;
    }
    assert_eq!(fixture.records.lift_hold(&asked.phone_hold).await, Ok(true));
    assert_eq!(fixture.records.lift_hold(&asked.phone_hold).await, Ok(false));
    assert_eq!(fixture.records.holds().await, Ok(vec![]));
    assert_eq!(hold_of(&fixture, &again(&asked)).await, None);
}

async fn a_hold_goes_with_its_limit(factory: &dyn StoreFactory) {
    let fixture = factory.fixture(only(Limit::RequestPhoneCooldown, "1/1h")).await;
    let asked = fixture.ask(1);
    fixture.sent(&asked).await;
    for _ in 0..HOLD_THRESHOLD {
        fixture.refused(&again(&asked)).await;
    }
    fixture.record_outcome(&asked, SendOutcome::Failed, None).await;
    fixture.sent(&again(&asked)).await;
    assert_eq!(fixture.records.holds().await, Ok(vec![]));
}

async fn one_cell_is_charged_alone(factory: &dyn StoreFactory) {
    let fixture = factory.fixture(only(Limit::AdminAuth, "2/1s")).await;
    let charge = |key| fixture.records.charge(Limit::AdminAuth, key);
    assert_eq!(charge("203.0.113.1").await, Ok(Ok(())));
    assert_eq!(charge("203.0.113.1").await, Ok(Ok(())));
    let retry_after_ms = charge("203.0.113.1").await.expect("the store answers").expect_err("two were charged");
    assert_eq!(charge("203.0.113.2").await, Ok(Ok(())));
    fixture.pass(retry_after_ms).await;
    assert_eq!(charge("203.0.113.1").await, Ok(Ok(())));
}
