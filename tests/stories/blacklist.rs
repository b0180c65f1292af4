//! An operator blocks and unblocks with the runbook's commands: the origin follows at once, the edge within its refresh time.

use std::process::Command;
use std::time::Duration;

use otp_shared::problem::ProblemCode;
use otp_tests::harness::{Fan, Plan, Stack, Store, now_s, repository, until, within};
use reqwest::Method;
use serde_json::json;

/// The stories' edges read their snapshots again after one second; the rest is a busy machine's.
const REFRESH: Duration = Duration::from_secs(6);

#[tokio::test(flavor = "multi_thread")]
async fn a_blocked_number_is_refused_at_once_by_the_origin_and_soon_by_the_edge_alone() {
    let mut stack = Plan::on(Store::Redis).start().await;
    let (fan, admin) = (stack.fan(), stack.admin());
    let (blocked, other) = (stack.phone(), stack.phone());

    let entry = admin.block("phone", &blocked).await.expect(200);
    let stored = entry.json();
    assert!(entry.text().contains("redis") && entry.text().contains("edge"), "it says where the entry is: {stored}");
    stack.signed_fan().request(&blocked).await.refused(ProblemCode::Blacklisted);
    fan.request(&blocked).await.refused(ProblemCode::Blacklisted);

    published(&mut stack, &blocked, true).await;
    stack.kill_origin();
    soon(&fan, &blocked, ProblemCode::Blacklisted).await;
    fan.request(&other).await.refused(ProblemCode::OriginUnavailable);

    stack.start_origin().await;
    stack.signed_fan().request(&blocked).await.refused(ProblemCode::Blacklisted);
    admin.unblock("phone", &blocked).await.expect(200);
    stack.signed_fan().request(&blocked).await.expect(202);
    // The origin allows it now, so what the edge passes on meets the cooldown.
    soon(&fan, &blocked, ProblemCode::RateLimited).await;
    admin.unblock("phone", &blocked).await.refused(ProblemCode::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blocked_address_is_refused_at_once_by_the_origin_and_soon_by_the_edge_alone() {
    let mut stack = Plan::on(Store::Embedded).start().await;
    let admin = stack.admin();
    let addresses = [("203.0.113.7", "203.0.113.7"), ("2001:db8:1:2::1", "2001:db8:1:2:3:4:5:6")];
    for (written, used) in addresses {
        admin.block("ip", written).await.expect(200);
        stack.signed_fan().at(used).request(&stack.phone()).await.refused(ProblemCode::Blacklisted);
    }
    until("both entries are published", async || stack.published().await.filter(|snapshot| snapshot.len() == 2)).await;
    stack.kill_origin();
    let fan = stack.fan();
    for (_, used) in addresses {
        soon(&fan.at(used), &stack.phone(), ProblemCode::Blacklisted).await;
    }
    fan.at("203.0.113.8").request(&stack.phone()).await.refused(ProblemCode::OriginUnavailable);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_written_by_hand_is_honoured_after_the_cron_ran() {
    let mut stack = Plan::on(Store::Embedded).start().await;
    let (fan, phone) = (stack.fan(), stack.phone());
    let key = format!("blacklist:phone:{phone}");
    stack.edge().kv_put(&key, "1").await;
    stack.edge().kv_put("blacklist:ip:203.0.113.9", "1").await;
    // What does not parse is reported and does no harm to the rest.
    stack.edge().kv_put("blacklist:phone:typing-error", "1").await;
    stack.edge().run_cron().await;
    stack.kill_origin();
    soon(&fan, &phone, ProblemCode::Blacklisted).await;
    soon(&fan.at("203.0.113.9"), &stack.phone(), ProblemCode::Blacklisted).await;
    stack.edge().kv_delete(&key).await;
    stack.edge().run_cron().await;
    soon(&fan, &phone, ProblemCode::OriginUnavailable).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_put_with_wrangler_is_honoured_after_the_cron_ran() {
    let mut stack = Plan::on(Store::Embedded).start().await;
    let (fan, phone) = (stack.fan(), stack.phone());
    let key = format!("blacklist:phone:{phone}");
    let mut wrangler = Command::new(repository().join("node_modules/.bin/wrangler"));
    wrangler.current_dir(repository()).env("WRANGLER_SEND_METRICS", "false");
    wrangler.args(["kv", "key", "put", "--local", "--binding", "OTP_KV", &key, "1", "--persist-to"]).arg(stack.kv());
    let put = tokio::task::spawn_blocking(move || wrangler.output()).await.expect("the command is run").expect("wrangler is installed");
    assert!(put.status.success(), "{}{}", String::from_utf8_lossy(&put.stdout), String::from_utf8_lossy(&put.stderr));
    stack.edge().run_cron().await;
    stack.kill_origin();
    soon(&fan, &phone, ProblemCode::Blacklisted).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_with_an_end_ends_by_itself() {
    let stack = Plan::on(Store::Redis).start().await;
    let phone = stack.phone();
    let body = json!({ "type": "phone", "value": phone, "note": "Incident #123", "ttlS": 2 });
    stack.admin().send(Method::POST, "/admin/otp/blacklist", Some(&body)).await.expect(200);
    let fan = stack.fan();
    fan.request(&phone).await.refused(ProblemCode::Blacklisted);
    until("the block has ended", async || (fan.request(&phone).await.status == 202).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_need_a_token_and_a_subject() {
    let stack = Plan::on(Store::Redis).start().await;
    let (admin, phone) = (stack.admin(), stack.phone());
    for stranger in [admin.token(None), admin.token(Some("")), admin.token(Some("admin-token-of-the-stories-0002"))] {
        stranger.block("phone", &phone).await.refused(ProblemCode::Unauthorized);
        stranger.unblock("phone", &phone).await.refused(ProblemCode::Unauthorized);
        stranger.get("/admin/otp/dashboard").await.refused(ProblemCode::Unauthorized);
    }
    for (kind, value) in [("phone", "lol"), ("phone", ""), ("ip", "203.0.113"), ("ip", "203.0.113.300"), ("fan", "x"), ("", "")] {
        let answer = admin.block(kind, value).await;
        assert_eq!(answer.status, 400, "{kind} {value}: {answer}");
        answer.assert_is_a_problem();
    }
    for body in [json!({}), json!([]), json!({ "type": "phone" }), json!({ "type": 1, "value": phone })] {
        admin.send(Method::POST, "/admin/otp/blacklist", Some(&body)).await.refused(ProblemCode::InvalidBody);
    }
    admin.unblock("phone", &phone).await.refused(ProblemCode::NotFound);
    stack.fan().request(&phone).await.expect(202);
    admin.get("/admin/otp/dashboard").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_token_configured_there_is_no_admin_api() {
    let stack = Plan::on(Store::Embedded).without_edge().unset("ADMIN_TOKENS").start().await;
    for admin in [stack.admin(), stack.admin().token(None)] {
        admin.block("phone", &stack.phone()).await.refused(ProblemCode::AdminDisabled);
    }
}

/// Waits until the snapshot in KV says whether `phone` is blocked.
async fn published(stack: &mut Stack, phone: &str, blocked: bool) {
    let caller = Stack::caller(phone);
    until("the change is in KV", async || {
        let snapshot = stack.published().await?;
        (snapshot.blacklisted(&caller, now_s()).is_some() == blocked).then_some(())
    })
    .await;
}

/// Waits, for as long as the edge may take to read its snapshot again, until a request for `phone` is refused with `code`.
async fn soon(fan: &Fan, phone: &str, code: ProblemCode) {
    let mut last = None;
    let refused = within(REFRESH, async || {
        let answer = fan.request(phone).await;
        let told = answer.code().as_deref() == Some(code.as_str());
        last = Some(answer);
        told.then_some(())
    })
    .await;
    let last = last.expect("at least one request was made");
    assert!(refused.is_some(), "not {} after {REFRESH:?} but {last}", code.as_str());
    last.refused(code);
}
