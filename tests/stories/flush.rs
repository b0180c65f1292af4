//! Section 3 of the runbook, in the middle of everything: the flush costs nobody a code and revives none.

use std::process::Command;

use otp_shared::{limits::Limit, problem::ProblemCode};
use otp_tests::harness::{Plan, RedisServer, Store};

#[tokio::test(flavor = "multi_thread")]
async fn the_runbooks_flush_costs_nobody_a_code_and_revives_none() {
    let stack = Plan::on(Store::Redis).limit(Limit::RequestPhoneHour, "1/1h").start().await;
    let (fan, admin) = (stack.fan(), stack.admin());
    let in_flight = fan.receive_code(&stack.graph, &stack.phone()).await;
    fan.verify(&in_flight, &in_flight.wrong_code(0)).await.refused(ProblemCode::CodeIncorrect);
    fan.verify(&in_flight, &in_flight.wrong_code(1)).await.refused(ProblemCode::CodeIncorrect);
    let used = fan.receive_code(&stack.graph, &stack.phone()).await;
    fan.verify(&used, &used.code).await.expect(200);
    let locked = fan.receive_code(&stack.graph, &stack.phone()).await;
    for n in 0..5 {
        fan.verify(&locked, &locked.wrong_code(n)).await.refused(ProblemCode::CodeIncorrect);
    }
    let blocked = stack.phone();
    admin.block("phone", &blocked).await.expect(200);
    let signed_in = stack.fan();
    signed_in.sign_in(&stack.graph, &stack.phone()).await;
    let signed_out = stack.fan();
    signed_out.sign_in(&stack.graph, &stack.phone()).await;
    let kept = signed_out.cookie();
    signed_out.sign_out().await.expect(204);
    fan.request(&in_flight.phone).await.refused(ProblemCode::RateLimited);

    let keys = stack.redis().keys("otp:*");
    assert!(!keys.is_empty());
    for key in &keys {
        let ttl: i64 = stack.redis().ask(&["TTL", key]);
        assert!(ttl >= 0, "{key} has no TTL");
    }
    flush(stack.redis()).await;
    for key in keys {
        let there: bool = stack.redis().ask(&["EXISTS", &key]);
        assert!(!there, "{key} is still there");
    }

    // Attempts went on counting, codes in flight still verify, used and locked ones stay so.
    let wrong = fan.verify(&in_flight, &in_flight.wrong_code(2)).await.refused(ProblemCode::CodeIncorrect);
    assert_eq!(wrong.json()["attemptsLeft"], 2);
    fan.verify(&in_flight, &in_flight.code).await.expect(200);
    fan.verify(&used, &used.code).await.refused(ProblemCode::ChallengeUnknown);
    fan.verify(&locked, &locked.code).await.refused(ProblemCode::ChallengeLocked);
    // The block and sessions stay, signed in or out.
    stack.signed_fan().request(&blocked).await.refused(ProblemCode::Blacklisted);
    signed_in.session().await.expect(200);
    signed_out.set_cookie(kept);
    signed_out.session().await.refused(ProblemCode::Unauthorized);
    // Limits and cooldowns are gone: that is what the flush is for.
    stack.fan().request(&in_flight.phone).await.expect(202);

    let pong: String = stack.redis().ask(&["PING"]);
    assert_eq!(pong, "PONG");
    let status = stack.unsigned_fan().get("/otp/status").await.expect(200).json();
    assert_eq!(status["redis"], "connected");
}

/// The runbook's own line.
async fn flush(redis: &RedisServer) {
    let line = r#"redis-cli -u "$REDIS_URL" --scan --pattern "otp:*" | xargs -r redis-cli -u "$REDIS_URL" del"#;
    let mut shell = Command::new("sh");
    shell.args(["-c", line]).env("REDIS_URL", redis.url());
    let done = tokio::task::spawn_blocking(move || shell.output()).await.expect("the line is run").expect("there is a shell");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}
