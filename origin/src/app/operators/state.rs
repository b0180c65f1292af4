//! This replica's copy of the operator state, with the blacklist in the form in which it is looked up.

use std::sync::{
    Arc, PoisonError, RwLock,
    atomic::{AtomicU64, Ordering},
};

use otp_shared::{
    country::Country,
    snapshot::{Caller, PhoneHasher, Snapshot, SnapshotBuilder},
    subject::Subject,
};

use crate::domain::operator::{Change, OperatorState, Stamp, Target};

/// This replica's copy of the operator state.
pub struct Operators {
    inner: RwLock<Inner>,
    version: AtomicU64,
}

struct Inner {
    state: OperatorState,
    blacklist: Arc<Snapshot>,
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
        let by_country = |country: Country| self.in_force(&Target::blacklist(&Subject::Country(country)), now_ms).then_some("country");
        blacklist.blacklisted(caller, now_ms / 1000).map(|found| found.kind).or_else(|| country.and_then(by_country))
    }

    /// Whether the newest change of the target puts it in force.
    pub fn in_force(&self, target: &Target, now_ms: u64) -> bool {
        self.read(|inner| inner.state.get(target).is_some_and(|change| change.in_force(now_ms)))
    }

    /// The newest change of the target, if it is in force.
    pub fn find(&self, target: &Target, now_ms: u64) -> Option<Change> {
        self.newest(target).filter(|change| change.in_force(now_ms))
    }

    /// The newest change of the target, removals included.
    pub fn newest(&self, target: &Target) -> Option<Change> {
        self.read(|inner| inner.state.get(target).cloned())
    }

    /// When the target was changed last, removals included, as Unix millisecond.
    pub fn newest_ms(&self, target: &Target) -> Option<u64> {
        self.read(|inner| inner.state.get(target).map(|change| change.stamp.ms))
    }

    /// Every target's newest change, removals included, in the order of their keys.
    pub fn changes(&self) -> Vec<Change> {
        self.read(|inner| inner.state.changes().cloned().collect())
    }

    /// The stamp of a change made now, still without its id.
    pub(super) fn next_stamp(&self, now_ms: u64) -> Stamp {
        self.read(|inner| inner.state.next_stamp(now_ms, String::new()))
    }

    /// Merges changes from another copy and notes its version.
    pub(super) fn merge(&self, changes: impl IntoIterator<Item = Change>, version: Option<u64>, hasher: &PhoneHasher, now_ms: u64) {
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        let news = changes.into_iter().filter(|change| inner.state.merge(change.clone())).count();
        if news > 0 {
            inner.state.collect_garbage(now_ms);
            inner.blacklist = Arc::new(blacklist(&inner.state, hasher, now_ms));
        }
        if let Some(version) = version {
            self.version.store(version, Ordering::Release);
        }
    }

    fn read<T>(&self, look: impl FnOnce(&Inner) -> T) -> T {
        look(&self.inner.read().unwrap_or_else(PoisonError::into_inner))
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
        if let Target::Blacklist { kind, value } = &change.target
            && let Ok(subject) = Subject::parse(kind, value)
        {
            builder.blacklist(&subject, change.until_ms.map(|until| until.div_ceil(1000)), hasher);
        }
    }
}
