//! How much memory the fallback takes: a million requests, each of another number from another address, half of them verified, as a flood during an
//! outage would be. Not a test: it prints the resident size as it grows and stops growing.

use std::{sync::Arc, time::Instant};

use otp_origin::{
    app::records::Records,
    clock::SystemClock,
    domain::{
        evaluation::{
            Call, ChallengeKey, ClientNetwork, PhoneKey, Quotas, RequestCall, RequestVerdict, SendOutcome, SendReport, VerifyCall,
        },
        limits::Policy,
    },
    store::memory::Memory,
};
use otp_shared::{
    limits::{Limit, Quota},
    wire::{Channel, Delivery},
};

const REQUESTS: u128 = 1_000_000;
const STEP: u128 = 100_000;
/// As `OTP_MEMORY_RECORDS` has it when unset.
const RECORDS: usize = 400_000;

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime without I/O");
    runtime.block_on(flood());
}

async fn flood() {
    let plenty = Quota { count: 1_000_000_000, window_s: 60 };
    let quotas = Quotas::default().with(Limit::RequestGlobal, plenty).with(Limit::RequestRecipients, plenty);
    let memory = Arc::new(Memory::new(Arc::new(SystemClock), 1, RECORDS));
    let store = Records::new(Arc::clone(&memory) as _, memory, Policy { quotas, hold_threshold: 5 });
    let began = Instant::now();
    println!("before: {} MB", resident_mb());
    for n in 0..REQUESTS {
        one(&store, n).await;
        if (n + 1).is_multiple_of(STEP) {
            println!("{:>9} requests: {} MB, {:.0} s", n + 1, resident_mb(), began.elapsed().as_secs_f64());
        }
    }
}

async fn one(store: &Records, n: u128) {
    let id = n.to_be_bytes();
    let address = format!("10.{}.{}.{}", n >> 16 & 255, n >> 8 & 255, n & 255);
    let network = ClientNetwork { address: address.clone(), site: None };
    let expires_at_ms = u64::MAX / 4096;
    let call = |salt: u8| Call { id: salted(id, salt), nonce: salted(id, salt), operator_version: 0, idempotency: None };
    let request = RequestCall {
        call: call(1),
        challenge: ChallengeKey(id),
        expires_at_ms,
        resend: false,
        phone: PhoneKey(id),
        network: network.clone(),
        phone_hold: format!("phone:{n:016x}"),
        address_hold: format!("address:{address}"),
    };
    // Full, it refuses; that is what bounds it.
    let Ok(RequestVerdict::Send { charged, .. }) = store.request(&request).await else { return };
    let outcome = SendOutcome::Left { channel: Channel::Whatsapp, delivery: Delivery::Accepted, message: None, at_ms: 0 };
    _ = store.record_outcome(&SendReport { request, charged, outcome, answer: None }).await;
    if n.is_multiple_of(2) {
        let guess = VerifyCall {
            call: call(2),
            challenge: ChallengeKey(id),
            expires_at_ms,
            correct: true,
            phone: PhoneKey(id),
            network,
            answer: "1790000000000".to_owned(),
        };
        _ = store.verify(&guess).await;
    }
}

fn salted(mut id: [u8; 16], salt: u8) -> [u8; 16] {
    id[0] = salt;
    id
}

/// `VmRSS` of this process.
fn resident_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or_default() / 1024
}
