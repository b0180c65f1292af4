//! Copies of the operator state, sealed before they lie in KV: XChaCha20-Poly1305 with the replica's name as associated data.

use chacha20poly1305::{
    AeadInPlace, KeyInit, XChaCha20Poly1305,
    aead::{Aead, Payload},
};
use otp_shared::secret::Secret;

use crate::clock;

const NONCE_BYTES: usize = 24;

/// Seals under the current secret, opens what either secret sealed.
pub struct Sealer {
    current: XChaCha20Poly1305,
    previous: Option<XChaCha20Poly1305>,
}

impl Sealer {
    /// Derives the keys.
    pub fn new(current: &Secret, previous: Option<&Secret>) -> Self {
        Self { current: cipher(current), previous: previous.map(cipher) }
    }

    /// Nonce, then ciphertext and tag.
    pub fn seal(&self, replica: &str, plain: &[u8]) -> Vec<u8> {
        let nonce: [u8; NONCE_BYTES] = clock::random();
        let mut sealed = plain.to_vec();
        let tag = self
            .current
            .encrypt_in_place_detached(&nonce.into(), replica.as_bytes(), &mut sealed)
            .expect("the state is far below the cipher's limit of 256 GiB");
        [&nonce[..], &sealed, &tag].concat()
    }

    /// `None`: damaged, of another replica, or under a secret that is no longer valid.
    pub fn open(&self, replica: &str, sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_BYTES>()?;
        let open = |cipher: &XChaCha20Poly1305| cipher.decrypt(&(*nonce).into(), Payload { msg: sealed, aad: replica.as_bytes() }).ok();
        std::iter::once(&self.current).chain(&self.previous).find_map(open)
    }
}

fn cipher(secret: &Secret) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(&secret.derive("operator-copy").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(fill: char) -> Secret {
        Secret::parse(&fill.to_string().repeat(32)).unwrap()
    }

    #[test]
    fn a_copy_is_opened_by_its_own_replicas_name_only() {
        let sealer = Sealer::new(&secret('a'), None);
        let sealed = sealer.seal("one", b"state");
        assert_eq!(sealer.open("one", &sealed).as_deref(), Some(&b"state"[..]));
        assert_eq!(sealer.open("two", &sealed), None);
        assert!(!sealed.windows(5).any(|window| window == b"state"));
    }

    #[test]
    fn the_previous_secret_still_opens() {
        let sealed = Sealer::new(&secret('a'), None).seal("one", b"state");
        assert!(Sealer::new(&secret('b'), Some(&secret('a'))).open("one", &sealed).is_some());
        assert!(Sealer::new(&secret('b'), None).open("one", &sealed).is_none());
    }

    #[test]
    fn damage_is_noticed() {
        let sealer = Sealer::new(&secret('a'), None);
        let mut sealed = sealer.seal("one", b"state");
        sealed[30] ^= 1;
        assert_eq!(sealer.open("one", &sealed), None);
        assert_eq!(sealer.open("one", &[]), None);
    }
}
