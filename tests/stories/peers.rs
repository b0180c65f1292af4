//! What existing systems get wrong, each as a promise kept here. The numbers are those of the list the product was designed by.

use otp_graph_sim::{Fault, Rule};
use otp_shared::{limits::Limit, problem::ProblemCode, routes};
use otp_tests::harness::{Answer, Fan, Plan, Stack, Store, says};
use reqwest::{Method, header::ALLOW};
use serde_json::json;

use crate::guesses::{count, of_30_parallel_correct_verifies_one_succeeds, refused_until, together};

const NO_COOLDOWN: &str = "1000/1s";

#[tokio::test(flavor = "multi_thread")]
async fn peer_01_a_code_is_in_no_answer_log_metric_or_store() {
    let stack = Plan::on(Store::Redis).start().await;
    let (fan, admin) = (stack.fan(), stack.admin());
    let sent = fan.once("idempotency-key-1").receive_code(&stack.graph, &stack.phone()).await;
    fan.verify(&sent, &sent.wrong_code(0)).await.refused(ProblemCode::CodeIncorrect);
    refused_until(&fan, &sent.phone, ProblemCode::EdgeHold).await;
    stored_nowhere(&stack, &sent.code);
    let verified = fan.verify(&sent, &sent.code).await.expect(200);
    assert!(!says(&verified.to_string(), &sent.code), "{verified}");
    stored_nowhere(&stack, &sent.code);
    for path in ["/metrics", "/otp/status", "/admin/otp/dashboard", "/admin/otp/audit"] {
        let answer = admin.get(path).await;
        assert!(!says(&answer.to_string(), &sent.code), "{answer}");
    }
    // The end of every stack looks through all answers and log lines.
}

fn stored_nowhere(stack: &Stack, code: &str) {
    for (key, value) in stack.redis().contents() {
        assert!(!says(&key, code) && !says(&String::from_utf8_lossy(&value), code), "the code is in Redis, under {key}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn peer_02_of_30_parallel_correct_verifies_exactly_one_succeeds() {
    let stack = Plan::on(Store::Redis).start().await;
    of_30_parallel_correct_verifies_one_succeeds(&stack).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn peer_03_every_key_has_a_ttl_within_its_meaning() {
    let stack = Plan::on(Store::Redis).limit(Limit::RequestPhoneCooldown, NO_COOLDOWN).start().await;
    let (fan, admin) = (stack.fan(), stack.admin());
    let sent = fan.once("idempotency-key-1").receive_code(&stack.graph, &stack.phone()).await;
    fan.verify(&sent, &sent.wrong_code(0)).await.refused(ProblemCode::CodeIncorrect);
    fan.once("idempotency-key-2").verify(&sent, &sent.code).await.expect(200);
    let blocked = stack.phone();
    admin.block("phone", &blocked).await.expect(200);
    stack.signed_fan().request(&blocked).await.refused(ProblemCode::Blacklisted);
    fan.sign_in(&stack.graph, &stack.phone()).await;
    fan.sign_out().await;
    admin.token(Some("a-wrong-token-of-24-letters")).get("/admin/otp/dashboard").await.refused(ProblemCode::Unauthorized);
    for _ in 0..4 {
        fan.request(&sent.phone).await;
    }
    fan.request(&sent.phone).await.refused(ProblemCode::RateLimited);

    let longest = |key: &str| if key.starts_with("otp:") { 26 * 3600 } else { 3600 };
    let (flushable, lasting) = (stack.redis().keys("otp:*"), stack.redis().keys("spent:*"));
    assert!(!flushable.is_empty() && !lasting.is_empty());
    for key in flushable.iter().chain(&lasting) {
        let ttl: i64 = stack.redis().ask(&["TTL", key]);
        assert!((0..=longest(key)).contains(&ttl), "{key} has a TTL of {ttl} s");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn peer_04_lockout_is_429_with_retry_after_and_five_means_five() {
    let stack = Plan::on(Store::Redis).limit(Limit::RequestPhoneCooldown, NO_COOLDOWN).start().await;
    let (fan, phone) = (stack.fan(), stack.phone());
    let sent = fan.receive_code(&stack.graph, &phone).await;
    for left in (1..5).rev() {
        let wrong = fan.verify(&sent, &sent.wrong_code(left)).await.refused(ProblemCode::CodeIncorrect);
        assert_eq!(wrong.json()["attemptsLeft"], left);
    }
    // The fifth guess still counts.
    fan.verify(&sent, &sent.code).await.expect(200);

    let sent = fan.receive_code(&stack.graph, &phone).await;
    for n in 0..5 {
        fan.verify(&sent, &sent.wrong_code(n)).await.refused(ProblemCode::CodeIncorrect);
    }
    let locked = fan.verify(&sent, &sent.code).await.refused(ProblemCode::ChallengeLocked);
    assert_eq!(locked.status, 429);
    assert!((1..=300).contains(&locked.retry_after_s()), "until the challenge ends: {locked}");
}

#[tokio::test(flavor = "multi_thread")]
async fn peer_05_eight_challenges_of_one_phone_share_its_limit() {
    let stack = Plan::on(Store::Redis).limit(Limit::RequestPhoneCooldown, NO_COOLDOWN).start().await;
    let phone = stack.phone();
    let mut answers = Vec::new();
    for n in 0..8 {
        let spelled = format!("{} {}", &phone[..4 + n % 3], &phone[4 + n % 3..]);
        answers.push(stack.fan().request(&spelled).await);
    }
    let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses, [202, 202, 202, 202, 202, 429, 429, 429]);
    assert_eq!(answers[5].json()["limit"], "request.phone.hour");
    assert!((3500..=3600).contains(&answers[5].retry_after_s()), "{}", answers[5]);
    assert_eq!(stack.graph.messages_to(&phone).len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn peer_06_a_provider_error_is_reported_and_costs_no_quota() {
    let stack = Plan::on(Store::Redis).limit(Limit::RequestPhoneHour, "1/1h").limit(Limit::RequestPhoneDay, "1/1d").start().await;
    let (fan, phone) = (stack.fan(), stack.phone());
    for fault in [Fault::error(131_000), Fault::Bare { status: 500, accepted: false }] {
        stack.graph.script(Rule::once(fault));
        fan.request(&phone).await.refused(ProblemCode::DeliveryUnavailable);
    }
    assert!(stack.graph.messages().is_empty());
    crate::provider::until_sending_works(&stack).await;
    fan.request(&phone).await.expect(202);
    fan.request(&phone).await.refused(ProblemCode::RateLimited);
}

#[tokio::test(flavor = "multi_thread")]
async fn peer_08_all_digits_come_equally_often_at_every_place() {
    const CODES: usize = 300;
    let plan =
        Plan::on(Store::Embedded).without_edge().limit(Limit::RequestGlobal, "100000/1m").limit(Limit::RequestRecipients, "100000/1d");
    let stack = plan.start().await;
    for _ in 0..CODES {
        stack.fan().request(&stack.phone()).await.expect(202);
    }
    let codes: Vec<String> = stack.graph.messages().into_iter().map(|message| message.code).collect();
    assert_eq!(codes.len(), CODES);
    for code in &codes {
        assert!(code.len() == 6 && code.bytes().all(|byte| byte.is_ascii_digit()), "six digits, leading zeros too");
    }
    for place in 0..6 {
        for digit in '0'..='9' {
            // 300 draws of 1 in 10: 30 on average, 5.2 of standard deviation; six deviations are two in 10⁹.
            let seen = codes.iter().filter(|code| code.chars().nth(place) == Some(digit)).count();
            assert!((1..=62).contains(&seen), "digit {digit} at place {place}: {seen} of {CODES}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn peer_09_a_resend_keeps_the_attempts() {
    let stack = Plan::on(Store::Redis).limit(Limit::RequestPhoneCooldown, NO_COOLDOWN).start().await;
    let fan = stack.fan();
    let sent = fan.receive_code(&stack.graph, &stack.phone()).await;
    for left in (0..5).rev() {
        let wrong = fan.verify(&sent, &sent.wrong_code(left)).await.refused(ProblemCode::CodeIncorrect);
        assert_eq!(wrong.json()["attemptsLeft"], left);
        if left == 2 {
            assert_eq!(fan.resend(&sent).await.expect(202).json()["attemptsLeft"], 2);
        }
    }
    fan.verify(&sent, &sent.code).await.refused(ProblemCode::ChallengeLocked);
    fan.resend(&sent).await.refused(ProblemCode::ChallengeLocked);
}

#[tokio::test(flavor = "multi_thread")]
async fn peer_10_spellings_are_one_number_and_what_is_none_is_refused() {
    let stack = Plan::on(Store::Redis).start().await;
    stack.note_number("+919876543210");
    stack.fan().request("+91 98765 43210").await.expect(202);
    for spelled in ["+919876543210", "0091 98765-43210", "+91 (98765) 43210", "+91.98765.43210", "+91\u{a0}98765\u{a0}43210"] {
        stack.fan().request(spelled).await.refused(ProblemCode::RateLimited);
    }
    assert_eq!(stack.graph.messages_to("+919876543210").len(), 1);
    for text in ["lol", "+", "00", "+91 98765 4321O", "9876543210", "+2500788123456"] {
        stack.fan().request(text).await.refused(ProblemCode::InvalidPhone);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn peer_11_a_code_has_five_guesses_from_however_many_addresses() {
    let stack = Plan::on(Store::Redis).start().await;
    let sent = stack.fan().receive_code(&stack.graph, &stack.phone()).await;
    let answers = together(60, |n| {
        let (fan, sent) = (stack.fan(), sent.clone());
        async move { fan.verify(&sent, &sent.wrong_code(n)).await }
    })
    .await;
    assert_eq!(count(&answers, ProblemCode::CodeIncorrect), 5);
    assert_eq!(count(&answers, ProblemCode::ChallengeLocked), 55);
}

#[tokio::test(flavor = "multi_thread")]
async fn peer_12_the_address_is_the_signed_one_and_without_it_there_is_no_code() {
    let stack = Plan::on(Store::Redis).limit(Limit::RequestIp, "3/10m").start().await;
    stack.unsigned_fan().request(&stack.phone()).await.refused(ProblemCode::Unauthorized);

    let fan = stack.fan();
    let hidden = |n: u32| fan.with("x-forwarded-for", &format!("192.0.2.{n}")).with("x-real-ip", &format!("192.0.2.{n}"));
    for n in 0..3 {
        hidden(n).request(&stack.phone()).await.expect(202);
    }
    let refused = hidden(3).request(&stack.phone()).await.refused(ProblemCode::RateLimited);
    assert_eq!(refused.json()["limit"], "request.ip");
    stack.fan().request(&stack.phone()).await.expect(202);
}

#[tokio::test(flavor = "multi_thread")]
async fn peer_14_a_webhook_handshake_echoes_nothing_before_the_token() {
    let stack = Plan::on(Store::Embedded).start().await;
    let token = stack.graph.settings().verify_token.clone();
    let hook = |token: &str| format!("{}?hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token={token}", routes::WEBHOOK);
    for fan in [stack.fan(), stack.signed_fan()] {
        for wrong in ["", "wrong", &token[1..], &format!("{token}x")] {
            let answer = fan.get(&hook(wrong)).await.refused(ProblemCode::Forbidden);
            assert!(!answer.to_string().contains("1158201444"), "{answer}");
        }
        let right = fan.get(&hook(&token)).await.expect(200);
        assert_eq!(right.text(), "1158201444");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn peer_16_every_refusal_is_a_problem_document_and_says_when_to_return() {
    let mut stack = Plan::on(Store::Redis).origin("OTP_COUNTRIES", "RW").start().await;
    let fan = stack.fan();
    let sent = fan.receive_code(&stack.graph, &stack.phone()).await;
    let post = async |body: &str| fan.send(Method::POST, routes::OTP_REQUEST, body.as_bytes()).await;
    post("{").await.refused(ProblemCode::InvalidBody);
    fan.request("lol").await.refused(ProblemCode::InvalidPhone);
    fan.request("+254712345678").await.refused(ProblemCode::UnsupportedCountry);
    fan.session().await.refused(ProblemCode::Unauthorized);
    fan.verify(&sent, &sent.wrong_code(0)).await.refused(ProblemCode::CodeIncorrect);
    fan.from_onboarding("0f9e4c7a-made-up-session").await.refused(ProblemCode::SessionNotAuthorised);
    fan.get("/otp/nowhere").await.refused(ProblemCode::NotFound);
    let method = fan.get(routes::OTP_VERIFY).await.refused(ProblemCode::MethodNotAllowed);
    assert_eq!(method.header(ALLOW), Some("POST"), "{method}");
    post(&"x".repeat(5000)).await.refused(ProblemCode::TooLarge);
    fan.with("content-type", "text/plain").request(&sent.phone).await.refused(ProblemCode::UnsupportedMediaType);
    let limited = fan.request(&sent.phone).await.refused(ProblemCode::RateLimited);
    assert!((1..=60).contains(&limited.retry_after_s()), "{limited}");
    refused_until(&fan, &sent.phone, ProblemCode::EdgeHold).await.refused(ProblemCode::EdgeHold);
    fan.verify(&sent, &sent.code).await.expect(200);
    fan.verify(&sent, &sent.code).await.refused(ProblemCode::ChallengeUnknown);
    stack.kill_origin();
    fan.request(&stack.phone()).await.refused(ProblemCode::OriginUnavailable);
}

#[tokio::test(flavor = "multi_thread")]
async fn peer_17_requests_in_flight_cannot_pass_a_limit() {
    for store in [Store::Embedded, Store::Redis] {
        for attempt in 1.. {
            let stack = Plan::on(store).limit(Limit::RequestIp, "10/10m").start().await;
            let (same_number, one_address) = crowds(&stack).await;
            // While memory stands in it has a share of its own, as promised elsewhere; this is about one judge.
            if stack.fell_back() && attempt < 5 {
                continue;
            }
            assert_eq!(accepted(&same_number), 1);
            assert_eq!(accepted(&one_address), 10);
            assert_eq!(stack.graph.messages().len(), 11);
            break;
        }
    }
}

/// 50 requests at once for one number from different addresses, and then 60 for different numbers from one address.
async fn crowds(stack: &Stack) -> (Vec<Answer>, Vec<Answer>) {
    let (phone, fan) = (stack.phone(), stack.fan());
    let same_number = together(50, |_| {
        let (fan, phone) = (stack.fan(), phone.clone());
        async move { fan.request(&phone).await }
    });
    let same_number = same_number.await;
    let one_address = together(60, |_| {
        let (fan, phone) = (fan.clone(), stack.phone());
        async move { fan.request(&phone).await }
    });
    (same_number, one_address.await)
}

fn accepted(answers: &[Answer]) -> usize {
    answers.iter().filter(|answer| answer.status == 202).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn peer_20_two_spellings_of_one_whatsapp_account_are_one_identity() {
    let stack = Plan::on(Store::Redis).start().await;
    let pairs = [("+5511987654321", "+551187654321"), ("+5215512345678", "+525512345678"), ("+5491123456789", "+541123456789")];
    for (one, other) in pairs {
        stack.note_number(one);
        stack.note_number(other);
        stack.fan().request(one).await.expect(202);
        let refused = stack.fan().request(other).await.refused(ProblemCode::RateLimited);
        assert_eq!(refused.json()["limit"], "request.phone.cooldown", "{one} {other}");
    }
    assert_eq!(stack.graph.messages().len(), pairs.len());

    // The same holds for a block: the other spelling does not walk around it.
    stack.admin().block("phone", "+5511912345678").await.expect(200);
    for spelled in ["+5511912345678", "+551112345678"] {
        stack.note_number(spelled);
    }
    stack.signed_fan().request("+5511912345678").await.refused(ProblemCode::Blacklisted);
}

#[tokio::test(flavor = "multi_thread")]
async fn peer_21_the_addresses_of_an_ipv6_slash_64_are_one() {
    let stack = Plan::on(Store::Redis).limit(Limit::RequestIp, "3/10m").start().await;
    let fan: Fan = stack.fan();
    for host in ["2001:db8:1:2::1", "2001:db8:1:2::2", "2001:db8:1:2:ffff:ffff:ffff:ffff"] {
        fan.at(host).request(&stack.phone()).await.expect(202);
    }
    let refused = fan.at("2001:db8:1:2:aaaa::1").request(&stack.phone()).await.refused(ProblemCode::RateLimited);
    assert_eq!(refused.json()["limit"], "request.ip");
    fan.at("2001:db8:1:3::1").request(&stack.phone()).await.expect(202);

    stack.admin().block("ip", "2001:db8:7:7::1").await.expect(200);
    stack.signed_fan().at("2001:db8:7:7:ffff::9").request(&stack.phone()).await.refused(ProblemCode::Blacklisted);
    stack.signed_fan().at("2001:db8:7:8::1").post(routes::OTP_REQUEST, &json!({ "phone": stack.phone() })).await.expect(202);
}
