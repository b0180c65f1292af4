//! A fan asks for a code, gets it over WhatsApp, signs in, and signs out.

use otp_shared::problem::ProblemCode;
use otp_tests::harness::{Plan, Store, challenge_of, session_of};
use reqwest::header::SET_COOKIE;

#[tokio::test(flavor = "multi_thread")]
async fn a_fan_signs_in_and_out_on_embedded_memory() {
    a_fan_signs_in_and_out(Store::Embedded).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fan_signs_in_and_out_on_redis() {
    a_fan_signs_in_and_out(Store::Redis).await;
}

async fn a_fan_signs_in_and_out(store: Store) {
    let stack = Plan::on(store).start().await;
    let (fan, phone) = (stack.fan(), stack.phone());

    let accepted = fan.request(&phone).await.expect(202);
    let body = accepted.json();
    assert_eq!(body["channel"], "whatsapp", "{accepted}");
    assert_eq!(body["delivery"], "accepted", "{accepted}");
    assert_eq!(body["expiresInS"], 300, "{accepted}");
    assert_eq!(body["resendInS"], 60, "{accepted}");
    assert_eq!(body["attemptsLeft"], 5, "{accepted}");
    let challenge_id = challenge_of(&accepted);

    let state = fan.get(&format!("/otp/request/{challenge_id}")).await.expect(200).json();
    assert_eq!((&state["delivery"], &state["channel"]), (&"accepted".into(), &"whatsapp".into()));

    let sent = otp_tests::harness::Sent { phone: phone.clone(), challenge_id, code: stack.graph.arrived(&phone, 1).await.code };
    let verified = fan.verify(&sent, &sent.code).await.expect(200);
    assert_eq!(verified.json()["verified"], true);

    fan.session().await.refused(ProblemCode::Unauthorized);
    let redeemed = fan.from_onboarding(&session_of(&verified)).await.expect(204);
    let cookie = redeemed.header(SET_COOKIE).expect("a 204 sets the cookie");
    for attribute in ["fan_session=", "HttpOnly", "Secure", "SameSite=Lax", "Path=/"] {
        assert!(cookie.contains(attribute), "{attribute}: {redeemed}");
    }
    fan.session().await.expect(200);

    let kept = fan.cookie();
    assert_eq!(fan.sign_out().await.status / 100, 2);
    assert_eq!(fan.cookie(), None, "signing out takes the cookie away");
    fan.set_cookie(kept);
    fan.session().await.refused(ProblemCode::Unauthorized);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_names_the_store_and_nobody() {
    for (store, name) in [(Store::Embedded, "memory (embedded)"), (Store::Redis, "connected")] {
        let stack = Plan::on(store).start().await;
        let (fan, phone) = (stack.fan(), stack.phone());
        fan.receive_code(&stack.graph, &phone).await;
        for who in [fan, stack.unsigned_fan()] {
            let status = who.get("/otp/status").await.expect(200);
            let body = status.json();
            assert_eq!(body["redis"], name, "{status}");
            assert!(body["rateLimits"].is_object(), "{status}");
            assert_eq!(body["template"]["approved"], true, "{status}");
            assert_eq!(body["template"]["source"], "env", "{status}");
            assert!(!status.text().contains(phone.trim_start_matches('+')), "{status}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn known_and_unknown_numbers_are_answered_alike() {
    let stack = Plan::on(Store::Embedded).limit(otp_shared::limits::Limit::RequestPhoneCooldown, "100/1s").start().await;
    let (fan, phone) = (stack.fan(), stack.phone());
    fan.sign_in(&stack.graph, &phone).await;
    let known = fan.request(&phone).await.expect(202).json();
    let unknown = fan.request(&stack.phone()).await.expect(202).json();
    let shape = |body: &serde_json::Value| {
        let mut body = body.clone();
        body["challengeId"] = body["challengeId"].as_str().map(str::len).into();
        body
    };
    assert_eq!(shape(&known), shape(&unknown));
}
