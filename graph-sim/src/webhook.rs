//! The webhook sender: the verification handshake, the signature over the raw bytes, and a bounded
//! number of retries.

use std::time::Duration;

use hmac::{Hmac, Mac};
use serde::Serialize;
use serde_json::Value;
use sha2::Sha256;

use crate::ids::hex;
use crate::simulator::Simulator;

/// The name of the header that carries the signature.
pub const SIGNATURE: &str = "X-Hub-Signature-256";
/// How long one request may take.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The longest pause between two attempts.
const MAX_BACKOFF: Duration = Duration::from_secs(10);

/// A webhook that the receiver accepted: it responded 200.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Posted {
    /// How many requests it took.
    pub attempts: u32,
}

/// Why a webhook was not posted or not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WebhookError {
    /// No webhook URL is set.
    #[error("no webhook URL is set")]
    NoUrl,
    /// The receiver did not return the handshake's challenge.
    #[error("the handshake failed: {0}")]
    Handshake(String),
    /// The last response had this status, not 200.
    #[error("the webhook was answered {0}")]
    Refused(u16),
    /// There was no response.
    #[error("the webhook was not answered: {0}")]
    Unreachable(String),
    /// No WhatsApp message has that id.
    #[error("no WhatsApp message has the id {0}")]
    UnknownMessage(String),
    /// No template has that name and language.
    #[error("no template is called {0} in that language")]
    UnknownTemplate(String),
}

impl Simulator {
    /// Sets the URL that webhooks go to. The handshake runs before the first of them.
    pub fn set_webhook(&self, url: &str) {
        let mut state = self.lock();
        state.webhook = Some(url.to_owned());
        state.subscribed = false;
    }

    /// Posts `payload`, signed, until the receiver responds 200 or the attempts are used up.
    ///
    /// # Errors
    /// The error of the last attempt.
    pub async fn post_webhook(&self, payload: &Value) -> Result<Posted, WebhookError> {
        let body = escaped(payload);
        let signature = sign(&self.settings.app_secret, &body);
        let mut backoff = self.settings.retry.first;
        let mut attempts = 1;
        loop {
            match self.post_once(&body, &signature).await {
                Ok(()) => return Ok(Posted { attempts }),
                Err(error) if error == WebhookError::NoUrl || attempts >= self.settings.retry.attempts => return Err(error),
                Err(_) => tokio::time::sleep(backoff).await,
            }
            attempts += 1;
            backoff = (backoff * 2).min(MAX_BACKOFF);
        }
    }

    async fn post_once(&self, body: &str, signature: &str) -> Result<(), WebhookError> {
        if !self.lock().subscribed {
            self.handshake().await?;
        }
        match self.post_raw(body, Some(signature)).await? {
            200 => Ok(()),
            status => Err(WebhookError::Refused(status)),
        }
    }

    /// Posts `body` once, byte for byte, with `signature` as its header or without one, and returns
    /// the HTTP status. For forged webhooks.
    ///
    /// # Errors
    /// [`WebhookError::NoUrl`], [`WebhookError::Unreachable`].
    pub async fn post_raw(&self, body: &str, signature: Option<&str>) -> Result<u16, WebhookError> {
        let mut request = self
            .http
            .post(self.webhook_url()?)
            .timeout(TIMEOUT)
            .header("Content-Type", "application/json")
            .header("User-Agent", "facebookexternalua")
            .body(body.to_owned());
        if let Some(signature) = signature {
            request = request.header(SIGNATURE, signature);
        }
        let response = request.send().await.map_err(|error| unreachable(&error))?;
        Ok(response.status().as_u16())
    }

    /// Meta's verification request: the receiver has to return `hub.challenge` and nothing else.
    ///
    /// # Errors
    /// [`WebhookError::NoUrl`], [`WebhookError::Unreachable`], [`WebhookError::Handshake`].
    pub async fn handshake(&self) -> Result<(), WebhookError> {
        let url = self.webhook_url()?;
        let challenge = self.clock.now_ms().to_string();
        let query =
            [("hub.mode", "subscribe"), ("hub.challenge", challenge.as_str()), ("hub.verify_token", self.settings.verify_token.as_str())];
        let response = self.http.get(&url).timeout(TIMEOUT).query(&query).send().await;
        let response = response.map_err(|error| unreachable(&error))?;
        let status = response.status().as_u16();
        let body = response.text().await.unwrap_or_default();
        if status != 200 || body != challenge {
            return Err(WebhookError::Handshake(format!("status {status}, the challenge did not come back alone")));
        }
        let mut state = self.lock();
        // `set_webhook` may have changed the URL in the meantime.
        state.subscribed = state.webhook.as_deref() == Some(&url);
        Ok(())
    }

    fn webhook_url(&self) -> Result<String, WebhookError> {
        self.lock().webhook.clone().ok_or(WebhookError::NoUrl)
    }
}

/// The value of [`SIGNATURE`] for `body`.
pub fn sign(app_secret: &str, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(app_secret.as_bytes()).expect("HMAC takes a key of any length");
    mac.update(body.as_bytes());
    format!("sha256={}", hex(&mac.finalize().into_bytes()))
}

/// JSON as Meta serializes it before it signs: `/` as `\/`, and every character beyond ASCII as
/// `\uXXXX` in lower case. A receiver that parses the body and serializes it again gets other
/// bytes, and so another signature.
pub fn escaped(payload: &Value) -> String {
    let mut out = String::new();
    let mut units = [0; 2];
    for c in payload.to_string().chars() {
        match c {
            '/' => out.push_str("\\/"),
            c if c.is_ascii() => out.push(c),
            c => out.extend(c.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}"))),
        }
    }
    out
}

fn unreachable(error: &reqwest::Error) -> WebhookError {
    WebhookError::Unreachable(if error.is_timeout() { "timed out" } else { "no connection" }.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_signature_is_over_the_escaped_bytes() {
        let body = escaped(&json!({ "href": "https://x/y", "name": "äöå 🌟" }));
        assert_eq!(body, r#"{"href":"https:\/\/x\/y","name":"\u00e4\u00f6\u00e5 \ud83c\udf1f"}"#);
        // echo -n '<body>' | openssl dgst -sha256 -hmac development-app-secret
        let expected = "sha256=3b6c7094a44ef9cb5ed744446cf5b637a03ca1675cfc79fca58ae0f7965453ee";
        assert_eq!(sign("development-app-secret", &body), expected);
    }
}
