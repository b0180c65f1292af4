//! Proof that a webhook comes from Meta: `X-Hub-Signature-256` over the body as it came, and the handshake's token. Not proof that it is new:
//! Meta's signature has no time, so what was seen must be remembered elsewhere.
//!
//! **Invariant:** the raw bytes are signed, never JSON written anew: Meta escapes what is not ASCII before it signs.

use hmac::{Hmac, Mac};
use otp_shared::signature::unhex;
use sha2::Sha256;
use subtle::ConstantTimeEq;

/// The header's name.
pub const HEADER: &str = "x-hub-signature-256";

/// What Meta signs with and what we asked it to show. `Debug` redacts.
pub struct Proof {
    signer: Hmac<Sha256>,
    verify_token: String,
}

impl Proof {
    /// Takes the app's secret and the handshake's token.
    pub fn new(app_secret: &str, verify_token: &str) -> Self {
        let signer = Hmac::new_from_slice(app_secret.as_bytes()).expect("HMAC takes a key of any length");
        Self { signer, verify_token: verify_token.to_owned() }
    }

    /// Whether `header` signs `body`, in constant time. No header is no signature.
    pub fn signs(&self, header: Option<&str>, body: &[u8]) -> bool {
        let Some(claimed) = header.and_then(|header| header.strip_prefix("sha256=")).and_then(unhex::<32>) else {
            return false;
        };
        self.signer.clone().chain_update(body).verify((&claimed).into()).is_ok()
    }

    /// Whether the handshake's token is ours, in constant time.
    pub fn subscribes(&self, token: &str) -> bool {
        self.verify_token.as_bytes().ct_eq(token.as_bytes()).into()
    }
}

impl std::fmt::Debug for Proof {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Proof(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `printf '%s' "$BODY" | openssl dgst -sha256 -hmac development-app-secret`
    const SIGNED: &str = "sha256=8d4a84df3ef5fa44aff756727452d1c183384b58539119bed5f57fc440b68549";
    const BODY: &[u8] = br#"{"name":"\u00e4\u00f6\u00e5"}"#;

    fn proof() -> Proof {
        Proof::new("development-app-secret", "development-verify-token")
    }

    #[test]
    fn the_raw_bytes_are_what_is_signed() {
        assert!(proof().signs(Some(SIGNED), BODY));
        assert!(!proof().signs(Some(SIGNED), "{\"name\":\"äöå\"}".as_bytes()), "the same JSON in other bytes");
    }

    #[test]
    fn what_is_no_signature_of_the_body_is_refused() {
        let cut = &SIGNED[..SIGNED.len() - 2];
        let longer = format!("{SIGNED}00");
        let bare = SIGNED.trim_start_matches("sha256=");
        for header in [
            None,
            Some(""),
            Some("sha256="),
            Some(cut),
            Some(&longer),
            Some(bare),
            Some("sha1=00"),
            Some(&SIGNED.replace(|c: char| c.is_ascii_digit(), "g")),
        ] {
            assert!(!proof().signs(header, BODY), "{header:?}");
        }
        assert!(!Proof::new("another", "").signs(Some(SIGNED), BODY));
        assert!(!proof().signs(Some(SIGNED), b""));
    }

    #[test]
    fn the_handshake_wants_the_whole_token() {
        assert!(proof().subscribes("development-verify-token"));
        for token in ["", "development-verify-toke", "development-verify-tokens", "Development-verify-token"] {
            assert!(!proof().subscribes(token), "{token}");
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        assert_eq!(format!("{:?}", proof()), "Proof(redacted)");
    }
}
