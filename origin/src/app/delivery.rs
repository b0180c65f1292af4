//! How the newest message of a challenge fares, as receipts told it.

use otp_shared::wire::DeliveryState;

use super::{App, refusal::Refused};
use crate::domain::challenge::unproven_key;

impl App {
    /// The id need not prove itself: 128 random bits name the record, and it tells neither number nor code.
    pub async fn delivery_state(&self, challenge_id: &str) -> Result<DeliveryState, Refused> {
        let key = unproven_key(challenge_id).ok_or(Refused::ChallengeUnknown)?;
        let record = self.store.delivery(key).await?.ok_or(Refused::ChallengeUnknown)?;
        Ok(DeliveryState { delivery: record.delivery, channel: record.channel })
    }
}
