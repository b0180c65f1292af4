//! What memory knows and Redis may not, told as records for `fill.lua`: durations instead of times, because the clocks differ.
//!
//! **Invariant:** taking a record in twice, late or in any order changes nothing more than taking it in once.

use otp_shared::signature::hex;
use serde_json::{Value, json};

use super::{challenges::rank, judge::KNOWN_US, replay::Progress, state::State};
use crate::{
    domain::judgement::{Receipt, Settlement},
    store::OperatorCopy,
};

/// How recently a number must have verified to be told to a Redis that is not empty: longer than a challenge lives.
const RECENT_US: u64 = 15 * 60 * 1_000_000;

/// How much of memory was told already.
#[derive(Debug, Clone, Copy, Default)]
pub struct Told {
    operator: Option<u64>,
    sends: u64,
    cells: u64,
    recipients: u64,
    spent: u64,
    known: u64,
    answers: u64,
    nonces: u64,
    revoked: u64,
    seen: u64,
}

/// What is to be told.
#[derive(Debug)]
pub struct News {
    /// The operator state, if it changed here.
    pub operator: Option<OperatorCopy>,
    /// For `fill.lua`.
    pub records: Vec<Value>,
    /// For `settle.lua`.
    pub settlements: Vec<Settlement>,
    /// For `receipt.lua`, after the settlements.
    pub receipts: Vec<Receipt>,
    /// What is told then.
    pub told: Told,
}

impl News {
    /// Nothing is to be told.
    pub fn is_empty(&self) -> bool {
        self.operator.is_none() && self.records.is_empty() && self.settlements.is_empty() && self.receipts.is_empty()
    }
}

impl State {
    /// What was not told yet. `all_known`: also the numbers that verified long ago, because Redis was emptied.
    pub fn news(&self, told: Told, all_known: bool, now_us: u64) -> News {
        let records = self.spent_records(told, now_us).chain(self.limit_records(told, now_us)).chain(self.replay_records(told, now_us));
        let records = records.chain(self.lasting_records(told, all_known, now_us)).collect();
        let settlements = self.owed.changed_since(0, now_us).map(|(_, settlement, _)| settlement.clone()).collect();
        let receipts = self.owed_receipts.changed_since(0, now_us).map(|(_, receipt, _)| receipt.clone()).collect();
        let operator = (told.operator != Some(self.records.merges())).then(|| self.records.copy());
        News { operator, records, settlements, receipts, told: self.told() }
    }

    /// Redis has heard of that settlement.
    pub fn paid(&mut self, settlement: &Settlement, now_us: u64) {
        self.owed.remove(&settlement.request.call.id, now_us);
    }

    /// Redis has heard of that receipt.
    pub fn receipt_paid(&mut self, receipt: &Receipt, now_us: u64) {
        self.owed_receipts.remove(&(receipt.message, rank(receipt.delivery)), now_us);
    }

    fn told(&self) -> Told {
        let (limits, replay) = (&self.judge.limits, &self.judge.replay);
        Told {
            operator: Some(self.records.merges()),
            sends: limits.sends.changes(),
            cells: limits.cells.changes(),
            recipients: limits.recipient_changes,
            spent: self.judge.challenges.spent.changes(),
            known: self.judge.known.changes(),
            answers: replay.answers.changes(),
            nonces: replay.nonces.changes(),
            revoked: self.revoked.changes(),
            seen: self.seen.changes(),
        }
    }

    fn spent_records(&self, told: Told, now_us: u64) -> impl Iterator<Item = Value> {
        self.judge.challenges.spent.changed_since(told.spent, now_us).map(move |(key, spent, end_us)| {
            let attempts = &spent.attempts;
            json!({ "kind": "spent", "challenge": hex(&key.0), "attempts": attempts, "used": spent.used, "left_us": end_us - now_us })
        })
    }

    fn limit_records(&self, told: Told, now_us: u64) -> impl Iterator<Item = Value> {
        let limits = &self.judge.limits;
        let sends = limits.sends.changed_since(told.sends, now_us).map(move |(phone, log, _)| {
            let calls: Vec<_> = log.iter().map(|(id, time)| json!({ "id": hex(&id), "age_us": now_us.saturating_sub(time) })).collect();
            json!({ "kind": "sends", "phone": hex(&phone.0), "calls": calls })
        });
        let cells = limits.cells.changed_since(told.cells, now_us).map(move |((limit, subject), arrival_us, _)| {
            json!({ "kind": "cell", "limit": limit.name(), "subject": subject, "left_us": arrival_us.saturating_sub(now_us) })
        });
        let changed = limits.recipient_changes > told.recipients;
        let recipients = limits.recipients.iter().filter(move |_| changed).map(move |(phone, time)| {
            let unknown = limits.unknown_recipients.time(&phone).is_some();
            json!({ "kind": "recipient", "phone": hex(&phone.0), "age_us": now_us.saturating_sub(time), "unknown": unknown })
        });
        sends.chain(cells).chain(recipients)
    }

    fn replay_records(&self, told: Told, now_us: u64) -> impl Iterator<Item = Value> {
        let replay = &self.judge.replay;
        let answers = replay.answers.changed_since(told.answers, now_us).filter_map(move |(key, (asked, progress), end_us)| {
            let Progress::Answered(answer) = progress else { return None };
            Some(json!({ "kind": "answer", "key": hex(key), "body": hex(&asked.body), "answer": answer, "left_us": end_us - now_us }))
        });
        let nonces = replay
            .nonces
            .changed_since(told.nonces, now_us)
            .map(move |(nonce, id, end_us)| json!({ "kind": "nonce", "nonce": hex(nonce), "id": hex(id), "left_us": end_us - now_us }));
        answers.chain(nonces)
    }

    fn lasting_records(&self, told: Told, all_known: bool, now_us: u64) -> impl Iterator<Item = Value> {
        let since_us = if all_known { 0 } else { now_us + KNOWN_US - RECENT_US };
        let known = self.judge.known.changed_since(told.known, now_us).filter(move |(.., end_us)| *end_us >= since_us);
        let known = known.map(move |(phone, (), end_us)| json!({ "kind": "known", "phone": hex(&phone.0), "left_us": end_us - now_us }));
        let revoked = self.revoked.changed_since(told.revoked, now_us);
        let revoked =
            revoked.map(move |(session, (), end_us)| json!({ "kind": "revoked", "session": session, "left_us": end_us - now_us }));
        let seen = self.seen.changed_since(told.seen, now_us);
        let seen = seen.map(move |(id, (), end_us)| json!({ "kind": "seen", "id": id, "left_us": end_us - now_us }));
        known.chain(revoked).chain(seen)
    }
}
