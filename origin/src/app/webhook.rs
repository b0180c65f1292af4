//! What Meta tells us: receipts, template and account events, and what people answer to a code.
//!
//! **Invariant:** order and repetition do no harm. Receipts only move forwards; an inbound message counts once. No message's name is logged or
//! stored as it is: a `wamid` holds the number.

use futures_util::{StreamExt, TryStreamExt, stream};
use otp_shared::{
    phone::Phone,
    signature::{hex, unhex},
    subject::Subject,
    wire::{Delivery, FailureReason},
};

use super::{App, operators::ProposedChange};
use crate::{
    channels::whatsapp::{
        errors::Class,
        webhook::{Event, InboundKind},
    },
    domain::{
        evaluation::{ChallengeKey, Receipt},
        operator::Target,
    },
    store::StoreError,
};

/// Meta repeats webhooks for up to seven days (its webhook overview), and its signature has no time.
const REMEMBERED_MS: u64 = 7 * 24 * 3600 * 1000;
/// How many events of one webhook wait for the store at once.
const AT_ONCE: usize = 64;
/// How long an owner's STOP lasts.
const STOP_MS: u64 = 24 * 3600 * 1000;
/// Sends that an address is charged with for a code that its receiver did not ask for: a sixth of what it may send in ten minutes.
const DISOWNED_SENDS: u32 = 5;
/// The name under which an owner's own wish stands in the audit.
const OWNER: &str = "owner";

impl App {
    /// Takes every event of a verified webhook. They are free of order, so that a thousand of them wait for the store together.
    pub async fn handle_events(&self, events: Vec<Event>) -> Result<(), StoreError> {
        stream::iter(events).map(Ok).try_for_each_concurrent(AT_ONCE, |event| self.handle_event(event)).await
    }

    async fn handle_event(&self, event: Event) -> Result<(), StoreError> {
        self.sender.whatsapp.handle_event(&event);
        match event {
            Event::Receipt { reference, message_id, delivery, error_code, .. } => {
                let reason = (delivery == Delivery::Failed).then(|| failure(error_code));
                let challenge = reference.as_deref().and_then(unhex).map(ChallengeKey);
                self.receipt(Receipt { challenge, message: self.secrets.keys.message(&message_id), delivery, reason }).await?;
            }
            Event::Inbound { id, from, kind, about, at_s } => self.inbound(&id, from, kind, about.as_deref(), at_s).await?,
            Event::Unknown { field } => {
                self.telemetry.counters.add("webhooks", "unknown");
                tracing::debug!(target: "otp::webhook", field, "an event of an unknown kind");
            }
            _ => self.telemetry.counters.add("webhooks", "state"),
        }
        Ok(())
    }

    async fn receipt(&self, receipt: Receipt) -> Result<(), StoreError> {
        let known = self.store.receipt(&receipt).await?;
        // Meta repeats receipts, and `read` is told as another `delivered`.
        self.telemetry.counters.add_once("receipts", if known { delivery_name(receipt.delivery) } else { "unknown" }, receipt.message);
        Ok(())
    }

    async fn inbound(&self, id: &str, from: Phone, kind: InboundKind, about: Option<&str>, at_s: u64) -> Result<(), StoreError> {
        if !self.store.first_time(&hex(&self.secrets.keys.message(id).0), REMEMBERED_MS).await? {
            self.telemetry.counters.add("webhooks", "repeated");
            return Ok(());
        }
        match kind {
            InboundKind::Stop => self.owner_wishes(from, true, at_s).await,
            InboundKind::Start => self.owner_wishes(from, false, at_s).await,
            InboundKind::DidNotRequest => self.disowned(from, about).await?,
            InboundKind::Other => self.telemetry.counters.add("webhooks", "inbound"),
        }
        Ok(())
    }

    /// Somebody got a code that they did not ask for. Whoever asked pays for it; the owner of the number does not.
    async fn disowned(&self, from: Phone, about: Option<&str>) -> Result<(), StoreError> {
        let charged = match about {
            Some(message) => self.store.report_unsolicited(self.secrets.keys.message(message), DISOWNED_SENDS).await?,
            None => false,
        };
        self.telemetry.counters.add("webhooks", "did_not_request");
        tracing::warn!(target: "otp::abuse", phone = from.masked(), charged, "the owner says that the code was not requested");
        Ok(())
    }

    /// STOP blocks the owner's number for a day; START lifts what the owner blocked, and nothing that an operator did. Each counts from the time
    /// at which it was written, not from when Meta told: a STOP that comes late does not undo a newer START.
    async fn owner_wishes(&self, from: Phone, stop: bool, at_s: u64) {
        let now_ms = self.clock.now_ms();
        let at_ms = at_s.saturating_mul(1000).min(now_ms);
        let target = Target::blacklist(&Subject::Phone(from));
        let by_operator = self.operators.find(&target, now_ms).is_some_and(|entry| entry.actor != OWNER);
        let overtaken = self.operators.newest_ms(&target).is_some_and(|newest| newest > at_ms);
        if by_operator || overtaken || at_ms + STOP_MS <= now_ms {
            self.telemetry.counters.add("webhooks", "overruled");
            return;
        }
        let note = if stop { "STOP from the number's owner" } else { "START from the number's owner" };
        let ttl_ms = stop.then(|| at_ms + STOP_MS - now_ms);
        let proposed = ProposedChange { target, present: stop, actor: OWNER.to_owned(), note: note.to_owned(), ttl_ms };
        match self.change_as_of(proposed, at_ms).await {
            Ok(_) => self.telemetry.counters.add("webhooks", if stop { "stop" } else { "start" }),
            Err(error) => tracing::error!(target: "otp::webhook", %error, phone = from.masked(), "an owner's wish could not be kept"),
        }
    }
}

/// What Meta's code means to the fan.
fn failure(code: Option<u32>) -> FailureReason {
    match code.map(Class::of) {
        Some(Class::Undeliverable) => FailureReason::Undeliverable,
        _ => FailureReason::Refused,
    }
}

/// The receipt's word in counters.
fn delivery_name(delivery: Delivery) -> &'static str {
    match delivery {
        Delivery::Accepted => "accepted",
        Delivery::Unconfirmed => "unconfirmed",
        Delivery::Sent => "sent",
        Delivery::Delivered => "delivered",
        Delivery::Failed => "failed",
    }
}
