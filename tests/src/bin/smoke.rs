//! `cargo xtask smoke`: the post-incident checklist of docs/runbook.md, with exit status. What it does, and why that is safe: `otp_tests::smoke`.
//!
//! The admin token and Redis' URL are better given by `ADMIN_TOKEN` and `REDIS_URL` than by a flag, which everyone on the machine can see.

use std::{collections::BTreeMap, process::ExitCode};

use otp_tests::smoke::{TEST_NUMBER, Target};

const USAGE: &str = "\
usage: cargo xtask smoke [--flag value]…
  --edge URL          the edge (http://127.0.0.1:8787)
  --origin URL        the origin (BACKEND_URL, or http://127.0.0.1:8080)
  --phone +NUMBER     the number that is blocked and unblocked (+250788000000); it gets no message
  --admin-token T     an operator's token (ADMIN_TOKEN); without one, what needs it is skipped
  --redis URL         Redis (REDIS_URL); without one, what needs it is skipped
  --embedded          the origin is meant to run without Redis";

#[tokio::main]
async fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.iter().any(|word| word == "--help" || word == "-h") {
        println!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    let variables = std::env::vars().filter(|(_, value)| !value.is_empty()).collect();
    match target(&words, &variables) {
        Ok(target) => run(&target).await,
        Err(complaint) => {
            eprintln!("{complaint}\n\n{USAGE}");
            ExitCode::from(2)
        }
    }
}

async fn run(target: &Target) -> ExitCode {
    println!("edge {}, origin {}\n", target.edge, target.origin);
    let report = target.check(|line| println!("{line}")).await;
    println!("\n{}", report.summary());
    if report.failed().is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn target(words: &[String], variables: &BTreeMap<String, String>) -> Result<Target, String> {
    let mut flags = BTreeMap::new();
    let mut embedded = false;
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--embedded" => embedded = true,
            "--edge" | "--origin" | "--phone" | "--admin-token" | "--redis" => {
                let value = words.next().ok_or_else(|| format!("{word} takes a value"))?;
                flags.insert(word.as_str(), value.clone());
            }
            _ => return Err(format!("there is no {word}")),
        }
    }
    let given = |flag, variable| flags.get(flag).or_else(|| variables.get(variable)).cloned();
    let edge = given("--edge", "EDGE_URL").unwrap_or_else(|| "http://127.0.0.1:8787".to_owned());
    let origin = given("--origin", "BACKEND_URL").unwrap_or_else(|| "http://127.0.0.1:8080".to_owned());
    let mut target = Target::new(&edge, &origin);
    target.phone = flags.get("--phone").cloned().unwrap_or_else(|| TEST_NUMBER.to_owned());
    target.admin_token = given("--admin-token", "ADMIN_TOKEN");
    target.redis = given("--redis", "REDIS_URL");
    target.embedded = embedded;
    Ok(target)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn a_flag_is_stronger_than_a_variable() {
        let variables =
            BTreeMap::from([("ADMIN_TOKEN".to_owned(), "variable".to_owned()), ("REDIS_URL".to_owned(), "redis://r".to_owned())]);
        let target = target(&words("--edge https://edge/ --admin-token flag"), &variables).unwrap();
        assert_eq!(
            (target.edge.as_str(), target.admin_token.as_deref(), target.redis.as_deref()),
            ("https://edge", Some("flag"), Some("redis://r"))
        );
    }

    #[test]
    fn what_is_not_understood_is_told() {
        assert_eq!(target(&words("--egde x"), &BTreeMap::new()).err().unwrap(), "there is no --egde");
        assert_eq!(target(&words("--edge"), &BTreeMap::new()).err().unwrap(), "--edge takes a value");
    }
}
