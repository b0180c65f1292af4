//! Promises that hold for every sequence of calls, tried on memory with a clock that is moved: `same_verdicts` ties Redis to it.

use std::sync::Arc;

use otp_shared::limits::{Limit, Quota};
use proptest::prelude::*;

use super::{HOLD_THRESHOLD, call, fresh, guess};
use crate::{
    clock::{Clock as _, ManualClock},
    domain::judgement::{ChallengeKey, Origin, PhoneKey, Quotas, RequestCall, RequestVerdict, VerifyVerdict},
    store::memory::Memory,
};

const START_MS: u64 = 1_790_000_000_000;

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
        origin: Origin { address: format!("2001:db8:0:{address}::/64"), site: Some("2001:db8::/48".into()) },
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

#[test]
fn a_refusal_keeps_its_promise_though_a_raised_quota_ends_meanwhile() {
    let hour_ms = START_MS - START_MS % 3_600_000;
    let clock = Arc::new(ManualClock::at(hour_ms));
    let quotas = super::only(Limit::RequestIp, "2/1h");
    let memory = Memory::new(clock.clone(), quotas, "r1".into(), HOLD_THRESHOLD, 1000);
    let request = |phone| memory.step(|state, now_us| state.request(&ask(phone, 0, clock.now_ms()), now_us));
    for phone in 0..8 {
        let asked = ask(phone, 0, clock.now_ms());
        memory.step(|state, now_us| (state.request(&asked, now_us), state.verify(&guess(&asked, true), now_us).is_ok()));
    }
    clock.advance_ms(BONUS_MS - 300_000);
    for phone in 10..14 {
        assert!(matches!(request(phone), RequestVerdict::Send { .. }), "half of eight");
    }
    let RequestVerdict::Refused { retry_after_ms, .. } = request(14) else { panic!("four are the quota") };
    assert!(retry_after_ms > 300_000, "the raised quota has ended by then");
    clock.advance_ms(retry_after_ms);
    assert!(matches!(request(14), RequestVerdict::Send { .. }));
}

proptest! {
    #[test]
    fn who_waits_as_long_as_told_is_served_if_nobody_else_came(quotas in quotas(), visits in visits()) {
        let clock = Arc::new(ManualClock::at(START_MS));
        let memory = Memory::new(clock.clone(), quotas, "r1".into(), HOLD_THRESHOLD, 1000);
        for (phone, address, verified, pause_ms) in visits {
            let asked = ask(phone, address, clock.now_ms());
            let verdict = memory.step(|state, now_us| state.request(&asked, now_us));
            if let RequestVerdict::Refused { retry_after_ms, .. } = verdict {
                prop_assert!(retry_after_ms > 0);
                clock.advance_ms(retry_after_ms);
                let retried = ask(phone, address, clock.now_ms());
                let verdict = memory.step(|state, now_us| state.request(&retried, now_us));
                let served = matches!(verdict, RequestVerdict::Send { .. });
                prop_assert!(served, "after {} ms: {:?}", retry_after_ms, verdict);
            } else if verified {
                _ = memory.step(|state, now_us| state.verify(&guess(&asked, true), now_us));
            }
            clock.advance_ms(pause_ms);
        }
    }

    #[test]
    fn a_full_memory_forgets_no_used_code(others in 0u8..40) {
        let clock = Arc::new(ManualClock::at(START_MS));
        let memory = Memory::new(clock.clone(), super::wide(), "r1".into(), HOLD_THRESHOLD, 10);
        let mut accepted = Vec::new();
        for phone in 0..others {
            let asked = ask(phone, 0, clock.now_ms());
            if memory.step(|state, now_us| state.verify(&guess(&asked, true), now_us)) == Ok(VerifyVerdict::Accepted) {
                accepted.push(asked);
            }
        }
        prop_assert_eq!(accepted.len(), usize::from(others.min(10)), "there is room for ten, and those after are told to wait");
        for asked in accepted {
            prop_assert_eq!(memory.step(|state, now_us| state.verify(&guess(&asked, true), now_us)), Ok(VerifyVerdict::Unknown));
        }
    }
}
