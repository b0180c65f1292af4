//! A snapshot against a list that is walked from end to end.

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
struct Entry {
    subject: Subject,
    until_s: Option<u64>,
}

const KINDS: [&str; 5] = ["phone", "ip", "cidr", "prefix", "country"];

/// Few numbers and close networks, so that entries meet and nest.
fn number() -> impl Strategy<Value = String> {
    prop_oneof!["\\+25078812345[0-9]", "\\+25471234567[0-9]", "\\+1212555123[0-9]"]
}

fn address() -> impl Strategy<Value = IpAddr> {
    let v4 = (0_u8..32).prop_map(|last| IpAddr::from([10, 0, 0, last]));
    let v6 = (0_u16..4, 0_u16..4).prop_map(|(net, host)| IpAddr::from([0x2001, 0xdb8, 0, net, 0, 0, 0, host]));
    let mapped = (0_u16..32).prop_map(|last| IpAddr::from([0, 0, 0, 0, 0, 0xffff, 0x0a00, last]));
    prop_oneof![v4, v6, mapped]
}

fn any_subject() -> impl Strategy<Value = Subject> {
    let network = (address(), 0_u8..=128).prop_map(|(address, length)| match address {
        IpAddr::V4(v4) => format!("{v4}/{}", 24 + length % 9),
        IpAddr::V6(v6) => format!("{v6}/{}", if v6.to_ipv4_mapped().is_some() { 120 + length % 9 } else { length }),
    });
    prop_oneof![
        number().prop_map(|number| subject("phone", &number)),
        address().prop_map(|address| Subject::Ip(address.into())),
        network.prop_map(|network| subject("cidr", &network)),
        (number(), 2_usize..15).prop_map(|(number, taken)| subject("prefix", &number[..taken.min(number.len())])),
        prop_oneof!["RW", "KE", "US"].prop_map(|country| subject("country", &country)),
    ]
}

fn entries() -> impl Strategy<Value = Vec<Entry>> {
    let until = prop::option::of(NOW_S - 5..NOW_S + 40);
    prop::collection::vec((any_subject(), until).prop_map(|(subject, until_s)| Entry { subject, until_s }), 0..40)
}

fn any_caller() -> impl Strategy<Value = Caller> {
    (prop::option::of(number()), prop::option::of(address()))
        .prop_map(|(number, address)| Caller { phone: number.map(|number| phone(&number)), address })
}

fn names(subject: &Subject, caller: &Caller) -> bool {
    let number = caller.phone.map(|(number, _)| number);
    match subject {
        Subject::Phone(phone) => number == Some(*phone),
        Subject::Ip(ip) => caller.address.map(Address::from) == Some(*ip),
        Subject::Cidr(cidr) => caller.address.is_some_and(|address| cidr.contains(address)),
        Subject::Prefix(prefix) => number.is_some_and(|number| prefix.covers(&number)),
        Subject::Country(country) => number.and_then(|number| Country::of(&number)) == Some(*country),
    }
}

/// The same promise in the plainest words: of the entries that name the caller and have not ended, the one that ends last, then the narrowest.
fn walked(entries: &[Entry], caller: &Caller, now_s: u64) -> Option<Match> {
    let live = entries.iter().filter(|entry| entry.until_s.is_none_or(|until_s| until_s > now_s) && names(&entry.subject, caller));
    let rank = |entry: &&Entry| (Reverse(entry.until_s.unwrap_or(u64::MAX)), KINDS.iter().position(|kind| *kind == entry.subject.kind()));
    live.min_by_key(rank).map(|entry| Match { kind: entry.subject.kind(), until_s: entry.until_s })
}

fn built(entries: &[Entry]) -> SnapshotBuilder {
    let mut builder = builder();
    for entry in entries {
        builder.blacklist(&entry.subject, entry.until_s, hasher());
    }
    builder
}

proptest! {
    #[test]
    fn the_blacklist_finds_what_a_walk_finds(entries in entries(), callers in prop::collection::vec(any_caller(), 1..20), after_s in 0_u64..45) {
        let snapshot = decoded(&built(&entries));
        for caller in callers {
            let now_s = NOW_S + after_s;
            prop_assert_eq!(snapshot.blacklisted(&caller, now_s), walked(&entries, &caller, now_s), "{:?}", caller);
        }
    }

    #[test]
    fn holds_find_what_a_walk_finds(
        numbers in prop::collection::vec((number(), 0_u64..40), 0..20),
        addresses in prop::collection::vec((address(), 0_u64..40), 0..20),
        caller in any_caller(),
        after_s in 0_u64..45,
    ) {
        let mut builder = builder();
        let mut entries = Vec::new();
        for (number, lasts_s) in numbers {
            builder.hold_phone(phone(&number).1, NOW_S + lasts_s);
            entries.push(Entry { subject: subject("phone", &number), until_s: Some(NOW_S + lasts_s) });
        }
        for (address, lasts_s) in addresses {
            builder.hold_address(address.into(), NOW_S + lasts_s);
            entries.push(Entry { subject: Subject::Ip(address.into()), until_s: Some(NOW_S + lasts_s) });
        }
        let now_s = NOW_S + after_s;
        prop_assert_eq!(decoded(&builder).held(&caller, now_s), walked(&entries, &caller, now_s));
    }

    #[test]
    fn neither_order_nor_repetition_changes_the_bytes(entries in entries(), turned in 0_usize..40) {
        let mut other: Vec<_> = entries.iter().chain(&entries).cloned().collect();
        let turned = turned.min(other.len());
        other.rotate_left(turned);
        other.reverse();
        prop_assert_eq!(built(&other).encode(), built(&entries).encode());
    }
}
