//! Promises that hold for every sequence of calls, tried on memory with a clock that is moved.

use futures_util::FutureExt as _;
use otp_shared::limits::{Limit, Quota};
use proptest::prelude::*;

use super::{Fixture, START_MS, call, fresh, guess, only, wide};
use crate::domain::evaluation::{ChallengeKey, ClientNetwork, PhoneKey, Quotas, RequestCall, RequestVerdict, VerifyVerdict};

fn quotas() -> impl Strategy<Value = Quotas> {
    let quota = || (1u32..6, 1u64..40).prop_map(|(count, window_s)| Quota { count, window_s });
    proptest::collection::vec(quota(), Limit::ALL.len()).prop_map(|quotas| {
        let all = Limit::ALL.into_iter().zip(quotas).filter(|(limit, _)| *limit != Limit::VerifyChallenge);
        all.fold(Quotas::default(), |quotas, (limit, quota)| quotas.with(limit, quota))
    })
}

fn ask(phone: u8, address: u8, now_ms: u64) -> RequestCall {
    RequestCall {
        call: call(),
        challenge: ChallengeKey(fresh()),
        expires_at_ms: now_ms + 300_000,
        resend: false,
        phone: PhoneKey([phone; 16]),
        network: ClientNetwork { address: format!("2001:db8:0:{address}::/64"), site: Some("2001:db8::/48".into()) },
        phone_hold: format!("phone:{phone}"),
        address_hold: format!("address:{address}"),
    }
}

/// Who asks, whether the code is verified, and the milliseconds until the next.
fn visits() -> impl Strategy<Value = Vec<(u8, u8, bool, u64)>> {
    proptest::collection::vec((0u8..4, 0u8..3, proptest::bool::weighted(0.4), 0u64..8000), 1..60)
}

/// A verification raises the quota until this many hours later, on the hour.
const BONUS_MS: u64 = 24 * 3_600_000;

/// Memory is always ready, so nothing is waited for.
fn run<T>(future: impl std::future::Future<Output = T>) -> T {
    future.now_or_never().expect("memory answers at once")
}

#[test]
fn a_refusal_keeps_its_promise_though_a_raised_quota_ends_meanwhile() {
    let fixture = Fixture::in_memory(only(Limit::RequestIp, "2/1h"), 1000);
    let request = |phone| run(fixture.request(&ask(phone, 0, fixture.now_ms())));
    run(fixture.pass(3_600_000 - START_MS % 3_600_000));
    for phone in 0..8 {
        let asked = ask(phone, 0, fixture.now_ms());
        run(fixture.sent(&asked));
        assert_eq!(run(fixture.verify(&guess(&asked, true))), VerifyVerdict::Accepted);
    }
    run(fixture.pass(BONUS_MS - 300_000));
    for phone in 10..14 {
        assert!(matches!(request(phone), RequestVerdict::Send { .. }), "half of eight");
    }
    let RequestVerdict::Refused { retry_after_ms, .. } = request(14) else { panic!("four are the quota") };
    assert!(retry_after_ms > 300_000, "the raised quota has ended by then");
    run(fixture.pass(retry_after_ms));
    assert!(matches!(request(14), RequestVerdict::Send { .. }));
}

proptest! {
    #[test]
    fn who_waits_as_long_as_told_is_served_if_nobody_else_came(quotas in quotas(), visits in visits()) {
        let fixture = Fixture::in_memory(quotas, 1000);
        for (phone, address, verified, pause_ms) in visits {
            let asked = ask(phone, address, fixture.now_ms());
            if let RequestVerdict::Refused { retry_after_ms, .. } = run(fixture.request(&asked)) {
                prop_assert!(retry_after_ms > 0);
                run(fixture.pass(retry_after_ms));
                let verdict = run(fixture.request(&ask(phone, address, fixture.now_ms())));
                let served = matches!(verdict, RequestVerdict::Send { .. });
                prop_assert!(served, "after {} ms: {:?}", retry_after_ms, verdict);
            } else if verified {
                run(fixture.verify(&guess(&asked, true)));
            }
            run(fixture.pass(pause_ms));
        }
    }

    #[test]
    fn a_full_memory_forgets_no_used_code(others in 0u8..40) {
        let fixture = Fixture::in_memory(wide(), 10);
        let mut accepted = Vec::new();
        for phone in 0..others {
            let asked = ask(phone, 0, fixture.now_ms());
            if run(fixture.records.verify(&guess(&asked, true))) == Ok(VerifyVerdict::Accepted) {
                accepted.push(asked);
            }
        }
        prop_assert!(accepted.len() >= usize::from(others.min(5)), "there is room for some, and those after are told to wait");
        for asked in accepted {
            let again = run(fixture.records.verify(&guess(&asked, true)));
            prop_assert_ne!(again, Ok(VerifyVerdict::Accepted));
        }
    }
}
