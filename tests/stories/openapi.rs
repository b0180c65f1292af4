//! `/openapi.json` tells the truth: what a running stack answers, refusals included, fits the document, judged by a validator that is not ours.

use std::collections::BTreeSet;

use jsonschema::Validator;
use otp_graph_sim::sign;
use otp_shared::{limits::Limit, problem::MEDIA_TYPE};
use otp_tests::harness::{ADMIN_TOKEN, Answer, Plan, Stack, Store, challenge_of, session_of};
use reqwest::{Method, header::CONTENT_TYPE};
use serde_json::{Value, json};

/// The document, and what of it was seen.
struct Document {
    text: Value,
    seen: BTreeSet<String>,
}

impl Document {
    async fn of(stack: &Stack) -> Self {
        let text = stack.unsigned_fan().get("/openapi.json").await.expect(200).json();
        Self { text, seen: BTreeSet::new() }
    }

    /// The answer is one that the document has for this operation, and its body is of the form.
    #[track_caller]
    fn check(&mut self, method: &Method, path: &str, answer: &Answer) {
        let path = self.template(path.split('?').next().unwrap_or_default());
        let operation = &self.text["paths"][&path][method.as_str().to_lowercase()];
        assert!(operation.is_object(), "{method} {path} is not in the document");
        let response = &operation["responses"][answer.status.to_string()];
        assert!(response.is_object(), "{method} {path} is not said to answer {answer}");
        let media_type = answer.header(CONTENT_TYPE).unwrap_or_default().split(';').next().unwrap_or_default().to_owned();
        match response.get("content") {
            None => assert!(answer.body.is_empty(), "{method} {path} is said to have no body: {answer}"),
            Some(content) => {
                let schema = &content[&media_type]["schema"];
                assert!(schema.is_object(), "{method} {path} is not said to answer {media_type}: {answer}");
                if media_type.ends_with("json") {
                    self.fits(schema, &answer.json(), &format!("{method} {path}"));
                }
            }
        }
        let seen = if media_type == MEDIA_TYPE { answer.code().unwrap_or_default() } else { format!("{method} {path} {}", answer.status) };
        self.seen.insert(seen);
    }

    #[track_caller]
    fn fits(&self, schema: &Value, body: &Value, what: &str) {
        let whole =
            json!({ "$schema": "https://json-schema.org/draft/2020-12/schema", "allOf": [schema], "components": self.text["components"] });
        let validator: Validator = jsonschema::validator_for(&whole).unwrap_or_else(|error| panic!("{what}: {error}"));
        let errors: Vec<_> = validator.iter_errors(body).map(|error| format!("{error} at {}", error.instance_path())).collect();
        assert!(errors.is_empty(), "{what}: {errors:#?} in {body:#}");
    }

    /// The path as the document has it.
    fn template(&self, path: &str) -> String {
        let fits = |template: &&String| {
            let (parts, given): (Vec<_>, Vec<_>) = (template.split('/').collect(), path.split('/').collect());
            parts.len() == given.len() && parts.iter().zip(given).all(|(part, given)| part.starts_with('{') || *part == given)
        };
        let paths = self.text["paths"].as_object().expect("the document has paths");
        if paths.contains_key(path) { path.to_owned() } else { paths.keys().find(fits).cloned().unwrap_or_else(|| path.to_owned()) }
    }

    /// Every success of every operation.
    fn successes(&self) -> BTreeSet<String> {
        let paths = self.text["paths"].as_object().expect("the document has paths");
        let operations = paths
            .iter()
            .flat_map(|(path, item)| item.as_object().into_iter().flatten().map(move |(method, operation)| (path, method, operation)));
        let named = operations.flat_map(|(path, method, operation)| {
            let statuses = operation["responses"].as_object().into_iter().flat_map(|responses| responses.keys());
            statuses
                .filter(|status| status.starts_with('2'))
                .map(move |status| format!("{} {path} {status}", method.to_uppercase()))
                .collect::<Vec<_>>()
        });
        named.collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_answered_fits_the_document() {
    let stack = Plan::on(Store::Redis)
        .origin("OTP_COUNTRIES", "RW")
        .limit(Limit::AdminAuth, "2/1m")
        .limit(Limit::RequestPhoneHour, "2/1h")
        .start()
        .await;
    let mut document = Document::of(&stack).await;
    service(&stack, &mut document).await;
    fans(&stack, &mut document).await;
    refused_fans(&stack, &mut document).await;
    operators(&stack, &mut document).await;
    dashboard(&stack, &mut document).await;
    webhooks(&stack, &mut document).await;
    edge(&stack, &mut document).await;
    let unseen: Vec<_> = document.successes().into_iter().filter(|success| !document.seen.contains(success)).collect();
    assert!(unseen.is_empty(), "nobody looked at {unseen:#?}");
}

async fn service(stack: &Stack, document: &mut Document) {
    for path in ["/otp/status", "/otp/consent?locale=rw", "/otp/consent?locale=!", "/openapi.json", "/metrics", "/healthz", "/readyz"] {
        document.check(&Method::GET, path, &stack.unsigned_fan().get(path).await);
    }
}

async fn fans(stack: &Stack, document: &mut Document) {
    let (fan, phone) = (stack.fan(), stack.phone());
    let accepted = fan.request(&phone).await;
    document.check(&Method::POST, "/otp/request", &accepted);
    let challenge = challenge_of(&accepted);
    let delivery = format!("/otp/request/{challenge}");
    document.check(&Method::GET, &delivery, &fan.get(&delivery).await);
    let code = stack.graph.arrived(&phone, 1).await.code;
    let verified = fan.post("/otp/verify", &json!({ "challengeId": challenge, "phone": phone, "code": code })).await;
    document.check(&Method::POST, "/otp/verify", &verified);
    document.check(&Method::POST, "/auth/fan/from-onboarding", &fan.from_onboarding(&session_of(&verified)).await);
    document.check(&Method::GET, "/auth/fan/session", &fan.session().await);
    document.check(&Method::DELETE, "/auth/fan/session", &fan.sign_out().await);
    document.check(&Method::GET, "/auth/fan/session", &fan.session().await);
}

async fn refused_fans(stack: &Stack, document: &mut Document) {
    let (fan, phone) = (stack.fan(), stack.phone());
    let long = "x".repeat(5000);
    for body in [
        json!({ "phone": "lol" }),
        json!({ "phone": "+254712345678" }),
        json!({ "phone": phone, "admin": true }),
        json!({ "phone": phone, "consentVersion": "old" }),
        json!({ "phone": phone, "challengeId": "made-up" }),
        json!({ "phone": long }),
        json!({ "phone": phone }),
        json!({ "phone": phone }),
    ] {
        document.check(&Method::POST, "/otp/request", &fan.post("/otp/request", &body).await);
    }
    document.check(&Method::POST, "/otp/request", &fan.with("content-type", "text/plain").send(Method::POST, "/otp/request", b"{}").await);
    document.check(&Method::POST, "/otp/request", &stack.unsigned_fan().request(&phone).await);
    let sent = fan.receive_code(&stack.graph, &stack.phone()).await;
    for n in 0..6 {
        document.check(&Method::POST, "/otp/verify", &fan.verify(&sent, &sent.wrong_code(n)).await);
    }
    document.check(
        &Method::POST,
        "/otp/verify",
        &fan.post("/otp/verify", &json!({ "challengeId": "x", "phone": phone, "code": "12345" })).await,
    );
    document.check(&Method::GET, "/otp/request/none", &fan.get("/otp/request/none").await);
    document.check(&Method::POST, "/auth/fan/from-onboarding", &fan.from_onboarding("nobody-authorised-this").await);
}

async fn operators(stack: &Stack, document: &mut Document) {
    let admin = stack.admin();
    let session = "7f2c1c3e-93c5-4c0e-8d9b-0f8f4f4f2a11";
    let blocked = stack.phone();
    let phone = json!({ "type": "phone", "value": blocked, "note": "Incident #123", "ttlS": 600 });
    let calls = [
        (Method::POST, "/admin/otp/blacklist", Some(phone.clone())),
        (Method::POST, "/admin/otp/blacklist", Some(json!({ "type": "cidr", "value": "203.0.113.0/24" }))),
        (Method::POST, "/admin/otp/blacklist", Some(json!({ "type": "country", "value": "RW" }))),
        (Method::POST, "/admin/otp/blacklist", Some(json!({ "type": "phone", "value": "lol" }))),
        (Method::GET, "/admin/otp/blacklist?limit=1", None),
        (Method::GET, "/admin/otp/blacklist?limit=lol", None),
        (Method::POST, "/admin/otp/blacklist/import", Some(json!([{ "type": "prefix", "value": "+25079123" }]))),
        (Method::POST, "/admin/otp/blacklist/import?dryRun=true", Some(json!([{ "type": "prefix", "value": "?" }]))),
        (Method::GET, "/admin/otp/blacklist/export", None),
        (Method::GET, "/admin/otp/blacklist/export?format=csv", None),
        (Method::POST, "/admin/otp/blacklist/adopt", Some(json!({ "all": true }))),
        (Method::POST, "/admin/otp/blacklist/adopt", Some(json!({}))),
        (Method::POST, "/admin/otp/blacklist/reveal", Some(json!({ "type": "phone", "value": blocked }))),
        (Method::POST, "/admin/otp/blacklist/reveal", Some(json!({ "reference": "none" }))),
        (Method::POST, "/admin/sessions", Some(json!({ "sessionId": session, "note": "Incident #123" }))),
        (Method::POST, "/admin/sessions", Some(json!({ "note": "a new id" }))),
        (Method::POST, "/admin/sessions", Some(json!({ "sessionId": "short" }))),
        (Method::GET, "/admin/sessions", None),
        (Method::DELETE, "/admin/sessions/7f2c1c3e-93c5-4c0e-8d9b-0f8f4f4f2a11", None),
        (Method::DELETE, "/admin/sessions/7f2c1c3e-93c5-4c0e-8d9b-0f8f4f4f2a11", None),
        (Method::DELETE, "/admin/sessions", Some(json!({ "all": true }))),
        (Method::GET, "/admin/otp/decisions", None),
        (Method::GET, "/admin/otp/decisions?ip=203.0.113.7", None),
        (Method::GET, "/admin/otp/decisions?ip=lol", None),
        (Method::GET, "/admin/otp/holds", None),
        (Method::DELETE, "/admin/otp/holds", Some(json!({ "type": "ip", "value": "203.0.113.7" }))),
        (Method::GET, "/admin/otp/audit", None),
        (Method::GET, "/admin/otp/audit?format=markdown", None),
        (Method::GET, "/admin/otp/dashboard", None),
        (Method::DELETE, "/admin/otp/blacklist", Some(phone.clone())),
        (Method::DELETE, "/admin/otp/blacklist", Some(phone)),
    ];
    for (method, path, body) in calls {
        document.check(&method, path, &admin.send(method.clone(), path, body.as_ref()).await);
    }
    a_lifted_hold(stack, document).await;
    for _ in 0..4 {
        document.check(
            &Method::GET,
            "/admin/otp/dashboard",
            &admin.token(Some("not-a-token-of-anybody-here")).get("/admin/otp/dashboard").await,
        );
    }
}

/// The page and its forms, by the token: a browser's sign-in is another story.
async fn dashboard(stack: &Stack, document: &mut Document) {
    let (admin, page) = (stack.admin(), "/admin/sms/otp");
    for file in ["", "/live", "/blacklist.csv", "/dashboard.css", "/dashboard.js", "/icon.svg"] {
        let path = format!("{page}{file}");
        document.check(&Method::GET, &path, &admin.get(&path).await);
    }
    document.check(&Method::GET, page, &admin.token(None).get(page).await);
    document.check(&Method::GET, "/admin/sms/otp/live", &admin.token(None).get("/admin/sms/otp/live").await);
    let forms = [
        ("action=look-up&ip=203.0.113.9", "application/json"),
        ("action=look-up&ip=203.0.113.9", "text/html"),
        ("action=revoke-all", "text/html"),
    ];
    for (form, accept) in forms.into_iter().chain([("action=nothing", "text/html"), ("action=unblock&reference=none", "application/json")])
    {
        document.check(&Method::POST, page, &filled(stack, page, form, accept).await);
    }
    let import = "/admin/sms/otp/import";
    for form in ["action=import&dryRun=true&entries=type,value%0Aip,203.0.113.9", "action=import&entries=type,value%0Aip,lol"] {
        for accept in ["application/json", "text/html"] {
            document.check(&Method::POST, import, &filled(stack, import, form, accept).await);
        }
    }
}

async fn filled(stack: &Stack, path: &str, form: &'static str, accept: &str) -> Answer {
    let client =
        reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().expect("a plain client can be built");
    let request = client.post(format!("{}{path}", stack.origin_url())).header("x-admin-token", ADMIN_TOKEN).header("accept", accept);
    let request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(form);
    Answer::read(request.send().await.expect("the origin answers")).await
}

/// Somebody who keeps coming back is held; an operator lifts it.
async fn a_lifted_hold(stack: &Stack, document: &mut Document) {
    let (phone, admin) = (stack.phone(), stack.admin());
    for _ in 0..8 {
        document.check(&Method::POST, "/otp/request", &stack.signed_fan().request(&phone).await);
    }
    document.check(&Method::GET, "/admin/otp/holds", &admin.get("/admin/otp/holds").await);
    let held = json!({ "type": "phone", "value": phone });
    document.check(&Method::DELETE, "/admin/otp/holds", &admin.send(Method::DELETE, "/admin/otp/holds", Some(&held)).await);
}

async fn webhooks(stack: &Stack, document: &mut Document) {
    let fan = stack.fan();
    let token = &stack.graph.settings().verify_token;
    for path in [
        format!("/webhooks/whatsapp?hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token={token}"),
        "/webhooks/whatsapp?hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=wrong".to_owned(),
    ] {
        document.check(&Method::GET, &path, &fan.get(&path).await);
    }
    document.check(&Method::POST, "/webhooks/whatsapp", &fan.post("/webhooks/whatsapp", &json!({})).await);
    let empty = json!({ "object": "whatsapp_business_account", "entry": [] }).to_string();
    let signed = fan.with("x-hub-signature-256", &sign(&stack.graph.settings().app_secret, &empty));
    document.check(&Method::POST, "/webhooks/whatsapp", &signed.send(Method::POST, "/webhooks/whatsapp", empty.as_bytes()).await);
}

async fn edge(stack: &Stack, document: &mut Document) {
    let report = json!({ "isolate": "00ff", "sequence": 1, "passed": 1, "refused": { "burst": 2 }, "errors": {}, "snapshotAgeS": 3 });
    let path = "/internal/edge/counters";
    document.check(&Method::POST, path, &stack.signed_fan().post(path, &report).await);
    document.check(&Method::POST, path, &stack.unsigned_fan().post(path, &report).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_path_takes_the_methods_that_the_document_says_and_no_others() {
    let stack = Plan::on(Store::Embedded).without_edge().start().await;
    let document = Document::of(&stack).await;
    for (path, item) in document.text["paths"].as_object().expect("the document has paths") {
        let real = path.replace(['{', '}'], "");
        let answer = stack.unsigned_fan().send(Method::TRACE, &real, b"").await.expect(405);
        let mut allowed: BTreeSet<_> =
            answer.header("allow").unwrap_or_default().split(',').map(|method| method.trim().to_lowercase()).collect();
        // Every GET is a HEAD, too.
        allowed.remove("head");
        assert_eq!(allowed, item.as_object().expect("a path has operations").keys().cloned().collect(), "{path}");
    }
}
