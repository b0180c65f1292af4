//! Somebody shows a wrong operator's token: it is limited by address, so that nobody tries many.

use std::net::IpAddr;

use otp_shared::{address::Address, limits::Limit};

use super::super::{App, refusal::Refused};

impl App {
    /// Why a wrong token is refused. A store that does not answer costs the limit, not the refusal.
    pub async fn wrong_admin_token(&self, peer: Option<IpAddr>) -> Refused {
        self.telemetry.counters.add("errors", "admin_token");
        tracing::warn!(target: "otp::admin", peer = peer.map(tracing::field::display), "a wrong admin token");
        let key = peer.map_or_else(String::new, |address| Address::from(address).to_string());
        match self.store.charge(Limit::AdminAuth, &key).await {
            Ok(Err(retry_after_ms)) => Refused::Limited { limit: Limit::AdminAuth, retry_after_ms, hold: None },
            Ok(Ok(())) | Err(_) => Refused::WrongAdminToken,
        }
    }
}
