//! Identifiers that never repeat, not even after a restart: a receiver may remember them for days.

use std::fmt::Write;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

/// A source of identifiers, with a random seed.
#[derive(Debug)]
pub struct Ids {
    seed: u64,
    next: AtomicU64,
}

impl Default for Ids {
    fn default() -> Self {
        Self { seed: RandomState::new().build_hasher().finish(), next: AtomicU64::new(0) }
    }
}

impl Ids {
    /// A message id in Meta's layout. Like Meta's it contains the person's number, encoded and not
    /// encrypted, so it must not be logged either.
    pub fn wamid(&self, digits: &str) -> String {
        let mut bytes = vec![0x1c, 0x18, u8::try_from(digits.len()).unwrap_or(u8::MAX)];
        bytes.extend_from_slice(digits.as_bytes());
        bytes.extend_from_slice(&[0x15, 0x02, 0x00, 0x11, 0x18, 0x12]);
        bytes.extend_from_slice(self.hex(18).to_ascii_uppercase().as_bytes());
        bytes.push(0);
        format!("wamid.{}", STANDARD.encode(bytes))
    }

    /// A trace id, as in `fbtrace_id`.
    pub fn trace(&self) -> String {
        format!("A{}", URL_SAFE_NO_PAD.encode(self.hash().get(..16).unwrap_or_default()))
    }

    /// `length` hexadecimal digits, at most 64.
    pub fn hex(&self, length: usize) -> String {
        let mut hex = hex(&self.hash());
        hex.truncate(length);
        hex
    }

    fn hash(&self) -> [u8; 32] {
        let serial = self.next.fetch_add(1, Ordering::Relaxed);
        let mut hash = Sha256::new();
        hash.update(self.seed.to_be_bytes());
        hash.update(serial.to_be_bytes());
        hash.finalize().into()
    }
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wamid_looks_like_metas_and_never_comes_twice() {
        let ids = Ids::default();
        let first = ids.wamid("250788123456");
        assert!(first.starts_with("wamid.HBgMMjUwNzg4MTIzNDU2FQIAERgS"), "{first}");
        assert_ne!(first, ids.wamid("250788123456"));
        assert_ne!(Ids::default().hex(18), Ids::default().hex(18));
    }
}
