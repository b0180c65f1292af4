//! Section 2 of the runbook: an operator gives somebody a session when codes cannot be sent.

use otp_shared::{headers, problem::ProblemCode};
use otp_tests::harness::{ADMIN_TOKEN, Plan, Store};
use reqwest::Method;

const SESSION_ID: &str = "5b1d3c9e-7a42-4d0f-9b8e-2f6a1c0d4e77";
const OTHER_ID: &str = "9e8d7c6b-5a49-4382-b1c0-d9e8f7a6b5c4";

#[tokio::test(flavor = "multi_thread")]
async fn an_id_that_nobody_authorised_opens_nothing_and_the_answer_says_what_to_do() {
    let stack = Plan::on(Store::Redis).start().await;
    for fan in [stack.unsigned_fan(), stack.signed_fan(), stack.fan(), stack.fan().with(headers::ADMIN_TOKEN, ADMIN_TOKEN)] {
        let refused = fan.from_onboarding(SESSION_ID).await.refused(ProblemCode::SessionNotAuthorised);
        assert!(refused.text().contains("/admin/sessions"), "it says what an operator has to do: {refused}");
        assert_eq!(fan.cookie(), None);
    }
    let wrong = stack.unsigned_fan().with(headers::ADMIN_TOKEN, "admin-token-of-the-stories-0002");
    let refused = wrong.from_onboarding(SESSION_ID).await;
    assert!(matches!(refused.status, 401 | 403), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authorised_id_becomes_a_session_anywhere_until_it_is_revoked() {
    for store in [Store::Embedded, Store::Redis] {
        let stack = Plan::on(store).start().await;
        let admin = stack.admin();
        admin.token(None).authorise(SESSION_ID).await.refused(ProblemCode::Unauthorized);
        admin.authorise(SESSION_ID).await.expect(200);

        // As the runbook does it: at the origin, with nothing but the id.
        let agent = stack.unsigned_fan();
        agent.from_onboarding(SESSION_ID).await.expect(204);
        let fan = stack.fan();
        fan.set_cookie(agent.cookie());
        fan.session().await.expect(200);

        assert!(admin.get("/admin/sessions").await.expect(200).text().contains(SESSION_ID));
        admin.send(Method::DELETE, &format!("/admin/sessions/{SESSION_ID}"), None).await.expect(200);
        fan.session().await.refused(ProblemCode::Unauthorized);
        stack.unsigned_fan().from_onboarding(SESSION_ID).await.refused(ProblemCode::SessionNotAuthorised);
        admin.send(Method::DELETE, &format!("/admin/sessions/{SESSION_ID}"), None).await.refused(ProblemCode::NotFound);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_admin_token_on_the_call_does_both_in_one_step() {
    let stack = Plan::on(Store::Redis).start().await;
    let agent = stack.unsigned_fan().with(headers::ADMIN_TOKEN, ADMIN_TOKEN);
    agent.from_onboarding(OTHER_ID).await.expect(204);
    let fan = stack.fan();
    fan.set_cookie(agent.cookie());
    fan.session().await.expect(200);
    assert!(stack.admin().get("/admin/sessions").await.expect(200).text().contains(OTHER_ID));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verified_session_id_is_no_use_without_the_edge() {
    let stack = Plan::on(Store::Embedded).start().await;
    let fan = stack.fan();
    let sent = fan.receive_code(&stack.graph, &stack.phone()).await;
    let verified = fan.verify(&sent, &sent.code).await.expect(200);
    let session_id = otp_tests::harness::session_of(&verified);
    stack.unsigned_fan().from_onboarding(&session_id).await.refused(ProblemCode::Unauthorized);
    fan.from_onboarding(&session_id).await.expect(204);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_tokens_are_limited_and_a_right_one_always_passes() {
    let stack = Plan::on(Store::Redis).without_edge().start().await;
    let wrong = stack.admin().token(Some("admin-token-of-the-stories-0002"));
    for _ in 0..10 {
        wrong.get("/admin/otp/dashboard").await.refused(ProblemCode::Unauthorized);
    }
    let limited = wrong.get("/admin/otp/dashboard").await.refused(ProblemCode::RateLimited);
    assert_eq!(limited.json()["limit"], "admin.auth");
    stack.admin().get("/admin/otp/dashboard").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn cookies_that_were_not_signed_here_are_worth_nothing() {
    let stack = Plan::on(Store::Embedded).start().await;
    let fan = stack.fan();
    let session_id = fan.sign_in(&stack.graph, &stack.phone()).await;
    let good = fan.cookie().expect("a signed-in fan has a cookie");
    let (payload, mac) = good.split_once('.').expect("the cookie is a signed token");
    for forged in ["", "x", payload, &format!("{payload}."), &format!("{payload}.AAAA"), &format!("A{payload}.{mac}"), &session_id] {
        fan.set_cookie(Some(forged.to_owned()));
        fan.session().await.refused(ProblemCode::Unauthorized);
    }
    fan.set_cookie(Some(good.clone()));
    fan.session().await.expect(200);
}
