//! What every call was told, who knows of it, and the invariants that hold over it.
//!
//! A place is a server or a replica's memory. A server knows what it committed, and what each replica that was resynced with it had told
//! before. A replica knows what it told. A place must act on what it knows. The two sides of a split do not know of each other's calls, so
//! neither is held to them.
//!
//! Clocks may jump, so the time that has passed since something is known within bounds only: the true time and every jump since then is
//! the most that any clock shows. What is limited per window counts only when it is in the window by that measure.
//!
//! The invariants, by the number with which a failure begins:
//!
//! 1. A code is accepted once. 2. Five guesses count, and what is told of those left is true. 3. No limit passes more than it may.
//! 4. Whoever comes back when told is not refused. 5. What an operator did is neither lost nor undone, and every call is judged by it.
//! 6. A sign-out is not forgotten. 7. What is given back is given back once, and nothing is refused or charged without a cause.
//! 8. A nonce stands for one call. 9. A repeat is told what the first was, for as long as it may be. 10. A delivery does not go back.
//! 11. Nothing panics, hangs, fails while nothing is wrong, or is committed twice. 12. A hold lasts until its end or its lift.

mod guesses;
mod holds;
mod knowledge;
mod limits;
mod repeats;

use std::collections::{BTreeMap, BTreeSet};

use otp_origin::{
    domain::{
        evaluation::{DeliveryRecord, Quotas},
        record::{call::CallRecord, call_key, challenge::rank, revoked_key},
    },
    transaction::{Transaction, TransactionId},
};

use holds::Holds;
pub use knowledge::{Effect, Knowledge};
use limits::Cells;
pub use limits::{OF_ALL, REPORTED_SENDS};

/// For how long a nonce is certainly remembered, in milliseconds.
const NONCE_MS: u64 = 85_000;
/// For how long a verify's answer is kept, in milliseconds.
const VERIFIED_ANSWER_MS: u64 = 600_000;
/// Differences of clocks below it are not made up for, in milliseconds.
const NOISE_MS: u64 = 1000;

/// The true time, and by how much clocks have jumped in all.
#[derive(Debug, Clone, Copy, Default)]
pub struct Now {
    pub ms: u64,
    pub jumped_ms: u64,
}

impl Now {
    /// The most that any clock shows to have passed since then. Jumps of less than a second are nothing that a replica makes up for,
    /// however long ago.
    pub fn most_since(self, then: Self) -> u64 {
        self.ms - then.ms + self.jumped_ms - then.jumped_ms + then.jumped_ms.min(NOISE_MS)
    }

    /// The least.
    pub fn least_since(self, then: Self) -> u64 {
        (self.ms - then.ms).saturating_sub(self.jumped_ms - then.jumped_ms)
    }
}

/// What a call asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    Send,
    Guess { correct: bool },
}

/// How far a call got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Nothing was told yet.
    Open,
    /// A message was to be sent.
    Sends,
    /// Another answer was told.
    Told,
}

/// A call that was made.
#[derive(Debug, Clone)]
pub struct CallInfo {
    pub asked: Asked,
    pub id: [u8; 16],
    pub nonce: [u8; 16],
    pub phone: usize,
    pub address: usize,
    pub challenge: usize,
    pub expires_at_ms: u64,
    pub idempotency: Option<[u8; 16]>,
    pub issued: Issued,
    /// A refund of it was asked for.
    pub refunded: bool,
    /// When it was given back to its number, among the calls.
    pub given_back: Option<u64>,
    /// Guesses that the server knew, this one included, when it counted it.
    pub counted: Option<u32>,
    pub progress: Progress,
    /// It was made again under the same id: of its answers, one alone is what was counted.
    pub is_repeated: bool,
}

/// When a call was made.
#[derive(Debug, Clone, Copy, Default)]
pub struct Issued {
    pub at: Now,
    pub order: u64,
    pub flushes: u64,
    pub faults: u64,
}

/// Who told something.
#[derive(Debug, Clone, Copy)]
pub struct Teller {
    pub replica: usize,
    /// The store answered; otherwise memory decided.
    pub connected: bool,
    /// The time by which it was decided, as Unix millisecond.
    pub clock_ms: u64,
}

/// See the module.
pub struct Model {
    pub now: Now,
    /// Jumps that the replicas' health checks have seen: until then a decision is made by the time that was.
    pub noticed_ms: u64,
    pub calls: Vec<CallInfo>,
    pub faults: u64,
    pub flushes: u64,
    /// The first invariant that did not hold.
    pub broken: Option<String>,
    quotas: Quotas,
    replicas: Vec<Knowledge>,
    order: u64,
    by_id: BTreeMap<[u8; 16], usize>,
    refunds: Vec<(Now, usize, bool)>,
    verified: BTreeMap<usize, u32>,
    locked: BTreeMap<(usize, usize), u64>,
    deliveries: BTreeMap<(usize, usize), ((u64, u8), u64)>,
    answers: BTreeMap<[u8; 16], BTreeSet<String>>,
    /// Meetings of a replica and a server so far.
    meetings: u64,
    cells: Cells,
    holds: Holds,
}

impl Model {
    pub fn new(quotas: Quotas, replicas: usize) -> Self {
        Self {
            now: Now::default(),
            noticed_ms: 0,
            calls: Vec::new(),
            faults: 0,
            flushes: 0,
            broken: None,
            quotas,
            replicas: vec![Knowledge::default(); replicas],
            order: 0,
            by_id: BTreeMap::new(),
            refunds: Vec::new(),
            verified: BTreeMap::new(),
            locked: BTreeMap::new(),
            deliveries: BTreeMap::new(),
            answers: BTreeMap::new(),
            meetings: 0,
            cells: Cells::default(),
            holds: Holds::default(),
        }
    }

    pub fn fail(&mut self, what: String) {
        self.broken.get_or_insert(what);
    }

    pub fn check(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.fail(what());
        }
    }

    pub fn issued(&mut self) -> Issued {
        self.order += 1;
        Issued { at: self.now, order: self.order, flushes: self.flushes, faults: self.faults }
    }

    /// Notes a call that is about to be made; its number.
    pub fn call(&mut self, mut call: CallInfo) -> usize {
        call.issued = self.issued();
        if let Some(known) = self.by_id.get(&call.id) {
            return *known;
        }
        self.by_id.insert(call.id, self.calls.len());
        if let (Asked::Guess { correct: true }, Some(key)) = (call.asked, call.idempotency) {
            self.answers.entry(key).or_default().insert(answer_text(&call.id));
        }
        if call.asked == (Asked::Guess { correct: true }) {
            self.refunds.push((self.now, call.address, false));
            *self.verified.entry(call.address).or_default() += 1;
        }
        self.calls.push(call);
        self.calls.len() - 1
    }

    /// A flush of `otp:*` reaches what every replica believes sooner or later.
    pub fn flushed(&mut self) {
        self.flushes += 1;
        self.replicas.iter_mut().for_each(Knowledge::flush);
        self.deliveries.clear();
    }

    /// A server committed a transaction for the first time.
    pub fn applied(&mut self, known: &mut Knowledge, transaction: &Transaction, clock_ms: u64) {
        let number = transaction.id.as_ref().and_then(|id| self.by_id.get(&call_of(id)?)).copied();
        if let (Some(number), Some(id)) = (number, &transaction.id) {
            if id.key == call_key(&self.calls[number].nonce) {
                self.applied_call(known, number, transaction, clock_ms);
            } else {
                let twice = known.refunds.get(&number).is_some_and(|at| self.now.most_since(*at) < NONCE_MS);
                self.check(!twice, || format!("7. call {number} was given back twice"));
                known.refunds.insert(number, self.now);
            }
        }
        for write in &transaction.write {
            if write.key.contains("revoked:") {
                known.signed_out.insert(write.key.trim_start_matches("hidden:").to_owned());
            } else if number.is_none() {
                self.applied_report(known, &write.key);
            }
        }
    }

    fn applied_call(&mut self, known: &mut Knowledge, number: usize, transaction: &Transaction, clock_ms: u64) {
        let call = self.calls[number].clone();
        let effect = effect_of(&call, transaction);
        let first = known.calls.get(&number).filter(|seen| seen.nonce && self.now.most_since(seen.at) < NONCE_MS).copied();
        self.check(first.is_none(), || format!("11. call {number} was committed twice by one server"));
        self.check_nonce(known, number);
        match effect {
            Effect::Sent => {
                self.check_send(known, number, 1);
                self.not_held(number);
            }
            Effect::Wrong | Effect::Accepted => {
                let guesses = self.guesses(known, number);
                self.check_guess(known, number, effect);
                self.calls[number].counted = Some(guesses + 1);
            }
            Effect::Nothing => self.perhaps_held(number, transaction),
        }
        if effect == Effect::Sent {
            known.own.push((number, self.now));
        }
        self.learn(known, number, effect, clock_ms);
        if effect == Effect::Accepted
            && let Some(key) = call.idempotency
        {
            known.answers.insert(key, (self.now, VERIFIED_ANSWER_MS));
        }
    }

    pub fn told_sign_out(&mut self, replica: usize, session: &str) {
        self.replicas[replica].signed_out.insert(revoked_key(session).to_string());
    }

    /// Whether a replica, or the server it is connected to, must know of a sign-out.
    pub fn is_signed_out(&self, replica: usize, server: Option<&Knowledge>, session: &str) -> bool {
        let key = revoked_key(session);
        self.replicas[replica].signed_out.contains(&*key) || server.is_some_and(|known| known.signed_out.contains(&*key))
    }

    pub fn told_delivery(&mut self, replica: usize, challenge: usize, issued: Issued, record: Option<DeliveryRecord>) {
        let Some(record) = record.filter(|_| issued.flushes == self.flushes) else { return };
        // Messages are told apart by their time alone.
        let of_challenge = self.calls.iter().filter(|call| call.challenge == challenge && call.progress == Progress::Sends);
        let mut times: Vec<_> = of_challenge.map(|call| call.issued.at.ms).collect();
        times.sort_unstable();
        if times.windows(2).any(|two| two[0] == two[1]) {
            return;
        }
        let told = (record.sent_at_ms, rank(record.delivery));
        self.order += 1;
        // Of two calls at once, the one that was answered first may be told last.
        let before = self.deliveries.get(&(replica, challenge)).copied().filter(|(_, order)| *order < issued.order);
        let back = before.is_some_and(|(before, _)| before.0 == told.0 && before.1 > told.1);
        if self.deliveries.get(&(replica, challenge)).is_none_or(|(before, _)| before.0 != told.0 || before.1 < told.1) {
            self.deliveries.insert((replica, challenge), (told, self.order));
        }
        self.check(!back, || format!("10. the delivery of challenge {challenge} went back at replica {replica}"));
    }

    /// Nothing has gone wrong yet.
    pub fn is_calm(&self) -> bool {
        self.faults == 0 && self.flushes == 0
    }

    /// A call failed.
    pub fn told_error(&mut self, replica: usize, issued: Issued, error: &str) {
        let calm = issued.faults == self.faults;
        self.check(!calm, || format!("11. replica {replica} got an error while nothing was wrong: {error}"));
    }
}

/// What a verify answers to repeats.
pub fn answer_text(id: &[u8; 16]) -> String {
    otp_shared::signature::hex(id)
}

/// The call that a transaction is about: its own decision tells more than its id, a refund only that.
fn call_of(id: &TransactionId) -> Option<[u8; 16]> {
    let alone = id.token.as_ref().try_into().ok();
    alone.or_else(|| CallRecord::read(Some(&id.token)).ok().flatten().map(|record| record.id))
}

fn effect_of(call: &CallInfo, transaction: &Transaction) -> Effect {
    let writes = |part: &str| transaction.write.iter().any(|write| write.key.contains(part));
    match call.asked {
        Asked::Send if writes("{v1}:phone:") => Effect::Sent,
        Asked::Guess { correct } if writes("spent:") => {
            if correct {
                Effect::Accepted
            } else {
                Effect::Wrong
            }
        }
        _ => Effect::Nothing,
    }
}
