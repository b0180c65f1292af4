//! The rules over a map, without a store: what each decides in each case, and what holds for any sequence of calls.

use std::collections::BTreeMap;

use otp_shared::{
    limits::{Limit, Quota},
    wire::{Channel, Delivery},
};

use super::{
    evaluation::{
        Call, ChallengeKey, Charged, ClientNetwork, MessageKey, PhoneKey, Quotas, Receipt, RequestCall, RequestVerdict, SendOutcome,
        SendReport, VerifyCall, VerifyVerdict,
    },
    guess,
    limits::Policy,
    outcome, receipt,
    record::{Damaged, attempts::Attempts},
    request,
};
use crate::transaction::{Decision, Key, Side, Transaction, Value, View, arrival_us, counter::Counter};

mod deliveries;
mod guesses;
mod holds;
mod interruptions;
mod leases;
mod limits;

const START_MS: u64 = 1_790_000_000_000;
const CHALLENGE_MS: u64 = 300_000;

/// The records of one place, at a time that the test moves.
struct Place {
    records: BTreeMap<Key, Value>,
    now_us: u64,
    side: Side,
    policy: Policy,
    calls: u32,
    /// The records that the last transaction wrote.
    written: Vec<Key>,
}

impl Place {
    /// Every limit is wide but these.
    fn with(limits: impl IntoIterator<Item = (Limit, u32, u64)>) -> Self {
        let wide = Limit::ALL.into_iter().filter(|limit| *limit != Limit::VerifyChallenge);
        let wide = wide.fold(Quotas::default(), |quotas, limit| quotas.with(limit, Quota { count: 1000, window_s: 1000 }));
        let quotas = limits.into_iter().fold(wide, |quotas, (limit, count, window_s)| quotas.with(limit, Quota { count, window_s }));
        let policy = Policy { quotas, hold_threshold: 3 };
        Self { records: BTreeMap::new(), now_us: START_MS * 1000, side: Side { slot: 1, shares: 1 }, policy, calls: 0, written: Vec::new() }
    }

    fn now_ms(&self) -> u64 {
        self.now_us / 1000
    }

    fn pass_ms(&mut self, by_ms: u64) {
        self.now_us += by_ms * 1000;
    }

    /// Decides until the decision can be committed, and commits it.
    fn run<T>(&mut self, rule: impl Fn(&View<'_>) -> Result<Decision<T>, Damaged>) -> T {
        let mut told = BTreeMap::new();
        for _ in 0..4 {
            let records = &self.records;
            let believe = |key: &Key| records.get(key).cloned();
            let view = View::new(self.now_us, self.side, &told, &believe);
            let keys: Vec<Key> = match rule(&view).expect("nothing is damaged") {
                Decision::Tell(answer) => return answer,
                Decision::Ask(keys) => keys,
                Decision::Commit(transaction, answer) => {
                    if self.commit(&transaction) {
                        return answer;
                    }
                    transaction.keys().into_iter().cloned().collect()
                }
            };
            told.extend(keys.into_iter().map(|key| (Key::clone(&key), self.records.get(&key).cloned())));
        }
        panic!("it never decides");
    }

    fn commit(&mut self, transaction: &Transaction) -> bool {
        let mut after = self.records.clone();
        let is_left_alone = |unless: &Option<Key>| unless.as_ref().is_some_and(|key| self.records.contains_key(key));
        for charge in transaction.charge.iter().filter(|charge| !is_left_alone(&charge.unless)) {
            let (arrival, fits) = charge.apply(arrival_us(self.records.get(&charge.key)), self.now_us);
            if !fits {
                return false;
            }
            after.insert(Key::clone(&charge.key), arrival.to_string().into_bytes().into());
        }
        for count in transaction.count.iter().filter(|count| !is_left_alone(&count.unless)) {
            let counter = Counter::read(self.records.get(&count.key), count.window, self.now_us).step(count.by);
            if count.cap.is_some_and(|cap| counter.total() > u64::from(cap)) {
                return false;
            }
            after.insert(Key::clone(&count.key), counter.to_value());
        }
        self.written = transaction.write.iter().map(|write| Key::clone(&write.key)).collect();
        for write in &transaction.write {
            match &write.after {
                Some(value) => _ = after.insert(Key::clone(&write.key), value.clone()),
                None => _ = after.remove(&write.key),
            }
        }
        if let Some(id) = &transaction.id {
            after.insert(Key::clone(&id.key), id.token.clone());
        }
        self.records = after;
        true
    }

    fn call(&mut self) -> Call {
        self.calls += 1;
        let mut id = [7; 16];
        id[..4].copy_from_slice(&self.calls.to_be_bytes());
        Call { id, nonce: id, operator_version: 0, idempotency: None }
    }

    /// A request for a new challenge of `phone` from `address`.
    fn ask(&mut self, phone: u8, address: &str) -> RequestCall {
        let call = self.call();
        RequestCall {
            challenge: ChallengeKey(call.id),
            call,
            expires_at_ms: self.now_ms() + CHALLENGE_MS,
            resend: false,
            phone: PhoneKey([phone; 16]),
            network: ClientNetwork { address: address.to_owned(), site: None },
            phone_hold: format!("phone:{phone}"),
            address_hold: format!("address:{address}"),
        }
    }

    fn request(&mut self, call: &RequestCall) -> RequestVerdict {
        let policy = self.policy.clone();
        self.run(|view| request::decide(call, &Attempts::default(), &policy, view))
    }

    /// A message is sent; what it charged.
    fn send(&mut self, call: &RequestCall) -> Charged {
        match self.request(call) {
            RequestVerdict::Send { charged, .. } => charged,
            refused => panic!("{refused:?}"),
        }
    }

    /// The limit that refuses, and for how many milliseconds.
    fn refusal(&mut self, call: &RequestCall) -> (Limit, u64) {
        match self.request(call) {
            RequestVerdict::Refused { limit, retry_after_ms, .. } => (limit, retry_after_ms),
            other => panic!("{other:?}"),
        }
    }

    fn guess(&mut self, of: &RequestCall, correct: bool) -> VerifyVerdict {
        self.guess_from(of, correct, "203.0.113.200")
    }

    fn guess_from(&mut self, of: &RequestCall, correct: bool, address: &str) -> VerifyVerdict {
        let call = VerifyCall {
            call: self.call(),
            challenge: of.challenge,
            expires_at_ms: of.expires_at_ms,
            correct,
            phone: of.phone,
            network: ClientNetwork { address: address.to_owned(), site: None },
            answer: "answer".to_owned(),
        };
        let policy = self.policy.clone();
        self.run(|view| guess::decide(&call, &Attempts::default(), &policy, view))
    }

    fn outcome(&mut self, request: &RequestCall, charged: &Charged, outcome: SendOutcome) {
        let report = SendReport { request: request.clone(), charged: charged.clone(), outcome, answer: None };
        let quotas = self.policy.quotas.clone();
        self.run(|view| outcome::decide(&report, &quotas, view));
    }

    fn receipt(&mut self, receipt: &Receipt) -> bool {
        let quotas = self.policy.quotas.clone();
        self.run(|view| receipt::decide(receipt, &quotas, view))
    }
}

fn left(at_ms: u64, message: MessageKey) -> SendOutcome {
    SendOutcome::Left { channel: Channel::Whatsapp, delivery: Delivery::Accepted, message: Some(message), at_ms }
}
