//! The page: signing in, forms and forgeries, and what is never on it.

use axum::{
    body::Body,
    http::{Method, Request, header},
};
use serde_json::{Value, json};

use crate::bench::{Answer, Bench, NIGHT, OPS};

const PAGE: &str = "/admin/sms/otp";
const LIVE: &str = "/admin/sms/otp/live";
const SCRIPT: &str = "<script>alert(1)</script>";

/// A browser with one tab.
struct Browser<'a> {
    bench: &'a Bench,
    cookie: String,
    csrf: String,
}

impl<'a> Browser<'a> {
    /// At the form to sign in.
    async fn at_the_door(bench: &'a Bench) -> Self {
        let mut browser = Self { bench, cookie: String::new(), csrf: String::new() };
        browser.open(PAGE).await;
        browser
    }

    async fn signed_in(bench: &'a Bench) -> Self {
        let mut browser = Self::at_the_door(bench).await;
        browser.form(&[("action", "sign-in"), ("token", OPS)]).await.expect(303);
        browser.open(PAGE).await.expect(200);
        browser
    }

    async fn open(&mut self, path: &str) -> Answer {
        let answer = self.bench.send(Request::get(path).header("cookie", &self.cookie).body(Body::empty()).unwrap()).await;
        self.take(&answer);
        answer
    }

    /// Sends a form of the page it has open.
    async fn form(&mut self, fields: &[(&str, &str)]) -> Answer {
        let csrf = self.csrf.clone();
        let answer = self.post(&[fields, &[("csrf", csrf.as_str())]].concat(), "text/html").await;
        self.take(&answer);
        answer
    }

    /// Sends a form as the page's script does.
    async fn script(&self, fields: &[(&str, &str)]) -> Answer {
        self.post(&[fields, &[("csrf", self.csrf.as_str())]].concat(), "application/json").await
    }

    async fn post(&self, fields: &[(&str, &str)], accept: &str) -> Answer {
        let body = serde_urlencoded::to_string(fields).unwrap();
        let request = Request::post(PAGE)
            .header("content-type", "application/x-www-form-urlencoded")
            .header("accept", accept)
            .header("cookie", &self.cookie);
        self.bench.send(request.body(Body::from(body)).unwrap()).await
    }

    fn take(&mut self, answer: &Answer) {
        if let Some(cookie) = answer.headers.get(header::SET_COOKIE) {
            cookie.to_str().unwrap().split(';').next().unwrap().clone_into(&mut self.cookie);
        }
        if let Some((_, rest)) = answer.text.split_once("name=\"csrf\" value=\"") {
            rest.split('"').next().unwrap().clone_into(&mut self.csrf);
        }
    }

    /// The reference of the first entry that has a button for `action`.
    async fn reference(&mut self, action: &str) -> String {
        let page = self.open(PAGE).await.text;
        let (_, rest) = page.split_once(&format!("id=\"{action}-")).unwrap_or_else(|| panic!("no {action} in {page}"));
        rest.split('"').next().unwrap().to_owned()
    }
}

async fn total(bench: &Bench) -> Value {
    bench.admin(Method::GET, "/admin/otp/blacklist", None).await.json()["total"].clone()
}

#[tokio::test]
async fn nobody_sees_anything_without_signing_in() {
    let bench = Bench::new();
    bench.block("phone", "+250788000000", "a note").await.expect(200);
    for path in [
        PAGE,
        LIVE,
        "/admin/otp/dashboard",
        "/admin/otp/blacklist",
        "/admin/otp/blacklist/export",
        "/admin/otp/decisions",
        "/admin/otp/audit",
        "/admin/otp/holds",
        "/admin/sessions",
    ] {
        let answer = bench.send(Request::get(path).body(Body::empty()).unwrap()).await;
        assert!(matches!(answer.status.as_u16(), 401 | 429), "{path}: {}", answer.status);
        assert!(!answer.text.contains("a note") && !answer.text.contains("+25078"), "{path}: {}", answer.text);
    }
}

#[tokio::test]
async fn a_sign_in_opens_the_page_and_nothing_else() {
    let bench = Bench::new();
    let mut browser = Browser::at_the_door(&bench).await;
    let answer = browser.form(&[("action", "sign-in"), ("token", OPS)]).await.expect(303);
    let cookie = answer.headers[header::SET_COOKIE].to_str().unwrap();
    for part in ["otp_admin=", "; HttpOnly", "; Secure", "; SameSite=Strict", "; Path=/admin/sms/otp", "; Max-Age=3600"] {
        assert!(cookie.contains(part), "{part}: {cookie}");
    }
    assert!(!cookie.contains(OPS));
    let page = browser.open(PAGE).await.expect(200);
    assert!(page.text.contains("memory (embedded)") && page.text.contains("Rate limited") && page.text.contains("signed in as"));
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    assert!(!page.text.contains(" style=") && !page.text.contains("onclick") && !page.text.contains("<script>"));
    browser.open("/admin/otp/dashboard").await.expect(401);
    browser.form(&[("action", "sign-out")]).await.expect(303);
    browser.open(PAGE).await.expect(401);
}

#[tokio::test]
async fn a_session_ends_when_nobody_looks_and_looking_renews_it() {
    let bench = Bench::new();
    let mut browser = Browser::signed_in(&bench).await;
    for _ in 0..3 {
        bench.clock.advance_ms(50 * 60 * 1000);
        browser.open(PAGE).await.expect(200);
    }
    let polling = browser.open(LIVE).await.expect(200);
    assert!(!polling.headers.contains_key(header::SET_COOKIE), "a page that nobody looks at keeps nobody signed in");
    bench.clock.advance_ms(61 * 60 * 1000);
    browser.open(LIVE).await.expect(401).refused("unauthorized");
}

#[tokio::test]
async fn wrong_tokens_are_limited_wherever_they_are_tried() {
    let bench = Bench::new();
    let mut browser = Browser::at_the_door(&bench).await;
    for _ in 0..5 {
        browser.form(&[("action", "sign-in"), ("token", "a-token-that-is-not-theirs")]).await.expect(401);
        let request = Request::get("/admin/otp/dashboard").header("x-admin-token", "another-token-not-theirs");
        bench.send(request.body(Body::empty()).unwrap()).await.expect(401);
    }
    let refused = browser.form(&[("action", "sign-in"), ("token", "a-token-that-is-not-theirs")]).await.expect(429);
    assert!(refused.headers.contains_key("retry-after") && refused.text.contains("Too many wrong admin tokens"), "{}", refused.text);
    browser.form(&[("action", "sign-in"), ("token", NIGHT)]).await.expect(303);
}

#[tokio::test]
async fn forged_forms_change_nothing() {
    let bench = Bench::new();
    let mut victim = Browser::signed_in(&bench).await;
    let attacker = Browser::signed_in(&bench).await;
    let stranger = Browser::at_the_door(&bench).await;
    let block = [("action", "block"), ("type", "ip"), ("value", "203.0.113.1")];
    for csrf in ["", "made-up", &attacker.csrf, &stranger.csrf] {
        for accept in ["text/html", "application/json"] {
            victim.post(&[&block[..], &[("csrf", csrf)]].concat(), accept).await.expect(403).refused("forbidden");
        }
    }
    victim.post(&block, "text/html").await.expect(403);
    stranger.post(&[&block[..], &[("csrf", stranger.csrf.as_str())]].concat(), "text/html").await.expect(401);
    victim.bench.send(Request::post(PAGE).body(Body::from("action=block&type=ip&value=203.0.113.1")).unwrap()).await.expect(415);
    assert_eq!(total(&bench).await, 0);
    victim.form(&block).await.expect(303);
    assert_eq!(total(&bench).await, 1);
}

#[tokio::test]
async fn forms_work_without_a_script() {
    let bench = Bench::new();
    let mut browser = Browser::signed_in(&bench).await;
    let done =
        browser.form(&[("action", "block"), ("type", "ip"), ("value", "203.0.113.1"), ("note", "n"), ("ttlS", "3600")]).await.expect(303);
    let location = done.headers[header::LOCATION].to_str().unwrap().to_owned();
    assert!(browser.open(&location).await.expect(200).text.contains("Blocked. The origin refuses it at once"));
    let wide = browser.form(&[("action", "block"), ("type", "country"), ("value", "RW"), ("ttlS", "")]).await.expect(409);
    assert!(wide.text.contains("role=\"alert\"") && wide.text.contains("every number of a country that is served"));
    browser.form(&[("action", "block"), ("type", "phone"), ("value", "lol")]).await.expect(400);
    let reference = browser.reference("unblock").await;
    browser.form(&[("action", "unblock"), ("reference", &reference)]).await.expect(303);
    assert_eq!(total(&bench).await, 0);
    browser.form(&[("action", "unblock"), ("reference", &reference)]).await.expect(404);
    browser.form(&[("action", "drop-everything")]).await.expect(400);
}

#[tokio::test]
async fn a_script_in_a_note_stays_text() {
    let bench = Bench::new();
    bench.block("ip", "203.0.113.1", SCRIPT).await.expect(200);
    let id = "7f2c1c3e-93c5-4c0e-8d9b-0f8f4f4f2a11";
    bench.admin(Method::POST, "/admin/sessions", Some(json!({ "sessionId": id, "note": SCRIPT }))).await.expect(200);
    let mut browser = Browser::signed_in(&bench).await;
    for path in [PAGE, LIVE, "/admin/sms/otp?said=%3Cscript%3Ealert(1)%3C/script%3E&page=1"] {
        let answer = browser.open(path).await.expect(200);
        assert!(!answer.text.contains(SCRIPT) && !answer.text.contains(id), "{path}: {}", answer.text);
    }
    assert!(browser.open(PAGE).await.text.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
    let value = [("action", "block"), ("type", "phone"), ("value", SCRIPT)];
    assert!(!browser.form(&value).await.expect(400).text.contains(SCRIPT));
}

#[tokio::test]
async fn a_number_is_masked_until_it_is_asked_for_and_the_audit_knows_who_asked() {
    let bench = Bench::new();
    bench.block("phone", "+250788000077", "").await.expect(200);
    let mut browser = Browser::signed_in(&bench).await;
    for path in [PAGE, LIVE] {
        let answer = browser.open(path).await.expect(200);
        assert!(answer.text.contains("+25078•••••77") && !answer.text.contains("788000077"), "{path}");
    }
    let reference = browser.reference("reveal").await;
    let shown = browser.script(&[("action", "reveal"), ("reference", &reference)]).await.expect(200).json();
    assert_eq!((&shown["full"], &shown["reference"]), (&json!("+250788000077"), &json!(reference)));
    let audit = bench.admin(Method::GET, "/admin/otp/audit", None).await.json();
    assert_eq!((&audit["changes"][0]["about"], &audit["changes"][0]["who"]), (&json!("reveal"), &json!("ops")));
    assert!(!browser.open(PAGE).await.text.contains("788000077"));
    assert!(browser.form(&[("action", "reveal"), ("reference", &reference)]).await.expect(200).text.contains("+250788000077"));
    browser.script(&[("action", "reveal"), ("reference", "made-up")]).await.expect(404);
}

#[tokio::test]
async fn a_new_session_id_is_shown_once_and_opens_an_account() {
    let bench = Bench::new();
    let mut browser = Browser::signed_in(&bench).await;
    let made =
        browser.script(&[("action", "authorise"), ("sessionId", ""), ("note", "Incident #123"), ("ttlS", "600")]).await.expect(200).json();
    let found = made["found"].as_str().unwrap();
    let id = found.split("<code>").nth(1).unwrap().split('<').next().unwrap().to_owned();
    assert!(!browser.open(PAGE).await.text.contains(&id));
    let redeem = async || {
        let request = Request::post("/auth/fan/from-onboarding").header("content-type", "application/json");
        bench.send(request.body(Body::from(json!({ "sessionId": id }).to_string())).unwrap()).await
    };
    redeem().await.expect(204);
    let reference = browser.reference("revoke").await;
    browser.form(&[("action", "revoke"), ("reference", &reference)]).await.expect(303);
    redeem().await.expect(403);
}

#[tokio::test]
async fn the_figures_of_what_happened_are_on_the_page_and_in_its_data() {
    let bench = Bench::new();
    bench.request("+250788123456", "198.51.100.7").await.expect(202);
    bench.request("+250788123456", "198.51.100.7").await.expect(429);
    let mut browser = Browser::signed_in(&bench).await;
    let live = browser.open(LIVE).await.expect(200).json();
    let minutes = live["minutes"].as_array().unwrap();
    assert_eq!((minutes.len(), &minutes[179]["sent"], &minutes[179]["limited"]), (180, &json!(1), &json!(1)));
    assert_eq!(live["headline"], "memory (embedded), template approved, WhatsApp sending");
    let page = browser.open(PAGE).await.text;
    assert!(page.contains("request.phone.cooldown") && page.contains("+25078•••••56") && page.contains("198.51.100.7"));
    for (id, section) in live["sections"].as_object().unwrap() {
        assert!(page.contains(&format!("data-live=\"{id}\">{}", section.as_str().unwrap())), "{id}");
    }
    let found = browser.script(&[("action", "look-up"), ("phone", "+250788123456"), ("ip", "")]).await.expect(200).json();
    assert!(found["found"].as_str().unwrap().contains("request.phone.cooldown"), "{found}");
}

#[tokio::test]
async fn curl_needs_no_sign_in_and_no_forms_token() {
    let bench = Bench::new();
    let page = bench.admin(Method::GET, PAGE, None).await.expect(200);
    assert!(page.text.contains("Rate limited") && !page.headers.contains_key(header::SET_COOKIE));
    let form = ("application/x-www-form-urlencoded", "action=block&type=ip&value=203.0.113.1");
    bench.admin_sends(Method::POST, PAGE, Some(form)).await.expect(303);
    assert_eq!(total(&bench).await, 1);
}
