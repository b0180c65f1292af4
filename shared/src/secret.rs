//! Secrets that are never printed, and the keys derived from them. Not a key store: where secrets come from is each side's configuration.
//!
//! **Invariant:** no two uses share a key; each use names its label.

use hkdf::Hkdf;
use hmac::{Hmac, digest::KeyInit};
use sha2::Sha256;

/// The fewest bytes a secret may have.
pub const MIN_SECRET_BYTES: usize = 32;

/// A secret of at least [`MIN_SECRET_BYTES`] bytes. `Debug` redacts it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

/// Why a text is no [`Secret`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a secret has at least {MIN_SECRET_BYTES} bytes, this one has {0}")]
pub struct SecretTooShort(pub usize);

impl Secret {
    /// Takes the text's bytes as the secret.
    pub fn parse(text: &str) -> Result<Self, SecretTooShort> {
        let bytes = text.trim().as_bytes();
        if bytes.len() < MIN_SECRET_BYTES {
            return Err(SecretTooShort(bytes.len()));
        }
        Ok(Self(bytes.to_vec()))
    }

    /// The 256-bit key for one use: HKDF-SHA-256 (RFC 5869) with `label` as the info.
    pub fn derive(&self, label: &str) -> [u8; 32] {
        let mut key = [0; 32];
        // `expand` fails only over 255 × 32 bytes of output; the zero key it would leave is never reached.
        let expanded = Hkdf::<Sha256>::new(Some(b"otp/v1"), &self.0).expand(label.as_bytes(), &mut key);
        debug_assert!(expanded.is_ok());
        key
    }
}

/// HMAC-SHA-256 (RFC 2104) under a derived key, ready to be fed.
pub fn mac(key: &[u8; 32]) -> Hmac<Sha256> {
    // RFC 2104 pads the key with zeros to the hash's block of 64 bytes; doing so here needs no fallible constructor.
    let mut block = [0; 64];
    for (padded, byte) in block.iter_mut().zip(key) {
        *padded = *byte;
    }
    KeyInit::new(&block.into())
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn a_short_secret_is_refused() {
        assert_eq!(Secret::parse("short"), Err(SecretTooShort(5)));
        assert!(Secret::parse(TEXT).is_ok());
    }

    #[test]
    fn debug_shows_nothing_of_it() {
        assert_eq!(format!("{:?}", Secret::parse(TEXT).unwrap()), "Secret(redacted)");
    }

    #[test]
    fn the_mac_is_that_of_rfc_4231() {
        // Test case 1: 20 bytes of 0x0b; padding with zeros makes no other key of it.
        use hmac::Mac;
        let mut key = [0; 32];
        key[..20].fill(0x0b);
        let tag = mac(&key).chain_update(b"Hi There").finalize().into_bytes();
        assert_eq!(crate::signature::hex(&tag), "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    }

    #[test]
    fn each_label_has_its_own_key() {
        let secret = Secret::parse(TEXT).unwrap();
        assert_ne!(secret.derive("a"), secret.derive("b"));
        assert_eq!(secret.derive("a"), Secret::parse(TEXT).unwrap().derive("a"));
    }
}
