//! The blacklist entries that ops write to KV by hand, one key each: gathered by the cron into one snapshot, and shown to the origin.
//! Not the operator's own blacklist, which lives at the origin.
//!
//! **Invariant:** a key that does not parse is reported, never skipped in silence: somebody believes that it blocks.

use otp_shared::{
    snapshot::{PhoneHasher, Snapshot, SnapshotBuilder},
    subject::Subject,
};

use crate::json::{self, Object};

/// A key as KV lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// With its prefix.
    pub name: String,
    /// The Unix second at which KV drops it by itself.
    pub expires_s: Option<u64>,
}

/// What ops wrote by hand, as of one complete listing. The values do not matter: a key blocks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hand {
    entries: Vec<(Subject, Option<u64>)>,
    unreadable: Vec<String>,
}

impl Hand {
    /// Reads the listed keys.
    pub fn read(keys: impl IntoIterator<Item = Key>) -> Self {
        let mut hand = Self::default();
        for key in keys {
            match Subject::from_kv_key(&key.name) {
                Ok(subject) => hand.entries.push((subject, key.expires_s)),
                Err(_) => hand.unreadable.push(key.name),
            }
        }
        hand
    }

    /// How many keys do not parse.
    pub fn unreadable(&self) -> usize {
        self.unreadable.len()
    }

    /// The snapshot to write, when it differs from the stored one: built at the stored one's version and time, an unchanged one has the
    /// very same bytes. A stored one that is damaged is replaced.
    pub fn changed(&self, stored: Option<Vec<u8>>, hasher: &PhoneHasher, now_s: u64) -> Option<Vec<u8>> {
        let stored = stored.map(|bytes| Snapshot::decode(bytes).unwrap_or_default());
        let Some(stored) = stored else {
            return (!self.entries.is_empty()).then(|| self.encode(hasher, now_s, now_s));
        };
        let is_same = self.encode(hasher, stored.version(), stored.issued_s()) == stored.as_bytes();
        (!is_same).then(|| self.encode(hasher, now_s.max(stored.version().saturating_add(1)), now_s))
    }

    /// `GET /internal/edge/hand`: what the origin is shown, with the keys that do not parse as they stand in KV; `stored` is the snapshot that
    /// the cron wrote last, told as `null` when it never wrote one.
    pub fn view(&self, stored: Option<Vec<u8>>) -> String {
        let snapshot = stored.and_then(|bytes| Snapshot::decode(bytes).ok());
        Object::begin()
            .raw("entries", &json::list(self.entries.iter().map(|(subject, until_s)| entry(subject, *until_s))))
            .raw("unreadable", &json::list(self.unreadable.iter().map(|key| json::quoted(key))))
            .raw("snapshot", &snapshot.map_or("null".to_owned(), |snapshot| written(&snapshot)))
            .finish()
    }

    fn encode(&self, hasher: &PhoneHasher, version: u64, issued_s: u64) -> Vec<u8> {
        let mut builder = SnapshotBuilder::new(hasher.key_id(), version, issued_s);
        for (subject, until_s) in &self.entries {
            builder.blacklist(subject, *until_s, hasher);
        }
        builder.encode()
    }
}

fn entry(subject: &Subject, until_s: Option<u64>) -> String {
    let until = until_s.map_or("null".to_owned(), |second| second.to_string());
    Object::begin().text("type", subject.kind()).text("value", &subject.value()).raw("untilS", &until).finish()
}

fn written(snapshot: &Snapshot) -> String {
    Object::begin().number("version", snapshot.version()).number("issuedS", snapshot.issued_s()).finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshots::{
        Snapshots, Source,
        tests::{NOW_S, client, keys},
    };

    fn hand(names: &[&str]) -> Hand {
        Hand::read(names.iter().map(|name| Key { name: (*name).to_owned(), expires_s: None }))
    }

    fn changed(hand: &Hand, stored: Option<Vec<u8>>) -> Option<Vec<u8>> {
        hand.changed(stored, keys().hasher(), NOW_S)
    }

    fn blocks(bytes: Option<Vec<u8>>, phone: &str, address: &str, now_s: u64) -> bool {
        let mut snapshots = Snapshots::default();
        snapshots.take(Source::Hand, bytes, &keys()).unwrap();
        snapshots.blacklisted(client(phone, address), &keys(), now_s).is_some()
    }

    #[test]
    fn every_kind_of_key_blocks() {
        let hand = hand(&[
            "blacklist:phone:+250 788 000 001",
            "blacklist:ip:203.0.113.7",
            "blacklist:ip:2001:db8:1:2::/64",
            "blacklist:cidr:198.51.100.0/24",
            "blacklist:prefix:+25073",
            "blacklist:country:KE",
        ]);
        assert_eq!(hand.unreadable(), 0);
        let bytes = changed(&hand, None);
        for (phone, address) in [
            ("+250788000001", "192.0.2.1"),
            ("+250788000002", "203.0.113.7"),
            ("+250788000002", "2001:db8:1:2::9"),
            ("+250788000002", "198.51.100.200"),
            ("+250730000001", "192.0.2.1"),
            ("+254700000001", "192.0.2.1"),
        ] {
            assert!(blocks(bytes.clone(), phone, address, NOW_S), "{phone} {address}");
        }
        assert!(!blocks(bytes, "+250788000002", "192.0.2.1", NOW_S));
    }

    #[test]
    fn an_entry_ends_when_kv_drops_its_key() {
        let hand = Hand::read([Key { name: "blacklist:phone:+250788000001".into(), expires_s: Some(NOW_S + 60) }]);
        let bytes = changed(&hand, None);
        assert!(blocks(bytes.clone(), "+250788000001", "192.0.2.1", NOW_S + 59));
        assert!(!blocks(bytes, "+250788000001", "192.0.2.1", NOW_S + 60));
    }

    #[test]
    fn the_order_of_a_listing_changes_nothing() {
        let first = hand(&["blacklist:ip:203.0.113.7", "blacklist:phone:+250788000001"]);
        let second = hand(&["blacklist:phone:+250788000001", "blacklist:ip:203.0.113.7"]);
        let stored = changed(&first, None);
        assert!(stored.is_some());
        assert_eq!(changed(&second, stored), None);
    }

    #[test]
    fn a_change_is_written_with_a_higher_version() {
        let stored = changed(&hand(&["blacklist:ip:203.0.113.7"]), None);
        let bytes = changed(&hand(&["blacklist:ip:203.0.113.8"]), stored).unwrap();
        assert_eq!(Snapshot::decode(bytes).unwrap().version(), NOW_S + 1);
    }

    #[test]
    fn the_last_entry_removed_is_a_change_too() {
        let stored = changed(&hand(&["blacklist:phone:+250788000001"]), None);
        let bytes = changed(&hand(&[]), stored);
        assert!(bytes.is_some() && !blocks(bytes, "+250788000001", "192.0.2.1", NOW_S));
    }

    #[test]
    fn without_any_entry_nothing_is_written() {
        assert_eq!(changed(&hand(&[]), None), None);
    }

    #[test]
    fn a_damaged_snapshot_is_replaced() {
        assert!(changed(&hand(&["blacklist:ip:203.0.113.7"]), Some(b"damage".to_vec())).is_some());
    }

    #[test]
    fn what_does_not_parse_is_reported() {
        let hand = hand(&["blacklist:fan:x", "blacklist:ip:203.0.113.7", "blacklist:phone:lol"]);
        assert_eq!(hand.unreadable(), 2);
        assert_eq!(
            hand.view(changed(&hand, None)),
            r#"{"entries":[{"type":"ip","value":"203.0.113.7","untilS":null}],"unreadable":["blacklist:fan:x","blacklist:phone:lol"],"snapshot":{"version":1790000000,"issuedS":1790000000}}"#,
            "the origin reads this"
        );
    }
}
