//! How a decision of the domain becomes a fact: it is made on what this replica believes, committed, and made again on what the store tells, until the two
//! agree.
//!
//! **Invariant:** no answer is told that rests on belief alone: whatever the decision looked at was compared by the store in this call.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    domain::record::Damaged,
    store::{Store, StoreError},
    transaction::{Before, Committed, Decision, Expect, Key, Outcome, Transaction, Value, Values, View},
};

/// How often a decision is made again. Each time somebody else got further: five guesses and a threshold of refusals are far fewer.
const ROUNDS: usize = 64;

/// What was decided, and how it was committed; of an answer that changes nothing, the time alone.
pub async fn evaluate<T: Send>(
    store: &dyn Store,
    decide: impl Fn(&View<'_>) -> Result<Decision<T>, Damaged> + Sync,
) -> Result<(T, Committed), StoreError> {
    let mut told = None;
    for _ in 0..ROUNDS {
        let Decided { decision, consulted, now_us } = decide_once(store, told.take(), &decide)?;
        let values = match decision {
            Decision::Commit(mut transaction, answer) => {
                compare(&mut transaction, consulted);
                match store.commit(&transaction).await? {
                    Outcome::Committed(committed) => return Ok((answer, committed)),
                    Outcome::Changed(values) | Outcome::Full(values) => values,
                }
            }
            Decision::Tell(answer) if consulted.is_empty() => return Ok((answer, Committed { now_us, ..Committed::default() })),
            Decision::Tell(_) => store.read(&consulted.into_keys().collect::<Vec<_>>()).await?,
            Decision::Ask(keys) => store.read(&consulted.into_keys().chain(keys).collect::<Vec<_>>()).await?,
        };
        told = Some(values);
    }
    Err(StoreError::Unavailable("the records keep changing".to_owned()))
}

/// A decision, and what has to be compared before it is told.
struct Decided<T> {
    decision: Decision<T>,
    consulted: BTreeMap<Key, Option<Value>>,
    now_us: u64,
}

fn decide_once<T>(
    store: &dyn Store,
    told: Option<Values>,
    decide: &impl Fn(&View<'_>) -> Result<Decision<T>, Damaged>,
) -> Result<Decided<T>, StoreError> {
    let now_us = told.as_ref().map_or_else(|| store.now_us(), |told| told.now_us);
    let told = told.unwrap_or_default().values;
    let believe = |key: &Key| store.believe(key);
    let view = View::new(now_us, store.side(), &told, &believe);
    let decision = decide(&view).map_err(|damaged| StoreError::Corrupt(damaged.to_string()))?;
    let mut consulted = view.into_consulted();
    if matches!(decision, Decision::Tell(_)) && consulted.keys().all(|key| told.contains_key(key)) {
        consulted.clear();
    }
    Ok(Decided { decision, consulted, now_us })
}

/// What the decision looked at and does not write has to be as it was seen.
fn compare(transaction: &mut Transaction, consulted: BTreeMap<Key, Option<Value>>) {
    for (key, value) in consulted {
        let is_written = transaction.write.iter().any(|write| write.key == key && write.before != Before::Any);
        let is_expected = transaction.expect.iter().any(|expect| expect.key == key);
        if !is_written && !is_expected {
            transaction.expect.push(Expect { key: Arc::clone(&key), value });
        }
    }
}
