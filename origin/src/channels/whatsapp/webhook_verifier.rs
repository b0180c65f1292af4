//! Verifies that a webhook comes from Meta: `X-Hub-Signature-256` over the raw body, and the token
//! of the handshake. Not that it is new: Meta's signature holds no time, so repeats are recognised
//! elsewhere.
//!
//! **Invariant:** the raw bytes are verified, never JSON written anew: Meta escapes what is not
//! ASCII before it signs.

use hmac::{Hmac, Mac};
use otp_shared::signature::unhex;
use sha2::Sha256;
use subtle::ConstantTimeEq;

/// The header that holds the signature.
pub const SIGNATURE_HEADER: &str = "x-hub-signature-256";

/// The secret that Meta signs with, and the token that it shows at the handshake. `Debug` redacts.
pub struct WebhookVerifier {
    signer: Hmac<Sha256>,
    verify_token: String,
}

impl WebhookVerifier {
    /// Takes the app's secret and the handshake's token.
    pub fn new(app_secret: &str, verify_token: &str) -> Self {
        let signer = Hmac::new_from_slice(app_secret.as_bytes()).expect("HMAC takes a key of any length");
        Self { signer, verify_token: verify_token.to_owned() }
    }

    /// Whether `header` is the signature of the raw `body`, in constant time. No header is none.
    pub fn is_signed(&self, header: Option<&str>, body: &[u8]) -> bool {
        let Some(claimed) = header.and_then(|header| header.strip_prefix("sha256=")).and_then(unhex::<32>) else {
            return false;
        };
        self.signer.clone().chain_update(body).verify((&claimed).into()).is_ok()
    }

    /// Whether the handshake's `hub.verify_token` is ours, in constant time.
    pub fn is_verify_token(&self, token: &str) -> bool {
        self.verify_token.as_bytes().ct_eq(token.as_bytes()).into()
    }
}

impl std::fmt::Debug for WebhookVerifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WebhookVerifier(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `printf '%s' "$BODY" | openssl dgst -sha256 -hmac development-app-secret`
    const SIGNED: &str = "sha256=8d4a84df3ef5fa44aff756727452d1c183384b58539119bed5f57fc440b68549";
    const BODY: &[u8] = br#"{"name":"\u00e4\u00f6\u00e5"}"#;

    fn verifier() -> WebhookVerifier {
        WebhookVerifier::new("development-app-secret", "development-verify-token")
    }

    #[test]
    fn the_raw_bytes_are_what_is_signed() {
        assert!(verifier().is_signed(Some(SIGNED), BODY));
        assert!(!verifier().is_signed(Some(SIGNED), "{\"name\":\"äöå\"}".as_bytes()), "the same JSON in other bytes");
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
            assert!(!verifier().is_signed(header, BODY), "{header:?}");
        }
        assert!(!WebhookVerifier::new("another", "").is_signed(Some(SIGNED), BODY));
        assert!(!verifier().is_signed(Some(SIGNED), b""));
    }

    #[test]
    fn the_handshake_wants_the_whole_token() {
        assert!(verifier().is_verify_token("development-verify-token"));
        for token in ["", "development-verify-toke", "development-verify-tokens", "Development-verify-token"] {
            assert!(!verifier().is_verify_token(token), "{token}");
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        assert_eq!(format!("{:?}", verifier()), "WebhookVerifier(redacted)");
    }
}
