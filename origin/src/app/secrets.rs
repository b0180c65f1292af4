//! What is made with secrets: challenge ids and codes, session ids and cookies, and the hashes under which stores and the edge know a number.

use hmac::Mac;
use otp_shared::{
    phone::Phone,
    secret::{self, Secret},
    snapshot::PhoneHasher,
};

use crate::domain::{
    challenge::Challenges,
    evaluation::{MessageKey, PhoneKey},
    session::Sessions,
};

/// Everything that is derived from the secrets in the configuration.
pub struct Secrets {
    /// Ids and codes.
    pub challenges: Challenges,
    /// Session ids and cookies.
    pub sessions: Sessions,
    /// Hashes numbers as the edge does.
    pub hasher: PhoneHasher,
    /// Hashes numbers, idempotency keys and the names of messages for the store.
    pub keys: StoreKeys,
}

impl Secrets {
    /// Derives everything. What `previous` made is still accepted.
    pub fn new(secret: &Secret, previous: Option<&Secret>, edge_secret: &Secret) -> Self {
        Self {
            challenges: Challenges::new(secret, previous),
            sessions: Sessions::new(secret, previous),
            hasher: PhoneHasher::new(edge_secret),
            keys: StoreKeys::new(secret),
        }
    }
}

/// The keys under which numbers, idempotency keys and the names of messages are hashed before they reach a store.
pub struct StoreKeys {
    phone: [u8; 32],
    idempotency: [u8; 32],
    message: [u8; 32],
}

impl StoreKeys {
    /// Derives the keys.
    pub fn new(secret: &Secret) -> Self {
        Self {
            phone: secret.derive("store/phone"),
            idempotency: secret.derive("store/idempotency"),
            message: secret.derive("store/message"),
        }
    }

    /// The number's name in the store.
    pub fn phone(&self, phone: Phone) -> PhoneKey {
        PhoneKey(short_tag(&self.phone, &[phone.digits().as_bytes()]))
    }

    /// The name in the store of what a provider calls a message: a `wamid` holds the number.
    pub fn message(&self, id: &str) -> MessageKey {
        MessageKey(short_tag(&self.message, &[id.as_bytes()]))
    }

    /// The name of an idempotency key, for one route and number.
    pub fn idempotency(&self, parts: &[&[u8]]) -> [u8; 16] {
        short_tag(&self.idempotency, parts)
    }
}

/// A 128-bit tag over parts, each with its length, so that no two lists of parts collide.
fn short_tag(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 16] {
    let feed = |mac: hmac::Hmac<sha2::Sha256>, part: &&[u8]| mac.chain_update((part.len() as u64).to_be_bytes()).chain_update(part);
    let tag = parts.iter().fold(secret::mac(key), feed).finalize().into_bytes();
    let mut short = [0; 16];
    short.copy_from_slice(&tag[..16]);
    short
}
