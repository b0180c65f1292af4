//! The Worker as a developer runs it: `wrangler dev` with the repository's own `wrangler.toml`.

use std::process::Command;

use otp_tests::harness::{Door, Plan, Process, Store, free_port, repository, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_fan_signs_in_through_wrangler_dev() {
    let stack = Plan::on(Store::Embedded).without_edge().start().await;
    // `--port 0` would do for wrangler, but it prints the port for people; this one is known.
    let port = free_port();
    let mut wrangler = Process::start("wrangler dev", command(&stack, port));
    let url = format!("http://127.0.0.1:{port}");
    until("wrangler dev answers", async || {
        assert!(!wrangler.has_ended(), "{}", wrangler.tail());
        stack.http().get(format!("{url}/otp/status")).send().await.ok().filter(|answer| answer.status() == 200)
    })
    .await;
    let fan = stack.fan_at(Door::Edge(url));
    fan.sign_in(&stack.graph, &stack.phone()).await;
    fan.session().await.expect(200);
    fan.sign_out().await.expect(204);
}

fn command(stack: &otp_tests::harness::Stack, port: u16) -> Command {
    let config = stack.edge_config();
    let mut wrangler = Command::new(repository().join("node_modules/.bin/wrangler"));
    wrangler.current_dir(repository()).env("WRANGLER_SEND_METRICS", "false").env("CI", "true");
    wrangler
        .args(["dev", "--local", "--ip", "127.0.0.1", "--inspector-port", "0", "--port", &port.to_string(), "--persist-to"])
        .arg(stack.kv());
    wrangler.arg("--var").arg(format!("ORIGIN_URL:{}", config.origin));
    wrangler.arg(format!("EDGE_SHARED_SECRET:{}", config.secret));
    wrangler
}

#[test]
fn wrangler_would_deploy_to_production() {
    let mut wrangler = Command::new(repository().join("node_modules/.bin/wrangler"));
    wrangler.current_dir(repository()).env("WRANGLER_SEND_METRICS", "false").env("CI", "true");
    let done = wrangler.args(["deploy", "--dry-run", "--env", "production"]).output().expect("npm ci has installed wrangler");
    let told = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success(), "{told}{}", String::from_utf8_lossy(&done.stderr));
    for binding in ["env.OTP_KV", "env.BURST ", "env.BURST_ADDRESS "] {
        assert!(told.contains(binding), "{binding} is missing: {told}");
    }
}
