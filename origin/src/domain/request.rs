//! May a message be sent? All limits pass and are charged together, or none is.
//!
//! First: what stops the call? Then, for a resend: does the challenge live, unused, with guesses left? Then the number's own limits. Then the cells and
//! counters of the address, the cost and the recipients: charged in the transaction, and looked at once the store has told that one has no room. A refusal
//! counts towards a hold.
//!
//! **Invariant:** a refusal is decided on values that the store told, or committed against them.

use std::collections::BTreeSet;

use otp_shared::limits::Limit;

use super::{
    evaluation::{Charged, Hold, Interruption, Quotas, RequestCall, RequestVerdict, Share},
    hold,
    limits::{self, Cell, Policy, Refusal, until_ms},
    record::{
        Damaged,
        answer::Progress,
        attempts::Attempts,
        attempts_key,
        call::{Answer, Held},
        challenge::{ChallengeRecord, GRACE_MS},
        challenge_key, known_key,
        phone::PhoneRecord,
        phone_key,
    },
    replay,
};
use crate::transaction::{Charge, Committed, Count, Decision, Key, Transaction, View, Write};

/// A resend with less life left than this is not sent: the code would end before it is typed.
const MIN_LIFE_MS: u64 = 60_000;

/// Decides on a request. `older` is what replicas of the record layout before know of the challenge.
pub fn decide(call: &RequestCall, older: &Attempts, policy: &Policy, view: &View<'_>) -> Result<Decision<RequestVerdict>, Damaged> {
    let quotas = policy.quotas.share(view.side().shares);
    if let Some(answer) = replay::first_answer(&call.call, view)? {
        return repeat(call, answer, &quotas, view);
    }
    if let Some(interruption) = replay::interruption(&call.call, view)? {
        return Ok(Decision::Tell(RequestVerdict::Interrupted(interruption)));
    }
    let allowed = quotas.of(Limit::VerifyChallenge).count;
    let guesses = if call.resend {
        let attempts = Attempts::read(view.record(&attempts_key(call.challenge)).as_ref())?.merge(older.clone());
        if attempts.used || view.now_ms() + MIN_LIFE_MS > call.expires_at_ms {
            return Ok(Decision::Tell(RequestVerdict::Unknown));
        }
        if attempts.total() >= allowed {
            let retry_after_ms = call.expires_at_ms.saturating_sub(view.now_ms());
            return Ok(Decision::Tell(RequestVerdict::Locked { retry_after_ms }));
        }
        attempts.total()
    } else {
        0
    };
    let send = Send::new(call, &quotas, view)?;
    let refusals = send.refusals(&quotas, view);
    if refusals.is_empty() {
        return send.charge(allowed - guesses, view);
    }
    // The number's record may refuse by itself, but the limit that ends last is told.
    // All are read at once: what was told before is not told again by the next answer.
    let keys = send.shared_keys();
    let are_told = keys.iter().all(|key| view.told(key).is_some());
    if are_told { send.refuse(&refusals, policy.hold_threshold, view) } else { Ok(Decision::Ask(keys)) }
}

/// The call was committed before, and its answer lost.
fn repeat(call: &RequestCall, answer: Answer, quotas: &Quotas, view: &View<'_>) -> Result<Decision<RequestVerdict>, Damaged> {
    Ok(match answer {
        Answer::Send { attempts_left } => Send::new(call, quotas, view)?.charged_before(attempts_left, view),
        Answer::Refused { limit, until_ms, hold } => {
            let retry_after_ms = until_ms.saturating_sub(view.now_ms());
            let hold = hold.map(|(held, until_ms)| Hold { subject: subject(call, held).clone(), until_ms });
            Decision::Tell(RequestVerdict::Refused { limit, retry_after_ms, hold })
        }
        // The same id on another route.
        _ => Decision::Tell(RequestVerdict::Interrupted(Interruption::Replayed)),
    })
}

const fn subject(call: &RequestCall, held: Held) -> &String {
    match held {
        Held::Phone => &call.phone_hold,
        Held::Address => &call.address_hold,
    }
}

/// What a send looks at and charges.
struct Send<'a> {
    call: &'a RequestCall,
    quotas: &'a Quotas,
    phone: PhoneRecord,
    network: Vec<Cell>,
    everybody: [Cell; 2],
    /// Empty for a number that was counted today.
    recipients: Vec<Count>,
}

impl<'a> Send<'a> {
    fn new(call: &'a RequestCall, quotas: &'a Quotas, view: &View<'_>) -> Result<Self, Damaged> {
        let phone = PhoneRecord::read(view.record(&phone_key(call.phone)).as_ref())?;
        let known = known_key(call.phone);
        let is_counted = limits::is_counted(phone.recipient_since_ms, view.now_ms()) && !phone.was_counted_by(call.tag());
        let recipients = if is_counted { Vec::new() } else { limits::of_recipients(quotas, &known).into() };
        let network = limits::of_network(&call.network, quotas, view);
        Ok(Self { call, quotas, phone, network, everybody: limits::of_everybody(quotas, &known), recipients })
    }

    /// The limits that refuse: the number's by its record, the others only by what the store told. By the time that the others would pass, a number that is
    /// counted among the day's recipients may have to be counted anew.
    fn refusals(&self, quotas: &Quotas, view: &View<'_>) -> Vec<Refusal> {
        let cells = self.network.iter().chain(&self.everybody).filter_map(|cell| cell.refusal(view));
        let mut refusals: Vec<_> = limits::of_phone(&self.phone, quotas, view.now_ms()).into_iter().chain(cells).collect();
        let passes_ms = limits::last(refusals.iter().copied()).map_or(view.now_ms(), |last| last.at_us / 1000);
        if !limits::is_counted(self.phone.recipient_since_ms, passes_ms) {
            refusals.extend(self.all_recipients().iter().filter_map(|count| limits::refusal_of(count, view)));
        }
        refusals
    }

    fn all_recipients(&self) -> [Count; 2] {
        limits::of_recipients(self.quotas, &known_key(self.call.phone))
    }

    /// What everybody charges.
    fn shared_keys(&self) -> Vec<Key> {
        let cells = self.network.iter().chain(&self.everybody).map(|cell| (&cell.charge.key, &cell.charge.unless));
        let recipients = self.all_recipients();
        let limits = cells.chain(recipients.iter().map(|count| (&count.key, &count.unless)));
        let limits = limits.flat_map(|(key, unless)| std::iter::once(key).chain(unless)).cloned();
        limits.chain(limits::verified_keys(&self.call.network)).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Charges everything, and notes the send.
    fn charge(mut self, attempts_left: u32, view: &View<'_>) -> Result<Decision<RequestVerdict>, Damaged> {
        let mut transaction = replay::transaction(&self.call.call, Answer::Send { attempts_left }, view);
        transaction.peek = limits::verified_keys(&self.call.network);
        transaction.write.push(self.note_send(view));
        transaction.write.push(self.note_challenge(view)?);
        for subject in [&self.call.phone_hold, &self.call.address_hold] {
            push_all(&mut transaction, hold::forget(subject, view)?);
        }
        let progress = Progress::InFlight { call: self.call.call.id };
        transaction.write.extend(replay::note(&self.call.call, progress, replay::IN_FLIGHT_MS, view));
        let charged = self.charged(view);
        transaction.charge = self.charges();
        transaction.count = self.recipients;
        Ok(Decision::Commit(transaction, RequestVerdict::Send { attempts_left, charged }))
    }

    /// The same transaction again, which the store knows by its id: nothing is charged, and it tells what was.
    fn charged_before(self, attempts_left: u32, view: &View<'_>) -> Decision<RequestVerdict> {
        let charge = self.charges();
        let transaction = Transaction { charge, ..replay::transaction(&self.call.call, Answer::Send { attempts_left }, view) };
        Decision::Commit(transaction, RequestVerdict::Send { attempts_left, charged: self.charged(view) })
    }

    fn cells(&self) -> impl Iterator<Item = &Cell> {
        self.network.iter().chain(&self.everybody)
    }

    fn charges(&self) -> Vec<Charge> {
        self.cells().map(|cell| cell.charge.clone()).collect()
    }

    fn charged(&self, view: &View<'_>) -> Charged {
        Charged {
            cells: self.cells().map(|cell| (Key::clone(&cell.charge.key), cell.emission_us())).collect(),
            counters: self.recipients.iter().map(|count| Key::clone(&count.key)).collect(),
            at_us: view.now_us(),
        }
    }

    fn note_send(&mut self, view: &View<'_>) -> Write {
        let now_ms = view.now_ms();
        let window_ms = limits::phone_window_ms(self.quotas);
        self.phone.note(self.call.tag(), now_ms, window_ms);
        if !self.recipients.is_empty() {
            self.phone.recipient_since_ms = now_ms;
        }
        write_phone(self.call, &self.phone, limits::phone_ttl_ms(self.quotas), view)
    }

    /// The first send that was charged has the share.
    fn note_challenge(&self, view: &View<'_>) -> Result<Write, Damaged> {
        let key = challenge_key(self.call.challenge);
        let before = view.record(&key);
        let mut record = ChallengeRecord::read(before.as_ref())?;
        record.early = None;
        record.share.get_or_insert_with(|| self.share());
        let ttl_ms = Some((self.call.expires_at_ms + GRACE_MS).saturating_sub(view.now_ms()).max(1));
        Ok(Write { key, before: before.into(), after: Some(record.to_value()), ttl_ms })
    }

    fn share(&self) -> Share {
        let charged_us = |limit| self.network.iter().find(|cell| cell.limit == limit).map_or(0, Cell::emission_us);
        Share {
            tag: self.call.tag(),
            address: self.call.network.address.clone(),
            address_us: charged_us(Limit::RequestIp),
            site: self.call.network.site.clone(),
            site_us: charged_us(Limit::RequestSite),
        }
    }

    /// Counts the refusal, of the number and of the address by their own limits.
    fn refuse(self, refusals: &[Refusal], threshold: u32, view: &View<'_>) -> Result<Decision<RequestVerdict>, Damaged> {
        let mut writes = Transaction::default();
        let mut held: Option<(Held, Hold)> = None;

        for (subject, own) in [(Held::Phone, &limits::OF_PHONE[..]), (Held::Address, &limits::OF_NETWORK)] {
            let Some(last) = limits::last(refusals.iter().copied().filter(|refusal| own.contains(&refusal.limit))) else { continue };
            let (hold, counted) = hold::count(self::subject(self.call, subject), last.at_us.div_ceil(1000), threshold, view)?;
            push_all(&mut writes, counted);
            held = later(held, hold.map(|hold| (subject, hold)));
        }
        let last = limits::last(refusals.iter().copied()).unwrap_or(Refusal { limit: Limit::RequestGlobal, at_us: view.now_us() });
        let retry_after_ms = until_ms(last.at_us, view.now_us());
        let answer = Answer::Refused {
            limit: last.limit,
            until_ms: last.at_us.div_ceil(1000),
            hold: held.as_ref().map(|(subject, hold)| (*subject, hold.until_ms)),
        };
        let (write, peek) = (writes.write, self.shared_keys());
        let transaction = Transaction { write, peek, ..replay::transaction(&self.call.call, answer, view) };
        let hold = held.map(|(_, hold)| hold);
        Ok(Decision::Commit(transaction, RequestVerdict::Refused { limit: last.limit, retry_after_ms, hold }))
    }
}

/// Number and address may be in one list of holds: then the second is not counted this time, but the next.
fn push_all(transaction: &mut Transaction, writes: Vec<Write>) {
    let collides = |write: &Write| transaction.write.iter().any(|known| known.key == write.key);
    if !writes.iter().any(collides) {
        transaction.write.extend(writes);
    }
}

fn write_phone(call: &RequestCall, record: &PhoneRecord, ttl_ms: u64, view: &View<'_>) -> Write {
    let key = phone_key(call.phone);
    let before = view.record(&key).into();
    Write { key, before, after: Some(record.to_value()), ttl_ms: Some(ttl_ms) }
}

/// The one that ends later; of equals the first.
fn later(one: Option<(Held, Hold)>, two: Option<(Held, Hold)>) -> Option<(Held, Hold)> {
    match (one, two) {
        (Some(one), Some(two)) if two.1.until_ms > one.1.until_ms => Some(two),
        (one, two) => one.or(two),
    }
}

impl Charged {
    /// Only what the store charged: what is kept for numbers that never verified is not charged to one that did.
    #[must_use]
    pub fn as_committed(mut self, committed: &Committed) -> Self {
        let charged = committed.arrivals_us.iter().map(Option::is_some).collect::<Vec<_>>();
        let is_known = charged.contains(&false);
        let mut charged = charged.into_iter();
        self.cells.retain(|_| charged.next().unwrap_or(true));
        self.counters.retain(|key| !is_known || *key != super::record::recipients_key(true));
        self.at_us = committed.now_us;
        self
    }
}
