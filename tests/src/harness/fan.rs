//! A fan at a phone: asks for a code, reads it, types it, signs in. Or somebody who pretends.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use otp_shared::{headers, routes};
use reqwest::{
    Method,
    header::{CONTENT_TYPE, COOKIE},
};
use serde_json::{Value, json};

use super::{answer::Answer, door::Door, ledger::Ledger};
use otp_graph_sim::Simulator;

const SESSION_COOKIE: &str = "fan_session";
const JSON: &str = "application/json";

/// A client at one address, with a cookie jar for one cookie. Clones share the jar.
#[derive(Clone)]
pub struct Fan {
    door: Door,
    http: reqwest::Client,
    address: IpAddr,
    headers: Vec<(String, String)>,
    cookie: Arc<Mutex<Option<String>>>,
    ledger: Ledger,
}

/// A code that arrived.
#[derive(Debug, Clone)]
pub struct Sent {
    /// The number it arrived on, as the fan spelled it.
    pub phone: String,
    /// From the 202.
    pub challenge_id: String,
    /// From the phone.
    pub code: String,
}

impl Sent {
    /// A code that is not the one that arrived; `n` tells the wrong ones apart.
    pub fn wrong_code(&self, n: u32) -> String {
        let right: u32 = self.code.parse().expect("a code is six digits");
        format!("{:06}", (right + 1 + n % 999_999) % 1_000_000)
    }
}

impl Fan {
    /// A fan at `address` who has no cookie yet.
    pub fn new(door: Door, http: reqwest::Client, address: IpAddr, ledger: Ledger) -> Self {
        Self { door, http, address, headers: Vec::new(), cookie: Arc::default(), ledger }
    }

    /// Somebody else at another address, through the same door.
    #[must_use]
    pub fn at(&self, address: &str) -> Self {
        let address = address.parse().expect("the story gives an IP address");
        Self::new(self.door.clone(), self.http.clone(), address, self.ledger.clone())
    }

    /// The same fan, whose requests have one more header.
    #[must_use]
    pub fn with(&self, name: &str, value: &str) -> Self {
        let mut fan = self.clone();
        fan.headers.push((name.to_owned(), value.to_owned()));
        fan
    }

    /// The same fan with an `Idempotency-Key`.
    #[must_use]
    pub fn once(&self, key: &str) -> Self {
        self.with(headers::IDEMPOTENCY_KEY, key)
    }

    /// Sends anything at all. A `POST` says that it is JSON unless the fan says otherwise.
    pub async fn send(&self, method: Method, path: &str, body: &[u8]) -> Answer {
        let mut request = self.door.request(&self.http, &method, path, body, self.address);
        if method == Method::POST && !self.headers.iter().any(|(name, _)| name == CONTENT_TYPE.as_str()) {
            request = request.header(CONTENT_TYPE, JSON);
        }
        if let Some(cookie) = self.cookie() {
            request = request.header(COOKIE, format!("{SESSION_COOKIE}={cookie}"));
        }
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let response = request.send().await.unwrap_or_else(|error| panic!("{method} {path} got no answer: {error:?}"));
        let answer = Answer::read(response).await;
        self.remember(&answer);
        answer
    }

    /// `POST` of a JSON body.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::POST, path, body.to_string().as_bytes()).await
    }

    /// `GET`
    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, b"").await
    }

    /// `POST /otp/request`
    pub async fn request(&self, phone: &str) -> Answer {
        self.post(routes::OTP_REQUEST, &json!({ "phone": phone })).await
    }

    /// `POST /otp/request` for the same code once more.
    pub async fn resend(&self, sent: &Sent) -> Answer {
        self.post(routes::OTP_REQUEST, &json!({ "phone": sent.phone, "challengeId": sent.challenge_id })).await
    }

    /// `POST /otp/verify`
    pub async fn verify(&self, sent: &Sent, code: &str) -> Answer {
        self.post(routes::OTP_VERIFY, &json!({ "challengeId": sent.challenge_id, "phone": sent.phone, "code": code })).await
    }

    /// `POST /auth/fan/from-onboarding`
    pub async fn from_onboarding(&self, session_id: &str) -> Answer {
        self.ledger.token(session_id);
        self.post(routes::FROM_ONBOARDING, &json!({ "sessionId": session_id })).await
    }

    /// `GET /auth/fan/session`
    pub async fn session(&self) -> Answer {
        self.get(routes::SESSION).await
    }

    /// `DELETE /auth/fan/session`
    pub async fn sign_out(&self) -> Answer {
        self.send(Method::DELETE, routes::SESSION, b"").await
    }

    /// Asks for a code, which has to be granted, and reads it on the phone.
    pub async fn receive_code(&self, graph: &Simulator, phone: &str) -> Sent {
        let before = graph.messages_to(phone).len();
        let challenge_id = challenge_of(&self.request(phone).await.expect(202));
        let code = graph.arrived(phone, before + 1).await.code;
        Sent { phone: phone.to_owned(), challenge_id, code }
    }

    /// The whole way, each step of which has to succeed. Returns the session id that was redeemed.
    pub async fn sign_in(&self, graph: &Simulator, phone: &str) -> String {
        let sent = self.receive_code(graph, phone).await;
        let session_id = session_of(&self.verify(&sent, &sent.code).await.expect(200));
        self.from_onboarding(&session_id).await.expect(204);
        session_id
    }

    /// The value of the cookie that it holds.
    pub fn cookie(&self) -> Option<String> {
        self.cookie.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts a cookie into the jar, stolen or kept.
    pub fn set_cookie(&self, value: Option<String>) {
        *self.cookie.lock().unwrap_or_else(PoisonError::into_inner) = value;
    }

    fn remember(&self, answer: &Answer) {
        self.ledger.answer(answer.to_string());
        if let Some(cookie) = answer.cookie(SESSION_COOKIE) {
            if !cookie.is_empty() {
                self.ledger.token(&cookie);
            }
            self.set_cookie(Some(cookie).filter(|cookie| !cookie.is_empty()));
        }
        if answer.status == 200
            && answer.body.starts_with(b"{")
            && let Some(session) = answer.json()["sessionId"].as_str()
        {
            self.ledger.token(session);
        }
    }
}

/// The challenge id of a 202.
#[track_caller]
pub fn challenge_of(accepted: &Answer) -> String {
    accepted.json()["challengeId"].as_str().unwrap_or_else(|| panic!("no challengeId: {accepted}")).to_owned()
}

/// The session id of a 200.
#[track_caller]
pub fn session_of(verified: &Answer) -> String {
    verified.json()["sessionId"].as_str().unwrap_or_else(|| panic!("no sessionId: {verified}")).to_owned()
}
