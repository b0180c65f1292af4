//! An operator looks at the holds, and lifts one. A hold ends by itself when its limit does.

use otp_shared::{address::Address, phone::Phone};
use serde::{Deserialize, Serialize};

use super::super::{App, refusal::Refused};
use crate::domain::evaluation::Hold;

/// What an operator sends: a number or an address by `type` and `value`, or the `subject` as it is listed.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct LiftHold {
    /// `phone` or `ip`.
    pub r#type: Option<String>,
    /// In any spelling.
    pub value: Option<String>,
    /// `phone:<hash>` or `address:<address>`.
    pub subject: Option<String>,
}

/// A hold in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Held {
    /// Numbers as their keyed hash: nothing here knows more.
    pub subject: String,
    /// Unix second until which it is refused.
    pub until_s: u64,
}

impl From<Hold> for Held {
    fn from(hold: Hold) -> Self {
        Self { subject: hold.subject, until_s: hold.until_ms.div_ceil(1000) }
    }
}

impl App {
    /// The holds in force.
    pub async fn holds(&self) -> Result<Vec<Held>, Refused> {
        Ok(self.store.holds().await?.into_iter().map(Held::from).collect())
    }

    /// Lifts a hold and forgets the refusals behind it.
    pub async fn lift_hold(&self, actor: &str, lift: LiftHold) -> Result<(), Refused> {
        let subject = self
            .held_subject(&lift)
            .ok_or(Refused::InvalidField("type and value: phone with a number, or ip with an address; or subject, as it is listed"))?;
        if !self.store.lift_hold(&subject).await? {
            return Err(Refused::NotFound);
        }
        let kind = if subject.starts_with("phone:") { "phone" } else { "ip" };
        tracing::info!(target: "otp::admin", who = actor, r#type = kind, "a hold was lifted");
        self.publication.changed.notify_one();
        Ok(())
    }

    /// The subject under which the store keeps the hold.
    fn held_subject(&self, lift: &LiftHold) -> Option<String> {
        match (lift.r#type.as_deref(), lift.value.as_deref(), lift.subject.as_deref()) {
            (Some("phone"), Some(number), None) => Phone::parse(number).ok().map(|phone| self.phone_hold(phone)),
            (Some("ip"), Some(address), None) => Address::parse(address.trim()).ok().map(|address| address_hold(&address)),
            (None, None, Some(subject)) => match subject.split_once(':')? {
                ("phone", hash) if is_hash(hash) => Some(subject.to_owned()),
                ("address", address) => Address::parse(address).ok().map(|address| address_hold(&address)),
                _ => None,
            },
            _ => None,
        }
    }
}

/// The subject under which an address is held.
pub(super) fn address_hold(address: &Address) -> String {
    format!("address:{address}")
}

/// 64 bits, as [`App::phone_hold`] writes them.
fn is_hash(text: &str) -> bool {
    text.len() == 16 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}
