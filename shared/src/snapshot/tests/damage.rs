//! Bytes that are no snapshot: cut, flipped, made up, or written by a broken writer.

use proptest::prelude::*;

use super::*;

/// The bytes with a checksum that fits, as a broken writer would leave them.
fn resealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let sum = checksum(&bytes).to_be_bytes();
    bytes[CHECKSUM].copy_from_slice(&sum);
    bytes
}

/// A snapshot of these rows in one section, rightly sealed.
fn of_rows(section: Section, rows: &[&[u8]]) -> Vec<u8> {
    let mut bytes = builder().encode();
    bytes[COUNTS + 4 * section as usize + 3] = u8::try_from(rows.len()).unwrap();
    for row in rows {
        assert_eq!(row.len(), section.key_len(), "a key of {}", section.name());
        bytes.extend(*row);
        bytes.extend(NO_END.to_be_bytes());
    }
    resealed(bytes)
}

fn error_of(bytes: Vec<u8>) -> Option<SnapshotError> {
    Snapshot::decode(bytes).err()
}

fn check_rows(section: Section, good: &[&[u8]], bad: &[&[u8]]) {
    assert_eq!(error_of(of_rows(section, good)), None, "{}", section.name());
    assert_eq!(error_of(of_rows(section, bad)), Some(SnapshotError::Row(section.name())), "{bad:x?}");
}

#[test]
fn every_cut_is_refused() {
    let bytes = full().encode();
    for length in 0..bytes.len() {
        let error = error_of(bytes[..length].to_vec()).unwrap();
        let expected = if length < HEADER { SnapshotError::Truncated } else { SnapshotError::Length };
        assert_eq!(error, expected, "{length} bytes");
    }
}

#[test]
fn a_byte_too_many_is_refused() {
    let mut bytes = full().encode();
    bytes.push(0);
    assert_eq!(error_of(resealed(bytes)), Some(SnapshotError::Length));
}

#[test]
fn every_flipped_bit_is_refused() {
    let bytes = full().encode();
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(Snapshot::decode(flipped).is_err(), "bit {bit}");
    }
}

#[test]
fn another_magic_format_or_checksum_is_named() {
    let changed = |at: usize, to: u8| {
        let mut bytes = full().encode();
        bytes[at] = to;
        bytes
    };
    assert_eq!(error_of(resealed(changed(0, b'o'))), Some(SnapshotError::Magic));
    assert_eq!(error_of(resealed(changed(7, 2))), Some(SnapshotError::Format(2)));
    assert_eq!(error_of(changed(CHECKSUM.start, 0)), Some(SnapshotError::Checksum));
    assert_eq!(error_of(changed(23, 8)), Some(SnapshotError::Checksum), "the version is covered");
    assert_eq!(error_of(changed(15, 0)), Some(SnapshotError::Checksum), "the key id is covered");
    assert_eq!(Snapshot::peek_version(&changed(0, b'o')), None);
    assert_eq!(Snapshot::peek_version(&changed(7, 2)), None);
    assert_eq!(Snapshot::peek_version(&full().encode()[..20]), None);
}

#[test]
fn absurd_counts_are_refused_before_they_are_believed() {
    for section in SECTIONS {
        for count in [1, u32::MAX / 12, u32::MAX / 21 + 1, u32::MAX] {
            let mut bytes = builder().encode();
            let at = COUNTS + 4 * section as usize;
            bytes[at..at + 4].copy_from_slice(&count.to_be_bytes());
            assert_eq!(error_of(resealed(bytes)), Some(SnapshotError::Length), "{count} {}", section.name());
        }
    }
}

#[test]
fn all_counts_absurd_at_once_are_refused() {
    let mut bytes = full().encode();
    bytes[COUNTS..HEADER].fill(0xff);
    assert_eq!(error_of(resealed(bytes)), Some(SnapshotError::Length));
}

#[test]
fn rows_out_of_order_or_repeated_are_refused() {
    for section in SECTIONS.into_iter().filter(|section| [4, 8].contains(&section.key_len())) {
        let key = |fill: u8| vec![fill; section.key_len()];
        let (low, high) = (key(1), key(2));
        let good: &[&[u8]] =
            if section == Section::BlacklistV4Ranges { &[&low, &high] } else { &[&low, &high, &[3; 8][..section.key_len()]] };
        check_rows(section, good, &[&high, &low]);
        check_rows(section, good, &[&low, &low]);
    }
    check_rows(Section::BlacklistCountries, &[b"KE", b"RW"], &[b"RW", b"KE"]);
}

#[test]
fn ranges_that_overlap_or_end_before_they_begin_are_refused() {
    let apart: &[&[u8]] = &[&[10, 0, 0, 0, 10, 0, 0, 9], &[10, 0, 0, 10, 10, 0, 0, 10]];
    check_rows(Section::BlacklistV4Ranges, apart, &[&[10, 0, 0, 0, 10, 0, 0, 9], &[10, 0, 0, 9, 10, 0, 0, 12]]);
    check_rows(Section::BlacklistV4Ranges, apart, &[&[10, 0, 0, 0, 10, 0, 0, 9], &[10, 0, 0, 3, 10, 0, 0, 4]]);
    check_rows(Section::BlacklistV4Ranges, apart, &[&[10, 0, 0, 9, 10, 0, 0, 8]]);
}

#[test]
fn networks_with_host_bits_or_an_impossible_length_are_refused() {
    let key = |length: u8, network: &str| section::v6_key(length, network.parse().unwrap());
    let good = [key(32, "2001:db8::"), key(48, "2001:db8::"), key(48, "2001:db8:1::")];
    let good: Vec<&[u8]> = good.iter().map(<[u8; 17]>::as_slice).collect();
    for bad in [key(32, "2001:db8:1::"), key(127, "2001:db8::1"), key(0, "8000::"), key(129, "2001:db8::"), key(255, "::")] {
        check_rows(Section::BlacklistV6Networks, &good, &[&bad]);
    }
    check_rows(Section::BlacklistV6Networks, &good, &[&key(48, "2001:db8::"), &key(32, "2001:db8::")]);
}

#[test]
fn prefixes_that_no_parser_makes_are_refused() {
    let key = |length: u8, digits: u64| {
        let mut key = [length; 9];
        key[1..].copy_from_slice(&digits.to_be_bytes());
        key
    };
    let good = [key(1, 2), key(3, 250), key(14, 25_078_812_345_678)];
    let good: Vec<&[u8]> = good.iter().map(<[u8; 9]>::as_slice).collect();
    for bad in [key(0, 0), key(1, 0), key(2, 250), key(4, 250), key(15, 250_788_123_456_789), key(255, 250), key(3, u64::MAX)] {
        check_rows(Section::BlacklistPrefixes, &good, &[&bad]);
    }
}

#[test]
fn countries_that_are_none_are_refused() {
    for bad in [b"XX", b"rw", b"T1", &[0xff, 0xff], &[0, 0]] {
        check_rows(Section::BlacklistCountries, &[b"RW"], &[bad]);
    }
}

/// Asks everything; a look-up of an accepted snapshot must not panic, whatever it holds.
fn ask(snapshot: &Snapshot) {
    for address in ["10.0.0.1", "255.255.255.255", "2001:db8::1", "::"] {
        let caller = caller("+250788123456", address);
        _ = (snapshot.blacklisted(&caller, 0), snapshot.held(&caller, u64::MAX), snapshot.len());
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_refused(bytes: Vec<u8>) {
        prop_assert!(Snapshot::decode(bytes).is_err());
    }

    #[test]
    fn arbitrary_rows_behind_a_right_header_never_panic(counts: [u8; 10], bytes in prop::collection::vec(0_u8..4, 0..200)) {
        let mut snapshot = builder().encode();
        for (section, count) in counts.iter().enumerate() {
            snapshot[COUNTS + 4 * section + 3] = count % 3;
        }
        let length: usize = SECTIONS.into_iter().zip(counts).map(|(section, count)| usize::from(count % 3) * section.row_len()).sum();
        snapshot.extend(bytes.iter().cycle().take(if bytes.is_empty() { 0 } else { length }));
        if let Ok(snapshot) = Snapshot::decode(resealed(snapshot)) {
            ask(&snapshot);
        }
    }

    #[test]
    fn damage_that_a_writer_sealed_never_panics(at in 0_usize..212, to: u8) {
        let mut bytes = full().encode();
        bytes[at] = to;
        if let Ok(snapshot) = Snapshot::decode(resealed(bytes)) {
            ask(&snapshot);
        }
    }

    #[test]
    fn a_run_of_flipped_bits_is_refused(start in 0_usize..208, run in 1_u32..=u32::MAX) {
        let mut bytes = full().encode();
        for (byte, flips) in bytes[start..start + 4].iter_mut().zip(run.to_be_bytes()) {
            *byte ^= flips;
        }
        prop_assert!(Snapshot::decode(bytes).is_err());
    }
}
