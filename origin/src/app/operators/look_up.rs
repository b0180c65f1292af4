//! An operator asks why somebody was refused, or was not, and what stands against them now. This replica's decisions
//! only, the newest of them, since its start; what the edge refused by itself never came here.

use std::net::IpAddr;

use otp_shared::{address::Address, phone::Phone, snapshot::Caller};
use serde::{Deserialize, Serialize};

use super::{
    super::{
        App,
        decisions::{Decision, DecisionFilter},
        refusal::Refused,
    },
    fields,
    lift_hold::{Held, address_hold},
};
use crate::domain::numbering;

/// What an operator sends: a number, an address, or neither for everybody's.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct LookUp {
    /// A number.
    pub phone: Option<String>,
    /// An address.
    pub ip: Option<String>,
    /// How many decisions at most, 1 to 1000; absent: 100.
    pub limit: Option<usize>,
}

/// What is known.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LookedUp {
    /// Whose decisions these are.
    pub replica: String,
    /// Since when they are kept, as Unix second.
    pub since_s: u64,
    /// What stands against the number or address now; `None`: nobody in particular was asked about.
    #[serde(rename = "standing", skip_serializing_if = "Option::is_none")]
    pub state: Option<SubjectState>,
    /// The newest first.
    pub decisions: Vec<Decision>,
}

/// What stands against a number or an address now.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SubjectState {
    /// The kind of blacklist entry that refuses.
    pub blacklisted_by: Option<&'static str>,
    /// Held until this Unix second.
    pub held_until_s: Option<u64>,
    /// By which the hold is lifted.
    #[serde(skip)]
    pub held_subject: Option<String>,
}

impl App {
    /// The decisions about a number, about an address, or about everybody.
    pub async fn look_up(&self, look_up: LookUp) -> Result<LookedUp, Refused> {
        let (filter, state) = match (look_up.phone.as_deref(), look_up.ip.as_deref()) {
            (None, None) => (DecisionFilter::All, None),
            (Some(phone), None) => {
                let phone = parse_phone(phone)?;
                (DecisionFilter::Phone(self.secrets.keys.phone(phone)), Some(self.state_of_phone(phone).await?))
            }
            (None, Some(ip)) => {
                let (ip, address) = parse_address(ip)?;
                (DecisionFilter::Address(address.to_string()), Some(self.state_of_address(ip, &address).await?))
            }
            (Some(_), Some(_)) => return Err(Refused::InvalidField("phone or ip, not both")),
        };
        let decisions = self.telemetry.decisions.newest(&filter, fields::page_size(look_up.limit));
        let (replica, since_s) = (self.settings.replica.clone(), self.telemetry.counters.started_ms() / 1000);
        Ok(LookedUp { replica, since_s, state, decisions })
    }

    async fn state_of_phone(&self, phone: Phone) -> Result<SubjectState, Refused> {
        let caller = Caller { phone: Some((phone, self.secrets.hasher.hash(&phone))), address: None };
        let blacklisted_by = self.operators.blocks(&caller, numbering::country(phone), self.clock.now_ms());
        self.with_hold(blacklisted_by, &self.phone_hold(phone)).await
    }

    async fn state_of_address(&self, ip: IpAddr, address: &Address) -> Result<SubjectState, Refused> {
        let caller = Caller { phone: None, address: Some(ip) };
        let blacklisted_by = self.operators.blocks(&caller, None, self.clock.now_ms());
        self.with_hold(blacklisted_by, &address_hold(address)).await
    }

    async fn with_hold(&self, blacklisted_by: Option<&'static str>, subject: &str) -> Result<SubjectState, Refused> {
        let held = self.holds().await?.into_iter().find(|held| held.subject == subject);
        let (held_subject, held_until_s) = held.map(|Held { subject, until_s }| (subject, until_s)).unzip();
        Ok(SubjectState { blacklisted_by, held_until_s, held_subject })
    }
}

/// Reads a number. A plus that was not escaped in a query or a form reaches us as a blank.
fn parse_phone(text: &str) -> Result<Phone, Refused> {
    let text = text.strip_prefix(' ').map_or_else(|| text.to_owned(), |rest| format!("+{}", rest.trim_start_matches([' ', '+'])));
    Phone::parse(text.trim()).map_err(|_| Refused::InvalidPhone)
}

/// Reads an address. Of `2001:db8::/64` the lowest is looked up in the blacklist.
fn parse_address(text: &str) -> Result<(IpAddr, Address), Refused> {
    let invalid = || Refused::InvalidField("ip: an address");
    let text = text.trim();
    let address = Address::parse(text).map_err(|_| invalid())?;
    let ip = text.split('/').next().and_then(|ip| ip.parse().ok()).ok_or_else(invalid)?;
    Ok((ip, address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_read_whatever_became_of_its_plus() {
        for text in ["+250788123456", " 250788123456", " +250788123456 ", "  250788123456"] {
            assert_eq!(parse_phone(text).map(|phone| phone.e164()), Ok("+250788123456".to_owned()), "{text}");
        }
        assert_eq!(parse_phone("lol"), Err(Refused::InvalidPhone));
    }

    #[test]
    fn an_address_is_read_with_the_blanks_around_it() {
        let (ip, address) = parse_address(" 203.0.113.7 ").unwrap();
        assert_eq!((ip.to_string().as_str(), address.to_string().as_str()), ("203.0.113.7", "203.0.113.7"));
        assert!(parse_address("203.0.113").is_err());
    }
}
