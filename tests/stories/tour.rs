//! The README's five-minute tour, pasted as it stands, against a stack on other ports.

use std::process::Command;

use otp_tests::harness::{ADMIN_TOKEN, Plan, Store, repository};
use tempfile::TempDir;

/// The one line that names ports.
const PORTS: &str = "EDGE=http://127.0.0.1:8787 ORIGIN=http://127.0.0.1:8080 GRAPH=http://127.0.0.1:8090\n";

/// Everything in the README's shell blocks.
fn tour() -> String {
    let readme = std::fs::read_to_string(repository().join("README.md")).expect("there is a README");
    let blocks: Vec<_> = readme.split("```bash\n").skip(1).filter_map(|block| block.split_once("```")).map(|(block, _)| block).collect();
    blocks.concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tour_of_the_readme_works_word_for_word() {
    let mut stack = Plan::on(Store::Embedded).start().await;
    for number in ["+250788123456", "+250788000000", "+250788000001"] {
        stack.note_number(number);
    }
    let directory = TempDir::new().expect("there is room for a temporary directory");
    let dev = directory.path().join(".dev");
    std::fs::create_dir(&dev).expect("a new directory can be written");
    std::fs::write(dev.join("up.json"), format!(r#"{{"adminToken":"{ADMIN_TOKEN}"}}"#)).expect("a new directory can be written");
    let (edge, origin) = (stack.edge().url(), stack.origin_url());
    let ports = format!("EDGE={edge} ORIGIN={origin} GRAPH={}\n", stack.graph.url());
    assert!(tour().contains(PORTS));
    let smoke = format!("cargo() {{ shift 2; {} --edge {edge} --origin {origin} \"$@\"; }}\n", env!("CARGO_BIN_EXE_otp-smoke"));
    let mut bash = Command::new("bash");
    bash.current_dir(directory.path()).env("no_proxy", "*").args(["-e", "-c", &(smoke + &tour().replace(PORTS, &ports))]);
    let done = tokio::task::spawn_blocking(move || bash.output()).await.expect("the tour is run").expect("there is a bash");
    let said = format!("{}\n{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success(), "{said}");
    for part in [
        "\"delivery\":\"accepted\"",
        "\"verified\":true",
        "set-cookie: fan_session=",
        "\"kind\": \"fan\"",
        "request.phone.cooldown",
        "challenge_unknown",
        "\nrate_limited\n",
        "\nedge_hold\n",
        "\"code\": \"blacklisted\"",
        "| blocked phone `+250788000001` | tour |",
        " 0 failed,",
    ] {
        assert!(said.to_lowercase().contains(part), "{part} in {said}");
    }
}
