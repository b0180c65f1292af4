//! Meta's pair rate limit (this business to this person, error 131056): remembers who may not get
//! another message yet, and for how long: 4^X seconds, as Meta asks.
//!
//! **Invariant:** one person's limit slows nobody else down.

use std::collections::HashMap;

use otp_shared::phone::Phone;

/// The longest pause is 4^4 = 256 s.
const MAX_STEP: u32 = 4;
/// How long after its pause a person's steps are remembered.
const REMEMBERED_MS: u64 = 300_000;
/// When more people than this are remembered, those whose time is over are dropped.
const SWEEP_ABOVE: usize = 1_024;

/// The people who have to wait.
#[derive(Debug, Default)]
pub struct PairRateLimit(HashMap<Phone, Pause>);

#[derive(Debug, Clone, Copy)]
struct Pause {
    step: u32,
    until_ms: u64,
}

impl PairRateLimit {
    /// Milliseconds until the person may get a message again.
    pub fn wait_ms(&self, person: Phone, now_ms: u64) -> u64 {
        self.0.get(&person).map_or(0, |pause| pause.until_ms.saturating_sub(now_ms))
    }

    /// Meta refused: the pause that begins now, in milliseconds.
    pub fn refused(&mut self, person: Phone, now_ms: u64) -> u64 {
        if self.0.len() >= SWEEP_ABOVE {
            self.0.retain(|_, pause| pause.remembered(now_ms));
        }
        let before = self.0.get(&person).filter(|pause| pause.remembered(now_ms));
        let step = before.map_or(0, |pause| (pause.step + 1).min(MAX_STEP));
        let pause_ms = 4_u64.pow(step) * 1_000;
        self.0.insert(person, Pause { step, until_ms: now_ms + pause_ms });
        pause_ms
    }

    /// A message went through.
    pub fn accepted(&mut self, person: Phone) {
        self.0.remove(&person);
    }
}

impl Pause {
    fn remembered(&self, now_ms: u64) -> bool {
        now_ms < self.until_ms + REMEMBERED_MS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn phone(last: u64) -> Phone {
        Phone::parse(&format!("+250788{last:06}")).unwrap()
    }

    #[test]
    fn the_pauses_are_metas_powers_of_four() {
        let (mut limit, mut now_ms) = (PairRateLimit::default(), 0);
        for pause_s in [1, 4, 16, 64, 256, 256] {
            assert_eq!(limit.refused(phone(1), now_ms), pause_s * 1_000);
            now_ms += pause_s * 1_000;
        }
    }

    #[test]
    fn only_that_person_waits_and_only_so_long() {
        let mut limit = PairRateLimit::default();
        limit.refused(phone(1), 0);
        assert_eq!((limit.wait_ms(phone(1), 400), limit.wait_ms(phone(1), 1_000), limit.wait_ms(phone(2), 0)), (600, 0, 0));
    }

    #[test]
    fn a_message_that_went_through_or_five_minutes_start_anew() {
        let mut limit = PairRateLimit::default();
        limit.refused(phone(1), 0);
        limit.refused(phone(1), 1_000);
        limit.accepted(phone(1));
        assert_eq!(limit.refused(phone(1), 5_000), 1_000);
        assert_eq!(limit.refused(phone(1), 6_000 + REMEMBERED_MS), 1_000);
    }

    #[test]
    fn a_crowd_is_forgotten_once_its_time_is_over() {
        let mut limit = PairRateLimit::default();
        for person in 0..5_000 {
            limit.refused(phone(person), person * 1_000);
        }
        assert!(limit.0.len() <= SWEEP_ABOVE + 1, "{}", limit.0.len());
    }
}
