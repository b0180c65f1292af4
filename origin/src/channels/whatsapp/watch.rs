//! Looks the template's status up at Meta, again and again. Not the reading of the pages: that is
//! `lookup`'s.
//!
//! **Invariant:** lookups are rare, because Meta grants 200 management calls an hour and account.
//! Webhooks are the fast path; a refused send that contradicts both counts at once and asks for a
//! lookup.

use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::{WhatsApp, client::LookupError, lookup, template_status::Source, templates::Change};

/// Between two lookups when nothing happens.
const INTERVAL: Duration = Duration::from_mins(10);
/// Between two lookups while nothing can be sent, and before one that follows a doubt or a failure.
const SHORT_INTERVAL: Duration = Duration::from_mins(1);

impl WhatsApp {
    /// Looks the template up once.
    pub async fn poll_templates(&self) -> Result<(), LookupError> {
        // Taken before the call: what Meta changes while it answers must count as newer.
        let began_s = self.clock.now_ms() / 1_000;
        let listed = lookup::list(&self.client, &self.config.template).await;
        let mut state = self.state();
        state.lookup_error = listed.as_ref().err().cloned();
        for (language, change) in state.templates.apply_lookup(&listed?, began_s) {
            log_change(&language, change, Source::Graph);
        }
        let warnings = state.templates.warnings(self.config.code_life_s);
        if warnings != state.logged_warnings {
            tracing::warn!(target: "otp::whatsapp", ?warnings, "what the template needs a look for has changed");
            state.logged_warnings = warnings;
        }
        Ok(())
    }

    /// Looks the template up at once and then for ever: every ten minutes, and every minute while
    /// nothing can be sent, or after a doubt or a failure. Abort it at shutdown.
    pub async fn watch_templates(&self) {
        loop {
            if let Err(error) = self.poll_templates().await {
                tracing::warn!(target: "otp::whatsapp", %error, "the template could not be looked up");
                sleep(SHORT_INTERVAL).await;
                continue;
            }
            let interval = if self.state().templates.blocked() { SHORT_INTERVAL } else { INTERVAL };
            if timeout(interval, self.recheck.notified()).await.is_ok() {
                // Doubts come in bursts: one lookup answers all of a minute.
                sleep(SHORT_INTERVAL).await;
            }
        }
    }
}

pub(super) fn log_change(language: &str, change: Change, source: Source) {
    let Change { from, to } = change;
    if to.usable() {
        tracing::info!(target: "otp::whatsapp", language, ?from, ?to, ?source, "the template's status changed");
    } else {
        tracing::warn!(target: "otp::whatsapp", language, ?from, ?to, ?source, "the template's status changed");
    }
}
