//! What Meta says by itself or when asked, taken into the state: lookups of the template, and the events of verified webhooks.
//!
//! **Invariant:** asking is slow (Meta grants 200 management calls an hour and account) and webhooks are the fast path; an answer to a send that
//! contradicts both counts at once, and wakes the asking.

use std::time::Duration;

use otp_shared::wire::Delivery;
use tokio::time::{sleep, timeout};

use super::{
    WhatsApp,
    breaker::Cause,
    client::LookupError,
    errors::Class,
    lookup,
    standing::{Heard, Source, Standing},
    templates::Change,
    webhook::Event,
};

/// Between two lookups when nothing happens.
const SLOW: Duration = Duration::from_mins(10);
/// Between a doubt, or a failure, and the next lookup.
const SOON: Duration = Duration::from_mins(1);
/// A failed receipt younger than this tells of the account as it is now.
const FRESH_S: u64 = 60;

impl WhatsApp {
    /// Asks Meta once where the template stands.
    pub async fn poll_templates(&self) -> Result<(), LookupError> {
        // What Meta does while it answers must count as newer.
        let began_s = self.now_s();
        let listed = lookup::list(&self.client, &self.config.template).await;
        let mut state = self.state();
        state.lookup_error = listed.as_ref().err().cloned();
        for (language, change) in state.templates.looked_up(&listed?, began_s) {
            note(&language, change, Source::Graph);
        }
        let warnings = state.templates.warnings(self.config.code_life_s);
        if warnings != state.warned {
            tracing::warn!(target: "otp::whatsapp", ?warnings, "what the template needs a look for has changed");
            state.warned = warnings;
        }
        Ok(())
    }

    /// Asks at once and then for ever: every ten minutes, and every minute while nothing can be sent, or after a doubt or a failure. Abort it at shutdown.
    pub async fn watch_templates(&self) {
        loop {
            if let Err(error) = self.poll_templates().await {
                tracing::warn!(target: "otp::whatsapp", %error, "the template could not be looked up");
                sleep(SOON).await;
                continue;
            }
            // While nothing can be sent, every minute counts.
            let rest = if self.state().templates.barred() { SOON } else { SLOW };
            if timeout(rest, self.doubt.notified()).await.is_ok() {
                sleep(SOON).await;
            }
        }
    }

    /// Takes in an event of a verified webhook. Events that are not about the account or its templates change nothing here.
    pub fn heed(&self, event: &Event) {
        match event {
            Event::Template { name, language, event, reason, at_s } => {
                let (standing, reason) = (Standing::parse(event), reason.clone());
                // An event from the future would silence all that follow it.
                let at_s = at_s.unwrap_or(u64::MAX).min(self.now_s());
                self.hear(name, language, Heard { standing, at_s, source: Source::Webhook, reason });
            }
            Event::TemplateQuality { name, language, quality } => {
                tracing::info!(target: "otp::whatsapp", language, quality, "the template's quality changed");
                self.state().templates.rated(name, language, quality);
            }
            Event::TemplateCategory { name, language, category } => {
                tracing::warn!(target: "otp::whatsapp", language, category, "Meta changed the template's category");
                self.state().templates.categorised(name, language, category);
                self.doubt.notify_one();
            }
            Event::PhoneQuality { event } => tracing::warn!(target: "otp::whatsapp", event, "the number's throughput or quality changed"),
            Event::Account { event, detail } => tracing::error!(target: "otp::whatsapp", event, detail, "the account changed"),
            Event::Receipt { delivery: Delivery::Failed, error_code: Some(code), at_s, .. } => self.failed_later(*code, *at_s),
            Event::Receipt { .. } | Event::Inbound { .. } | Event::Unknown { .. } => {}
        }
    }

    fn hear(&self, name: &str, language: &str, heard: Heard) {
        let change = self.state().templates.hear(name, language, heard);
        if let Some(change) = change {
            note(language, change, Source::Webhook);
            self.doubt.notify_one();
        }
    }

    /// Some refusals come only with the receipt: an unpaid bill mostly does.
    fn failed_later(&self, code: u32, at_s: u64) {
        let now_ms = self.clock.now_ms();
        match Class::of(code) {
            Class::Template(_) => self.doubt.notify_one(),
            Class::Halted(halt) if at_s.saturating_add(FRESH_S) >= now_ms / 1_000 => self.state().stop(Cause::Halted(halt), now_ms),
            class if class.wants_attention() => {
                tracing::error!(target: "otp::whatsapp", code, ?class, "a message failed after WhatsApp took it");
            }
            _ => {}
        }
    }

    fn now_s(&self) -> u64 {
        self.clock.now_ms() / 1_000
    }
}

fn note(language: &str, change: Change, source: Source) {
    let Change { from, to } = change;
    if to.usable() {
        tracing::info!(target: "otp::whatsapp", language, ?from, ?to, ?source, "the template's standing changed");
    } else {
        tracing::warn!(target: "otp::whatsapp", language, ?from, ?to, ?source, "the template's standing changed");
    }
}
