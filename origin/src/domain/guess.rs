//! Is this guess accepted? A guess is counted before anything is told of it, and a code works once.
//!
//! **Invariant:** a right guess at a live, unused challenge is accepted whatever its address has used up: thousands sit behind one carrier's address.

use otp_shared::limits::Limit;

use super::{
    evaluation::{Interruption, Quotas, VerifyCall, VerifyVerdict},
    limits::{self, Cell, Policy, until_ms},
    record::{
        Damaged,
        answer::Progress,
        attempts::Attempts,
        attempts_key,
        call::Answer,
        cell_key,
        challenge::{ChallengeRecord, GRACE_MS},
        challenge_key, known_key, marker,
    },
    replay,
};
use crate::transaction::{Before, Charge, Decision, Key, Transaction, View, Write};

/// How long a number that verified is known, in milliseconds.
pub const KNOWN_MS: u64 = 90 * 86_400_000;
/// How long a verify's answer is repeated, in milliseconds: as long as its session id is good.
const ANSWER_MS: u64 = 600_000;

/// Decides on a guess. `older` is what replicas of the record layout before know of the challenge.
pub fn decide(call: &VerifyCall, older: &Attempts, policy: &Policy, view: &View<'_>) -> Result<Decision<VerifyVerdict>, Damaged> {
    if let Some(answer) = replay::first_answer(&call.call, view)? {
        return Ok(Decision::Tell(verdict(call, answer, view)));
    }
    if let Some(interruption) = replay::interruption(&call.call, view)? {
        return Ok(Decision::Tell(VerifyVerdict::Interrupted(interruption)));
    }
    let key = attempts_key(call.challenge);
    let attempts = Attempts::read(view.record(&key).as_ref())?.merge(older.clone());
    let quotas = policy.quotas.share(view.side().shares);
    let allowed = quotas.of(Limit::VerifyChallenge).count;
    let left_ms = call.expires_at_ms.saturating_sub(view.now_ms());
    if attempts.used || left_ms == 0 {
        return Ok(wrong(call, Answer::Unknown, None, &quotas, view));
    }
    if attempts.total() >= allowed {
        return Ok(wrong(call, Answer::Locked, None, &quotas, view));
    }
    let attempts_left = allowed.saturating_sub(attempts.total() + 1);
    let counted = count(&key, attempts, call.correct, left_ms, view);
    if call.correct {
        accept(call, counted, &quotas, view)
    } else {
        Ok(wrong(call, Answer::Incorrect { attempts_left }, Some(counted), &quotas, view))
    }
}

fn verdict(call: &VerifyCall, answer: Answer, view: &View<'_>) -> VerifyVerdict {
    match answer {
        Answer::Accepted => VerifyVerdict::Accepted,
        Answer::Incorrect { attempts_left } => VerifyVerdict::Incorrect { attempts_left },
        Answer::Locked => VerifyVerdict::Locked { retry_after_ms: call.expires_at_ms.saturating_sub(view.now_ms()) },
        Answer::Unknown => VerifyVerdict::Unknown,
        // The same id on another route.
        Answer::Send { .. } | Answer::Refused { .. } => VerifyVerdict::Interrupted(Interruption::Replayed),
    }
}

fn count(key: &Key, attempts: Attempts, correct: bool, left_ms: u64, view: &View<'_>) -> Write {
    let before = view.record(key).into();
    let after = Some(attempts.count(view.side().slot, correct).to_value());
    Write { key: Key::clone(key), before, after, ttl_ms: Some(left_ms + GRACE_MS) }
}

/// Whatever is not accepted costs its address, which has so many of them.
fn wrong(call: &VerifyCall, answer: Answer, counted: Option<Write>, quotas: &Quotas, view: &View<'_>) -> Decision<VerifyVerdict> {
    let cell = Cell::new(Limit::VerifyIp, &call.network.address, quotas.of(Limit::VerifyIp));
    if let Some(refusal) = cell.refusal(view) {
        let retry_after_ms = until_ms(refusal.at_us, view.now_us());
        return Decision::Tell(VerifyVerdict::Refused { limit: refusal.limit, retry_after_ms });
    }
    let (write, charge) = (counted.into_iter().collect(), vec![cell.charge]);
    let transaction = Transaction { write, charge, ..replay::transaction(&call.call, answer, view) };
    Decision::Commit(transaction, verdict(call, answer, view))
}

/// The number is known from now on, and the address that asked for the code gets its share back, and a higher quota for a day.
fn accept(call: &VerifyCall, counted: Write, quotas: &Quotas, view: &View<'_>) -> Result<Decision<VerifyVerdict>, Damaged> {
    let mut transaction = replay::transaction(&call.call, Answer::Accepted, view);
    transaction.write.push(counted);
    let known =
        Write { key: known_key(call.phone), before: Before::Any, after: Some(marker(view.now_ms() + KNOWN_MS)), ttl_ms: Some(KNOWN_MS) };
    transaction.write.push(known);
    transaction.write.extend(replay::note(&call.call, Progress::Answered(call.answer.clone()), ANSWER_MS, view));
    let challenge = ChallengeRecord::read(view.record(&challenge_key(call.challenge)).as_ref())?;
    if let Some(share) = challenge.share {
        let site = share.site.iter().map(|site| (Limit::RequestSite, site, share.site_us));
        for (limit, subject, us) in std::iter::once((Limit::RequestIp, &share.address, share.address_us)).chain(site) {
            transaction.charge.push(refund(cell_key(limit, subject), us, quotas));
            transaction.count.push(limits::verified(subject));
        }
    }
    Ok(Decision::Commit(transaction, VerifyVerdict::Accepted))
}

/// Gives back what was charged to a cell: one send of this side at most. What memory charged by its share of a limit is more than that, and merged into a cell
/// that others have charged it would take theirs out, too.
pub fn refund(key: Key, us: u64, quotas: &Quotas) -> Charge {
    let us = limits::quota_of_cell(&key, quotas).map_or(us, |quota| us.min(quota.emission_us()));
    Charge { key, by_us: us.cast_signed().saturating_neg(), capacity_us: 0, unless: None }
}

#[cfg(test)]
mod tests {
    use otp_shared::limits::Quota;

    use super::*;
    use crate::domain::{evaluation::PhoneKey, record::known_key};

    #[test]
    fn what_memory_charged_by_its_share_gives_one_send_back() {
        let whole = Quotas::default().with(Limit::RequestIp, Quota { count: 4, window_s: 600 });
        let (whole, share) = (whole.clone(), whole.share(4));
        let given_back = |key: Key, us: u64, quotas: &Quotas| refund(key, us, quotas).by_us;
        let key = || cell_key(Limit::RequestIp, "2001:db8::/64");
        assert_eq!(given_back(key(), 600_000_000, &whole), -150_000_000, "of four that the store lets through");
        assert_eq!(given_back(key(), 600_000_000, &share), -600_000_000);
        assert_eq!(given_back(key(), 100_000_000, &whole), -100_000_000, "its quota was raised: it was charged less");
        let [all, unknown] = limits::of_everybody(&whole, &known_key(PhoneKey([1; 16])));
        for cell in [all, unknown] {
            assert_eq!(given_back(cell.charge.key.clone(), u64::MAX / 4, &whole), -cell.charge.by_us);
        }
    }
}
