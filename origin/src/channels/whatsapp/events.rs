//! What the events of verified webhooks change in this adapter: the template's status, and whether
//! the account may send. Not receipts and answers of people: those are use cases.

use otp_shared::wire::Delivery;

use super::{
    WhatsApp,
    errors::Class,
    template_status::{Observation, Source, TemplateStatus},
    watch::log_change,
    webhook::Event,
};

/// A failed receipt younger than this tells of the account as it is now.
const FRESH_S: u64 = 60;

impl WhatsApp {
    /// Takes in one event of a verified webhook. Events that are not about the account or its
    /// templates change nothing here.
    pub fn handle_event(&self, event: &Event) {
        match event {
            Event::Template { name, language, event, reason, at_s } => {
                // Without a time it counts as of now. One from the future would silence all that
                // follow.
                let at_s = at_s.unwrap_or(u64::MAX).min(self.clock.now_ms() / 1_000);
                let (status, reason) = (TemplateStatus::parse(event), reason.clone());
                self.observe(name, language, Observation { status, at_s, source: Source::Webhook, reason });
            }
            Event::TemplateQuality { name, language, quality } => {
                tracing::info!(target: "otp::whatsapp", language, quality, "the template's quality changed");
                self.state().templates.set_quality(name, language, quality);
            }
            Event::TemplateCategory { name, language, category } => {
                tracing::warn!(target: "otp::whatsapp", language, category, "Meta changed the template's category");
                self.state().templates.set_category(name, language, category);
                self.recheck.notify_one();
            }
            Event::PhoneQuality { event } => tracing::warn!(target: "otp::whatsapp", event, "the number's throughput or quality changed"),
            Event::Account { event, detail } => tracing::error!(target: "otp::whatsapp", event, detail, "the account changed"),
            Event::Receipt { delivery: Delivery::Failed, error_code: Some(code), at_s, .. } => self.failed_later(*code, *at_s),
            Event::Receipt { .. } | Event::Inbound { .. } | Event::Unknown { .. } => {}
        }
    }

    fn observe(&self, name: &str, language: &str, observation: Observation) {
        let change = self.state().templates.observe(name, language, observation);
        if let Some(change) = change {
            log_change(language, change, Source::Webhook);
            self.recheck.notify_one();
        }
    }

    /// Some refusals come only with the receipt: an unpaid bill mostly does.
    fn failed_later(&self, code: u32, at_s: u64) {
        let now_ms = self.clock.now_ms();
        match Class::of(code) {
            Class::Template(_) => self.recheck.notify_one(),
            Class::Halted(halt) if at_s.saturating_add(FRESH_S) >= now_ms / 1_000 => self.state().trip(halt.into(), now_ms),
            class if class.wants_attention() => {
                tracing::error!(target: "otp::whatsapp", code, ?class, "a message failed after WhatsApp took it");
            }
            _ => {}
        }
    }
}
