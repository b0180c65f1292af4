//! Memory and Redis, asked the same, answer the same: any sequence of calls. Windows are long, so that the time between two calls decides nothing.

use std::sync::Arc;

use otp_shared::{
    limits::Limit,
    wire::{Channel, Delivery},
};
use proptest::{
    prelude::*,
    strategy::ValueTree as _,
    test_runner::{Config, RngSeed, TestRunner},
};

use super::{Bench, HOLD_THRESHOLD, call, guess, on_redis::OnRedis, quota_of, wide};
use crate::{
    clock::{Clock as _, ManualClock, SystemClock},
    domain::judgement::{
        Call, Idempotency, MessageKey, Origin, Quotas, Receipt, RequestCall, RequestVerdict, SendOutcome, Settlement, VerifyCall,
        VerifyVerdict,
    },
    store::memory::Memory,
};

/// One call, in terms of what came before.
#[derive(Debug, Clone)]
enum Step {
    Ask { phone: u8, address: u8, key: Option<(u8, u8)> },
    Resend { which: usize },
    Repeat { which: usize },
    Replay { which: usize },
    Settle { which: usize, outcome: u8, answer: bool },
    Guess { which: usize, correct: bool, key: Option<(u8, u8)> },
    Receipt { which: usize, delivery: u8 },
    Disown { which: usize },
    Lift { phone: u8 },
}

fn key() -> impl Strategy<Value = Option<(u8, u8)>> {
    proptest::option::weighted(0.3, (0u8..3, 0u8..2))
}

fn step() -> impl Strategy<Value = Step> {
    let which = || 0usize..1000;
    prop_oneof![
        6 => (0u8..6, 0u8..4, key()).prop_map(|(phone, address, key)| Step::Ask { phone, address, key }),
        2 => which().prop_map(|which| Step::Resend { which }),
        1 => which().prop_map(|which| Step::Repeat { which }),
        1 => which().prop_map(|which| Step::Replay { which }),
        4 => (which(), 0u8..6, any::<bool>()).prop_map(|(which, outcome, answer)| Step::Settle { which, outcome, answer }),
        5 => (which(), any::<bool>(), key()).prop_map(|(which, correct, key)| Step::Guess { which, correct, key }),
        3 => (which(), 0u8..5).prop_map(|(which, delivery)| Step::Receipt { which, delivery }),
        1 => which().prop_map(|which| Step::Disown { which }),
        1 => (0u8..6).prop_map(|phone| Step::Lift { phone }),
    ]
}

fn quotas() -> Quotas {
    [
        (Limit::RequestPhoneCooldown, "2/10m"),
        (Limit::RequestPhoneHour, "3/1h"),
        (Limit::RequestPhoneDay, "4/1d"),
        (Limit::RequestIp, "4/1h"),
        (Limit::RequestSite, "6/1h"),
        (Limit::RequestGlobal, "12/1h"),
        (Limit::RequestRecipients, "5/1d"),
        (Limit::VerifyIp, "40/1h"),
    ]
    .into_iter()
    .fold(wide(), |quotas, (limit, quota)| quotas.with(limit, quota_of(quota)))
}

fn keyed(key: Option<(u8, u8)>) -> Call {
    Call { idempotency: key.map(|(key, body)| Idempotency { key: [key; 16], body: [body; 16] }), ..call() }
}

/// Without what depends on the instant.
fn told(verdict: RequestVerdict) -> String {
    match verdict {
        RequestVerdict::Refused { limit, hold, .. } => format!("refused by {limit:?}, held: {:?}", hold.map(|hold| hold.subject)),
        RequestVerdict::Locked { .. } => "locked".into(),
        other => format!("{other:?}"),
    }
}

fn told_of_guess(verdict: VerifyVerdict) -> String {
    match verdict {
        VerifyVerdict::Locked { .. } => "locked".into(),
        VerifyVerdict::Refused { limit, .. } => format!("refused by {limit:?}"),
        other => format!("{other:?}"),
    }
}

/// The calls of one run, so that both stores get the very same.
struct Script {
    asked: Vec<RequestCall>,
}

impl Script {
    fn earlier(&self, which: usize) -> Option<&RequestCall> {
        self.asked.get(which.checked_rem(self.asked.len())?)
    }

    fn request(&mut self, step: &Step, bench: &Bench) -> Option<RequestCall> {
        let made = match step {
            Step::Ask { phone, address, key } => RequestCall {
                call: keyed(*key),
                origin: Origin { address: format!("2001:db8:0:{address}::/64"), site: Some("2001:db8::/48".into()) },
                address_hold: format!("address:{address}"),
                ..bench.ask(*phone)
            },
            Step::Resend { which } => super::resend(self.earlier(*which)?),
            Step::Repeat { which } => self.earlier(*which)?.clone(),
            Step::Replay { which } => {
                let first = self.earlier(*which)?;
                RequestCall { call: Call { id: call().id, ..first.call.clone() }, ..first.clone() }
            }
            _ => return None,
        };
        self.asked.push(made.clone());
        Some(made)
    }
}

async fn play(benches: &[Bench; 2], step: &Step, script: &mut Script) -> [String; 2] {
    let mut answers = [String::new(), String::new()];
    if let Some(request) = script.request(step, &benches[0]) {
        for (answer, bench) in answers.iter_mut().zip(benches) {
            *answer = told(bench.request(&request).await);
        }
        return answers;
    }
    for (answer, bench) in answers.iter_mut().zip(benches) {
        *answer = follow(bench, step, script).await;
    }
    answers
}

async fn follow(bench: &Bench, step: &Step, script: &Script) -> String {
    match step {
        Step::Settle { which, outcome, answer } => {
            let Some(request) = script.earlier(*which) else { return String::new() };
            let settlement =
                Settlement { request: request.clone(), outcome: outcome_of(*outcome, request), answer: answer.then(|| "again".into()) };
            bench.store.settle(&settlement).await.expect("the store answers");
            format!("{:?}", bench.store.delivery(request.challenge).await)
        }
        Step::Guess { which, correct, key } => {
            let Some(request) = script.earlier(*which) else { return String::new() };
            let guess = VerifyCall { call: keyed(*key), ..guess(request, *correct) };
            told_of_guess(bench.verify(&guess).await)
        }
        Step::Receipt { which, delivery } => {
            let Some(request) = script.earlier(*which) else { return String::new() };
            let message = MessageKey(request.call.id);
            let receipt = Receipt { challenge: Some(request.challenge), message, delivery: delivery_of(*delivery), reason: None };
            let known = bench.store.receipt(&receipt).await;
            format!("{known:?} {:?}", bench.store.delivery(request.challenge).await)
        }
        Step::Disown { which } => {
            let Some(request) = script.earlier(*which) else { return String::new() };
            format!("{:?}", bench.store.disown(MessageKey(request.call.id), 1).await)
        }
        Step::Lift { phone } => {
            let lifted = bench.store.lift_hold(&format!("phone:{phone:016x}")).await;
            let mut held: Vec<_> = bench.store.holds().await.expect("it answers").into_iter().map(|hold| hold.subject).collect();
            held.sort();
            format!("{lifted:?} {held:?}")
        }
        Step::Ask { .. } | Step::Resend { .. } | Step::Repeat { .. } | Step::Replay { .. } => String::new(),
    }
}

fn outcome_of(number: u8, request: &RequestCall) -> SendOutcome {
    let at_ms = request.expires_at_ms;
    match number {
        0 => SendOutcome::Failed,
        1 => SendOutcome::Undeliverable,
        2 => SendOutcome::Left { channel: Channel::Sms, delivery: Delivery::Unconfirmed, message: None, at_ms },
        3 => SendOutcome::Left { channel: Channel::Whatsapp, delivery: Delivery::Unconfirmed, message: None, at_ms },
        _ => SendOutcome::Left {
            channel: Channel::Whatsapp,
            delivery: Delivery::Accepted,
            message: Some(MessageKey(request.call.id)),
            at_ms,
        },
    }
}

const fn delivery_of(number: u8) -> Delivery {
    match number {
        0 => Delivery::Accepted,
        1 => Delivery::Unconfirmed,
        2 => Delivery::Sent,
        3 => Delivery::Delivered,
        _ => Delivery::Failed,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_and_redis_judge_alike() {
    let on_redis = OnRedis::new();
    let mut runner = TestRunner::new(Config { rng_seed: RngSeed::Fixed(1), ..Config::default() });
    for run in 0..40 {
        let steps = proptest::collection::vec(step(), 80).new_tree(&mut runner).expect("nothing is filtered").current();
        // Memory's clock counts milliseconds, Redis' microseconds: a step of its own for each call keeps their order the same.
        let clock = Arc::new(ManualClock::at(SystemClock.now_ms()));
        let memory = Memory::new(clock.clone(), quotas(), "r1".into(), HOLD_THRESHOLD, 10_000);
        let benches = [Bench::in_real_time(Arc::new(memory)), Bench::in_real_time(on_redis.store(quotas()).await)];
        let mut script = Script { asked: Vec::new() };
        for (number, step) in steps.iter().enumerate() {
            clock.advance_ms(1);
            let [memory, redis] = play(&benches, step, &mut script).await;
            assert_eq!(memory, redis, "run {run}, step {number}: {step:?}");
        }
    }
}
