//! Calls, nonces and idempotency keys that were seen. Not what they were about.
//!
//! **Invariant:** a call id has one verdict, a nonce one call id, an idempotency key one body.

use super::{limits::Charge, table::Table};
use crate::domain::judgement::{Call, Idempotency, Interruption, RequestVerdict, VerifyVerdict};

/// How long calls and nonces are remembered: a signature is good for 30 s either side of its time.
pub const REMEMBERED_US: u64 = 90_000_000;
/// How long a request may stay unanswered before its idempotency key is free again.
pub const IN_FLIGHT_US: u64 = 30_000_000;
/// How long a verify's answer is repeated: as long as its session id is good.
pub const VERIFY_ANSWER_US: u64 = 600_000_000;

/// A request that was judged.
#[derive(Debug, Clone)]
pub struct JudgedRequest {
    /// The first verdict.
    pub verdict: RequestVerdict,
    /// What it took; `None` once settled, or when nothing was taken.
    pub charge: Option<Charge>,
}

/// How far the first call with an idempotency key got.
#[derive(Debug, Clone)]
pub enum Progress {
    /// Not answered yet.
    InFlight {
        /// Its id.
        call: [u8; 16],
    },
    /// What repeats get.
    Answered(String),
}

/// What was seen lately.
#[derive(Debug)]
pub struct Replay {
    /// By call id.
    pub requests: Table<[u8; 16], JudgedRequest>,
    /// By call id.
    pub verifies: Table<[u8; 16], VerifyVerdict>,
    /// The call that came with a nonce.
    pub nonces: Table<[u8; 16], [u8; 16]>,
    /// By idempotency key.
    pub answers: Table<[u8; 16], (Idempotency, Progress)>,
}

impl Replay {
    /// Nothing yet.
    pub fn new(capacity: usize) -> Self {
        Self { requests: Table::new(capacity), verifies: Table::new(capacity), nonces: Table::new(capacity), answers: Table::new(capacity) }
    }

    /// Notes the nonce; the error is a replay.
    pub fn see(&mut self, call: &Call, now_us: u64) -> Result<(), Interruption> {
        match self.nonces.get(&call.nonce, now_us) {
            Some(first) if *first != call.id => Err(Interruption::Replayed),
            Some(_) => Ok(()),
            None => {
                self.nonces.put(call.nonce, call.id, now_us + REMEMBERED_US, now_us);
                Ok(())
            }
        }
    }

    /// What is known of the call's idempotency key stops it, if anything is.
    pub fn repeated(&self, call: &Call, now_us: u64) -> Result<(), Interruption> {
        let Some(asked) = &call.idempotency else { return Ok(()) };
        match self.answers.get(&asked.key, now_us) {
            None => Ok(()),
            Some((known, _)) if known.body != asked.body => Err(Interruption::Mismatch),
            Some((_, Progress::InFlight { .. })) => Err(Interruption::InProgress),
            Some((_, Progress::Answered(answer))) => Err(Interruption::Repeat(answer.clone())),
        }
    }

    /// The key is taken until the answer is known.
    pub fn in_flight(&mut self, call: &Call, now_us: u64) {
        if let Some(asked) = call.idempotency {
            self.answers.put(asked.key, (asked, Progress::InFlight { call: call.id }), now_us + IN_FLIGHT_US, now_us);
        }
    }

    /// A repeat gets this answer until `end_us`.
    pub fn answered(&mut self, call: &Call, answer: &str, end_us: u64, now_us: u64) {
        if let Some(asked) = call.idempotency {
            self.answers.put(asked.key, (asked, Progress::Answered(answer.to_owned())), end_us, now_us);
        }
    }

    /// There will be no answer: a repeat tries again.
    pub fn abandoned(&mut self, call: &Call, now_us: u64) {
        let Some(asked) = call.idempotency else { return };
        let own = |(_, progress): &(Idempotency, Progress)| matches!(progress, Progress::InFlight { call: id } if *id == call.id);
        if self.answers.get(&asked.key, now_us).is_some_and(own) {
            self.answers.remove(&asked.key, now_us);
        }
    }
}
