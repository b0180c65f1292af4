//! Carries webhooks: the handshake, the signature over the raw bytes, and a bounded number of repeats.

use std::time::Duration;

use hmac::{Hmac, Mac};
use serde::Serialize;
use serde_json::Value;
use sha2::Sha256;

use crate::ids::hex;
use crate::state::World;

/// The header of the signature.
pub const SIGNATURE: &str = "X-Hub-Signature-256";
/// How long one post may take.
const DEADLINE: Duration = Duration::from_secs(5);
/// The longest pause between two posts.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// A webhook that was answered 200.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Posted {
    /// Posts it took.
    pub attempts: u32,
}

/// Why a webhook did not get through.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WebhookError {
    /// No URL is set.
    #[error("no webhook URL is set")]
    NoUrl,
    /// The receiver did not answer the handshake with its challenge.
    #[error("the handshake failed: {0}")]
    Handshake(String),
    /// The last answer was not 200.
    #[error("the webhook was answered {0}")]
    Refused(u16),
    /// There was no answer.
    #[error("the webhook was not answered: {0}")]
    Unreachable(String),
    /// No message has that id.
    #[error("no WhatsApp message has the id {0}")]
    UnknownMessage(String),
    /// No template has that name and language.
    #[error("no template is called {0} in that language")]
    UnknownTemplate(String),
}

impl World {
    /// Where webhooks go from now on. The handshake precedes the first.
    pub fn set_webhook(&self, url: &str) {
        let mut state = self.lock();
        state.webhook = Some(url.to_owned());
        state.subscribed = false;
    }

    /// Posts `payload`, signed, until it is answered 200 or the attempts are used up.
    pub async fn post_webhook(&self, payload: &Value) -> Result<Posted, WebhookError> {
        let body = escaped(payload);
        let signature = sign(&self.settings.app_secret, &body);
        let mut pause = self.settings.retry.first;
        let mut attempts = 1;
        loop {
            let outcome = self.post_once(&body, &signature).await;
            match outcome {
                Ok(()) => return Ok(Posted { attempts }),
                Err(error) if error == WebhookError::NoUrl || attempts >= self.settings.retry.attempts => return Err(error),
                Err(_) => tokio::time::sleep(pause).await,
            }
            attempts += 1;
            pause = (pause * 2).min(LONGEST_PAUSE);
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

    /// Posts these very bytes once, with this very signature header or none, and returns the HTTP status. For forgeries.
    pub async fn post_raw(&self, body: &str, signature: Option<&str>) -> Result<u16, WebhookError> {
        let mut request = self
            .http
            .post(self.webhook_url()?)
            .timeout(DEADLINE)
            .header("Content-Type", "application/json")
            .header("User-Agent", "facebookexternalua")
            .body(body.to_owned());
        if let Some(signature) = signature {
            request = request.header(SIGNATURE, signature);
        }
        let response = request.send().await.map_err(|error| unreachable(&error))?;
        Ok(response.status().as_u16())
    }

    /// Asks the receiver to prove that it wants the webhooks.
    pub async fn handshake(&self) -> Result<(), WebhookError> {
        let url = self.webhook_url()?;
        let challenge = self.clock.now_ms().to_string();
        let query =
            [("hub.mode", "subscribe"), ("hub.challenge", challenge.as_str()), ("hub.verify_token", self.settings.verify_token.as_str())];
        let asked = self.http.get(&url).timeout(DEADLINE).query(&query).send().await;
        let response = asked.map_err(|error| unreachable(&error))?;
        let status = response.status().as_u16();
        let answer = response.text().await.unwrap_or_default();
        if status != 200 || answer != challenge {
            return Err(WebhookError::Handshake(format!("status {status}, the challenge did not come back alone")));
        }
        let mut state = self.lock();
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

/// JSON as Meta writes it: `/` as `\/` and everything beyond ASCII as `\uXXXX`, lower case, before it is signed. A receiver
/// that parses and writes the body anew signs other bytes.
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
