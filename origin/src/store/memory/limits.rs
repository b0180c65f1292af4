//! The limits as memory keeps them: logs for what is exact, GCRA cells for rates. Not the order of a judgement: that is `judge`.
//!
//! **Invariant:** [`Limits::refusals`] changes nothing; [`Limits::charge`] returns what it takes to undo it exactly.

use otp_shared::limits::{Gcra, Limit, Quota, gcra};

use super::{
    log::{Log, window_us},
    table::Table,
};
use crate::domain::judgement::{Origin, PhoneKey, Quotas, RequestCall};

/// How long a verification raises the quota of its address.
const BONUS_HOURS: u64 = 24;
const HOUR_US: u64 = 3_600_000_000;
const GLOBAL: &str = "all";
const GLOBAL_UNKNOWN: &str = "unknown";

/// A GCRA cell: which limit, whose.
pub type Cell = (Limit, String);

/// What one send took, to be given back.
#[derive(Debug, Clone, Default)]
pub struct Charge {
    at_us: u64,
    cells: Vec<(Cell, u64)>,
    recipient_before: Option<u64>,
    unknown_before: Option<u64>,
}

/// The share of one send in the limits of the address that asked for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    /// The call that was charged.
    pub call: [u8; 16],
    /// The address and site that were charged.
    pub origin: Origin,
    /// Microseconds that the charge added to each of their cells.
    pub cells: Vec<(Cell, u64)>,
}

/// Everything that counts.
#[derive(Debug)]
pub struct Limits {
    quotas: Quotas,
    pub(super) sends: Table<PhoneKey, Log<[u8; 16]>>,
    pub(super) cells: Table<Cell, u64>,
    pub(super) recipients: Log<PhoneKey>,
    pub(super) unknown_recipients: Log<PhoneKey>,
    /// Grows with every change to the recipients.
    pub(super) recipient_changes: u64,
    verified: Table<(String, u64), u32>,
    capacity: usize,
}

impl Limits {
    /// Nothing counted yet.
    pub fn new(quotas: Quotas, capacity: usize) -> Self {
        Self {
            quotas,
            sends: Table::new(capacity),
            cells: Table::new(capacity),
            recipients: Log::default(),
            unknown_recipients: Log::default(),
            recipient_changes: 0,
            verified: Table::new(capacity),
            capacity,
        }
    }

    /// The quotas in force.
    pub fn quotas(&self) -> &Quotas {
        &self.quotas
    }

    /// The limits that refuse the send, each with the microsecond from which it would pass.
    pub fn refusals(&self, call: &RequestCall, known: bool, now_us: u64) -> Vec<(Limit, u64)> {
        let mut refusals = self.phone_refusals(call.phone, now_us);
        refusals.extend(self.origin_refusals(&call.origin, now_us));
        refusals.extend(self.global_refusals(known, now_us));
        refusals.extend(self.recipient_refusals(call.phone, known, now_us));
        refusals
    }

    /// Counts the send in every limit.
    pub fn charge(&mut self, call: &RequestCall, known: bool, now_us: u64) -> Charge {
        self.log_send(call.phone, call.call.id, now_us, now_us);
        let mut cells = self.charge_origin(&call.origin, now_us);
        cells.push(self.charge_cell((Limit::RequestGlobal, GLOBAL.into()), self.quotas.of(Limit::RequestGlobal), now_us));
        if !known {
            let half = self.quotas.of(Limit::RequestGlobal).half();
            cells.push(self.charge_cell((Limit::RequestGlobal, GLOBAL_UNKNOWN.into()), half, now_us));
        }
        let recipient_before = self.recipients.time(&call.phone);
        let unknown_before = self.unknown_recipients.time(&call.phone);
        self.count_recipient(call.phone, known, now_us);
        Charge { at_us: now_us, cells, recipient_before, unknown_before }
    }

    /// Takes a call out of the number's log, which names it.
    pub fn give_back_phone(&mut self, phone: PhoneKey, call: [u8; 16], now_us: u64) {
        if let Some(log) = self.sends.get_mut(&phone, now_us) {
            log.remove(&call);
        }
    }

    /// Charges an address so many sends more than it asked for, up to its whole quota.
    pub fn charge_more(&mut self, address: &str, sends: u32, now_us: u64) {
        let quota = self.quotas.of(Limit::RequestIp);
        let cell = (Limit::RequestIp, address.to_owned());
        let arrival = self.cells.get(&cell, now_us).copied().unwrap_or(now_us).max(now_us);
        let charged = (arrival + quota.emission_us() * u64::from(sends)).min(now_us + window_us(quota)).max(arrival);
        self.cells.put(cell, charged, charged, now_us);
    }

    /// Undoes what was charged to all but the number.
    pub fn give_back_rest(&mut self, call: &RequestCall, charge: &Charge, now_us: u64) {
        self.return_cells(&charge.cells, now_us);
        self.recipients.restore(call.phone, charge.at_us, charge.recipient_before);
        self.unknown_recipients.restore(call.phone, charge.at_us, charge.unknown_before);
    }

    /// A right guess: the address that asked gets its share back, and a higher quota for a day.
    pub fn reward(&mut self, share: &Share, now_us: u64) {
        self.return_cells(&share.cells, now_us);
        for subject in std::iter::once(&share.origin.address).chain(&share.origin.site) {
            let bucket = (subject.clone(), now_us / HOUR_US);
            let count = self.verified.get(&bucket, now_us).copied().unwrap_or_default() + 1;
            let end_us = (bucket.1 + BONUS_HOURS) * HOUR_US;
            self.verified.put(bucket, count, end_us, now_us);
        }
    }

    /// Charges one cell alone; the error is the microsecond from which it would pass.
    pub fn try_charge(&mut self, limit: Limit, key: &str, now_us: u64) -> Result<(), u64> {
        let cell = (limit, key.to_owned());
        match gcra(self.quotas.of(limit), self.cells.get(&cell, now_us).copied(), now_us) {
            Gcra::Pass { arrival_us } => {
                self.cells.put(cell, arrival_us, arrival_us, now_us);
                Ok(())
            }
            Gcra::Refuse { at_us } => Err(at_us),
        }
    }

    /// Notes a send in the number's log.
    pub fn log_send(&mut self, phone: PhoneKey, call: [u8; 16], at_us: u64, now_us: u64) {
        let window = self.phone_window_us();
        let mut log = self.sends.remove(&phone, now_us).unwrap_or_default();
        log.forget_until(now_us.saturating_sub(window));
        log.set(call, at_us);
        self.sends.put(phone, log, now_us + window, now_us);
    }

    /// The longest window of a number's limits.
    fn phone_window_us(&self) -> u64 {
        PHONE_LIMITS.map(|limit| window_us(self.quotas.of(limit))).into_iter().max().unwrap_or_default()
    }

    fn phone_refusals(&self, phone: PhoneKey, now_us: u64) -> Vec<(Limit, u64)> {
        let Some(log) = self.sends.get(&phone, now_us) else { return Vec::new() };
        PHONE_LIMITS.into_iter().filter_map(|limit| Some((limit, log.free_at(self.quotas.of(limit), now_us)?))).collect()
    }

    fn origin_refusals(&self, origin: &Origin, now_us: u64) -> Vec<(Limit, u64)> {
        origin_cells(origin).into_iter().filter_map(|cell| Some((cell.0, self.origin_refusal(&cell, now_us)?))).collect()
    }

    /// The refusal is told by the plain quota, the smaller one: so the retry passes even if the bonus has gone by then.
    fn origin_refusal(&self, cell: &Cell, now_us: u64) -> Option<u64> {
        let arrival = self.cells.get(cell, now_us).copied();
        let raised = self.raised_quota(cell, now_us);
        let Gcra::Refuse { at_us } = gcra(raised, arrival, now_us) else { return None };
        match gcra(self.quotas.of(cell.0), arrival, now_us) {
            Gcra::Refuse { at_us: plain } => Some(plain.max(at_us)),
            Gcra::Pass { .. } => Some(at_us),
        }
    }

    fn raised_quota(&self, cell: &Cell, now_us: u64) -> Quota {
        let quota = self.quotas.of(cell.0);
        let this_hour = now_us / HOUR_US;
        let buckets = (0..BONUS_HOURS).filter_map(|ago| self.verified.get(&(cell.1.clone(), this_hour.checked_sub(ago)?), now_us));
        let verified: u32 = buckets.sum();
        Quota { count: quota.count.max(verified / 2), ..quota }
    }

    fn global_refusals(&self, known: bool, now_us: u64) -> Option<(Limit, u64)> {
        let quota = self.quotas.of(Limit::RequestGlobal);
        let all = self.cell_refusal(GLOBAL, quota, now_us);
        let unknown = if known { None } else { self.cell_refusal(GLOBAL_UNKNOWN, quota.half(), now_us) };
        all.max(unknown).map(|at_us| (Limit::RequestGlobal, at_us))
    }

    fn cell_refusal(&self, key: &str, quota: Quota, now_us: u64) -> Option<u64> {
        let arrival = self.cells.get(&(Limit::RequestGlobal, key.to_owned()), now_us).copied();
        if let Gcra::Refuse { at_us } = gcra(quota, arrival, now_us) { Some(at_us) } else { None }
    }

    /// A number counted in the window already is free: Meta counts different numbers.
    fn recipient_refusals(&self, phone: PhoneKey, known: bool, now_us: u64) -> Option<(Limit, u64)> {
        let quota = self.quotas.of(Limit::RequestRecipients);
        if self.recipients.time(&phone).is_some_and(|time| time + window_us(quota) > now_us) {
            return None;
        }
        let all = self.recipients.free_at(quota, now_us);
        let unknown = if known { None } else { self.unknown_recipients.free_at(quota.half(), now_us) };
        all.max(unknown).map(|at_us| (Limit::RequestRecipients, at_us))
    }

    /// Counts a number among the day's; the logs stay within the quota and the capacity.
    pub fn count_recipient(&mut self, phone: PhoneKey, known: bool, now_us: u64) {
        let since = now_us.saturating_sub(window_us(self.quotas.of(Limit::RequestRecipients)));
        for log in [&mut self.recipients, &mut self.unknown_recipients] {
            log.forget_until(since);
            log.forget_beyond(self.capacity);
        }
        self.recipient_changes += 1;
        self.recipients.set(phone, now_us);
        if !known {
            self.unknown_recipients.set(phone, now_us);
        }
    }

    fn charge_origin(&mut self, origin: &Origin, now_us: u64) -> Vec<(Cell, u64)> {
        origin_cells(origin)
            .into_iter()
            .map(|cell| {
                let quota = self.raised_quota(&cell, now_us);
                self.charge_cell(cell, quota, now_us)
            })
            .collect()
    }

    /// Adds one emission to a cell that passes; returns the cell and the microseconds added.
    fn charge_cell(&mut self, cell: Cell, quota: Quota, now_us: u64) -> (Cell, u64) {
        let emission = quota.emission_us();
        let arrival = self.cells.get(&cell, now_us).copied().unwrap_or(now_us).max(now_us) + emission;
        self.cells.put(cell.clone(), arrival, arrival, now_us);
        (cell, emission)
    }

    fn return_cells(&mut self, cells: &[(Cell, u64)], now_us: u64) {
        for (cell, emission) in cells {
            let Some(arrival) = self.cells.remove(cell, now_us) else { continue };
            let arrival = arrival.saturating_sub(*emission);
            if arrival > now_us {
                self.cells.put(cell.clone(), arrival, arrival, now_us);
            }
        }
    }
}

/// The limits that a number's log decides.
pub const PHONE_LIMITS: [Limit; 3] = [Limit::RequestPhoneCooldown, Limit::RequestPhoneHour, Limit::RequestPhoneDay];

/// The cells of an address and its site.
pub fn origin_cells(origin: &Origin) -> Vec<Cell> {
    let address = (Limit::RequestIp, origin.address.clone());
    let site = origin.site.iter().map(|site| (Limit::RequestSite, site.clone()));
    std::iter::once(address).chain(site).collect()
}

impl Charge {
    /// The part that was charged to where the request came from.
    pub fn share(&self, call: &RequestCall) -> Share {
        let of_origin = |(cell, _): &&(Cell, u64)| matches!(cell.0, Limit::RequestIp | Limit::RequestSite);
        Share { call: call.call.id, origin: call.origin.clone(), cells: self.cells.iter().filter(of_origin).cloned().collect() }
    }
}
