//! What Meta tells us: receipts, template and account events, and what people answer to a code.
//!
//! **Invariant:** order and repetition do no harm. Receipts only move forwards; an inbound message counts once.

use futures_util::{StreamExt, TryStreamExt, stream};
use otp_shared::{phone::Phone, signature::unhex, subject::Subject};

use super::{App, operators::Wanted};
use crate::{
    domain::{judgement::ChallengeKey, operator::About},
    store::StoreError,
    whatsapp::webhook::{Event, InboundKind},
};

/// Meta repeats webhooks for up to seven days (its webhook overview), and its signature has no time.
const REMEMBERED_MS: u64 = 7 * 24 * 3600 * 1000;
/// How many events of one webhook wait for the store at once.
const AT_ONCE: usize = 64;
/// How long an owner's STOP lasts.
const STOP_MS: u64 = 24 * 3600 * 1000;
/// The name under which an owner's own wish stands in the audit.
const OWNER: &str = "owner";

impl App {
    /// Takes every event of a verified webhook. They are free of order, so that a thousand of them wait for the store together.
    pub async fn heed(&self, events: Vec<Event>) -> Result<(), StoreError> {
        stream::iter(events).map(Ok).try_for_each_concurrent(AT_ONCE, |event| self.heed_one(event)).await
    }

    async fn heed_one(&self, event: Event) -> Result<(), StoreError> {
        self.whatsapp.heed(&event);
        match event {
            Event::Receipt { reference, message_id, delivery, .. } => self.receipt(reference.as_deref(), &message_id, delivery).await?,
            Event::Inbound { id, from, kind, .. } => self.inbound(&id, from, kind).await?,
            Event::Unknown { field } => {
                self.counters.add("webhooks", "unknown");
                tracing::debug!(target: "otp::webhook", field, "an event of an unknown kind");
            }
            _ => self.counters.add("webhooks", "state"),
        }
        Ok(())
    }

    async fn receipt(&self, reference: Option<&str>, message_id: &str, delivery: otp_shared::wire::Delivery) -> Result<(), StoreError> {
        let known = match reference.and_then(unhex) {
            Some(key) => self.store.receipt(ChallengeKey(key), delivery).await?,
            None => false,
        };
        // Meta repeats receipts, and `read` is told as another `delivered`.
        self.counters.add_once("receipts", if known { delivery_name(delivery) } else { "unknown" }, message_id);
        Ok(())
    }

    async fn inbound(&self, id: &str, from: Phone, kind: InboundKind) -> Result<(), StoreError> {
        if !self.store.first_time(id, REMEMBERED_MS).await? {
            self.counters.add("webhooks", "repeated");
            return Ok(());
        }
        match kind {
            InboundKind::Stop => self.owner_wishes(from, true).await,
            InboundKind::Start => self.owner_wishes(from, false).await,
            InboundKind::DidNotRequest => {
                self.counters.add("webhooks", "did_not_request");
                tracing::warn!(target: "otp::abuse", phone = from.masked(), "the owner says that the code was not requested");
            }
            InboundKind::Other => self.counters.add("webhooks", "inbound"),
        }
        Ok(())
    }

    /// STOP blocks the owner's number for a day; START lifts what the owner blocked, and nothing that an operator did.
    async fn owner_wishes(&self, from: Phone, stop: bool) {
        let about = About::blacklist(&Subject::Phone(from));
        let standing = self.operators.find(&about, self.clock.now_ms());
        if standing.is_some_and(|entry| entry.who != OWNER) || (!stop && !self.operators.in_force(&about, self.clock.now_ms())) {
            return;
        }
        let note = if stop { "STOP from the number's owner" } else { "START from the number's owner" };
        let wanted = Wanted { about, present: stop, who: OWNER.to_owned(), note: note.to_owned(), ttl_ms: stop.then_some(STOP_MS) };
        match self.change(wanted).await {
            Ok(_) => self.counters.add("webhooks", if stop { "stop" } else { "start" }),
            Err(error) => tracing::error!(target: "otp::webhook", %error, phone = from.masked(), "an owner's wish could not be kept"),
        }
    }
}

/// The receipt's word in counters.
fn delivery_name(delivery: otp_shared::wire::Delivery) -> &'static str {
    use otp_shared::wire::Delivery;
    match delivery {
        Delivery::Accepted => "accepted",
        Delivery::Unconfirmed => "unconfirmed",
        Delivery::Sent => "sent",
        Delivery::Delivered => "delivered",
        Delivery::Failed => "failed",
    }
}
