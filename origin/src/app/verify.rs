//! A fan types the code.
//!
//! 1. Parse. 2. Blacklist. 3. Compare, in constant time, and tell nobody. 4. One evaluation by the store, which counts the guess. 5. The session id.

use otp_shared::wire::{Verified, VerifyRequest};

use super::{App, caller::Caller, refusal::Refused, request::interrupted};
use crate::{
    clock,
    domain::{
        challenge::Passcode,
        evaluation::{Interruption, VerifyCall, VerifyVerdict},
        session::Use,
    },
};

/// How often a evaluation is repeated because operators changed something meanwhile.
const MAX_STALE: usize = 3;

impl App {
    /// Judges the guess; a right one answers with a session id.
    pub async fn verify_code(&self, body: VerifyRequest, caller: Caller) -> Result<Verified, Refused> {
        let (phone, country) = self.served_phone(&body.phone)?;
        let typed = Passcode::parse(&body.code).ok_or(Refused::InvalidField("code: six digits"))?;
        self.refuse_blacklisted(Some((phone, country)), caller.address)?;
        // Not whether it has ended: a repeat of an idempotency key is answered after that, too.
        let challenge = self.secrets.challenges.parse(&body.challenge_id, phone).ok_or(Refused::ChallengeUnknown)?;
        let code = self.secrets.challenges.code(&body.challenge_id, &challenge, phone).ok_or(Refused::ChallengeUnknown)?;
        let now_ms = self.clock.now_ms();
        let mut call = VerifyCall {
            call: caller.call(self, clock::random(), "verify"),
            challenge: challenge.key,
            expires_at_ms: challenge.expires_at_ms,
            correct: code.matches(&typed),
            phone: self.secrets.keys.phone(phone),
            network: caller.network(),
            answer: now_ms.to_string(),
        };
        for _ in 0..MAX_STALE {
            let verdict = self.telemetry.timings.store.time(self.store.verify(&call)).await?;
            if verdict != VerifyVerdict::Interrupted(Interruption::StaleOperatorState) {
                let verified_at_ms = accept(&verdict, now_ms).inspect_err(|refused| self.count_verify(refused))?;
                self.telemetry.counters.add("verifies", "accepted");
                self.telemetry.counters.add("country_verifies", country.as_str());
                let session = self.secrets.sessions.of_challenge(challenge.key, phone, verified_at_ms);
                return Ok(Verified { verified: true, session_id: self.secrets.sessions.sign(&session, Use::SessionId) });
            }
            self.sync_operators().await?;
            self.refuse_blacklisted(Some((phone, country)), caller.address)?;
            call.call = caller.call(self, clock::random(), "verify");
        }
        Err(interrupted(&Interruption::StaleOperatorState))
    }

    fn count_verify(&self, refused: &Refused) {
        if matches!(refused, Refused::CodeIncorrect { .. }) {
            self.telemetry.counters.add("verifies", "incorrect");
        }
    }
}

/// When the code was verified: now, or when the request that this one repeats was answered.
fn accept(verdict: &VerifyVerdict, now_ms: u64) -> Result<u64, Refused> {
    match *verdict {
        VerifyVerdict::Accepted => Ok(now_ms),
        VerifyVerdict::Incorrect { attempts_left } => Err(Refused::CodeIncorrect { attempts_left }),
        VerifyVerdict::Locked { retry_after_ms } => Err(Refused::ChallengeLocked { retry_after_ms }),
        VerifyVerdict::Unknown => Err(Refused::ChallengeUnknown),
        VerifyVerdict::Refused { limit, retry_after_ms } => Err(Refused::Limited { limit, retry_after_ms, hold: None }),
        VerifyVerdict::Interrupted(Interruption::Repeat(ref at)) => at.parse().map_err(|_| Refused::ChallengeUnknown),
        VerifyVerdict::Interrupted(ref interruption) => Err(interrupted(interruption)),
    }
}
