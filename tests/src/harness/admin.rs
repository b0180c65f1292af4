//! An operator with curl and the admin token.

use otp_shared::headers;
use reqwest::Method;
use serde_json::{Value, json};

use super::{answer::Answer, ledger::Ledger};

/// The token of the operator named `ops`.
pub const ADMIN_TOKEN: &str = "admin-token-of-the-stories-0001";

/// Talks to the origin directly, as the runbook does.
#[derive(Clone)]
pub struct Admin {
    url: String,
    http: reqwest::Client,
    token: Option<String>,
    ledger: Ledger,
}

impl Admin {
    /// An operator at the origin at `url`.
    pub fn new(url: String, http: reqwest::Client, ledger: Ledger) -> Self {
        Self { url, http, token: Some(ADMIN_TOKEN.to_owned()), ledger }
    }

    /// The same with another token, or none.
    #[must_use]
    pub fn token(&self, token: Option<&str>) -> Self {
        Self { token: token.map(ToOwned::to_owned), ..self.clone() }
    }

    /// Sends a request; a body is JSON.
    pub async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Answer {
        let mut request = self.http.request(method.clone(), format!("{}{path}", self.url));
        if let Some(body) = body {
            request = request.json(body);
        }
        if let Some(token) = &self.token {
            request = request.header(headers::ADMIN_TOKEN, token);
        }
        let response = request.send().await.unwrap_or_else(|error| panic!("{method} {path} got no answer: {error:?}"));
        let answer = Answer::read(response).await;
        self.ledger.answer(answer.to_string());
        answer
    }

    /// `GET`
    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None).await
    }

    /// `POST /admin/otp/blacklist`, as in section 5 of the runbook.
    pub async fn block(&self, kind: &str, value: &str) -> Answer {
        let body = json!({ "type": kind, "value": value, "note": "Incident #123" });
        self.send(Method::POST, "/admin/otp/blacklist", Some(&body)).await
    }

    /// `DELETE /admin/otp/blacklist`, as in section 5 of the runbook.
    pub async fn unblock(&self, kind: &str, value: &str) -> Answer {
        self.send(Method::DELETE, "/admin/otp/blacklist", Some(&json!({ "type": kind, "value": value }))).await
    }

    /// `POST /admin/sessions`
    pub async fn authorise(&self, session_id: &str) -> Answer {
        self.ledger.token(session_id);
        let body = json!({ "sessionId": session_id, "note": "Incident #123", "ttlS": 600 });
        self.send(Method::POST, "/admin/sessions", Some(&body)).await
    }
}
