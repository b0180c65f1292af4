//! Who is asking: the address as the edge signed it, in the forms that limits and the blacklist use.

use std::net::IpAddr;

use otp_shared::{address::Address, phone::Phone, snapshot::Caller as Sought};

use super::{App, refusal::Refused};
use crate::domain::{
    evaluation::{Call, ClientNetwork, Idempotency},
    numbering::{self, NumberError},
};
use otp_shared::country::Country;

/// A fan's request, once its signature is believed.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The fan's address.
    pub address: IpAddr,
    /// The edge's nonce.
    pub nonce: [u8; 16],
    /// The fan's own key for repeats.
    pub idempotency_key: Option<String>,
    /// The raw body, to tell a repeat from another request.
    pub body: Vec<u8>,
}

impl Caller {
    /// The address in the form that limits use.
    pub fn network(&self) -> ClientNetwork {
        let address = Address::from(self.address);
        ClientNetwork { address: address.to_string(), site: address.site().map(|site| site.to_string()) }
    }

    /// What every call carries; `id` is random, `route` keeps the keys of two routes apart.
    pub fn call(&self, app: &App, id: [u8; 16], route: &str) -> Call {
        let idempotency = self.idempotency_key.as_ref().map(|key| Idempotency {
            key: app.secrets.keys.idempotency(&[b"key", route.as_bytes(), key.as_bytes()]),
            body: app.secrets.keys.idempotency(&[b"body", &self.body]),
        });
        Call { id, nonce: self.nonce, operator_version: app.operators.version(), idempotency }
    }
}

impl App {
    /// Parses a number, and refuses what is not served.
    pub fn served_phone(&self, text: &str) -> Result<(Phone, Country), Refused> {
        let phone = Phone::parse(text).map_err(|_| Refused::InvalidPhone)?;
        let country = numbering::check(phone, &self.settings.countries).map_err(|error| match error {
            NumberError::Invalid => Refused::InvalidPhone,
            NumberError::Unsupported => Refused::UnsupportedCountry,
        })?;
        Ok((phone, country))
    }

    /// Refuses whom an operator blocked.
    pub fn refuse_blacklisted(&self, phone: Option<(Phone, Country)>, address: IpAddr) -> Result<(), Refused> {
        let now_ms = self.clock.now_ms();
        let sought = Sought { phone: phone.map(|(phone, _)| (phone, self.secrets.hasher.hash(&phone))), address: Some(address) };
        match self.operators.blocks(&sought, phone.map(|(_, country)| country), now_ms) {
            Some(kind) => Err(Refused::Blacklisted(kind)),
            None => Ok(()),
        }
    }
}
