//! Whose turn it is to publish the snapshot. Every lease is a greater number than all before it, so that a publisher that lost its turn without noticing is
//! outbid (fencing).

use super::record::{LAST_LEASE, LEASE};
use crate::transaction::{Decision, Transaction, Value, View, Write};

/// The right to publish a snapshot, for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// Greater than that of every lease before: the snapshot's version.
    pub version: u64,
}

/// Takes or renews the lease for `replica`; `Tell(None)` while another replica has it.
pub fn take(replica: &str, ttl_ms: u64, view: &View<'_>) -> Decision<Option<Lease>> {
    let holder = view.record(&LEASE.into());
    if holder.as_ref().is_some_and(|holder| **holder != *replica.as_bytes()) {
        return Decision::Tell(None);
    }
    let last = view.record(&LAST_LEASE.into());
    let version = (number(last.as_ref()) + 1).max(view.now_ms());
    let held = Write { key: LEASE.into(), before: holder.into(), after: Some(replica.as_bytes().into()), ttl_ms: Some(ttl_ms) };
    let after = Some(version.to_string().into_bytes().into());
    let counted = Write { key: LAST_LEASE.into(), before: last.into(), after, ttl_ms: None };
    let transaction = Transaction { slot: view.side().slot, write: vec![held, counted], ..Transaction::default() };
    Decision::Commit(transaction, Some(Lease { version }))
}

fn number(value: Option<&Value>) -> u64 {
    value.and_then(|value| std::str::from_utf8(value).ok()?.parse().ok()).unwrap_or_default()
}
