//! What a snapshot finds. Its bytes are pinned here; `model` compares it with a naive blacklist, `damage` breaks its bytes.

mod damage;
mod model;

use std::sync::LazyLock;

use super::*;
use crate::secret::Secret;
use crate::subject::Subject;

const NOW_S: u64 = 1_790_000_000;

fn hasher() -> &'static PhoneHasher {
    static HASHER: LazyLock<PhoneHasher> = LazyLock::new(|| PhoneHasher::new(&Secret::parse("0123456789abcdef0123456789abcdef").unwrap()));
    &HASHER
}

fn builder() -> SnapshotBuilder {
    SnapshotBuilder::new(hasher().key_id(), 7, NOW_S)
}

fn subject(kind: &str, value: &str) -> Subject {
    Subject::parse(kind, value).unwrap_or_else(|error| panic!("{kind} {value}: {error}"))
}

fn phone(number: &str) -> (Phone, PhoneHash) {
    let phone = Phone::parse(number).unwrap();
    (phone, hasher().hash(&phone))
}

fn caller(number: &str, address: &str) -> Caller {
    Caller { phone: Some(phone(number)), address: Some(address.parse().unwrap()) }
}

fn decoded(builder: &SnapshotBuilder) -> Snapshot {
    Snapshot::decode(builder.encode()).unwrap()
}

fn blacklist(entries: &[(&str, &str, Option<u64>)]) -> Snapshot {
    let mut builder = builder();
    for (kind, value, until_s) in entries {
        builder.blacklist(&subject(kind, value), *until_s, hasher());
    }
    decoded(&builder)
}

/// One entry of each kind at least, given in no good order.
fn full() -> SnapshotBuilder {
    let mut builder = builder();
    builder
        .hold_address(Address::parse("2001:db8:ffff:1::/64").unwrap(), NOW_S + 180)
        .hold_phone(phone("+250788123456").1, NOW_S + 60)
        .hold_address(Address::parse("192.0.2.1").unwrap(), NOW_S + 120)
        .blacklist(&subject("country", "KE"), Some(NOW_S + 86_400), hasher())
        .blacklist(&subject("prefix", "+25078"), None, hasher())
        .blacklist(&subject("cidr", "2001:db8::/32"), None, hasher())
        .blacklist(&subject("cidr", "198.51.100.128/25"), Some(NOW_S + 200), hasher())
        .blacklist(&subject("cidr", "198.51.100.0/24"), Some(NOW_S + 100), hasher())
        .blacklist(&subject("ip", "2001:db8:1:2::/64"), None, hasher())
        .blacklist(&subject("ip", "203.0.113.7"), Some(NOW_S + 300), hasher())
        .blacklist(&subject("phone", "+250788123456"), Some(NOW_S + 600), hasher())
        .blacklist(&subject("phone", "+250788000000"), None, hasher());
    builder
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

#[test]
fn the_bytes_are_pinned() {
    let pinned = concat!(
        "4f545053",
        "00000001",
        "d0280b8e",
        "4b1bf9f5", // magic, format, checksum, key id
        "0000000000000007",
        "000000006ab13b80", // version, issue time
        "00000002",
        "00000001",
        "00000001",
        "00000002",
        "00000001",
        "00000001",
        "00000001",
        "00000001",
        "00000001",
        "00000001",
        "cfa4e8a3ea8714df",
        "6ab13dd8", // +250788123456
        "da1a08b3e3d86b7b",
        "ffffffff", // +250788000000, no end
        "cb007107",
        "6ab13cac", // 203.0.113.7
        "20010db800010002",
        "ffffffff", // 2001:db8:1:2::/64
        "c6336400c633647f",
        "6ab13be4", // 198.51.100.0/24 without
        "c6336480c63364ff",
        "6ab13c48", // 198.51.100.128/25, which ends later
        "2020010db8000000000000000000000000",
        "ffffffff", // 2001:db8::/32
        "0500000000000061f6",
        "ffffffff", // +25078
        "4b45",
        "6ab28d00", // KE
        "cfa4e8a3ea8714df",
        "6ab13bbc", // the hold of +250788123456
        "c0000201",
        "6ab13bf8", // the hold of 192.0.2.1
        "20010db8ffff0001",
        "6ab13c34", // the hold of 2001:db8:ffff:1::/64
    );
    assert_eq!(hex(&full().encode()), pinned, "edge and origin are deployed apart: a change needs a new format and a migration");
}

#[test]
fn the_hash_of_a_phone_is_pinned() {
    assert_eq!(hasher().key_id().to_bytes(), [0x4b, 0x1b, 0xf9, 0xf5], "stored in KV: write a migration");
    let cases = [("+250788123456", 0xcfa4_e8a3_ea87_14df), ("+250788000000", 0xda1a_08b3_e3d8_6b7b), ("+12345678", 0xd89f_8f51_4f6c_b728)];
    for (number, hash) in cases {
        assert_eq!(phone(number).1.as_u64(), hash, "stored in KV: write a migration");
    }
}

#[test]
fn another_secret_is_another_key_and_other_hashes() {
    let other = PhoneHasher::new(&Secret::parse("0123456789abcdef0123456789abcdeg").unwrap());
    let number = Phone::parse("+250788123456").unwrap();
    assert_ne!(other.key_id(), hasher().key_id());
    assert_ne!(other.hash(&number), hasher().hash(&number));
    let foreign = Caller { phone: Some((number, other.hash(&number))), address: None };
    assert_eq!(blacklist(&[("phone", "+250788123456", None)]).blacklisted(&foreign, NOW_S), None, "so callers must compare the key ids");
}

#[test]
fn the_header_is_read_back() {
    let snapshot = decoded(&full());
    assert_eq!((snapshot.version(), snapshot.issued_s(), snapshot.key_id()), (7, NOW_S, hasher().key_id()));
    assert_eq!((snapshot.len(), snapshot.is_empty()), (12, false));
    assert_eq!(snapshot.as_bytes(), full().encode());
    assert_eq!(Snapshot::peek_version(&full().encode()), Some(7));
}

#[test]
fn an_empty_snapshot_refuses_nobody() {
    let nobody = decoded(&builder());
    for snapshot in [&Snapshot::empty(), &Snapshot::default(), &nobody] {
        let caller = caller("+250788123456", "203.0.113.7");
        assert!(snapshot.is_empty());
        assert_eq!((snapshot.blacklisted(&caller, NOW_S), snapshot.held(&caller, NOW_S)), (None, None));
    }
    assert_eq!((Snapshot::empty().version(), Snapshot::empty().issued_s()), (0, 0));
}

#[test]
fn each_kind_of_entry_refuses_whom_it_names() {
    let cases = [
        ("phone", "+254712345678", "+254712345678", "203.0.113.9"),
        ("ip", "203.0.113.7", "+254712345678", "203.0.113.7"),
        ("ip", "203.0.113.7", "+254712345678", "::ffff:203.0.113.7"),
        ("ip", "2001:db8:1:2::/64", "+254712345678", "2001:db8:1:2:ffff::9"),
        ("cidr", "203.0.113.0/24", "+254712345678", "203.0.113.255"),
        ("cidr", "203.0.113.0/24", "+254712345678", "::ffff:203.0.113.0"),
        ("cidr", "203.0.113.7/32", "+254712345678", "203.0.113.7"),
        ("cidr", "0.0.0.0/0", "+254712345678", "255.255.255.255"),
        ("cidr", "2001:db8::/32", "+254712345678", "2001:db8:ffff::1"),
        ("cidr", "2001:db8::1/128", "+254712345678", "2001:db8::1"),
        ("cidr", "::/0", "+254712345678", "2001:db8:ffff::1"),
        ("prefix", "+25471", "+254712345678", "203.0.113.9"),
        ("prefix", "+2", "+254712345678", "203.0.113.9"),
        ("country", "KE", "+254712345678", "203.0.113.9"),
    ];
    for (kind, value, number, address) in cases {
        let found = blacklist(&[(kind, value, None)]).blacklisted(&caller(number, address), NOW_S);
        assert_eq!(found, Some(Match { kind, until_s: None }), "{value} {number} {address}");
    }
}

#[test]
fn an_entry_refuses_nobody_else() {
    let cases = [
        ("phone", "+254712345678", "+254712345679", "203.0.113.9"),
        ("ip", "203.0.113.7", "+254712345678", "203.0.113.8"),
        ("ip", "2001:db8:1:2::/64", "+254712345678", "2001:db8:1:3::1"),
        ("ip", "0.0.0.0", "+254712345678", "::1"),
        ("cidr", "203.0.113.0/24", "+254712345678", "203.0.114.0"),
        ("cidr", "203.0.113.0/24", "+254712345678", "203.0.112.255"),
        ("cidr", "0.0.0.0/0", "+254712345678", "2001:db8::1"),
        ("cidr", "::/0", "+254712345678", "203.0.113.9"),
        ("cidr", "::/0", "+254712345678", "::ffff:203.0.113.9"),
        ("cidr", "2001:db8::/33", "+254712345678", "2001:db8:8000::1"),
        ("prefix", "+25478", "+254712345678", "203.0.113.9"),
        ("country", "KE", "+250788123456", "203.0.113.9"),
        ("country", "US", "+12125551234", "203.0.113.9"),
    ];
    for (kind, value, number, address) in cases {
        let found = blacklist(&[(kind, value, None)]).blacklisted(&caller(number, address), NOW_S);
        assert_eq!(found, None, "{value} {number} {address}");
    }
}

#[test]
fn a_caller_without_number_and_address_is_never_refused() {
    let snapshot = decoded(&full());
    assert_eq!((snapshot.blacklisted(&Caller::default(), NOW_S), snapshot.held(&Caller::default(), NOW_S)), (None, None));
}

#[test]
fn an_entry_ends_at_its_second() {
    let snapshot = blacklist(&[("phone", "+254712345678", Some(NOW_S + 60))]);
    let caller = caller("+254712345678", "203.0.113.9");
    let until = |now_s| snapshot.blacklisted(&caller, now_s).map(|found| found.until_s);
    assert_eq!(until(NOW_S + 59), Some(Some(NOW_S + 60)));
    assert_eq!(until(NOW_S + 60), None);
    assert_eq!(until(u64::MAX), None);
}

#[test]
fn an_entry_without_end_outlasts_the_rows_32_bits() {
    let snapshot = blacklist(&[("phone", "+254712345678", None), ("phone", "+250788123456", Some(u64::MAX))]);
    let refused = |number, now_s| snapshot.blacklisted(&caller(number, "203.0.113.9"), now_s);
    assert_eq!(refused("+254712345678", u64::MAX), Some(Match { kind: "phone", until_s: None }));
    assert_eq!(refused("+250788123456", NOW_S), Some(Match { kind: "phone", until_s: Some(u64::from(u32::MAX) - 1) }));
    assert_eq!(refused("+250788123456", u64::from(u32::MAX) - 1), None, "a year's mistake of 2106 is still an end");
}

#[test]
fn of_several_entries_the_one_that_ends_last_is_told() {
    let whom = caller("+254712345678", "203.0.113.9");
    let told = |entries: &[_]| blacklist(entries).blacklisted(&whom, NOW_S).unwrap();
    let phone = ("phone", "+254712345678", Some(NOW_S + 60));
    let cidr = ("cidr", "203.0.113.0/24", Some(NOW_S + 90));
    assert_eq!(told(&[phone, cidr]), Match { kind: "cidr", until_s: Some(NOW_S + 90) });
    assert_eq!(told(&[phone, cidr, ("country", "KE", None)]), Match { kind: "country", until_s: None });
    assert_eq!(told(&[phone, ("prefix", "+254", Some(NOW_S + 60))]).kind, "phone", "of equals the narrowest");
    assert_eq!(told(&[phone, ("phone", "+254712345678", Some(NOW_S + 61))]).until_s, Some(NOW_S + 61), "the same subject twice");
    assert_eq!(told(&[("prefix", "+254", Some(NOW_S + 9)), ("prefix", "+25", Some(NOW_S + 10))]).until_s, Some(NOW_S + 10));
}

#[test]
fn an_entry_that_ended_does_not_hide_one_that_did_not() {
    let snapshot = blacklist(&[("ip", "203.0.113.9", Some(NOW_S + 10)), ("cidr", "203.0.113.0/24", Some(NOW_S + 20))]);
    let kind = |now_s| snapshot.blacklisted(&caller("+254712345678", "203.0.113.9"), now_s).map(|found| found.kind);
    assert_eq!((kind(NOW_S), kind(NOW_S + 15), kind(NOW_S + 20)), (Some("cidr"), Some("cidr"), None));
}

#[test]
fn what_ended_by_the_issue_time_is_left_out() {
    let snapshot = blacklist(&[("ip", "203.0.113.9", Some(NOW_S)), ("country", "KE", Some(0)), ("prefix", "+254", Some(NOW_S + 1))]);
    assert_eq!(snapshot.len(), 1);
}

#[test]
fn holds_and_blacklist_are_told_apart() {
    let snapshot = decoded(&full());
    let held = |number, address| snapshot.held(&caller(number, address), NOW_S);
    assert_eq!(held("+250788123456", "203.0.113.9"), Some(Match { kind: "phone", until_s: Some(NOW_S + 60) }));
    assert_eq!(held("+254712345678", "192.0.2.1"), Some(Match { kind: "ip", until_s: Some(NOW_S + 120) }));
    assert_eq!(held("+254712345678", "2001:db8:ffff:1::9"), Some(Match { kind: "ip", until_s: Some(NOW_S + 180) }));
    assert_eq!(held("+250788000000", "203.0.113.7"), None, "blacklisted, not held");
    assert_eq!(snapshot.blacklisted(&caller("+12125551234", "192.0.2.1"), NOW_S), None, "held, not blacklisted");
}

#[test]
fn a_hold_ends_at_its_second() {
    let snapshot = decoded(&full());
    let held = |now_s| snapshot.held(&caller("+250788123456", "192.0.2.1"), now_s).map(|found| found.kind);
    assert_eq!((held(NOW_S + 119), held(NOW_S + 120)), (Some("ip"), None));
}

#[test]
fn a_debug_print_is_short() {
    let printed = format!("{:?} {:?}", decoded(&full()), hasher());
    assert!(printed.len() < 200 && printed.contains("4b1bf9f5"), "{printed}");
}
