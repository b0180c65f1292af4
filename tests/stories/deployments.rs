//! Redis as it is deployed: behind TLS with a user of its own, under Sentinel (see `outage`), and as a Cluster. The whole way on each.

use std::time::{Duration, Instant};

use otp_shared::limits::Limit;
use otp_tests::harness::{Pace, Plan, RedisServer, Stack, Store, Traffic, free_port, until};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tempfile::TempDir;

/// What the origin's user needs, as docs/operations.md has it.
const RULES: [&str; 14] = [
    "on",
    ">a-password-of-the-stories",
    "resetkeys",
    "~otp:*",
    "~spent:*",
    "~known:*",
    "~verified:*",
    "~revoked:*",
    "~operator:*",
    "~audit:*",
    "resetchannels",
    "-@all",
    "+@all",
    "-@admin",
];

fn plan(url: &str) -> Plan {
    Plan::on(Store::Embedded)
        .origin("REDIS_URL", url)
        .limit(Limit::RequestGlobal, "1000000/1m")
        .limit(Limit::RequestRecipients, "1000000/1d")
        .origin("WHATSAPP_SENDS_PER_S", "1000")
}

async fn connected(stack: &Stack) {
    let fan = stack.unsigned_fan();
    until("redis is connected", async || (fan.get("/otp/status").await.json()["redis"] == "connected").then_some(())).await;
}

/// A certificate for this machine, signed by an authority made for it: the paths of the authority's, the server's, and its key.
fn certificates(directory: &TempDir) -> [String; 3] {
    let mut params = CertificateParams::new(Vec::new()).expect("no names to be wrong");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = || KeyPair::generate().expect("ring makes keys");
    let authority = CertifiedIssuer::self_signed(params, key()).expect("it signs itself");
    let server_key = key();
    let server =
        CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("an address").signed_by(&server_key, &authority).expect("signed");
    [("ca.pem", authority.pem()), ("server.pem", server.pem()), ("server.key", server_key.serialize_pem())].map(|(name, text)| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).expect("the directory is ours");
        path.to_str().expect("a plain path").to_owned()
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fan_signs_in_with_redis_behind_tls_and_a_user_of_its_own() {
    let directory = TempDir::new().expect("there is room");
    let [authority, certificate, key] = certificates(&directory);
    let port = free_port().to_string();
    let tls = ["--tls-port", &port, "--tls-auth-clients", "no", "--tls-ca-cert-file", &authority];
    let redis = RedisServer::start_with(&[&tls[..], &["--tls-cert-file", &certificate, "--tls-key-file", &key]].concat()).await;
    let _: String = redis.ask(&[&["ACL", "SETUSER", "otp"], &RULES[..]].concat());
    let url = format!("rediss://otp:a-password-of-the-stories@127.0.0.1:{port}");
    let stack = plan(&url).origin("SSL_CERT_FILE", &authority).start().await;
    stack.note_token("a-password-of-the-stories");
    connected(&stack).await;
    stack.fan().sign_in(&stack.graph, &stack.phone()).await;
    stack.admin().block("phone", &stack.phone()).await.expect(200);
    assert!(!redis.keys("spent:*").is_empty(), "it was Redis that judged");
    let denied: Vec<redis::Value> = redis.ask(&["ACL", "LOG"]);
    assert!(denied.is_empty(), "{denied:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_of_three_masters_fails_over_in_the_middle_of_traffic_and_loses_nobody() {
    let mut nodes = RedisServer::start_cluster().await;
    let url = nodes.iter().map(RedisServer::url).collect::<Vec<_>>().join(",");
    let stack = plan(&url).origin("REDIS_MODE", "cluster").start().await;
    connected(&stack).await;
    stack.fan().sign_in(&stack.graph, &stack.phone()).await;
    let owner = nodes.iter().position(|node| node.info("replication").contains("role:master") && !node.keys("spent:*").is_empty());
    let owner = owner.expect("one master has all our keys");
    let pace = Pace { per_s: 36, lasting: Duration::from_secs(3), thinking: Duration::from_secs(6), again: true };
    let before = Traffic::run(&stack, &stack.door(), pace).await;
    let cut = Instant::now();
    nodes[owner].kill();
    let during = Traffic::run(&stack, &stack.door(), Pace { lasting: Duration::from_secs(6), ..pace }).await;
    connected(&stack).await;
    super::outage::assert_nobody_lost(&before.collect().await, cut);
    super::outage::assert_nobody_lost(&during.collect().await, cut);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_may_drop_attempts_is_noticed_at_the_start() {
    let redis = RedisServer::start_with(&["--maxmemory", "64mb", "--maxmemory-policy", "allkeys-lru"]).await;
    let mut stack = plan(&redis.url()).start().await;
    connected(&stack).await;
    let warned = stack.origin().log().find(|line| (line.contains("maxmemory-policy") && line.contains("WARN")).then_some(()));
    assert!(warned.is_some(), "{:#?}", stack.logs());
}
