//! How long the edge takes to look a caller up among a million blocked numbers: `cargo bench --package otp-shared --bench snapshot`.
//!
//! Not a guard: it prints and never fails. What is promised is "microseconds at a million".

use std::hint::black_box;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use otp_shared::phone::Phone;
use otp_shared::secret::Secret;
use otp_shared::snapshot::{Caller, PhoneHasher, Snapshot, SnapshotBuilder};
use otp_shared::subject::Subject;

const ENTRIES: u64 = 1_000_000;
const LOOKUPS: u32 = 1_000_000;
const NOW_S: u64 = 1_790_000_000;

fn main() {
    let hasher = PhoneHasher::new(&Secret::parse("0123456789abcdef0123456789abcdef").expect("it has 32 bytes"));
    let builder = filled(&hasher);
    let (bytes, encoding) = timed(|| builder.encode());
    println!("{ENTRIES} phones: {} bytes, encoded in {encoding:.0?}", bytes.len());
    let (snapshot, decoding) = timed(|| Snapshot::decode(bytes).expect("its own bytes"));
    println!("decoded and checked in {decoding:.0?}");
    // Every other caller is blocked. Neighbouring numbers have unrelated hashes, so each look-up misses the processor's caches.
    let callers: Vec<_> = (0..u64::from(LOOKUPS)).map(|n| caller(n * 2 % (2 * ENTRIES) + n % 2, &hasher)).collect();
    let (found, lookups) = timed(|| callers.iter().filter(|caller| black_box(snapshot.blacklisted(caller, NOW_S)).is_some()).count());
    println!("{:.3} µs a look-up ({found} of {LOOKUPS} blocked)", micros_each(lookups));
    let ((), hashing) =
        timed(|| callers.iter().filter_map(|caller| caller.phone).for_each(|(phone, _)| _ = black_box(hasher.hash(&phone))));
    println!("{:.3} µs to hash a number for it", micros_each(hashing));
}

/// Blocks every other number, and a few thousand of the rest.
fn filled(hasher: &PhoneHasher) -> SnapshotBuilder {
    let mut builder = SnapshotBuilder::new(hasher.key_id(), 1, NOW_S);
    for n in 0..ENTRIES {
        builder.blacklist(&Subject::Phone(number(n * 2)), Some(NOW_S + 3_600), hasher);
    }
    for n in 0..2_000 {
        for network in [format!("10.{}.{}.0/24", n / 256, n % 256), format!("2001:db8:{n:x}::/{}", 40 + n % 9)] {
            builder.blacklist(&Subject::parse("cidr", &network).expect("a network"), None, hasher);
        }
    }
    builder
}

fn caller(n: u64, hasher: &PhoneHasher) -> Caller {
    let phone = number(n);
    let [.., a, b] = n.to_be_bytes();
    let address =
        if n.is_multiple_of(3) { IpAddr::from([0x2001, 0xdb8, 0xff00, 0, 0, 0, a.into(), b.into()]) } else { IpAddr::from([192, 0, a, b]) };
    Caller { phone: Some((phone, hasher.hash(&phone))), address: Some(address) }
}

fn number(n: u64) -> Phone {
    Phone::parse(&format!("+25078{n:07}")).expect("twelve digits")
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let result = work();
    (result, start.elapsed())
}

fn micros_each(all: Duration) -> f64 {
    all.as_secs_f64() * 1e6 / f64::from(LOOKUPS)
}
