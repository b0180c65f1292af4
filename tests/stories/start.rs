//! The origin reads its configuration once, and says everything that is wrong with it at once.

use otp_graph_sim::{Graph, Settings};
use otp_tests::harness::{Environment, Origin, Plan};

const REQUIRED: [&str; 9] = [
    "OTP_SECRET",
    "EDGE_SHARED_SECRET",
    "WHATSAPP_PHONE_NUMBER_ID",
    "WHATSAPP_TOKEN",
    "WHATSAPP_WABA_ID",
    "WHATSAPP_APP_SECRET",
    "WHATSAPP_VERIFY_TOKEN",
    "WHATSAPP_TEMPLATE",
    "OTP_COUNTRIES",
];

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_environment_is_refused_naming_all_that_is_missing() {
    let said = Origin::refused_start(&Environment::default()).await;
    for name in REQUIRED {
        assert!(said.contains(name), "{name} is not named: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_values_are_refused_naming_all_of_them_and_echoing_no_secret() {
    let graph = Graph::start(Settings::default()).await.expect("the stand-in binds a free port");
    let bad = [
        ("OTP_SECRET", "too-short-a-secret"),
        ("EDGE_SHARED_SECRET", "short-edge-secret"),
        ("ADMIN_TOKENS", "ops=short-admin-token"),
        ("REDIS_URL", "http://user:redis-password@localhost"),
        ("OTP_LIMIT_REQUEST_PHONE_HOUR", "five"),
        ("OTP_TTL_S", "10"),
        ("OTP_COUNTRIES", "Rwanda"),
        ("OTP_REPLICAS", "two"),
    ];
    let environment = bad.iter().fold(Plan::environment(&graph), |environment, (name, value)| environment.set(name, value));
    let said = Origin::refused_start(&environment).await;
    for (name, _) in bad {
        assert!(said.contains(name), "{name} is not named: {said}");
    }
    for secret in ["too-short-a-secret", "short-edge-secret", "short-admin-token", "redis-password"] {
        assert!(!said.contains(secret), "{secret} is echoed: {said}");
    }
    assert!(said.contains("five") && said.contains("Rwanda"), "what it was: {said}");
}
