//! This replica's copy of the operator state, and the changes operators make. Not the rule by which copies merge: that is `domain::operator`'s.
//!
//! **Invariant:** a change is accepted only once a copy outside this process holds it (or no such copy is configured); otherwise nothing changes.

use std::sync::{
    Arc, RwLock,
    atomic::{AtomicU64, Ordering},
};

use otp_shared::{
    country::Country,
    signature::hex,
    snapshot::{Caller, PhoneHasher, Snapshot, SnapshotBuilder},
    subject::Subject,
};

use super::{App, refusal::Refused};
use crate::{
    clock,
    domain::operator::{About, Change, OperatorState, Stamp},
    store::{StoreError, StoreState},
};

/// How many changes the store is given in one step, which blocks it for a few milliseconds.
const MERGED_AT_ONCE: usize = 250;

/// This replica's copy, with the blacklist in the form in which it is looked up.
pub struct Operators {
    inner: RwLock<Inner>,
    version: AtomicU64,
}

struct Inner {
    state: OperatorState,
    blacklist: Arc<Snapshot>,
}

/// Where a change is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Stored {
    /// Redis has it.
    Redis,
    /// The edge's KV has it.
    Edge,
    /// Only this process has it: no Redis is configured.
    Memory,
}

/// What an operator wants changed.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Whom or what it is about.
    pub about: About,
    /// Added or removed.
    pub present: bool,
    /// The name of the operator's token.
    pub who: String,
    /// Why.
    pub note: String,
    /// Milliseconds until it ends by itself.
    pub ttl_ms: Option<u64>,
}

impl Wanted {
    fn at(self, ms: u64, counter: u32, now_ms: u64) -> Change {
        Change {
            stamp: Stamp { ms, counter, id: hex(&clock::random::<8>()) },
            about: self.about,
            who: self.who,
            note: self.note,
            present: self.present,
            until_ms: self.ttl_ms.map(|ttl| now_ms + ttl),
        }
    }
}

impl Default for Operators {
    fn default() -> Self {
        let inner = Inner { state: OperatorState::default(), blacklist: Arc::new(Snapshot::empty()) };
        Self { inner: RwLock::new(inner), version: AtomicU64::new(0) }
    }
}

impl Operators {
    /// The version of the store's copy that this one has seen.
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// The kind of entry that blocks the caller at `now_ms`, if one does.
    pub fn blocks(&self, caller: &Caller, country: Option<Country>, now_ms: u64) -> Option<&'static str> {
        let blacklist = self.read(|inner| inner.blacklist.clone());
        let by_country = |country: Country| self.in_force(&About::blacklist(&Subject::Country(country)), now_ms).then_some("country");
        blacklist.blacklisted(caller, now_ms / 1000).map(|found| found.kind).or_else(|| country.and_then(by_country))
    }

    /// Whether the newest change about something puts it in force.
    pub fn in_force(&self, about: &About, now_ms: u64) -> bool {
        self.read(|inner| inner.state.get(about).is_some_and(|change| change.in_force(now_ms)))
    }

    /// The newest change about something, if it is in force.
    pub fn find(&self, about: &About, now_ms: u64) -> Option<Change> {
        self.read(|inner| inner.state.get(about).filter(|change| change.in_force(now_ms)).cloned())
    }

    /// When something was changed last, removals included, as Unix millisecond.
    pub fn newest_ms(&self, about: &About) -> Option<u64> {
        self.read(|inner| inner.state.get(about).map(|change| change.stamp.ms))
    }

    /// Everything known, removals included, in the order of their keys.
    pub fn changes(&self) -> Vec<Change> {
        self.read(|inner| inner.state.changes().cloned().collect())
    }

    /// Merges changes from another copy and notes its version.
    pub fn absorb(&self, changes: impl IntoIterator<Item = Change>, version: Option<u64>, hasher: &PhoneHasher, now_ms: u64) {
        let mut inner = self.inner.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        let news = changes.into_iter().filter(|change| inner.state.merge(change.clone())).count();
        if news > 0 {
            inner.state.collect_garbage(now_ms);
            inner.blacklist = Arc::new(blacklist(&inner.state, hasher, now_ms));
        }
        if let Some(version) = version {
            self.version.store(version, Ordering::Release);
        }
    }

    /// After a change of our own: whoever is at `version - 1` knows all of `version`. Otherwise another replica's change is still to be read.
    fn note_version(&self, version: u64) {
        _ = self.version.compare_exchange(version.saturating_sub(1), version, Ordering::AcqRel, Ordering::Acquire);
    }

    fn read<T>(&self, look: impl FnOnce(&Inner) -> T) -> T {
        look(&self.inner.read().unwrap_or_else(std::sync::PoisonError::into_inner))
    }
}

/// The entries in force, as a snapshot: the same look-up that the edge does.
fn blacklist(state: &OperatorState, hasher: &PhoneHasher, now_ms: u64) -> Snapshot {
    let mut builder = SnapshotBuilder::new(hasher.key_id(), 0, now_ms / 1000);
    add_blacklist(&mut builder, state.changes(), hasher, now_ms);
    Snapshot::decode(builder.encode()).unwrap_or_default()
}

/// Adds every blacklist entry in force.
pub fn add_blacklist<'a>(builder: &mut SnapshotBuilder, changes: impl Iterator<Item = &'a Change>, hasher: &PhoneHasher, now_ms: u64) {
    for change in changes.filter(|change| change.in_force(now_ms)) {
        if let About::Blacklist { kind, value } = &change.about
            && let Ok(subject) = Subject::parse(kind, value)
        {
            builder.blacklist(&subject, change.until_ms.map(|until| until.div_ceil(1000)), hasher);
        }
    }
}

impl App {
    /// Makes one change: durable first, then in force here, then on its way to the edge.
    pub async fn change(&self, wanted: Wanted) -> Result<(Change, Vec<Stored>), Refused> {
        let (mut changes, stored) = self.change_all(vec![wanted]).await?;
        Ok((changes.pop().expect("what was wanted was one change"), stored))
    }

    /// Makes a change that was wanted at `at_ms` already: what came after that time stands. Of two at the same time the one that is heard later does.
    pub async fn change_as_of(&self, wanted: Wanted, at_ms: u64) -> Result<Vec<Stored>, Refused> {
        let now_ms = self.clock.now_ms();
        let counter = self.operators.read(|inner| {
            let same_time = inner.state.get(&wanted.about).filter(|known| known.stamp.ms == at_ms);
            same_time.map_or(0, |known| known.stamp.counter + 1)
        });
        let changes = [wanted.at(at_ms, counter, now_ms)];
        let stored = self.make_durable(&changes).await?;
        self.operators.absorb(changes, None, &self.hasher, now_ms);
        self.changed.notify_one();
        Ok(stored)
    }

    /// Makes many changes, each durable before any is in force here. A store that fails half way keeps the half it took: the same changes made
    /// again do no harm and complete it.
    pub async fn change_all(&self, wanted: Vec<Wanted>) -> Result<(Vec<Change>, Vec<Stored>), Refused> {
        if wanted.is_empty() {
            return Ok((Vec::new(), Vec::new()));
        }
        let now_ms = self.clock.now_ms();
        let first = self.operators.read(|inner| inner.state.next_stamp(now_ms, String::new()));
        let changes: Vec<_> = (first.counter..).zip(wanted).map(|(counter, wanted)| wanted.at(first.ms, counter, now_ms)).collect();
        let stored = self.make_durable(&changes).await?;
        self.operators.absorb(changes.iter().cloned(), None, &self.hasher, now_ms);
        self.changed.notify_one();
        Ok((changes, stored))
    }

    async fn make_durable(&self, changes: &[Change]) -> Result<Vec<Stored>, Refused> {
        if self.store.state() != StoreState::MemoryFallback {
            match self.merge_in_parts(changes).await {
                // Redis may have gone between the look and the call: then only memory took it.
                Ok(version) if self.stored_in() != Stored::Edge => {
                    self.operators.note_version(version);
                    return Ok(vec![self.stored_in()]);
                }
                Ok(_) => {}
                Err(error) => tracing::warn!(target: "otp::operator", %error, "the store did not take the change"),
            }
        }
        self.backup(changes).await.map_err(|()| Refused::NotDurable)?;
        // The fallback remembers it until Redis is back; the copy at the edge is what makes it durable.
        self.merge_in_parts(changes).await?;
        Ok(vec![Stored::Edge])
    }

    /// Merges into the store in parts, none of which blocks it for long; the last part's version.
    async fn merge_in_parts(&self, changes: &[Change]) -> Result<u64, StoreError> {
        let mut parts = changes.chunks(MERGED_AT_ONCE);
        let mut version = self.store.merge_operator(parts.next().unwrap_or_default()).await?;
        for part in parts {
            version = self.store.merge_operator(part).await?;
        }
        Ok(version)
    }

    fn stored_in(&self) -> Stored {
        match self.store.state() {
            StoreState::Connected => Stored::Redis,
            StoreState::MemoryFallback => Stored::Edge,
            StoreState::MemoryEmbedded => Stored::Memory,
        }
    }

    /// Writes this replica's copy, with these changes more, to the edge's KV.
    pub(super) async fn backup(&self, with: &[Change]) -> Result<(), ()> {
        let edge = self.edge.as_ref().ok_or(())?;
        let mut state = collect(self.operators.changes());
        with.iter().cloned().for_each(|change| _ = state.merge(change));
        let changes: Vec<_> = state.changes().cloned().collect();
        edge.put_operator(&self.settings.replica, &changes, self.clock.now_ms()).await.map_err(|error| {
            tracing::warn!(target: "otp::operator", %error, "the edge did not take the copy of the operator state");
        })
    }

    /// [`App::sync_operators`], if the store's version is not the one known here.
    pub async fn keep_operators_in_sync(&self) -> Result<(), StoreError> {
        if self.store.operator_version().await? == self.operators.version() { Ok(()) } else { self.sync_operators().await }
    }

    /// Takes over what the store knows, and gives it what it lacks. An empty store is filled from here before it is believed.
    pub async fn sync_operators(&self) -> Result<(), StoreError> {
        let copy = self.store.operator().await?;
        let now_ms = self.clock.now_ms();
        let theirs: OperatorState = collect(copy.changes.clone());
        let mut version = copy.version;
        let ours = self.operators.changes();
        let lacking: Vec<_> =
            ours.into_iter().filter(|change| !change.is_garbage(now_ms) && theirs.get(&change.about) != Some(change)).collect();
        let newer: Vec<_> =
            lacking.into_iter().filter(|change| theirs.get(&change.about).is_none_or(|known| known.stamp < change.stamp)).collect();
        if !newer.is_empty() || !copy.filled {
            version = self.merge_in_parts(&newer).await?;
        }
        let news = copy.changes.len();
        self.operators.absorb(copy.changes, Some(version), &self.hasher, now_ms);
        tracing::debug!(target: "otp::operator", theirs = news, given = newer.len(), version, "operator state synchronised");
        Ok(())
    }

    /// Merges the copies that replicas left at the edge; done once, before anything is published.
    pub async fn recover_operators(&self) {
        let Some(edge) = &self.edge else { return };
        match edge.operator_copies(self.clock.now_ms()).await {
            Ok(changes) => self.operators.absorb(changes, None, &self.hasher, self.clock.now_ms()),
            Err(error) => tracing::warn!(target: "otp::operator", %error, "the copies at the edge cannot be read"),
        }
    }
}

fn collect(changes: Vec<Change>) -> OperatorState {
    let mut state = OperatorState::default();
    for change in changes {
        state.merge(change);
    }
    state
}
