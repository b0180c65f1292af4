//! Limits that are tight enough for a small schedule to fill them.

use otp_origin::domain::evaluation::Quotas;
use otp_shared::limits::{Limit, Quota};

use crate::random::Random;

/// Draws them.
pub fn draw(random: &mut Random) -> Quotas {
    let mut quotas = Quotas::default();
    let tight: [(Limit, &[u32], &[u64]); 9] = [
        (Limit::RequestPhoneCooldown, &[1], &[1, 10, 60]),
        (Limit::RequestPhoneHour, &[2, 3, 5], &[3600]),
        (Limit::RequestPhoneDay, &[3, 5, 10], &[86_400]),
        (Limit::RequestIp, &[2, 3, 5], &[60, 600]),
        (Limit::RequestSite, &[4, 8], &[600]),
        (Limit::RequestGlobal, &[3, 5, 8], &[60]),
        (Limit::RequestRecipients, &[2, 3, 5], &[86_400]),
        (Limit::VerifyChallenge, &[3, 5], &[900]),
        (Limit::VerifyIp, &[2, 4, 6], &[60]),
    ];
    for (limit, counts, windows) in tight {
        if random.chance(45) {
            quotas = quotas.with(limit, Quota { count: random.pick(counts), window_s: random.pick(windows) });
        }
    }
    if random.chance(50) {
        quotas = quotas.with(Limit::RequestPhoneCooldown, Quota { count: 1, window_s: 1 });
    }
    quotas
}
