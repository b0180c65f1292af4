//! Limits: all charged or none, refusals that know when to return, shares that are given back, holds.

use otp_shared::{
    limits::Limit,
    wire::{Channel, Delivery},
};

use super::{Bench, Bencher, HOLD_THRESHOLD, again, cases, guess, only, quota_of, wide};
use crate::domain::judgement::{Hold, Origin, RequestCall, RequestVerdict, SendOutcome, Settlement, VerifyVerdict};

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

fn settlement(request: &RequestCall, outcome: SendOutcome) -> Settlement {
    Settlement { request: request.clone(), outcome, answer: None }
}

async fn settle(bench: &Bench, request: &RequestCall, outcome: SendOutcome) {
    bench.store.settle(&settlement(request, outcome)).await.expect("the store answers");
}

const LEFT: SendOutcome = SendOutcome::Left { channel: Channel::Whatsapp, delivery: Delivery::Accepted, message: None, at_ms: 0 };

fn from(mut call: RequestCall, address: &str, site: Option<&str>) -> RequestCall {
    call.origin = Origin { address: address.into(), site: site.map(str::to_owned) };
    call.address_hold = format!("address:{address}");
    call
}

async fn the_cooldown_ends_when_it_said(bencher: &dyn Bencher) {
    let bench = bencher.bench(only(Limit::RequestPhoneCooldown, "1/1s")).await;
    let first = bench.ask(1);
    bench.sent(&first).await;
    let (limit, retry_after_ms) = bench.refused(&again(&first)).await;
    assert_eq!(limit, Limit::RequestPhoneCooldown);
    assert!((1..=1000).contains(&retry_after_ms), "{retry_after_ms}");
    bench.sent(&bench.ask(2)).await;
    bench.pass(retry_after_ms).await;
    bench.sent(&again(&first)).await;
}

async fn the_hour_and_the_day_are_counted_exactly(bencher: &dyn Bencher) {
    let quotas = wide().with(Limit::RequestPhoneHour, quota_of("3/1s")).with(Limit::RequestPhoneDay, quota_of("5/3s"));
    let bench = bencher.bench(quotas).await;
    let asked = bench.ask(1);
    for _ in 0..3 {
        bench.sent(&again(&asked)).await;
    }
    let (limit, retry_after_ms) = bench.refused(&again(&asked)).await;
    assert_eq!(limit, Limit::RequestPhoneHour);
    bench.pass(retry_after_ms).await;
    bench.sent(&again(&asked)).await;
    let (_, retry_after_ms) = wait_for_room(&bench, &asked).await;
    assert!(retry_after_ms <= 1000);
    let (limit, retry_after_ms) = bench.refused(&again(&asked)).await;
    assert_eq!(limit, Limit::RequestPhoneDay, "five were sent in three seconds");
    bench.pass(retry_after_ms).await;
    bench.sent(&again(&asked)).await;
}

/// Sends as soon as the limit that refuses ends.
async fn wait_for_room(bench: &Bench, asked: &RequestCall) -> (Limit, u64) {
    match bench.request(&again(asked)).await {
        RequestVerdict::Send { .. } => (Limit::RequestPhoneHour, 0),
        RequestVerdict::Refused { limit, retry_after_ms, .. } => {
            bench.pass(retry_after_ms).await;
            bench.sent(&again(asked)).await;
            (limit, retry_after_ms)
        }
        other => panic!("{other:?}"),
    }
}

async fn the_limit_that_ends_last_is_named(bencher: &dyn Bencher) {
    let quotas = wide().with(Limit::RequestPhoneCooldown, quota_of("1/1s")).with(Limit::RequestIp, quota_of("1/2s"));
    let bench = bencher.bench(quotas).await;
    let asked = bench.ask(1);
    bench.sent(&asked).await;
    let (limit, retry_after_ms) = bench.refused(&again(&asked)).await;
    assert_eq!(limit, Limit::RequestIp);
    assert!(retry_after_ms > 1000, "{retry_after_ms}: until every limit passes");
    bench.pass(retry_after_ms).await;
    bench.sent(&again(&asked)).await;
}

async fn a_refused_request_is_charged_nowhere(bencher: &dyn Bencher) {
    let quotas = wide().with(Limit::RequestPhoneCooldown, quota_of("1/1h")).with(Limit::RequestIp, quota_of("3/1h"));
    let bench = bencher.bench(quotas).await;
    let asked = from(bench.ask(1), "203.0.113.99", None);
    bench.sent(&asked).await;
    for _ in 0..10 {
        bench.refused(&again(&asked)).await;
    }
    for phone in [2, 3] {
        bench.sent(&from(bench.ask(phone), "203.0.113.99", None)).await;
    }
    let (limit, _) = bench.refused(&from(bench.ask(4), "203.0.113.99", None)).await;
    assert_eq!(limit, Limit::RequestIp);
}

async fn strangers_at_one_address_share_its_limit(bencher: &dyn Bencher) {
    let bench = bencher.bench(only(Limit::RequestIp, "2/1s")).await;
    for phone in [1, 2] {
        bench.sent(&from(bench.ask(phone), "203.0.113.99", None)).await;
    }
    let refused = from(bench.ask(3), "203.0.113.99", None);
    let (limit, retry_after_ms) = bench.refused(&refused).await;
    assert_eq!(limit, Limit::RequestIp);
    bench.sent(&from(bench.ask(3), "203.0.113.98", None)).await;
    bench.pass(retry_after_ms).await;
    bench.sent(&again(&refused)).await;
}

async fn the_site_has_a_limit_of_its_own(bencher: &dyn Bencher) {
    let bench = bencher.bench(only(Limit::RequestSite, "2/1h")).await;
    for (phone, net) in [(1, "2001:db8:1:1::/64"), (2, "2001:db8:1:2::/64")] {
        bench.sent(&from(bench.ask(phone), net, Some("2001:db8:1::/48"))).await;
    }
    let (limit, _) = bench.refused(&from(bench.ask(3), "2001:db8:1:3::/64", Some("2001:db8:1::/48"))).await;
    assert_eq!(limit, Limit::RequestSite);
    bench.sent(&from(bench.ask(3), "2001:db8:2:3::/64", Some("2001:db8:2::/48"))).await;
}

async fn a_verified_code_gives_its_share_back_to_who_asked(bencher: &dyn Bencher) {
    let quotas = wide().with(Limit::RequestIp, quota_of("1/1h")).with(Limit::RequestSite, quota_of("1/1h"));
    let bench = bencher.bench(quotas).await;
    let at_home = |phone| from(bench.ask(phone), "2001:db8:1:1::/64", Some("2001:db8:1::/48"));
    let asked = at_home(1);
    bench.sent(&asked).await;
    bench.refused(&at_home(2)).await;
    assert_eq!(bench.verify(&guess(&asked, false)).await, VerifyVerdict::Incorrect { attempts_left: 4 });
    bench.refused(&at_home(2)).await;
    assert_eq!(bench.verify(&guess(&asked, true)).await, VerifyVerdict::Accepted);
    bench.sent(&at_home(2)).await;
    bench.refused(&at_home(3)).await;
}

async fn what_verifies_at_an_address_raises_its_quota(bencher: &dyn Bencher) {
    let bench = bencher.bench(only(Limit::RequestIp, "2/1h")).await;
    let here = |phone| from(bench.ask(phone), "203.0.113.99", None);
    for phone in 0..8 {
        let asked = here(phone);
        bench.sent(&asked).await;
        assert_eq!(bench.verify(&guess(&asked, true)).await, VerifyVerdict::Accepted);
    }
    for phone in 10..14 {
        bench.sent(&here(phone)).await;
    }
    let (limit, _) = bench.refused(&here(14)).await;
    assert_eq!(limit, Limit::RequestIp, "half of eight");
}

/// A number that verified once.
async fn known(bench: &Bench, phone: u8) -> RequestCall {
    let asked = bench.ask(phone);
    assert_eq!(bench.verify(&guess(&asked, true)).await, VerifyVerdict::Accepted);
    again(&asked)
}

async fn half_of_the_ceiling_is_kept_for_known_numbers(bencher: &dyn Bencher) {
    let bench = bencher.bench(only(Limit::RequestGlobal, "4/1h")).await;
    let friend = known(&bench, 9).await;
    for phone in [1, 2] {
        bench.sent(&bench.ask(phone)).await;
    }
    assert_eq!(bench.refused(&bench.ask(3)).await.0, Limit::RequestGlobal);
    for _ in 0..2 {
        bench.sent(&again(&friend)).await;
    }
    assert_eq!(bench.refused(&again(&friend)).await.0, Limit::RequestGlobal, "the ceiling holds for all");
}

async fn recipients_are_different_numbers(bencher: &dyn Bencher) {
    let bench = bencher.bench(only(Limit::RequestRecipients, "2/1s")).await;
    let (one, two) = (known(&bench, 1).await, known(&bench, 2).await);
    let three = known(&bench, 3).await;
    for asked in [&one, &two, &one, &two, &one] {
        bench.sent(&again(asked)).await;
    }
    let (limit, retry_after_ms) = bench.refused(&again(&three)).await;
    assert_eq!(limit, Limit::RequestRecipients);
    bench.pass(retry_after_ms).await;
    bench.sent(&again(&three)).await;
}

async fn half_of_the_recipients_is_kept_for_known_numbers(bencher: &dyn Bencher) {
    let bench = bencher.bench(only(Limit::RequestRecipients, "4/1h")).await;
    for phone in [1, 2] {
        bench.sent(&bench.ask(phone)).await;
    }
    assert_eq!(bench.refused(&bench.ask(3)).await.0, Limit::RequestRecipients);
    bench.sent(&bench.ask(1)).await;
    for phone in [8, 9] {
        let friend = known(&bench, phone).await;
        bench.sent(&friend).await;
    }
    let late = known(&bench, 7).await;
    assert_eq!(bench.refused(&late).await.0, Limit::RequestRecipients);
}

/// Every limit of a request allows one.
fn tight() -> crate::domain::judgement::Quotas {
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

async fn a_failed_send_gives_everything_back(bencher: &dyn Bencher) {
    let bench = bencher.bench(tight()).await;
    let asked = from(bench.ask(1), "2001:db8:1:1::/64", Some("2001:db8:1::/48"));
    bench.sent(&asked).await;
    bench.refused(&again(&asked)).await;
    settle(&bench, &asked, SendOutcome::Failed).await;
    bench.sent(&again(&asked)).await;
    bench.refused(&again(&asked)).await;
}

async fn a_failed_send_gives_a_recipient_back(bencher: &dyn Bencher) {
    let bench = bencher.bench(only(Limit::RequestRecipients, "2/1h")).await;
    let asked = bench.ask(1);
    bench.sent(&asked).await;
    let repeated = again(&asked);
    bench.sent(&repeated).await;
    settle(&bench, &repeated, SendOutcome::Failed).await;
    assert_eq!(bench.refused(&bench.ask(2)).await.0, Limit::RequestRecipients, "the first message did leave");
    settle(&bench, &asked, SendOutcome::Failed).await;
    bench.sent(&bench.ask(2)).await;
}

async fn an_undeliverable_send_gives_the_numbers_limits_back_only(bencher: &dyn Bencher) {
    let quotas = wide().with(Limit::RequestPhoneCooldown, quota_of("1/1h")).with(Limit::RequestIp, quota_of("2/1h"));
    let bench = bencher.bench(quotas).await;
    let asked = bench.ask(1);
    bench.sent(&asked).await;
    settle(&bench, &asked, SendOutcome::Undeliverable).await;
    let repeated = again(&asked);
    bench.sent(&repeated).await;
    settle(&bench, &repeated, SendOutcome::Undeliverable).await;
    assert_eq!(bench.refused(&again(&asked)).await.0, Limit::RequestIp, "the address pays for asking");
}

async fn a_send_that_left_gives_nothing_back(bencher: &dyn Bencher) {
    let bench = bencher.bench(tight()).await;
    let asked = bench.ask(1);
    bench.sent(&asked).await;
    settle(&bench, &asked, LEFT).await;
    settle(&bench, &asked, SendOutcome::Failed).await;
    bench.refused(&again(&asked)).await;
}

async fn a_send_is_given_back_once(bencher: &dyn Bencher) {
    let bench = bencher.bench(only(Limit::RequestIp, "2/1h")).await;
    let here = |phone| from(bench.ask(phone), "203.0.113.99", None);
    let asked = here(1);
    bench.sent(&asked).await;
    bench.sent(&here(2)).await;
    for _ in 0..2 {
        settle(&bench, &asked, SendOutcome::Failed).await;
    }
    assert_eq!(bench.verify(&guess(&asked, true)).await, VerifyVerdict::Accepted);
    bench.sent(&here(3)).await;
    bench.refused(&here(4)).await;
}

async fn a_late_give_back_takes_no_other_send_with_it(bencher: &dyn Bencher) {
    let bench = bencher.bench(only(Limit::RequestPhoneHour, "1/1s")).await;
    let slow = bench.ask(1);
    bench.sent(&slow).await;
    bench.pass(1000).await;
    bench.sent(&again(&slow)).await;
    settle(&bench, &slow, SendOutcome::Failed).await;
    bench.refused(&again(&slow)).await;
}

async fn hold_of(bench: &Bench, call: &RequestCall) -> Option<Hold> {
    match bench.request(call).await {
        RequestVerdict::Refused { hold, .. } => hold,
        other => panic!("not refused: {other:?}"),
    }
}

async fn who_comes_back_too_often_is_held_until_the_limit_ends(bencher: &dyn Bencher) {
    let bench = bencher.bench(only(Limit::RequestPhoneCooldown, "1/1s")).await;
    let asked = bench.ask(1);
    bench.sent(&asked).await;
    let ends_ms = bench.clock.now_ms() + 1000;
    for _ in 1..HOLD_THRESHOLD {
        assert_eq!(hold_of(&bench, &again(&asked)).await, None);
    }
    let hold = hold_of(&bench, &again(&asked)).await.expect("one too many");
    assert_eq!(hold.subject, asked.phone_hold);
    assert!(hold.until_ms.abs_diff(ends_ms) <= 50, "{} {ends_ms}", hold.until_ms);
    bench.pass(100).await;
    assert_eq!(hold_of(&bench, &again(&asked)).await, Some(hold.clone()), "a refusal does not prolong it");
    assert_eq!(bench.store.holds().await, Ok(vec![hold.clone()]));
    bench.pass(hold.until_ms - bench.clock.now_ms()).await;
    assert_eq!(bench.store.holds().await, Ok(vec![]));
    bench.sent(&again(&asked)).await;
    assert_eq!(hold_of(&bench, &again(&asked)).await, None, "the count ended with the limit");
}

async fn an_address_is_held_by_its_own_limits_only(bencher: &dyn Bencher) {
    let quotas = wide().with(Limit::RequestIp, quota_of("1/1h")).with(Limit::RequestGlobal, quota_of("4/1h"));
    let bench = bencher.bench(quotas).await;
    let here = |phone| from(bench.ask(phone), "203.0.113.99", None);
    bench.sent(&here(1)).await;
    for phone in 2..=HOLD_THRESHOLD {
        assert_eq!(hold_of(&bench, &here(u8::try_from(phone).expect("small"))).await, None);
    }
    let hold = hold_of(&bench, &here(9)).await.expect("one too many");
    assert_eq!(hold.subject, "address:203.0.113.99");
    bench.sent(&bench.ask(20)).await;
    for _ in 0..=HOLD_THRESHOLD {
        assert_eq!(hold_of(&bench, &bench.ask(21)).await, None, "the ceiling holds nobody");
    }
}

async fn a_lifted_hold_starts_over(bencher: &dyn Bencher) {
    let bench = bencher.bench(only(Limit::RequestPhoneCooldown, "1/1h")).await;
    let asked = bench.ask(1);
    bench.sent(&asked).await;
    for _ in 0..HOLD_THRESHOLD {
        bench.refused(&again(&asked)).await;
    }
    assert_eq!(bench.store.lift_hold(&asked.phone_hold).await, Ok(true));
    assert_eq!(bench.store.lift_hold(&asked.phone_hold).await, Ok(false));
    assert_eq!(bench.store.holds().await, Ok(vec![]));
    assert_eq!(hold_of(&bench, &again(&asked)).await, None);
}

async fn a_hold_goes_with_its_limit(bencher: &dyn Bencher) {
    let bench = bencher.bench(only(Limit::RequestPhoneCooldown, "1/1h")).await;
    let asked = bench.ask(1);
    bench.sent(&asked).await;
    for _ in 0..HOLD_THRESHOLD {
        bench.refused(&again(&asked)).await;
    }
    settle(&bench, &asked, SendOutcome::Failed).await;
    bench.sent(&again(&asked)).await;
    assert_eq!(bench.store.holds().await, Ok(vec![]));
}

async fn one_cell_is_charged_alone(bencher: &dyn Bencher) {
    let bench = bencher.bench(only(Limit::AdminAuth, "2/1s")).await;
    let charge = |key| bench.store.charge(Limit::AdminAuth, key);
    assert_eq!(charge("203.0.113.1").await, Ok(Ok(())));
    assert_eq!(charge("203.0.113.1").await, Ok(Ok(())));
    let retry_after_ms = charge("203.0.113.1").await.expect("the store answers").expect_err("two were charged");
    assert_eq!(charge("203.0.113.2").await, Ok(Ok(())));
    bench.pass(retry_after_ms).await;
    assert_eq!(charge("203.0.113.1").await, Ok(Ok(())));
}
