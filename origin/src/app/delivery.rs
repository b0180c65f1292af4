//! How the newest message of a challenge fares, as receipts told it.
//!
//! **Invariant:** reading changes nothing. That a message was dropped is what the silence means at the time of the question: a late receipt corrects it.

use otp_shared::wire::{Channel, Delivery, DeliveryState, FailureReason};

use super::{App, refusal::Refused};
use crate::domain::{challenge::unproven_key, evaluation::DeliveryRecord};

impl App {
    /// The id need not prove itself: 128 random bits name the record, and it tells neither number nor code.
    pub async fn delivery_state(&self, challenge_id: &str) -> Result<DeliveryState, Refused> {
        let key = unproven_key(challenge_id).ok_or(Refused::ChallengeUnknown)?;
        let record = self.store.delivery(key).await?.ok_or(Refused::ChallengeUnknown)?;
        Ok(state_at(&record, self.sender.whatsapp.template_ttl_s(), self.clock.now_ms()))
    }
}

/// What the record says at `now_ms`, when WhatsApp tries for `ttl_s` to deliver.
pub(super) fn state_at(record: &DeliveryRecord, ttl_s: u64, now_ms: u64) -> DeliveryState {
    let silent = record.channel == Channel::Whatsapp && !matches!(record.delivery, Delivery::Delivered | Delivery::Failed);
    let dropped = silent && now_ms >= record.sent_at_ms.saturating_add(ttl_s.saturating_mul(1000));
    if dropped {
        return DeliveryState { delivery: Delivery::Failed, channel: record.channel, reason: Some(FailureReason::Dropped) };
    }
    DeliveryState { delivery: record.delivery, channel: record.channel, reason: record.reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(delivery: Delivery, channel: Channel, now_ms: u64) -> (Delivery, Option<FailureReason>) {
        let state = state_at(&DeliveryRecord { channel, delivery, reason: None, sent_at_ms: 1_000 }, 300, now_ms);
        (state.delivery, state.reason)
    }

    #[test]
    fn a_silent_message_is_dropped_when_whatsapp_tries_no_longer() {
        for delivery in [Delivery::Accepted, Delivery::Unconfirmed, Delivery::Sent] {
            assert_eq!(at(delivery, Channel::Whatsapp, 300_999), (delivery, None));
            assert_eq!(at(delivery, Channel::Whatsapp, 301_000), (Delivery::Failed, Some(FailureReason::Dropped)));
        }
    }

    #[test]
    fn what_has_ended_and_what_sends_no_receipts_is_never_dropped() {
        assert_eq!(at(Delivery::Delivered, Channel::Whatsapp, u64::MAX), (Delivery::Delivered, None));
        assert_eq!(at(Delivery::Failed, Channel::Whatsapp, u64::MAX), (Delivery::Failed, None));
        assert_eq!(at(Delivery::Accepted, Channel::Sms, u64::MAX), (Delivery::Accepted, None));
    }
}
