//! Faults that are put in by hand, each of which the simulation has to find: what proves that its invariants hold anything.

use std::sync::Arc;

use async_trait::async_trait;
use otp_origin::{
    domain::{operator::Change, record::OPERATOR_VERSION},
    store::{OperatorStore, Store, StoreError, StoreState, fallback::Fallback},
    transaction::{Before, Key, Outcome, Side, Transaction, Value, Values},
};

use crate::remote::SimRemote;

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sabotage {
    /// A resync leaves records alone that the server has, too.
    MergeDropped,
    /// A resync takes records for told that were not.
    RecordsCleanedUntold,
    /// A resync writes a replica's guesses over the server's.
    GuessesOverwritten,
    /// What the server committed of a challenge's guesses is not kept in memory.
    UsedMarkNotMirrored,
    /// What the server committed of a sign-out is not kept in memory.
    SignOutNotMirrored,
    /// What the server committed is told, and nothing of it is kept in memory.
    ReplyNotKept,
    /// A transaction has no id: a repeat is charged again.
    IdStripped,
    /// Only what is given back has no id.
    RefundIdStripped,
    /// What a decision was made on is not compared.
    ExpectationsDropped,
    /// Records are written whatever they were.
    LostUpdates,
    /// Cells are not charged.
    ChargesDropped,
    /// Twice as much is given back.
    RefundDoubled,
    /// Memory has the whole quota, not its share.
    WholeQuotaInMemory,
    /// A resync does not tell of removals.
    TombstonesLost,
    /// A resync does not tell of any operator's change.
    OperatorStateNotTold,
    /// The answer for an idempotency key is not kept.
    AnswerLost,
    /// Records of the server never end.
    RecordsNeverEnd,
    /// A flush of limits takes guesses with it.
    FlushTakesGuesses,
    /// The server's clock is taken for ours.
    SkewIgnored,
    /// A repeat of what was committed charges its cells again.
    RepeatsCharged,
    /// What a replica believes is told without the store's confirmation.
    BeliefTold,
    /// A version of the operator state is noted without its data.
    VersionNotedAlone,
    /// A call is committed whatever operators have changed since it was judged.
    VersionNotExpected,
    /// A hold is told, and not kept.
    HoldsNotKept,
    /// An unsolicited message costs its address nothing.
    ReportsFree,
}

impl Sabotage {
    pub const ALL: [Self; 25] = [
        Self::MergeDropped,
        Self::RecordsCleanedUntold,
        Self::GuessesOverwritten,
        Self::UsedMarkNotMirrored,
        Self::SignOutNotMirrored,
        Self::ReplyNotKept,
        Self::IdStripped,
        Self::RefundIdStripped,
        Self::ExpectationsDropped,
        Self::LostUpdates,
        Self::ChargesDropped,
        Self::RefundDoubled,
        Self::WholeQuotaInMemory,
        Self::TombstonesLost,
        Self::OperatorStateNotTold,
        Self::AnswerLost,
        Self::RecordsNeverEnd,
        Self::FlushTakesGuesses,
        Self::SkewIgnored,
        Self::RepeatsCharged,
        Self::BeliefTold,
        Self::VersionNotedAlone,
        Self::VersionNotExpected,
        Self::HoldsNotKept,
        Self::ReportsFree,
    ];

    /// What a server is made to commit instead.
    pub fn of_commit(self, transaction: &Transaction) -> Transaction {
        let mut changed = transaction.clone();
        match self {
            Self::UsedMarkNotMirrored | Self::SignOutNotMirrored => rename(&mut changed, |key| key.strip_prefix(HIDDEN).map(Into::into)),
            Self::IdStripped => changed.id = None,
            Self::RefundIdStripped if changed.charge.iter().any(|charge| charge.by_us < 0) => changed.id = None,
            Self::ExpectationsDropped => changed.expect.clear(),
            Self::LostUpdates => changed.write.iter_mut().for_each(|write| write.before = Before::Any),
            Self::ChargesDropped => changed.charge.iter_mut().for_each(|charge| charge.by_us = charge.by_us.min(0)),
            Self::RefundDoubled => changed.charge.iter_mut().filter(|charge| charge.by_us < 0).for_each(|charge| charge.by_us *= 2),
            Self::AnswerLost => changed.write.retain(|write| !write.key.contains(":answer:")),
            Self::VersionNotExpected => changed.expect.retain(|expect| &*expect.key != OPERATOR_VERSION),
            Self::HoldsNotKept => changed.write.retain(|write| !write.key.contains(":holds:")),
            Self::ReportsFree => changed.write.retain(|write| !write.key.contains(":cell:")),
            Self::RecordsNeverEnd => changed.write.iter_mut().for_each(|write| write.ttl_ms = None),
            _ => {}
        }
        changed
    }

    /// What a resync commits instead.
    pub fn of_resync(self, transaction: &Transaction) -> Transaction {
        let mut changed = transaction.clone();
        match self {
            Self::MergeDropped => changed.write.retain(|write| write.before == Before::Absent),
            Self::GuessesOverwritten => {
                let guesses = changed.write.iter_mut().filter(|write| write.key.starts_with("spent:"));
                guesses.for_each(|write| write.before = Before::Any);
            }
            _ => {}
        }
        changed
    }

    /// Whether a resync tells of the change.
    pub fn tells(sabotage: Option<Self>, change: &Change) -> bool {
        match sabotage {
            Some(Self::TombstonesLost) => change.present,
            Some(Self::OperatorStateNotTold) => false,
            _ => true,
        }
    }

    /// What a replica's calls go through.
    pub fn wrap(self, fallback: Arc<Fallback<SimRemote>>, remote: SimRemote) -> Arc<dyn Store> {
        let hides = match self {
            Self::UsedMarkNotMirrored => "spent:",
            Self::SignOutNotMirrored => "revoked:",
            Self::ReplyNotKept => "",
            Self::BeliefTold => return Arc::new(Credulous { fallback }),
            _ => return fallback,
        };
        Arc::new(Forgetful { fallback, remote, hides })
    }
}

const HIDDEN: &str = "hidden:";

fn rename(transaction: &mut Transaction, to: impl Fn(&Key) -> Option<Key>) {
    for key in transaction.write.iter_mut().map(|write| &mut write.key).chain(transaction.expect.iter_mut().map(|expect| &mut expect.key)) {
        if let Some(to) = to(key) {
            *key = to;
        }
    }
}

/// A store of which memory does not keep what starts so; of the empty prefix, nothing.
struct Forgetful {
    fallback: Arc<Fallback<SimRemote>>,
    remote: SimRemote,
    hides: &'static str,
}

#[async_trait]
impl Store for Forgetful {
    async fn read(&self, keys: &[Key]) -> Result<Values, StoreError> {
        self.fallback.read(keys).await
    }

    async fn commit(&self, transaction: &Transaction) -> Result<Outcome, StoreError> {
        if self.fallback.state() != StoreState::Connected {
            return self.fallback.commit(transaction).await;
        }
        if self.hides.is_empty() {
            return match self.remote.commit(transaction).await {
                Err(_) => self.fallback.commit(transaction).await,
                answer => answer,
            };
        }
        let mut hidden = transaction.clone();
        let hide = |key: &Key| key.starts_with(self.hides).then(|| format!("{HIDDEN}{key}").into());
        rename(&mut hidden, hide);
        self.fallback.commit(&hidden).await
    }

    fn believe(&self, key: &Key) -> Option<Value> {
        self.fallback.believe(key)
    }

    fn now_us(&self) -> u64 {
        self.fallback.now_us()
    }

    fn side(&self) -> Side {
        self.fallback.side()
    }
}

/// A store that is not asked while this replica believes something.
struct Credulous {
    fallback: Arc<Fallback<SimRemote>>,
}

#[async_trait]
impl Store for Credulous {
    async fn read(&self, keys: &[Key]) -> Result<Values, StoreError> {
        let believed = keys.iter().map(|key| (Key::clone(key), self.believe(key))).collect();
        Ok(Values { now_us: self.now_us(), values: believed })
    }

    async fn commit(&self, transaction: &Transaction) -> Result<Outcome, StoreError> {
        self.fallback.commit(transaction).await
    }

    fn believe(&self, key: &Key) -> Option<Value> {
        self.fallback.believe(key)
    }

    fn now_us(&self) -> u64 {
        self.fallback.now_us()
    }

    fn side(&self) -> Side {
        self.fallback.side()
    }
}
