//! The keyed hash under which a phone is in the snapshot.

use std::fmt;

use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::phone::Phone;
use crate::secret::{Secret, mac};

/// Names the key of a snapshot's hashes; two keys are valid during a rotation. Tells nothing of the key.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct KeyId([u8; 4]);

/// The first eight bytes of an HMAC-SHA-256. Of a million blocked numbers, one in 10¹³ others shares a hash with one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PhoneHash(u64);

/// Hashes phones under the secret that edge and origin share.
#[derive(Clone)]
pub struct PhoneHasher {
    key_id: KeyId,
    keyed: Hmac<Sha256>,
}

impl PhoneHasher {
    /// The hasher of one shared secret.
    pub fn new(secret: &Secret) -> Self {
        let [a, b, c, d, ..] = secret.derive("snapshot key id");
        Self { key_id: KeyId([a, b, c, d]), keyed: mac(&secret.derive("snapshot phone hash")) }
    }

    /// Which key this is: equal ids, equal hashes.
    pub fn key_id(&self) -> KeyId {
        self.key_id
    }

    /// The hash of one number.
    pub fn hash(&self, phone: &Phone) -> PhoneHash {
        let mut keyed = self.keyed.clone();
        keyed.update(&phone.as_u64().to_be_bytes());
        let code: [u8; 32] = keyed.finalize().into_bytes().into();
        PhoneHash(code.first_chunk().copied().map_or(0, u64::from_be_bytes))
    }
}

impl fmt::Debug for PhoneHasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PhoneHasher").field("key_id", &self.key_id).finish_non_exhaustive()
    }
}

impl PhoneHash {
    /// A hash that was stored as an integer.
    pub fn from_u64(hash: u64) -> Self {
        Self(hash)
    }

    /// The hash as an integer.
    pub fn as_u64(self) -> u64 {
        self.0
    }
}

impl KeyId {
    /// An id that was stored.
    pub fn from_bytes(id: [u8; 4]) -> Self {
        Self(id)
    }

    /// The id as it is stored.
    pub fn to_bytes(self) -> [u8; 4] {
        self.0
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", u32::from_be_bytes(self.0))
    }
}
