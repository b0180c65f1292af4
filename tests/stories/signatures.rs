//! Straight at the origin: only what the edge signed, just now, once, is let in.

use std::net::IpAddr;

use otp_shared::{headers, problem::ProblemCode, routes};
use otp_tests::harness::{Answer, Door, Plan, Signer, Stack, Store, Workerd, challenge_of};
use reqwest::{Method, RequestBuilder};
use serde_json::json;

const OTHER_SECRET: &str = "another-edge-secret-0123456789abcdef-0123";
const ADDRESS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 7));

#[tokio::test(flavor = "multi_thread")]
async fn unsigned_forged_old_and_future_requests_are_refused() {
    let stack = Plan::on(Store::Embedded).without_edge().start().await;
    let url = stack.origin_url();
    let good = stack.signer();
    let doors = [
        Door::Unsigned(url.clone()),
        Door::Origin(url.clone(), Signer::new(OTHER_SECRET)),
        Door::Origin(url.clone(), good.skewed(-45)),
        Door::Origin(url.clone(), good.skewed(45)),
    ];
    for door in doors {
        let fan = stack.fan_at(door);
        fan.request(&stack.phone()).await.refused(ProblemCode::Unauthorized);
        fan.post(routes::OTP_VERIFY, &json!({ "challengeId": "x", "phone": stack.phone(), "code": "012345" }))
            .await
            .refused(ProblemCode::Unauthorized);
        fan.get("/otp/request/abc").await.refused(ProblemCode::Unauthorized);
        fan.session().await.refused(ProblemCode::Unauthorized);
        fan.sign_out().await.refused(ProblemCode::Unauthorized);
        fan.get(&format!("{}?hub.mode=subscribe", routes::WEBHOOK)).await.refused(ProblemCode::Unauthorized);
        fan.post(routes::WEBHOOK, &json!({})).await.refused(ProblemCode::Unauthorized);
        // These need none.
        fan.get(routes::OTP_STATUS).await.expect(200);
        fan.get(routes::OTP_CONSENT).await.expect(200);
        fan.get("/healthz").await.expect(200);
        fan.get("/readyz").await.expect(200);
    }
    assert!(stack.graph.messages().is_empty());
    for skew_s in [-20, 20] {
        stack.fan_at(Door::Origin(url.clone(), good.skewed(skew_s))).request(&stack.phone()).await.expect(202);
    }
}

/// One signed request, to be sent as it is, changed, or twice.
struct Letter {
    body: Vec<u8>,
    address: String,
    content_digest: String,
    signature_input: String,
    signature: String,
}

impl Letter {
    fn new(stack: &Stack, path: &str) -> Self {
        let body = json!({ "phone": stack.phone() }).to_string().into_bytes();
        let signed = stack.signer().sign(&Method::POST, path, &body, ADDRESS);
        let (content_digest, signature_input, signature) = (signed.content_digest, signed.signature_input, signed.signature);
        Self { body, address: ADDRESS.to_string(), content_digest, signature_input, signature }
    }

    fn dress(&self, request: RequestBuilder) -> RequestBuilder {
        request
            .header("content-type", "application/json")
            .header(headers::CLIENT_ADDRESS, &self.address)
            .header(headers::CONTENT_DIGEST, &self.content_digest)
            .header(headers::SIGNATURE_INPUT, &self.signature_input)
            .header(headers::SIGNATURE, &self.signature)
            .body(self.body.clone())
    }

    async fn post(&self, stack: &Stack, path: &str) -> Answer {
        let request = self.dress(stack.http().post(format!("{}{path}", stack.origin_url())));
        Answer::read(request.send().await.expect("the origin answers")).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replayed_request_is_refused_and_sends_nothing() {
    for store in [Store::Embedded, Store::Redis] {
        let stack = Plan::on(store).without_edge().limit(otp_shared::limits::Limit::RequestPhoneCooldown, "100/1s").start().await;
        let letter = Letter::new(&stack, routes::OTP_REQUEST);
        let first = letter.post(&stack, routes::OTP_REQUEST).await.expect(202);
        for _ in 0..3 {
            let again = letter.post(&stack, routes::OTP_REQUEST).await.refused(ProblemCode::Unauthorized);
            assert!(!again.text().contains(&challenge_of(&first)), "{again}");
        }
        assert_eq!(stack.graph.messages().len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_request_with_any_part_changed_is_refused() {
    let stack = Plan::on(Store::Embedded).without_edge().start().await;
    let letter = || Letter::new(&stack, routes::OTP_REQUEST);
    let other_number = json!({ "phone": stack.phone() }).to_string().into_bytes();
    let changed = [
        ("body", Letter { body: other_number, ..letter() }),
        ("address", Letter { address: "203.0.113.8".to_owned(), ..letter() }),
        ("no address", Letter { address: String::new(), ..letter() }),
        ("digest", Letter { content_digest: letter().content_digest, ..letter() }),
        ("input", Letter { signature_input: letter().signature_input, ..letter() }),
        ("signature", Letter { signature: letter().signature, ..letter() }),
        ("garbage", Letter { signature: "otp=:AAAA:".to_owned(), ..letter() }),
        ("empty", Letter { signature: String::new(), ..letter() }),
    ];
    for (what, letter) in changed {
        let answer = letter.post(&stack, routes::OTP_REQUEST).await;
        assert_eq!(answer.status, 401, "{what}: {answer}");
        answer.refused(ProblemCode::Unauthorized);
    }
    letter().post(&stack, routes::OTP_VERIFY).await.refused(ProblemCode::Unauthorized);
    letter().post(&stack, "/otp/request?a=b").await.refused(ProblemCode::Unauthorized);
    assert!(stack.graph.messages().is_empty());
    letter().post(&stack, routes::OTP_REQUEST).await.expect(202);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edge_whose_signature_is_refused_tells_the_fan_that_the_origin_is_away() {
    let mut stack = Plan::on(Store::Embedded).without_edge().start().await;
    stack.edge = Some(Workerd::start(&stack.edge_config_with(OTHER_SECRET)).await);
    let fan = stack.fan();
    fan.request(&stack.phone()).await.refused(ProblemCode::OriginUnavailable);
    fan.session().await.refused(ProblemCode::OriginUnavailable);
    assert!(stack.graph.messages().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn during_a_rotation_both_secrets_are_believed() {
    let stack = Plan::on(Store::Embedded).without_edge().origin("EDGE_SHARED_SECRET_PREVIOUS", OTHER_SECRET).start().await;
    stack.fan().request(&stack.phone()).await.expect(202);
    let old = Door::Origin(stack.origin_url(), Signer::new(OTHER_SECRET));
    stack.fan_at(old).request(&stack.phone()).await.expect(202);
}
