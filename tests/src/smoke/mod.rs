//! The post-incident checks of the runbook, against a running deployment: a checklist, and whether all of it holds.
//!
//! Safe against production. No message is sent: numbers that are asked for do not parse, and the test number is only ever *verified*, with a
//! challenge that never was. What is changed is one blacklist entry for the test number, which ends by itself after [`ENTRY_TTL_S`], is taken
//! back whatever else failed, and is not touched when somebody else's is there. The audit remembers both changes; that is its purpose.
//!
//! Not a load test, and not monitoring: it runs once, for a person.

use std::time::Duration;

use reqwest::{Client, Method};
use serde_json::{Value, json};

mod blacklist;
mod edge;
mod origin;
mod redis;
mod report;

pub use report::Report;

/// Seconds after which the test entry ends by itself.
pub const ENTRY_TTL_S: u64 = 300;
/// A number of the form that is served, and nobody's.
pub const TEST_NUMBER: &str = "+250788000000";

const PATIENCE: Duration = Duration::from_secs(15);

/// What is checked.
#[derive(Clone)]
pub struct Target {
    /// The edge's URL.
    pub edge: String,
    /// The origin's URL, `$BACKEND_URL` in the runbook.
    pub origin: String,
    /// The number that is blocked and unblocked.
    pub phone: String,
    /// An operator's token; without one, what needs it is skipped.
    pub admin_token: Option<String>,
    /// Redis; without it, what needs it is skipped.
    pub redis: Option<String>,
    /// Whether an origin without Redis is as it should be.
    pub embedded: bool,
    http: Client,
}

/// What came back.
struct Answer {
    status: u16,
    text: String,
}

/// What was seen, or what is wrong.
type Seen = Result<String, String>;

impl Target {
    /// A target with the test number, and nothing that needs a secret.
    pub fn new(edge: &str, origin: &str) -> Self {
        let http = Client::builder().timeout(PATIENCE).no_proxy().build().expect("a client with static options builds");
        let [edge, origin] = [edge, origin].map(|url| url.trim_end_matches('/').to_owned());
        Self { edge, origin, phone: TEST_NUMBER.to_owned(), admin_token: None, redis: None, embedded: false, http }
    }

    /// Goes through the whole checklist; `say` is told each line as it is known.
    pub async fn check<'a>(&self, say: impl FnMut(&str) + 'a) -> Report<'a> {
        let mut report = Report::new(say);
        origin::check(self, &mut report).await;
        edge::check(self, &mut report).await;
        blacklist::check(self, &mut report).await;
        redis::check(self, &mut report).await;
        report
    }

    async fn get(&self, url: &str) -> Result<Answer, String> {
        self.send(Method::GET, url, None, None).await
    }

    async fn post(&self, url: &str, body: &Value) -> Result<Answer, String> {
        self.send(Method::POST, url, None, Some(body)).await
    }

    async fn admin(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Answer, String> {
        self.send(method, &format!("{}{path}", self.origin), self.admin_token.as_deref(), body).await
    }

    async fn send(&self, method: Method, url: &str, token: Option<&str>, body: Option<&Value>) -> Result<Answer, String> {
        let mut request = self.http.request(method, url);
        if let Some(token) = token {
            request = request.header("x-admin-token", token);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.map_err(|error| no_answer(&error))?;
        let status = response.status().as_u16();
        Ok(Answer { status, text: response.text().await.map_err(|error| no_answer(&error))? })
    }

    /// A verification of the test number that cannot succeed, sends nothing and charges nothing: 410, or 403 while the number is blocked.
    fn impossible_guess(&self) -> Value {
        json!({ "challengeId": "smoke", "phone": self.phone, "code": "000000" })
    }
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }

    /// The status and, of a refusal, its code.
    fn told(&self) -> String {
        match self.json()["code"].as_str() {
            Some(code) => format!("{} {code}", self.status),
            None => self.status.to_string(),
        }
    }

    /// It has to be this status; of a refusal, this code too.
    fn expect(self, told: &str) -> Result<Self, String> {
        if self.told() == told { Ok(self) } else { Err(format!("{} instead of {told}", self.told())) }
    }
}

/// Without the URL, which may have a password in it.
fn no_answer(error: &reqwest::Error) -> String {
    let cause = std::error::Error::source(error).map_or_else(String::new, |cause| format!(" ({cause})"));
    let kind = if error.is_timeout() { "no answer in time" } else { "no answer" };
    format!("{kind}{cause}")
}
