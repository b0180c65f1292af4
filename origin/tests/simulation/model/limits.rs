//! Sends and their limits: of a number, of an address, of everybody, of the day's recipients.

use std::collections::BTreeSet;

use otp_origin::domain::{evaluation::RequestVerdict, limits::OF_PHONE};
use otp_shared::limits::{Limit, Quota};

use super::{Asked, CallInfo, Effect, Issued, Knowledge, Model, Now, Progress, Teller};
use crate::scene::has_site;

/// For how long a number counts among the day's recipients, in milliseconds.
const DAY_MS: u64 = 86_400_000;
/// By how much an answer may end early where a replica that only read it told the store first.
const ANSWER_NOISE_MS: u64 = 2000;
/// For how long a replica keeps an answer that it has only read, in milliseconds.
const GUESSED_MS: u64 = 60_000;
/// Sends that an unsolicited message costs its address.
pub const REPORTED_SENDS: u32 = 2;
/// The cell of everybody.
pub const OF_ALL: &str = "otp:{v1}:cell:request.global:all";
/// Those of addresses.
const OF_ADDRESS: &str = "otp:{v1}:cell:request.ip:2001:db8:0:";
/// A server's clock is known by its millisecond, in microseconds.
const MILLISECOND_US: u64 = 1000;

/// The most that may have been charged, wherever: arrival times in microseconds of the true time.
#[derive(Debug, Default)]
pub struct Cells {
    of_all_us: u64,
}

impl Model {
    /// A send's limits are about to be given back: those of its number, or all of them.
    pub fn refunding(&mut self, number: usize, all: bool) {
        self.calls[number].refunded = true;
        if all {
            self.refunds.push((self.now, self.calls[number].address, true));
        }
    }

    pub fn told_request(&mut self, teller: Teller, number: usize, verdict: &RequestVerdict) {
        self.calls[number].progress = if matches!(verdict, RequestVerdict::Send { .. }) { Progress::Sends } else { Progress::Told };
        let mut known = std::mem::take(&mut self.replicas[teller.replica]);
        match verdict {
            RequestVerdict::Send { .. } => {
                if !teller.connected {
                    self.check_nonce(&known, number);
                    let shares = u32::try_from(self.replicas.len()).unwrap_or(1);
                    self.check_send(&known, number, shares);
                    known.own.push((number, self.now));
                }
                self.learn(&mut known, number, Effect::Sent, teller.clock_ms);
            }
            RequestVerdict::Refused { limit, hold, .. } => {
                self.learn(&mut known, number, Effect::Nothing, teller.clock_ms);
                self.check_cause(number, *limit);
                if let Some(hold) = hold {
                    self.told_hold(number, hold);
                }
            }
            RequestVerdict::Interrupted(interruption) => self.check_interruption(number, interruption),
            RequestVerdict::Unknown | RequestVerdict::Locked { .. } => {}
        }
        self.replicas[teller.replica] = known;
    }

    /// What became of a send was noted.
    pub fn told_outcome(&mut self, teller: Teller, number: usize, issued: Issued, failed: bool, answer: Option<&str>) {
        self.order += 1;
        if answer.is_none() {
            self.calls[number].given_back.get_or_insert(self.order);
        }
        let call = &self.calls[number];
        if call.issued.flushes != self.flushes {
            return;
        }
        // A replica that still has the answer from before a flush may tell it, with its own end.
        let is_older = |other: &CallInfo| other.idempotency == call.idempotency && other.issued.flushes < self.flushes;
        let had_answer = self.flushes > 0 && self.calls.iter().any(is_older);
        let known = &mut self.replicas[teller.replica];
        if failed {
            known.refunds.insert(number, self.now);
        }
        if let (Some(key), Some(_)) = (call.idempotency, answer)
            && !had_answer
        {
            let life_ms = call.expires_at_ms.saturating_sub(teller.clock_ms);
            // A note has no id: sent twice, its second answer tells the records, and of those the replica only guesses the end.
            let life_ms = if issued.faults == self.faults { life_ms } else { life_ms.min(GUESSED_MS) };
            known.answers.insert(key, (self.now, life_ms));
        }
    }

    /// The limits of a send, where so many count apart.
    pub(super) fn check_send(&mut self, known: &Knowledge, number: usize, shares: u32) {
        let quotas = self.quotas.share(shares);
        let call = self.calls[number].clone();
        let answered = call
            .idempotency
            .and_then(|key| known.answers.get(&key))
            .is_some_and(|(at, life)| self.now.most_since(*at) + ANSWER_NOISE_MS < *life);
        self.check(!answered, || format!("9. call {number} sends, and its key was answered"));
        for limit in OF_PHONE {
            let sends = self.sends_to(known, &call, quotas.of(limit));
            self.check(sends < quotas.of(limit).count, || {
                format!("3. call {number} is send {} to its number, and {} allows {}", sends + 1, limit.name(), quotas.of(limit).count)
            });
        }
        self.check_cell(known, number, Limit::RequestIp, self.raised(quotas.of(Limit::RequestIp), shares, |of| of == call.address));
        if has_site(call.address) {
            self.check_cell(known, number, Limit::RequestSite, self.raised(quotas.of(Limit::RequestSite), shares, has_site));
        }
        let of_all = quotas.of(Limit::RequestGlobal);
        self.check_cell(known, number, Limit::RequestGlobal, of_all);
        self.cells.of_all_us = self.cells.of_all_us.max(self.now.ms * 1000) + of_all.emission_us();
        let recipients = self.recipients(known, number);
        let cap = quotas.of(Limit::RequestRecipients).count;
        self.check(recipients <= cap, || format!("3. call {number} is to recipient {recipients} of {cap}"));
    }

    /// Half of what verified at these addresses raises their quota.
    fn raised(&self, plain: Quota, shares: u32, is_of: impl Fn(usize) -> bool) -> Quota {
        let verified: u32 = self.verified.iter().filter(|(address, _)| is_of(**address)).map(|(_, verified)| *verified).sum();
        Quota { count: plain.count.max(verified / 2 / shares), ..plain }
    }

    fn sends_to(&self, known: &Knowledge, call: &CallInfo, quota: Quota) -> u32 {
        let sends = known.calls.iter().filter(|(other, seen)| {
            let other = &self.calls[**other];
            let is_counted = seen.effect == Effect::Sent && !other.refunded && other.id != call.id;
            is_counted && other.phone == call.phone && self.now.most_since(seen.at) < quota.window_ms()
        });
        u32::try_from(sends.count()).unwrap_or(u32::MAX)
    }

    /// GCRA lets through its count at once and its rate after that; whatever is given back may be charged once more.
    fn check_cell(&mut self, known: &Knowledge, number: usize, limit: Limit, quota: Quota) {
        let address = self.calls[number].address;
        let is_global = limit == Limit::RequestGlobal;
        let is_charged = |of: usize| is_global || of == address || limit == Limit::RequestSite && has_site(of);
        let own: Vec<Now> = known.own.iter().filter(|(other, _)| is_charged(self.calls[*other].address)).map(|(_, at)| *at).collect();
        let refunds = self.refunds.iter().filter(|(_, of, all)| if is_global { *all } else { is_charged(*of) });
        let refunds: Vec<Now> = refunds.map(|(at, _, _)| *at).collect();
        for (index, first) in own.iter().enumerate() {
            let is_since = |at: &Now| at.ms >= first.ms && at.jumped_ms >= first.jumped_ms;
            let reported = known.reports.iter().filter(|(of, at)| limit == Limit::RequestIp && *of == address && is_since(at));
            let reported = reported.count() as u64 * u64::from(REPORTED_SENDS);
            let sends = (own.len() - index + 1) as u64 + reported;
            let given_back = refunds.iter().filter(|at| at.ms >= first.ms).count() as u64;
            // Clocks are known by their milliseconds.
            let drained = (self.now.most_since(*first) + 1) * 1000 / quota.emission_us().max(1);
            let most = u64::from(quota.count) + drained + given_back;
            self.check(sends <= most, || format!("3. call {number} is send {sends}, and {} allows {most}", limit.name()));
        }
    }

    /// What is charged for unsolicited messages counts only where it surely had room in the window: it is never charged beyond that.
    pub(super) fn applied_report(&self, known: &mut Knowledge, key: &str) {
        let address = key.strip_prefix(OF_ADDRESS).and_then(|rest| rest.split(':').next()?.parse().ok());
        let Some(address) = address else { return };
        let quota = self.quotas.of(Limit::RequestIp);
        let is_recent = |at: &Now| self.now.least_since(*at) < quota.window_ms();
        let sends = known.own.iter().filter(|(call, at)| self.calls[*call].address == address && is_recent(at)).count();
        let reports = known.reports.iter().filter(|(of, at)| *of == address && is_recent(at)).count();
        let charged = u32::try_from(sends).unwrap_or(u32::MAX) + (u32::try_from(reports).unwrap_or(u32::MAX) + 1) * REPORTED_SENDS;
        if self.is_calm() && charged <= quota.count {
            known.reports.push((address, self.now));
        }
    }

    /// A server's cell of everybody, after a commit: nothing is charged twice. `start_ms` is the clock's when the true time was zero.
    pub fn check_charged(&mut self, arrival_us: u64, start_ms: u64) {
        let most_us = start_ms * 1000 + self.cells.of_all_us + MILLISECOND_US;
        let is_fine = self.now.jumped_ms > 0 || arrival_us <= most_us;
        self.check(is_fine, || format!("7. the cell of everybody is charged by {} us too much", arrival_us - most_us));
    }

    /// Numbers that this place alone has sent to, the call's included.
    fn recipients(&self, known: &Knowledge, number: usize) -> u32 {
        let phone = self.calls[number].phone;
        let today = known.own.iter().filter(|(_, at)| self.now.most_since(*at) < DAY_MS).map(|(other, _)| *other);
        let own: BTreeSet<usize> = today.chain([number]).collect();
        let mut phones: BTreeSet<usize> = own.iter().map(|other| self.calls[*other].phone).collect();
        phones.insert(phone);
        phones.retain(|phone| {
            let mut sends = self.calls.iter().enumerate().filter(|(_, call)| call.asked == Asked::Send && call.phone == *phone);
            let calm = |(at, call): (usize, &CallInfo)| own.contains(&at) && !call.refunded;
            sends.clone().any(|(at, _)| own.contains(&at)) && sends.all(calm)
        });
        u32::try_from(phones.len()).unwrap_or(u32::MAX)
    }

    /// While nothing ever went wrong, a number's limit refuses only when its sends have used it up.
    fn check_cause(&mut self, number: usize, limit: Limit) {
        if self.faults > 0 || self.flushes > 0 || !OF_PHONE.contains(&limit) {
            return;
        }
        let call = self.calls[number].clone();
        let sends = self.calls.iter().filter(|other| {
            let may_count = other.asked == Asked::Send
                && other.progress != Progress::Told
                && other.given_back.is_none_or(|order| order > call.issued.order);
            may_count && other.phone == call.phone && other.id != call.id
        });
        let enough = sends.count() >= self.quotas.of(limit).count as usize;
        self.check(enough, || format!("7. call {number} is refused by {}, and nothing that was not given back fills it", limit.name()));
    }
}
