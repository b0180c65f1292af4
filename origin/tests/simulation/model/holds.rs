//! Holds: who is refused until a time, and whose hold an operator has lifted. Checked while nothing has gone wrong: a flush, an older copy
//! and a resync of a replica that was away may each bring or take one.

use std::collections::BTreeMap;

use otp_origin::{domain::evaluation::Hold, transaction::Transaction};

use super::{Asked, Issued, Model};

/// What is known of holds.
#[derive(Debug, Default)]
pub struct Holds {
    /// Told and not ended by a send or an operator since: until which Unix millisecond.
    told: BTreeMap<String, u64>,
    /// Lifted: when the lift was begun and when it was done, among the calls.
    lifted: BTreeMap<String, (u64, u64)>,
    /// When a hold was ended by a send or a lift, among the calls; while a lift is on its way, the end of all.
    ended: BTreeMap<String, u64>,
    /// When a refusal may have held the subject, among the calls.
    listed: BTreeMap<String, u64>,
}

fn subjects(phone: usize, address: usize) -> [String; 2] {
    [format!("phone:{phone}"), format!("address:{address}")]
}

impl Model {
    /// A caller was told of a hold.
    pub(super) fn told_hold(&mut self, number: usize, hold: &Hold) {
        // What was asked before a hold ended may be told of it afterwards.
        let is_later = self.holds.ended.get(&hold.subject).is_none_or(|order| self.calls[number].issued.order > *order);
        if is_later && self.is_calm() {
            self.holds.told.insert(hold.subject.clone(), hold.until_ms);
        }
    }

    /// A server committed a send: its number and its address are not held any more.
    pub(super) fn not_held(&mut self, number: usize) {
        self.order += 1;
        let call = &self.calls[number];
        for subject in subjects(call.phone, call.address) {
            self.holds.told.remove(&subject);
            self.holds.ended.insert(subject, self.order);
        }
    }

    /// A server committed a refusal, which may hold its number or address.
    pub(super) fn perhaps_held(&mut self, number: usize, transaction: &Transaction) {
        let call = &self.calls[number];
        if call.asked == Asked::Send && transaction.write.iter().any(|write| write.key.contains(":holds:")) {
            self.order += 1;
            for subject in subjects(call.phone, call.address) {
                self.holds.listed.insert(subject, self.order);
            }
        }
    }

    /// An operator is about to lift a hold.
    pub fn lifting(&mut self, subject: &str) {
        self.holds.told.remove(subject);
        self.holds.ended.insert(subject.to_owned(), u64::MAX);
    }

    /// It is lifted.
    pub fn lifted(&mut self, subject: &str, issued: Issued) {
        self.order += 1;
        self.holds.ended.insert(subject.to_owned(), self.order);
        self.holds.lifted.insert(subject.to_owned(), (issued.order, self.order));
    }

    /// The subjects that a list that is asked for now has to tell, with their ends.
    pub fn held(&self) -> Vec<(String, u64)> {
        let told = self.holds.told.iter().filter(|_| self.is_calm());
        told.map(|(subject, until_ms)| (subject.clone(), *until_ms)).collect()
    }

    /// The list of holds, told at `now_ms` of the store's clock, and the holds that were in force when it was asked for.
    pub fn told_holds(&mut self, list: &[Hold], must: &[(String, u64)], issued: Issued, now_ms: u64) {
        if !self.is_calm() {
            return;
        }
        for (subject, until_ms) in must {
            let is_listed = list.iter().any(|hold| hold.subject == *subject);
            let is_over = now_ms >= *until_ms || self.holds.told.get(subject).is_none_or(|known| known != until_ms);
            self.check(is_listed || is_over, || format!("12. {subject} is held until {until_ms}, and is not listed at {now_ms}"));
        }
        for Hold { subject, .. } in list {
            let lifted = self.holds.lifted.get(subject).filter(|(_, done)| *done < issued.order);
            let is_held_again = lifted.is_none_or(|(begun, _)| self.holds.listed.get(subject).is_some_and(|listed| listed > begun));
            self.check(is_held_again, || format!("12. the hold of {subject} was lifted, and is listed"));
        }
    }

    /// A send to a number that was held when it was asked for. Where something was given back, its limit may end before its hold.
    pub fn check_not_held(&mut self, number: usize, must: &[(String, u64)], now_ms: u64) {
        let phone = self.calls[number].phone;
        let given_back = self.calls.iter().any(|call| call.phone == phone && call.refunded);
        let held = must.iter().find(|(subject, until_ms)| *subject == format!("phone:{phone}") && now_ms < *until_ms);
        let is_checked = !given_back && self.is_calm();
        let is_lifted = |subject| self.holds.lifted.contains_key(subject) || self.holds.ended.get(subject) == Some(&u64::MAX);
        if let Some((subject, until_ms)) = held.filter(|(subject, _)| is_checked && !is_lifted(subject)) {
            self.fail(format!("12. call {number} sends at {now_ms} to {subject}, which is held until {until_ms}"));
        }
    }
}
