//! Development values: what the origin gets for each variable that the caller did not set.
//!
//! Secrets are drawn once for a checkout and kept, so that codes and sessions survive a restart. They are
//! worth nothing elsewhere: production never runs this.
//!
//! **Invariant:** a variable that is set, however oddly, is handed on as it is; judging it is the origin's task.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use super::options::{Addresses, reachable};
use crate::failure::{Context as _, Outcome};

pub type Variables = BTreeMap<String, String>;

/// The variables that are drawn at random for a checkout, 32 bytes each.
const DRAWN: [&str; 3] = ["OTP_SECRET", "EDGE_SHARED_SECRET", "ADMIN_TOKEN"];

/// The caller's variables, and a development value for each that is missing.
///
/// `stand_in` are the stand-in's own settings; `drawn` the secrets of this checkout.
pub fn fill(caller: &Variables, drawn: &Variables, stand_in: &Variables, addresses: &Addresses) -> Variables {
    let mut variables = drawn.clone();
    variables.extend(stand_in.clone());
    variables.insert("EDGE_URL".to_owned(), format!("http://{}", addresses.edge));
    variables.insert("OTP_COUNTRIES".to_owned(), "all".to_owned());
    if caller.contains_key("ADMIN_TOKENS") {
        variables.remove("ADMIN_TOKEN"); // theirs has another name for the same thing
    }
    variables.extend(caller.clone());
    variables.insert("ORIGIN_LISTEN".to_owned(), addresses.origin.to_string());
    variables
}

/// What the Worker gets instead of its production bindings.
pub fn of_the_edge(origin: &Variables, origin_address: SocketAddr) -> Variables {
    let secrets = ["EDGE_SHARED_SECRET", "EDGE_SHARED_SECRET_PREVIOUS"];
    let mut variables: Variables =
        secrets.iter().filter_map(|name| origin.get_key_value(*name)).map(|(name, value)| (name.clone(), value.clone())).collect();
    variables.insert("ORIGIN_URL".to_owned(), format!("http://{}", reachable(origin_address)));
    variables
}

/// The secrets of this checkout, drawn when they are not in `file` yet.
pub fn drawn(file: &Path) -> Outcome<Variables> {
    let kept = parse(&fs::read_to_string(file).unwrap_or_default());
    let complete = complete(kept.clone(), random)?;
    if complete != kept {
        write_private(file, &lines(&complete))?;
    }
    Ok(complete)
}

fn complete(mut kept: Variables, draw: impl Fn() -> Outcome<String>) -> Outcome<Variables> {
    for name in DRAWN {
        if !kept.contains_key(name) {
            kept.insert(name.to_owned(), draw()?);
        }
    }
    Ok(kept)
}

/// 32 bytes from the system, as hexadecimal digits.
fn random() -> Outcome<String> {
    let mut bytes = [0; 32];
    File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes)).or_say("cannot read /dev/urandom")?;
    Ok(bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a String cannot fail");
        text
    }))
}

/// Reads one `NAME=value` a line.
pub fn parse(text: &str) -> Variables {
    text.lines().filter_map(|line| line.split_once('=')).map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// One `NAME=value` a line, as `parse` reads it.
fn lines(variables: &Variables) -> String {
    variables.iter().fold(String::new(), |text, (name, value)| text + name + "=" + value + "\n")
}

/// The same as wrangler's `--env-file` reads it: dotenv's quotes, within which only `$` has a meaning.
pub fn dotenv(variables: &Variables) -> String {
    variables.iter().fold(String::new(), |text, (name, value)| {
        let quote = if value.contains('\'') { '`' } else { '\'' };
        format!("{text}{name}={quote}{}{quote}\n", value.replace('$', "\\$"))
    })
}

/// Writes a file that only its owner may read.
pub fn write_private(file: &Path, text: &str) -> Outcome {
    let mut options = File::options();
    let open = options.write(true).create(true).truncate(true).mode(0o600).open(file);
    open.and_then(|mut file| file.write_all(text.as_bytes())).or_say(format_args!("cannot write {}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables<const N: usize>(pairs: [(&str, &str); N]) -> Variables {
        pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    fn addresses() -> Addresses {
        let address = |text: &str| text.parse().unwrap();
        Addresses { edge: address("127.0.0.1:1"), origin: address("0.0.0.0:2"), graph: address("127.0.0.1:3") }
    }

    fn stand_in() -> Variables {
        parse("WHATSAPP_BASE_URL=http://stand-in\nWHATSAPP_TOKEN=t=1\n")
    }

    #[test]
    fn everything_the_origin_refuses_to_start_without_is_filled_in() {
        let drawn = complete(Variables::new(), || Ok("drawn".to_owned())).unwrap();
        let filled = fill(&Variables::new(), &drawn, &stand_in(), &addresses());
        for name in ["OTP_SECRET", "EDGE_SHARED_SECRET", "OTP_COUNTRIES", "WHATSAPP_TOKEN"] {
            assert!(filled.contains_key(name), "{name}");
        }
        assert_eq!(filled["WHATSAPP_BASE_URL"], "http://stand-in");
        assert_eq!(filled["EDGE_URL"], "http://127.0.0.1:1");
        assert_eq!(filled["ORIGIN_LISTEN"], "0.0.0.0:2");
    }

    #[test]
    fn what_the_caller_set_is_handed_on_even_when_empty() {
        let caller = variables([("REDIS_URL", "redis://r"), ("OTP_COUNTRIES", ""), ("WHATSAPP_BASE_URL", "https://graph")]);
        let filled = fill(&caller, &variables([("OTP_SECRET", "drawn")]), &stand_in(), &addresses());
        assert_eq!(filled["REDIS_URL"], "redis://r");
        assert_eq!(filled["OTP_COUNTRIES"], "");
        assert_eq!(filled["WHATSAPP_BASE_URL"], "https://graph");
        assert_eq!(filled["OTP_SECRET"], "drawn");
    }

    #[test]
    fn the_callers_admin_tokens_stand_alone() {
        let filled = fill(&variables([("ADMIN_TOKENS", "ann=x")]), &variables([("ADMIN_TOKEN", "drawn")]), &stand_in(), &addresses());
        assert_eq!(filled.get("ADMIN_TOKEN"), None);
    }

    #[test]
    fn the_edge_gets_the_origins_secret_and_address_and_no_more() {
        let origin = variables([("EDGE_SHARED_SECRET", "s"), ("OTP_SECRET", "o")]);
        let edge = of_the_edge(&origin, addresses().origin);
        assert_eq!(edge, variables([("EDGE_SHARED_SECRET", "s"), ("ORIGIN_URL", "http://127.0.0.1:2")]));
    }

    #[test]
    fn secrets_outlive_a_restart_and_only_their_owner_reads_them() {
        use std::os::unix::fs::PermissionsExt as _;
        let file = std::env::temp_dir().join(format!("xtask-secrets-{}", std::process::id()));
        let first = drawn(&file).unwrap();
        assert_eq!(drawn(&file).unwrap(), first);
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        fs::remove_file(&file).unwrap();
        assert_ne!(drawn(&file).unwrap(), first);
        fs::remove_file(&file).unwrap();
    }

    #[test]
    fn a_variable_that_is_new_joins_the_kept_ones() {
        let complete = complete(variables([("OTP_SECRET", "kept")]), || Ok("drawn".to_owned())).unwrap();
        assert_eq!(complete["OTP_SECRET"], "kept");
        assert_eq!(complete["ADMIN_TOKEN"], "drawn");
        assert_eq!(random().unwrap().len(), 64);
    }

    #[test]
    fn secrets_with_odd_characters_reach_wrangler_as_they_are() {
        assert_eq!(dotenv(&variables([("A", "x$y#z")])), "A='x\\$y#z'\n");
        assert_eq!(dotenv(&variables([("A", "it's")])), "A=`it's`\n");
    }
}
