//! docs/runbook.md as an operator uses it: pasted into a shell, block by block, against the real stack.
//!
//! Not run are the lines in [`NEEDS_A_CLUSTER`]: they talk to Kubernetes or to Cloudflare. `kubectl logs` is answered with the origin's own log, so that what
//! follows the pipe is run too, and `cargo xtask smoke` with the program that it starts.

use std::path::Path;
use std::process::Command;

use otp_shared::problem::ProblemCode;
use otp_tests::harness::{ADMIN_TOKEN, Plan, Stack, Store, repository};
use tempfile::TempDir;

/// What a line has in it that is not run. Every such line is in [`NOT_RUN`], so that a new one is noticed.
const NEEDS_A_CLUSTER: [&str; 5] = ["kubectl rollout", "kubectl set env", "kubectl patch", "kubectl get", "npx wrangler"];

/// A shell in which a refused curl is a failure, and the cluster is this machine.
const SHELL: &str = r#"
set -eu -o pipefail
curl() { command curl --silent --show-error --fail-with-body --noproxy '*' "$@"; }
kubectl() {
  case "$*" in
    "logs deployment/backend -n rayon") cat "$ORIGIN_LOG" ;;
    *) echo "not a kubectl that is known here: $*" >&2; return 1 ;;
  esac
}
cargo() { test "$1 $2" = "xtask smoke"; shift 2; "$OTP_SMOKE" "$@"; }
"#;

/// The commands as the user's own runbook has them, which have to be found word for word.
const THE_USERS: [&str; 8] = [
    r#"curl -H "x-admin-token: $ADMIN_TOKEN" $BACKEND_URL/admin/otp/dashboard"#,
    r#"kubectl logs deployment/backend -n rayon | grep "otp" | tail -n 50"#,
    "SESSION_ID=$(uuidgen)",
    r#"redis-cli -u "$REDIS_URL" --scan --pattern "otp:*" | xargs -r redis-cli -u "$REDIS_URL" del"#,
    r#"redis-cli -u "$REDIS_URL" PING"#,
    r#"curl "$BACKEND_URL/otp/status" | jq '{redis, rateLimits}'"#,
    "kubectl rollout restart deployment/backend -n rayon",
    r#"-d '{"type":"phone","value":"+250788000000","note":"Incident #123"}'"#,
];

/// A section of the runbook: its heading and its shell blocks.
struct Section {
    title: String,
    blocks: Vec<String>,
}

fn text() -> String {
    std::fs::read_to_string(repository().join("docs/runbook.md")).expect("the runbook is there")
}

fn sections() -> Vec<Section> {
    let text = text();
    text.split("\n## ")
        .map(|section| Section { title: section.lines().next().unwrap_or_default().to_owned(), blocks: blocks(section) })
        .collect()
}

/// The shell blocks, without the indentation that they have in a list.
fn blocks(section: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for line in section.lines() {
        let fence = line.trim_start().starts_with("```");
        match &mut open {
            None if line.trim_start() == "```bash" => open = Some((line.len() - line.trim_start().len(), String::new())),
            Some(_) if fence => blocks.extend(open.take().map(|(_, block)| block)),
            Some((indent, block)) => {
                block.push_str(line.get(*indent..).unwrap_or_default());
                block.push('\n');
            }
            None => {}
        }
    }
    blocks
}

fn needs_a_cluster(line: &str) -> bool {
    NEEDS_A_CLUSTER.iter().any(|command| line.contains(command))
}

/// A block without the lines that need a cluster.
fn runnable(block: &str) -> String {
    block.lines().filter(|line| !needs_a_cluster(line)).fold(String::new(), |text, line| text + line + "\n")
}

/// An operator's terminal: variables live on from block to block.
struct Terminal {
    directory: TempDir,
    script: String,
    variables: Vec<(&'static str, String)>,
}

impl Terminal {
    fn new(stack: &mut Stack) -> Self {
        let directory = TempDir::new().expect("there is room for a temporary directory");
        let log = directory.path().join("origin.log");
        let variables = vec![
            ("BACKEND_URL", stack.origin_url()),
            ("EDGE_URL", stack.edge().url()),
            ("ADMIN_TOKEN", ADMIN_TOKEN.to_owned()),
            ("REDIS_URL", stack.redis().url()),
            ("ORIGIN_LOG", log.display().to_string()),
            ("OTP_SMOKE", env!("CARGO_BIN_EXE_otp-smoke").to_owned()),
        ];
        Self { directory, script: SHELL.to_owned(), variables }
    }

    /// Runs one block in the shell as the blocks before left it. Returns what it printed; a failed command fails the story.
    async fn paste(&mut self, stack: &Stack, block: &str) -> String {
        std::fs::write(self.directory.path().join("origin.log"), stack.logs().join("\n")).expect("the log can be written");
        let script = format!("{}\n{}\necho '--- block'\n{}", self.script, self.kept(), runnable(block));
        let mut bash = Command::new("bash");
        bash.current_dir(self.directory.path()).arg("-c").arg(format!("{script}\ndeclare -p SESSION_ID > session 2>/dev/null || true"));
        bash.envs(self.variables.iter().cloned());
        let done = tokio::task::spawn_blocking(move || bash.output()).await.expect("the block is run").expect("there is a bash");
        let (out, err) = (String::from_utf8_lossy(&done.stdout).into_owned(), String::from_utf8_lossy(&done.stderr).into_owned());
        assert!(done.status.success(), "{block}\n{out}\n{err}");
        out.split_once("--- block\n").map_or(out.clone(), |(_, after)| after.to_owned())
    }

    /// The one variable that later blocks use.
    fn kept(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("session")).unwrap_or_default()
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_of_the_runbook_works_as_it_is_pasted() {
    let mut stack = Plan::on(Store::Redis).origin("OTP_COUNTRIES", "RW").start().await;
    stack.note_number("+250788000000");
    let fan = stack.fan();
    let in_flight = fan.receive_code(&stack.graph, &stack.phone()).await;
    let mut terminal = Terminal::new(&mut stack);
    for section in sections() {
        for block in &section.blocks {
            let printed = terminal.paste(&stack, block).await;
            after(&stack, &terminal, &section, block, &printed).await;
        }
    }
    // None of it cost the fan the code that was on its way when it began.
    fan.verify(&in_flight, &in_flight.code).await.expect(200);
}

/// What has to be so after a block, beyond that every command succeeded.
async fn after(stack: &Stack, terminal: &Terminal, section: &Section, block: &str, printed: &str) {
    let number = section.title.split('.').next().unwrap_or_default();
    match number {
        "1" if block.contains("kubectl logs") => assert!(printed.contains(r#""target":"otp"#), "{printed}"),
        "1" if block.contains("dashboard") => assert!(printed.contains("\"counters\""), "{printed}"),
        "2" if block.contains("from-onboarding") => the_cookie_is_good(stack, terminal).await,
        "2" => the_cookie_is_worth_nothing(stack, terminal).await,
        "3" if block.contains("PING") => {
            assert!(printed.contains("PONG") && printed.contains("role:master"), "{printed}");
            assert!(printed.contains(r#""redis": "connected""#) && printed.contains(r#""request.phone.hour""#), "{printed}");
        }
        "4" if block.contains("consent") => assert_eq!(printed.matches("\"version\"").count(), 4, "{printed}"),
        "4" if block.contains("otp/status") => assert!(printed.contains("approved"), "{printed}"),
        "5" if block.contains("POST") && block.contains("phone") => refused(stack, true).await,
        "5" if block.contains("DELETE") && block.contains("phone") => refused(stack, false).await,
        "5" if block.contains("markdown") => assert!(printed.contains("Incident #123") && printed.contains("| ops |"), "{printed}"),
        "6" => assert!(printed.contains(" 0 failed, 0 skipped"), "{printed}"),
        _ => {}
    }
}

/// The cookie in the file that section 2 wrote.
fn cookie(terminal: &Terminal) -> Option<String> {
    let jar = std::fs::read_to_string(terminal.path().join("fan-session-cookie.txt")).ok()?;
    let line = jar.lines().find(|line| line.contains("fan_session"))?;
    line.split('\t').next_back().map(str::to_owned)
}

async fn the_cookie_is_good(stack: &Stack, terminal: &Terminal) {
    let holder = stack.fan();
    holder.set_cookie(cookie(terminal));
    assert_eq!(holder.session().await.expect(200).json()["kind"], "manual");
}

async fn the_cookie_is_worth_nothing(stack: &Stack, terminal: &Terminal) {
    let holder = stack.fan();
    holder.set_cookie(cookie(terminal));
    holder.session().await.refused(ProblemCode::Unauthorized);
}

/// The origin's word is exact at once. The number is only ever asked about by a verification that cannot succeed.
async fn refused(stack: &Stack, blocked: bool) {
    let body = serde_json::json!({ "challengeId": "none", "phone": "+250788000000", "code": "000000" });
    let answer = stack.signed_fan().post("/otp/verify", &body).await;
    answer.refused(if blocked { ProblemCode::Blacklisted } else { ProblemCode::ChallengeUnknown });
}

#[test]
fn the_users_own_commands_are_there_word_for_word() {
    let text = text();
    for command in THE_USERS {
        assert!(text.contains(command), "{command}");
    }
    let titles: Vec<_> = sections().iter().map(|section| section.title.clone()).collect();
    let numbers: Vec<_> = titles.iter().filter_map(|title| title.split_once(". ")).map(|(number, _)| number).collect();
    assert_eq!(numbers, ["1", "2", "3", "4", "5", "6"], "the six sections");
}

#[test]
fn no_command_stands_outside_a_block() {
    let inside: usize = sections().iter().flat_map(|section| &section.blocks).map(|block| commands(block)).sum();
    assert_eq!(commands(&text()), inside);
}

/// Lines that begin with a command that has to be run.
fn commands(text: &str) -> usize {
    let runs = |line: &&str| ["curl ", "redis-cli ", "jq "].iter().any(|command| line.trim_start_matches([' ', '`']).starts_with(command));
    text.lines().filter(runs).count()
}

#[test]
fn the_lines_that_are_not_run_are_these() {
    let mut not_run: Vec<_> = sections()
        .iter()
        .flat_map(|section| section.blocks.clone())
        .flat_map(|block| block.lines().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    not_run.retain(|line| needs_a_cluster(line));
    let begin: Vec<_> = not_run.iter().map(|line| line.split(' ').take(3).collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(begin, NOT_RUN);
}

/// In the runbook's order, by their first three words.
const NOT_RUN: [&str; 16] = [
    "kubectl rollout restart",
    "kubectl rollout status",
    "kubectl set env",
    "kubectl set env",
    "npx wrangler kv",
    "npx wrangler kv",
    "kubectl patch secret",
    "kubectl rollout restart",
    "printf %s \"$NEW\"",
    "OLD=$(kubectl get secret",
    "kubectl patch secret",
    "kubectl rollout restart",
    "printf '{\"EDGE_SHARED_SECRET\":\"%s\",\"EDGE_SHARED_SECRET_PREVIOUS\":\"%s\"}' \"$NEW\"",
    "kubectl patch secret",
    "kubectl rollout restart",
    "npx wrangler secret",
];
