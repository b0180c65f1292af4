//! The limits of a send, as charges to cells and counters and as what a number's record lets through. Not which of them a call has to pass: `request`, `guess`.
//!
//! **Invariant:** a refusal always knows from when the same request would pass.

use otp_shared::limits::{Limit, Quota};

use super::{
    evaluation::{ClientNetwork, Quotas},
    record::{cell_key, phone::PhoneRecord, recipients_key, verified_key},
};
use crate::transaction::{Charge, Count, Key, Step, View, arrival_us, counter::Counter, counter::Window};

/// What is configured of the rules.
#[derive(Debug, Clone)]
pub struct Policy {
    /// The limits of the whole fleet.
    pub quotas: Quotas,
    /// Refusals that hold a subject.
    pub hold_threshold: u32,
}

/// A limit that refuses, and the Unix microsecond from which it would pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// Which.
    pub limit: Limit,
    /// From when it would pass.
    pub at_us: u64,
}

/// The limits that a number's record decides.
pub const OF_PHONE: [Limit; 3] = [Limit::RequestPhoneCooldown, Limit::RequestPhoneHour, Limit::RequestPhoneDay];

/// The limits of where a request comes from.
pub const OF_NETWORK: [Limit; 2] = [Limit::RequestIp, Limit::RequestSite];

const HOUR_US: u64 = 3_600_000_000;
/// What verified at an address within a day raises its quota.
const VERIFIED: Window = Window::new(24 * HOUR_US, 24);
/// Meta counts different numbers in 24 hours; a number counts up to an hour longer here, never shorter.
const RECIPIENTS: Window = Window::new(24 * HOUR_US, 24);
/// For how long a number is not counted again, in milliseconds.
const RECIPIENT_MS: u64 = 24 * HOUR_US / 1000;
const ALL: &str = "all";
const UNKNOWN: &str = "unknown";

/// The window of a counter.
pub fn window_of(key: &Key) -> Window {
    if key.starts_with("verified:") { VERIFIED } else { RECIPIENTS }
}

/// The quota by which a cell is charged, before anything raises it.
pub fn quota_of_cell(key: &Key, quotas: &Quotas) -> Option<Quota> {
    let (name, subject) = key.split_once(":cell:")?.1.split_once(':')?;
    let quota = quotas.of(Limit::ALL.into_iter().find(|limit| limit.name() == name)?);
    Some(if name == Limit::RequestGlobal.name() && subject == UNKNOWN { quota.half() } else { quota })
}

/// The longest of a number's windows, in milliseconds.
pub fn phone_window_ms(quotas: &Quotas) -> u64 {
    OF_PHONE.into_iter().map(|limit| quotas.of(limit).window_ms()).max().unwrap_or_default()
}

/// How long a number's record is kept, in milliseconds.
pub fn phone_ttl_ms(quotas: &Quotas) -> u64 {
    phone_window_ms(quotas).max(RECIPIENT_MS)
}

/// Those of a number's limits that refuse.
pub fn of_phone(record: &PhoneRecord, quotas: &Quotas, now_ms: u64) -> Vec<Refusal> {
    let free_at_us = |limit| record.free_at_ms(quotas.of(limit), now_ms).map(|at_ms| at_ms * 1000);
    OF_PHONE.into_iter().filter_map(|limit| Some(Refusal { limit, at_us: free_at_us(limit)? })).collect()
}

/// A cell that a send or a guess charges, with its limit.
#[derive(Debug, Clone)]
pub struct Cell {
    /// Which limit.
    pub limit: Limit,
    /// The charge.
    pub charge: Charge,
    /// The quota by which a refusal is told: the plain one, so that the retry passes even if what raised it has gone by then.
    told_by: Quota,
}

impl Cell {
    /// One of `quota` from the cell of `limit` for `subject`.
    pub fn new(limit: Limit, subject: &str, quota: Quota) -> Self {
        let (by_us, capacity_us) = (quota.emission_us(), capacity_us(quota));
        let charge = Charge { key: cell_key(limit, subject), by_us: by_us.cast_signed(), capacity_us, unless: None };
        Self { limit, charge, told_by: quota }
    }

    /// The same, left alone when `key` is present.
    fn unless(mut self, key: &Key) -> Self {
        self.charge.unless = Some(Key::clone(key));
        self
    }

    /// Whether the store's own value refuses it; nothing before the store has told one.
    pub fn refusal(&self, view: &View<'_>) -> Option<Refusal> {
        if self.charge.unless.as_ref().is_some_and(|key| view.hint(key).is_some()) {
            return None;
        }
        let arrival_us = arrival_us(view.told(&self.charge.key)?);
        let (charged_us, fits) = self.charge.apply(arrival_us, view.now_us());
        if fits {
            return None;
        }
        let own_us = charged_us - self.charge.capacity_us;
        let plain_us = charged_us + self.told_by.emission_us() - self.charge.by_us.unsigned_abs();
        let at_us = own_us.max(plain_us.saturating_sub(capacity_us(self.told_by)));
        Some(Refusal { limit: self.limit, at_us })
    }

    /// Microseconds that it adds.
    pub fn emission_us(&self) -> u64 {
        self.charge.by_us.unsigned_abs()
    }
}

/// The whole quota drains in so many microseconds.
fn capacity_us(quota: Quota) -> u64 {
    quota.emission_us() * u64::from(quota.count)
}

/// The cells of where a request comes from: its address, and its site if it has one.
pub fn of_network(network: &ClientNetwork, quotas: &Quotas, view: &View<'_>) -> Vec<Cell> {
    let cell = |limit: Limit, subject: &str| Cell {
        told_by: quotas.of(limit),
        ..Cell::new(limit, subject, raised(quotas.of(limit), subject, view))
    };
    let site = network.site.iter().map(|site| cell(Limit::RequestSite, site));
    std::iter::once(cell(Limit::RequestIp, &network.address)).chain(site).collect()
}

/// What verified there within a day raises the quota to half of it. What this replica saw verify counts, even if the store has lost it.
fn raised(quota: Quota, subject: &str, view: &View<'_>) -> Quota {
    let verified = Counter::read(view.hint(&verified_key(subject)).as_ref(), VERIFIED, view.now_us()).total();
    let half = u32::try_from(verified / 2).unwrap_or(u32::MAX);
    Quota { count: quota.count.max(half / view.side().shares.max(1)), ..quota }
}

/// The ceiling of cost, and the half of it that is open to numbers that never verified.
pub fn of_everybody(quotas: &Quotas, known: &Key) -> [Cell; 2] {
    let quota = quotas.of(Limit::RequestGlobal);
    [Cell::new(Limit::RequestGlobal, ALL, quota), Cell::new(Limit::RequestGlobal, UNKNOWN, quota.half()).unless(known)]
}

/// The day's different numbers, and the half that is open to those that never verified.
pub fn of_recipients(quotas: &Quotas, known: &Key) -> [Count; 2] {
    let quota = quotas.of(Limit::RequestRecipients);
    let count = |unknown: bool, quota: Quota| Count {
        key: recipients_key(unknown),
        window: RECIPIENTS,
        by: Step::Up,
        cap: Some(quota.count),
        unless: unknown.then(|| Key::clone(known)),
    };
    [count(false, quota), count(true, quota.half())]
}

/// Whether the store's own value of a counter refuses.
pub fn refusal_of(count: &Count, view: &View<'_>) -> Option<Refusal> {
    if count.unless.as_ref().is_some_and(|key| view.hint(key).is_some()) {
        return None;
    }
    let counter = Counter::read(view.told(&count.key)?, count.window, view.now_us());
    let at_us = counter.free_at_us(count.cap?)?;
    Some(Refusal { limit: Limit::RequestRecipients, at_us })
}

/// One more that verified there.
pub fn verified(subject: &str) -> Count {
    Count { key: verified_key(subject), window: VERIFIED, by: Step::Up, cap: None, unless: None }
}

/// The counters of what verified where a request comes from.
pub fn verified_keys(network: &ClientNetwork) -> Vec<Key> {
    std::iter::once(&network.address).chain(&network.site).map(|subject| verified_key(subject)).collect()
}

/// Whether a number that was counted at `since_ms` still counts among the day's recipients.
pub fn is_counted(since_ms: u64, now_ms: u64) -> bool {
    since_ms > 0 && since_ms + RECIPIENT_MS > now_ms
}

/// The one that ends last; of equals the first.
pub fn last(refusals: impl IntoIterator<Item = Refusal>) -> Option<Refusal> {
    refusals.into_iter().reduce(|latest, each| if each.at_us > latest.at_us { each } else { latest })
}

/// Milliseconds until then, rounded up so that a retry after them passes.
pub fn until_ms(at_us: u64, now_us: u64) -> u64 {
    at_us.saturating_sub(now_us).div_ceil(1000)
}
