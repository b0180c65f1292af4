//! What a person sees once everything is up, and `up.json`, the same for programs.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::environment::{Variables, write_private};
use super::options::{Addresses, reachable};
use crate::failure::Outcome;

/// Writes `up.json`, then prints where everything is. The line `ready` is the last one.
pub fn ready(addresses: &Addresses, caller: &Variables, variables: &Variables, state: &Path) -> Outcome<Told> {
    let shown = Shown::of(addresses, caller, variables, state);
    let told = Told(state.join("up.json"));
    write_private(&told.0, &shown.json())?;
    println!("{}\nready", shown.block());
    Ok(told)
}

/// `up.json`, which is there only while what it says is true.
pub struct Told(PathBuf);

impl Drop for Told {
    fn drop(&mut self) {
        let _gone = fs::remove_file(&self.0);
    }
}

/// The stack from outside.
struct Shown {
    edge: String,
    origin: String,
    whatsapp: String,
    stand_in: bool,
    redis: &'static str,
    /// `None` when the caller brought their own: what they keep secret is not put on a screen.
    admin_token: Option<String>,
    state: String,
}

impl Shown {
    fn of(addresses: &Addresses, caller: &Variables, variables: &Variables, state: &Path) -> Self {
        let url = |address: SocketAddr| format!("http://{}", reachable(address));
        let brought = caller.keys().any(|name| name.starts_with("ADMIN_TOKEN"));
        Self {
            edge: url(addresses.edge),
            origin: url(addresses.origin),
            whatsapp: variables.get("WHATSAPP_BASE_URL").cloned().unwrap_or_default(),
            stand_in: !caller.contains_key("WHATSAPP_BASE_URL"),
            redis: if caller.contains_key("REDIS_URL") {
                "yours, as REDIS_URL says"
            } else {
                "none: the origin's memory (REDIS_URL=redis://… for one)"
            },
            admin_token: variables.get("ADMIN_TOKEN").filter(|_| !brought).cloned(),
            state: state.display().to_string(),
        }
    }

    fn block(&self) -> String {
        let Self { edge, origin, whatsapp, redis, state, .. } = self;
        let token = self.admin_token.as_deref().unwrap_or("yours, as ADMIN_TOKENS says");
        let whose = if self.stand_in { "a stand-in; open it to read the messages" } else { "yours, as WHATSAPP_BASE_URL says" };
        format!(
            "
  edge       {edge}   what a fan's app calls
  origin     {origin}   dashboard: {origin}/admin/sms/otp
  WhatsApp   {whatsapp}   {whose}
  Redis      {redis}
  x-admin-token: {token}
  logs       {state}/edge.log  {state}/origin.log  {state}/graph.log

  ask for a code, read it at WhatsApp, and send it back:
    curl {edge}/otp/request --json '{{\"phone\":\"+250788123456\"}}'
    curl {edge}/otp/verify --json '{{\"challengeId\":\"…\",\"phone\":\"+250788123456\",\"code\":\"…\"}}'

  Ctrl-C stops all of it.
"
        )
    }

    /// URLs, hexadecimal tokens and a path: quoted as JSON has it.
    fn json(&self) -> String {
        let token = self.admin_token.as_deref().map_or_else(|| "null".to_owned(), quoted);
        let Self { edge, origin, whatsapp, state, stand_in, .. } = self;
        let [edge, origin, whatsapp, state] = [edge, origin, whatsapp, state].map(|text| quoted(text));
        let process = std::process::id();
        format!(
            "{{\n  \"edge\": {edge},\n  \"origin\": {origin},\n  \"whatsapp\": {whatsapp},\n  \"standIn\": {stand_in},\n  \
             \"adminToken\": {token},\n  \"state\": {state},\n  \"pid\": {process}\n}}\n"
        )
    }
}

fn quoted(text: &str) -> String {
    let escaped = text.chars().fold(String::new(), |mut escaped, character| {
        if matches!(character, '"' | '\\') {
            escaped.push('\\');
        }
        escaped.push(character);
        escaped
    });
    format!("\"{escaped}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(caller: &[(&str, &str)]) -> Shown {
        let caller: Variables = caller.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let mut variables = Variables::from([
            ("ADMIN_TOKEN".to_owned(), "drawn".to_owned()),
            ("WHATSAPP_BASE_URL".to_owned(), "http://127.0.0.1:3".to_owned()),
        ]);
        variables.extend(caller.clone());
        let address = |text: &str| text.parse().unwrap();
        let addresses = Addresses { edge: address("127.0.0.1:1"), origin: address("0.0.0.0:2"), graph: address("127.0.0.1:3") };
        Shown::of(&addresses, &caller, &variables, Path::new(".dev"))
    }

    #[test]
    fn the_drawn_token_and_the_urls_are_shown() {
        let block = shown(&[]).block();
        for part in ["http://127.0.0.1:1/otp/request", "http://127.0.0.1:2/admin/sms/otp", "http://127.0.0.1:3", "x-admin-token: drawn"] {
            assert!(block.contains(part), "{part}");
        }
    }

    #[test]
    fn what_the_caller_keeps_secret_is_not_shown() {
        let shown = shown(&[("ADMIN_TOKENS", "ann=hush"), ("REDIS_URL", "redis://:hush@r")]);
        assert!(!shown.block().contains("hush"), "{}", shown.block());
        assert!(shown.json().contains("\"adminToken\": null"), "{}", shown.json());
    }

    #[test]
    fn a_state_directory_of_any_name_makes_valid_json() {
        assert_eq!(quoted(r#"C:\x "y""#), r#""C:\\x \"y\"""#);
    }
}
