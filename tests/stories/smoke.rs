//! `cargo xtask smoke` against the real stack: it passes when all is well, says what is not, and leaves nothing behind.

use otp_tests::harness::{ADMIN_TOKEN, Plan, Stack, Store, until};
use otp_tests::smoke::{Report, Target};

async fn stack() -> Stack {
    Plan::on(Store::Redis).origin("OTP_COUNTRIES", "RW").start().await
}

fn target(stack: &mut Stack) -> Target {
    let mut target = Target::new(&stack.edge().url(), &stack.origin_url());
    target.admin_token = Some(ADMIN_TOKEN.to_owned());
    target.redis = Some(stack.redis().url());
    target.phone = stack.phone();
    target
}

/// The checklist's lines, and what failed.
async fn run(target: &Target) -> (Vec<String>, Vec<String>) {
    let mut lines = Vec::new();
    let report: Report<'_> = target.check(|line| lines.push(line.to_owned())).await;
    let failed = report.failed().to_vec();
    drop(report);
    (lines, failed)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_checklist_passes_and_leaves_nothing_behind() {
    let mut stack = stack().await;
    let target = target(&mut stack);
    let (lines, failed) = run(&target).await;
    assert!(failed.is_empty(), "{lines:#?}");
    assert!(lines.iter().all(|line| line.starts_with("- [x]")), "{lines:#?}");
    assert!(stack.graph.messages().is_empty(), "a message was sent");
    let entries = stack.admin().get("/admin/otp/blacklist").await.expect(200).json();
    assert_eq!(entries["entries"].as_array().map(Vec::len), Some(0));
    // Run again at once, it passes again.
    assert!(run(&target).await.1.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_of_an_operator_is_left_alone() {
    let mut stack = stack().await;
    let target = target(&mut stack);
    stack.admin().block("phone", &target.phone).await.expect(200);
    let (lines, _) = run(&target).await;
    assert!(lines.iter().any(|line| line.contains("skipped") && line.contains("blocked already")), "{lines:#?}");
    let entries = stack.admin().get("/admin/otp/blacklist").await.expect(200).json();
    assert_eq!(entries["entries"][0]["note"], "Incident #123");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_well_is_told() {
    let mut stack = stack().await;
    let target = target(&mut stack);
    stack.redis_mut().kill();
    // The origin learns it when it next asks Redis something.
    until("the origin has noticed", async || {
        let status = stack.unsigned_fan().get("/otp/status").await.expect(200).json();
        (status["redis"] == "memory fallback").then_some(())
    })
    .await;
    let (lines, failed) = run(&target).await;
    assert!(failed.iter().any(|what| what.contains("redis connected")), "{lines:#?}");
    assert!(failed.iter().any(|what| what.contains("PING")), "{lines:#?}");
    stack.kill_origin();
    let (lines, failed) = run(&target).await;
    assert!(
        failed.iter().any(|what| what.contains("/healthz")) && failed.iter().any(|what| what.contains("the edge reaches")),
        "{lines:#?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_token_nothing_is_touched() {
    let mut stack = stack().await;
    let mut target = target(&mut stack);
    target.admin_token = None;
    target.redis = None;
    let (lines, failed) = run(&target).await;
    assert!(failed.is_empty(), "{lines:#?}");
    assert_eq!(lines.iter().filter(|line| line.contains("skipped: no admin token")).count(), 5, "{lines:#?}");
    let audit = stack.admin().get("/admin/otp/audit").await.expect(200).json();
    assert_eq!(audit["changes"].as_array().map(Vec::len), Some(0));
}
