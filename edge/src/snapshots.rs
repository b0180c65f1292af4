//! The two snapshots that this isolate has in memory: what the origin published and what ops wrote by hand. Not how they are read
//! (`platform`) nor when ([`crate::refresh`]).
//!
//! **Invariant:** the last good one stays, whatever comes: nothing, damage, or an older version from a slower corner of KV.

use std::net::IpAddr;

use otp_shared::{
    kv::{KV_SNAPSHOT_HAND, KV_SNAPSHOT_ORIGIN},
    phone::Phone,
    snapshot::{Caller, Match, Snapshot, SnapshotError},
};

use crate::config::Keys;

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Published by the origin: blacklist and holds.
    Origin,
    /// Gathered by the cron from the keys that ops wrote by hand: blacklist.
    Hand,
}

impl Source {
    /// Both, in the order in which they are looked up.
    pub const ALL: [Self; 2] = [Self::Origin, Self::Hand];

    /// Its key in KV.
    pub fn kv_key(self) -> &'static str {
        match self {
            Self::Origin => KV_SNAPSHOT_ORIGIN,
            Self::Hand => KV_SNAPSHOT_HAND,
        }
    }
}

/// Why bytes were not taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// KV had it before and has nothing now. Nobody deletes it in normal running, so this is taken for a fault.
    Missing,
    /// It does not decode.
    Damaged(SnapshotError),
    /// Its phone hashes are of a key that this edge does not have. Taken over all the same: the rest of it matches.
    UnknownKey,
}

impl Kept {
    /// Its name among the error counters.
    pub fn name(self) -> &'static str {
        match self {
            Self::Missing => "snapshot_missing",
            Self::Damaged(_) => "snapshot_damaged",
            Self::UnknownKey => "snapshot_key_unknown",
        }
    }
}

/// Who is asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client {
    /// The number the request is about, if it is about one.
    pub phone: Option<Phone>,
    /// The client's address.
    pub address: Option<IpAddr>,
}

/// What this isolate knows of the blacklist and the holds.
#[derive(Debug, Default)]
pub struct Snapshots {
    origin: Snapshot,
    hand: Snapshot,
    read_ms: Option<u64>,
}

impl Snapshots {
    /// Takes over what KV (or the origin) gave, if it is newer than what is here. `Err` says what was wrong; lookups go on either way.
    pub fn take(&mut self, source: Source, bytes: Option<Vec<u8>>, keys: &Keys) -> Result<(), Kept> {
        let mine = self.version(source);
        let Some(bytes) = bytes else {
            return if mine == 0 { Ok(()) } else { Err(Kept::Missing) };
        };
        if Snapshot::peek_version(&bytes).is_some_and(|version| version <= mine) {
            return Ok(());
        }
        let snapshot = Snapshot::decode(bytes).map_err(Kept::Damaged)?;
        let is_known = keys.knows(snapshot.key_id());
        self.install(source, snapshot);
        if is_known { Ok(()) } else { Err(Kept::UnknownKey) }
    }

    /// Takes over a snapshot that is decoded already, if it is newer.
    pub fn install(&mut self, source: Source, snapshot: Snapshot) {
        let mine = self.of_mut(source);
        if snapshot.version() > mine.version() {
            *mine = snapshot;
        }
    }

    /// Both were read from KV without an error at `now_ms`.
    pub fn read(&mut self, now_ms: u64) {
        self.read_ms = Some(now_ms);
    }

    /// Seconds since both were last read; `None` before that.
    pub fn age_s(&self, now_ms: u64) -> Option<u64> {
        self.read_ms.map(|read_ms| now_ms.saturating_sub(read_ms).div_euclid(1000))
    }

    /// The version of one of them; 0 when there is none yet.
    pub fn version(&self, source: Source) -> u64 {
        match source {
            Source::Origin => self.origin.version(),
            Source::Hand => self.hand.version(),
        }
    }

    /// Whether an operator refuses this client, at `now_s`.
    pub fn blacklisted(&self, client: Client, keys: &Keys, now_s: u64) -> Option<Match> {
        [&self.origin, &self.hand].into_iter().find_map(|snapshot| snapshot.blacklisted(&caller(snapshot, client, keys), now_s))
    }

    /// Whether the origin holds this client, at `now_s`.
    pub fn held(&self, client: Client, keys: &Keys, now_s: u64) -> Option<Match> {
        self.origin.held(&caller(&self.origin, client, keys), now_s)
    }

    fn of_mut(&mut self, source: Source) -> &mut Snapshot {
        match source {
            Source::Origin => &mut self.origin,
            Source::Hand => &mut self.hand,
        }
    }
}

/// The client as this snapshot knows it: phones are hashed with the snapshot's own key.
fn caller(snapshot: &Snapshot, client: Client, keys: &Keys) -> Caller {
    let hasher = keys.hasher_of(snapshot.key_id());
    Caller { phone: client.phone.map(|phone| (phone, hasher.hash(&phone))), address: client.address }
}

#[cfg(test)]
pub(crate) mod tests {
    use otp_shared::{snapshot::SnapshotBuilder, subject::Subject};

    use super::*;
    use crate::config::{Config, tests::vars};

    pub(crate) const NOW_S: u64 = 1_790_000_000;

    pub(crate) fn keys() -> Keys {
        Config::parse(&vars()).map_err(|error| error.to_string()).unwrap().keys
    }

    pub(crate) fn client(phone: &str, address: &str) -> Client {
        Client { phone: Some(Phone::parse(phone).unwrap()), address: Some(address.parse().unwrap()) }
    }

    /// A snapshot that blacklists one subject.
    pub(crate) fn blacklisting(kind: &str, value: &str, version: u64) -> Vec<u8> {
        let hasher = keys().hasher().clone();
        let mut builder = SnapshotBuilder::new(hasher.key_id(), version, NOW_S);
        builder.blacklist(&Subject::parse(kind, value).unwrap(), None, &hasher);
        builder.encode()
    }

    fn kind(snapshots: &Snapshots, phone: &str) -> Option<&'static str> {
        snapshots.blacklisted(client(phone, "203.0.113.7"), &keys(), NOW_S).map(|found| found.kind)
    }

    #[test]
    fn an_entry_of_either_snapshot_refuses() {
        let mut snapshots = Snapshots::default();
        assert_eq!(snapshots.take(Source::Origin, Some(blacklisting("phone", "+250788000001", 1)), &keys()), Ok(()));
        assert_eq!(snapshots.take(Source::Hand, Some(blacklisting("prefix", "+25073", 1)), &keys()), Ok(()));
        assert_eq!(kind(&snapshots, "+250788000001"), Some("phone"));
        assert_eq!(kind(&snapshots, "+250730000001"), Some("prefix"));
        assert_eq!(kind(&snapshots, "+250788000002"), None);
    }

    #[test]
    fn damage_keeps_the_last_good_one() {
        let mut snapshots = Snapshots::default();
        snapshots.take(Source::Origin, Some(blacklisting("phone", "+250788000001", 1)), &keys()).unwrap();
        let mut damaged = blacklisting("phone", "+250788000002", 2);
        *damaged.last_mut().unwrap() ^= 1;
        assert!(matches!(snapshots.take(Source::Origin, Some(damaged), &keys()), Err(Kept::Damaged(_))));
        assert_eq!(kind(&snapshots, "+250788000001"), Some("phone"));
    }

    #[test]
    fn a_key_that_vanished_keeps_the_last_good_one() {
        let mut snapshots = Snapshots::default();
        assert_eq!(snapshots.take(Source::Origin, None, &keys()), Ok(()), "before the first publication there is nothing to miss");
        snapshots.take(Source::Origin, Some(blacklisting("phone", "+250788000001", 1)), &keys()).unwrap();
        assert_eq!(snapshots.take(Source::Origin, None, &keys()), Err(Kept::Missing));
        assert_eq!(kind(&snapshots, "+250788000001"), Some("phone"));
    }

    #[test]
    fn an_older_version_never_replaces_a_newer_one() {
        let mut snapshots = Snapshots::default();
        snapshots.take(Source::Origin, Some(blacklisting("phone", "+250788000002", 2)), &keys()).unwrap();
        snapshots.take(Source::Origin, Some(blacklisting("phone", "+250788000001", 1)), &keys()).unwrap();
        assert_eq!((snapshots.version(Source::Origin), kind(&snapshots, "+250788000001")), (2, None));
    }

    #[test]
    fn a_snapshot_of_an_unknown_key_still_refuses_addresses() {
        let other = otp_shared::snapshot::PhoneHasher::new(&otp_shared::secret::Secret::parse(&"x".repeat(32)).unwrap());
        let mut builder = SnapshotBuilder::new(other.key_id(), 1, NOW_S);
        builder.blacklist(&Subject::parse("ip", "203.0.113.7").unwrap(), None, &other);
        let mut snapshots = Snapshots::default();
        assert_eq!(snapshots.take(Source::Origin, Some(builder.encode()), &keys()), Err(Kept::UnknownKey));
        assert_eq!(kind(&snapshots, "+250788000001"), Some("ip"));
    }

    #[test]
    fn the_age_is_that_of_the_last_good_read() {
        let mut snapshots = Snapshots::default();
        assert_eq!(snapshots.age_s(5_000), None);
        snapshots.read(5_000);
        assert_eq!(snapshots.age_s(36_999), Some(31));
    }
}
