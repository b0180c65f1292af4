//! Everything that is wrong with a request, at the edge and straight at the origin: each gets its problem code, and leaves no wrong state.

use otp_shared::{problem::ProblemCode, routes};
use otp_tests::harness::{Fan, Plan, Sent, Stack, Store};
use reqwest::Method;
use serde_json::{Value, json};

/// The two doors: a fan through the edge, and one whose requests are signed as the edge does it, so that the origin's own door is tried too.
fn doors(stack: &Stack) -> [(&'static str, Fan); 2] {
    [("edge", stack.fan()), ("origin", stack.signed_fan())]
}

async fn check(door: &(&str, Fan), path: &str, body: &[u8], expected: ProblemCode) {
    let answer = door.1.send(Method::POST, path, body).await;
    let told = answer.code();
    let shown = String::from_utf8_lossy(&body[..body.len().min(200)]);
    assert_eq!(told.as_deref(), Some(expected.as_str()), "{} {path} {shown}: {answer}", door.0);
    answer.refused(expected);
}

/// What no route takes for a body.
fn no_bodies() -> Vec<Vec<u8>> {
    let texts =
        ["", " ", "null", "true", "1", "\"text\"", "[]", "{", "{}", "{]", "{\"phone\":}", "phone=%2B250788123456", "\u{feff}{}", "{} {}"];
    let mut bodies: Vec<Vec<u8>> = texts.iter().map(|text| text.as_bytes().to_vec()).collect();
    bodies.push(b"{\"phone\":\"\xff\xfe\"}".to_vec());
    bodies.push(b"\x00\x01\x02".to_vec());
    bodies.push("[".repeat(4000).into_bytes());
    bodies
}

/// `body` with `member` replaced by each of `values`, or taken away for `None`.
fn with(body: &Value, member: &str, values: &[Option<Value>]) -> Vec<Vec<u8>> {
    let change = |value: &Option<Value>| {
        let mut body = body.as_object().expect("a body is an object").clone();
        match value {
            Some(value) => body.insert(member.to_owned(), value.clone()),
            None => body.remove(member),
        };
        Value::Object(body).to_string().into_bytes()
    };
    values.iter().map(change).collect()
}

/// Values that are no text at all.
fn no_texts() -> Vec<Option<Value>> {
    [json!(250_788_123_456_u64), json!(true), json!([]), json!({}), json!(["+250788123456"])].into_iter().map(Some).collect()
}

fn texts(values: &[&str]) -> Vec<Option<Value>> {
    values.iter().map(|text| Some(json!(text))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_request_for_a_code_sends_nothing_and_charges_nothing() {
    let stack = Plan::on(Store::Redis).start().await;
    let phone = stack.phone();
    let good = json!({ "phone": phone, "locale": "rw", "purpose": "login" });
    let path = routes::OTP_REQUEST;
    for door in &doors(&stack) {
        for body in no_bodies() {
            check(door, path, &body, ProblemCode::InvalidBody).await;
        }
        let missing = [None, Some(Value::Null)];
        let long = "1".repeat(3000);
        let invalid_body = [
            with(&good, "phone", &[no_texts(), missing.to_vec()].concat()),
            with(&good, "locale", &[no_texts(), texts(&["", &long, "rw rw", "\u{0}"])].concat()),
            with(&good, "purpose", &[no_texts(), texts(&["", &long, "payment"])].concat()),
            with(&good, "consentVersion", &no_texts()),
            with(&good, "challengeId", &no_texts()),
            with(&good, "admin", &[Some(json!(true))]),
            with(&good, "challenge_id", &[Some(json!("x"))]),
            vec![format!(r#"{{"phone":"{phone}","phone":"{phone}"}}"#).into_bytes()],
        ];
        for body in invalid_body.concat() {
            check(door, path, &body, ProblemCode::InvalidBody).await;
        }
        let no_phones =
            ["", " ", "+", "lol", "0788123456", "+250", "+2507881234567890", "+25078812345x", "+0250788123456", "٠٧٨٨١٢٣٤٥٦", &long];
        for body in with(&good, "phone", &texts(&no_phones)) {
            check(door, path, &body, ProblemCode::InvalidPhone).await;
        }
        let no_challenges = ["x", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "../../etc/passwd", "{v1}:*", "ключ"];
        for body in with(&good, "challengeId", &texts(&no_challenges)) {
            check(door, path, &body, ProblemCode::ChallengeUnknown).await;
        }
        for body in with(&good, "consentVersion", &texts(&["1999-01-01"])) {
            check(door, path, &body, ProblemCode::ConsentStale).await;
        }
        // Not a number that can exist, though it looks like one: the origin knows.
        for body in with(&good, "phone", &texts(&["+2500788123456", "+250100000000", "+999123456789"])) {
            check(door, path, &body, ProblemCode::InvalidPhone).await;
        }
    }
    assert!(stack.graph.messages().is_empty());
    assert!(stack.redis().keys("spent:*").is_empty(), "no challenge was made");
    stack.fan().post(path, &good).await.expect(202);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_verify_costs_no_guess() {
    let stack = Plan::on(Store::Redis).start().await;
    let fan = stack.fan();
    let sent = fan.receive_code(&stack.graph, &stack.phone()).await;
    let good = json!({ "challengeId": sent.challenge_id, "phone": sent.phone, "code": sent.code });
    let path = routes::OTP_VERIFY;
    for door in &doors(&stack) {
        for body in no_bodies() {
            check(door, path, &body, ProblemCode::InvalidBody).await;
        }
        let missing = [None, Some(Value::Null)];
        let long = "1".repeat(3000);
        let code = &sent.code;
        let no_codes = [
            "",
            &code[..5],
            &format!("{code}0"),
            &format!(" {code}"),
            &format!("{} {}", &code[..3], &code[3..]),
            "abcdef",
            "12345a",
            "-12345",
            "１２３４５６",
            &long,
        ];
        let invalid_body = [
            with(&good, "code", &[no_texts(), missing.to_vec(), texts(&no_codes)].concat()),
            with(&good, "phone", &[no_texts(), missing.to_vec()].concat()),
            with(&good, "challengeId", &[no_texts(), missing.to_vec()].concat()),
            with(&good, "admin", &[Some(json!(true))]),
        ];
        for body in invalid_body.concat() {
            check(door, path, &body, ProblemCode::InvalidBody).await;
        }
        for body in with(&good, "phone", &texts(&["", "lol", "0788123456", &long])) {
            check(door, path, &body, ProblemCode::InvalidPhone).await;
        }
    }
    let wrong = fan.verify(&sent, &sent.wrong_code(0)).await.refused(ProblemCode::CodeIncorrect);
    assert_eq!(wrong.json()["attemptsLeft"], 4, "no guess was counted before");
    fan.verify(&sent, &sent.code).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_challenge_that_is_forged_or_anothers_is_unknown_and_costs_no_guess() {
    let stack = Plan::on(Store::Redis).start().await;
    let fan = stack.fan();
    let sent = fan.receive_code(&stack.graph, &stack.phone()).await;
    let other = fan.receive_code(&stack.graph, &stack.phone()).await;
    let id = &sent.challenge_id;
    let mut forged: Vec<String> = ["x", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "' or 1=1 --"].map(str::to_owned).to_vec();
    forged.extend((0..id.len()).step_by(3).map(|at| flip(id, at)));
    forged.extend([id[..id.len() - 1].to_owned(), format!("{id}A"), id.to_lowercase(), "1".repeat(3000), other.challenge_id.clone()]);
    for (door, fan) in doors(&stack) {
        for forged in forged.iter().filter(|forged| *forged != id) {
            let guess = Sent { challenge_id: forged.clone(), ..sent.clone() };
            let answer = fan.verify(&guess, &sent.code).await;
            assert_eq!(answer.code().as_deref(), Some("challenge_unknown"), "{door} {forged}: {answer}");
        }
    }
    let wrong = fan.verify(&sent, &sent.wrong_code(0)).await.refused(ProblemCode::CodeIncorrect);
    assert_eq!(wrong.json()["attemptsLeft"], 4);
    fan.verify(&other, &other.code).await.expect(200);
    fan.verify(&sent, &sent.code).await.expect(200);
}

/// The text with one character exchanged.
fn flip(text: &str, at: usize) -> String {
    let mut bytes = text.as_bytes().to_vec();
    bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
    String::from_utf8(bytes).expect("the id is ASCII")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_session_id_opens_nothing() {
    let stack = Plan::on(Store::Embedded).start().await;
    let path = routes::FROM_ONBOARDING;
    for door in &doors(&stack) {
        for body in no_bodies() {
            check(door, path, &body, ProblemCode::InvalidBody).await;
        }
        let good = json!({ "sessionId": "5b1d3c9e-7a42-4d0f-9b8e-2f6a1c0d4e77" });
        for body in [with(&good, "sessionId", &[no_texts(), vec![None]].concat()), with(&good, "admin", &[Some(json!(1))])].concat() {
            check(door, path, &body, ProblemCode::InvalidBody).await;
        }
        for id in ["", "x", "a.b", "..", &"x".repeat(3000)] {
            let answer = door.1.post(path, &json!({ "sessionId": id })).await;
            assert!(matches!(answer.status, 400 | 403), "{id}: {answer}");
            answer.assert_is_a_problem();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_methods_paths_types_and_sizes_have_their_codes() {
    let stack = Plan::on(Store::Embedded).start().await;
    let phone = stack.phone();
    for (door, fan) in doors(&stack) {
        for (path, allowed) in
            [(routes::OTP_REQUEST, "POST"), (routes::OTP_VERIFY, "POST"), (routes::FROM_ONBOARDING, "POST"), (routes::OTP_STATUS, "GET")]
        {
            let methods = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
            for method in methods.into_iter().filter(|method| method.as_str() != allowed) {
                let answer = fan.send(method.clone(), path, b"").await;
                assert_eq!(answer.status, 405, "{door} {method} {path}: {answer}");
                let allow = answer.refused(ProblemCode::MethodNotAllowed).header("allow").unwrap_or_default().to_owned();
                assert!(allow.contains(allowed), "{door} {method} {path} allows {allow}");
            }
        }
        for path in ["/otp", "/otp/", "/otp/nowhere", "/OTP/request", "/otp/request/a/b", "/auth/fan", "//otp/request", "/.env"] {
            let answer = fan.get(path).await;
            assert_eq!(answer.code().as_deref(), Some("not_found"), "{door} {path}: {answer}");
            answer.refused(ProblemCode::NotFound);
        }
        for content_type in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/jsonx", "json", ""] {
            let answer = fan.with("content-type", content_type).request(&phone).await;
            assert_eq!(answer.status, 415, "{door} {content_type}: {answer}");
            answer.refused(ProblemCode::UnsupportedMediaType);
        }
        for path in [routes::OTP_REQUEST, routes::OTP_VERIFY, routes::FROM_ONBOARDING] {
            let body = format!("{{\"phone\":\"{}\"}}", " ".repeat(4096));
            fan.send(Method::POST, path, body.as_bytes()).await.refused(ProblemCode::TooLarge);
        }
    }
    assert!(stack.graph.messages().is_empty());
    stack.fan().with("content-type", "Application/JSON; charset=utf-8").request(&phone).await.expect(202);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_edge_forwards_nothing_but_the_fans_routes() {
    let stack = Plan::on(Store::Embedded).start().await;
    let fan = stack.fan();
    for path in ["/admin/otp/dashboard", "/admin/sms/otp", "/admin/sessions", "/metrics", "/healthz", "/readyz", "/internal/edge/counters"]
    {
        let answer = fan.with("x-admin-token", otp_tests::harness::ADMIN_TOKEN).get(path).await;
        assert!(matches!(answer.status, 401 | 404 | 405), "{path}: {answer}");
        answer.assert_is_a_problem();
    }
    for path in ["/internal/edge/snapshot", "/internal/edge/operator/replica-1?version=9"] {
        fan.send(Method::PUT, path, b"x").await.refused(ProblemCode::Unauthorized);
    }
    for path in ["/internal/edge/operator", "/internal/edge/hand"] {
        fan.get(path).await.refused(ProblemCode::Unauthorized);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bursts_are_blunted_by_number_and_address_together_at_the_edge() {
    use otp_tests::harness::Burst;
    let stack = Plan::on(Store::Embedded).burst(Burst { pair: 3, address: 1000 }).start().await;
    let (fan, phone) = (stack.fan(), stack.phone());
    fan.request(&phone).await.expect(202);
    for _ in 0..2 {
        fan.request(&phone).await.refused(ProblemCode::RateLimited);
    }
    let burst = fan.request(&phone).await.refused(ProblemCode::Burst);
    assert!((1..=60).contains(&burst.retry_after_s()), "{burst}");
    // Another number at this address, and this number elsewhere, are not meant.
    fan.request(&stack.phone()).await.expect(202);
    stack.fan().request(&phone).await.refused(ProblemCode::RateLimited);
}
