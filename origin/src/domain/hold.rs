//! When a subject that comes back while refused is held, and how a hold is lifted. Not what holds it back: that limit has refused already.
//!
//! **Invariant:** a hold ends when the limit behind it does, and no refusal prolongs it.

use super::{
    evaluation::Hold,
    record::{
        Damaged,
        holds::{HoldList, shard_key},
        refusals::Refusals,
        refusals_key,
    },
};
use crate::transaction::{Decision, Transaction, Value, View, Write};

/// Counts a refusal of `subject` by a limit that ends at `ends_at_ms`. Returns the hold, if it is one now, and what is to be written.
pub fn count(subject: &str, ends_at_ms: u64, threshold: u32, view: &View<'_>) -> Result<(Option<Hold>, Vec<Write>), Damaged> {
    let (key, now_ms) = (refusals_key(subject), view.now_ms());
    let before = view.record(&key);
    let known = Refusals::read(before.as_ref())?;
    let refusals = known.count(ends_at_ms, threshold, now_ms);
    let is_held = refusals.hold(threshold, now_ms);
    let hold = is_held.then(|| Hold { subject: subject.to_owned(), until_ms: refusals.until_ms });
    // Once a subject is held, a flood of refusals writes nothing.
    if refusals == known {
        return Ok((hold, Vec::new()));
    }
    let ttl_ms = Some(refusals.until_ms.saturating_sub(now_ms).max(1));
    let counted = Write { key, before: before.into(), after: Some(refusals.to_value()), ttl_ms };
    let listed = if is_held { Some(list(subject, refusals.until_ms, view)?) } else { None };
    Ok((hold, std::iter::once(counted).chain(listed).collect()))
}

fn list(subject: &str, until_ms: u64, view: &View<'_>) -> Result<Write, Damaged> {
    let key = shard_key(subject);
    let before = view.record(&key);
    let mut list = HoldList::read(before.as_ref())?;
    list.hold(subject, until_ms, view.now_ms());
    Ok(Write { key, before: before.into(), ttl_ms: Some(list.ttl_ms(view.now_ms())), after: Some(list.to_value()) })
}

/// Forgets the refusals of a subject, and takes it off the list of holds. Nothing when it was not refused.
pub fn forget(subject: &str, view: &View<'_>) -> Result<Vec<Write>, Damaged> {
    let key = refusals_key(subject);
    let Some(before) = view.record(&key) else { return Ok(Vec::new()) };
    let forgotten = Write { key, before: Some(before).into(), after: None, ttl_ms: None };
    Ok(std::iter::once(forgotten).chain(unlist(subject, view)?).collect())
}

/// An operator lifts a hold. `Tell(false)`: the subject is not held.
pub fn lift(subject: &str, view: &View<'_>) -> Result<Decision<bool>, Damaged> {
    let Some(unlisted) = unlist(subject, view)? else { return Ok(Decision::Tell(false)) };
    let mut write = forget(subject, view)?;
    if write.iter().all(|each| each.key != unlisted.key) {
        write.push(unlisted);
    }
    Ok(Decision::Commit(Transaction { slot: view.side().slot, write, ..Transaction::default() }, true))
}

fn unlist(subject: &str, view: &View<'_>) -> Result<Option<Write>, Damaged> {
    let key = shard_key(subject);
    let before = view.record(&key);
    let mut list = HoldList::read(before.as_ref())?;
    let ttl_ms = list.ttl_ms(view.now_ms());
    let lifted = list.lift(subject, view.now_ms());
    Ok(lifted.then(|| Write { key, before: before.into(), after: Some(list.to_value()), ttl_ms: Some(ttl_ms) }))
}

/// The holds in force in the lists of all shards.
pub fn in_force(lists: &[Option<Value>], now_ms: u64) -> Result<Vec<Hold>, Damaged> {
    let mut holds = Vec::new();
    for list in lists {
        let list = HoldList::read(list.as_ref())?;
        holds.extend(list.in_force(now_ms).map(|(subject, until_ms)| Hold { subject: subject.clone(), until_ms }));
    }
    Ok(holds)
}
