//! The three programs of the stack, each as the command that starts it.

use std::env;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::environment::{self, Variables};
use super::options::{Addresses, reachable};
use crate::command::{output, program};
use crate::failure::{Context as _, Outcome};

/// What a sender has to be given to send through the stand-in, in the stand-in's own words.
pub fn stand_in_settings(addresses: &Addresses) -> Outcome<Variables> {
    let listen = addresses.graph.to_string();
    Ok(environment::parse(&output(program(built("otp-graph")?).args(["--listen", &listen, "--print-settings"]))?))
}

/// The stand-in for WhatsApp, with the credentials that the origin will show it.
pub fn graph(addresses: &Addresses, variables: &Variables) -> Outcome<Command> {
    const FLAGS: [(&str, &str); 5] = [
        ("--token", "WHATSAPP_TOKEN"),
        ("--app-secret", "WHATSAPP_APP_SECRET"),
        ("--verify-token", "WHATSAPP_VERIFY_TOKEN"),
        ("--phone-number-id", "WHATSAPP_PHONE_NUMBER_ID"),
        ("--waba-id", "WHATSAPP_WABA_ID"),
    ];
    let mut command = program(built("otp-graph")?);
    command.args(["--listen", &addresses.graph.to_string()]);
    command.args(["--webhook", &format!("http://{}{WEBHOOK}", addresses.edge)]);
    for (flag, variable) in FLAGS {
        command.args(variables.get(variable).map(|value| [flag, value]).into_iter().flatten());
    }
    Ok(command)
}

/// As in `otp_shared::routes`; this program depends on none of the product.
const WEBHOOK: &str = "/webhooks/whatsapp";

/// The origin, configured by its environment alone.
pub fn origin(variables: &Variables) -> Outcome<Command> {
    let mut command = program(built("otp-origin")?);
    command.envs(variables);
    Ok(command)
}

/// A binary of this workspace lies beside ours, wherever the target directory is.
fn built(name: &str) -> Outcome<PathBuf> {
    Ok(env::current_exe().or_say("cannot tell where xtask itself is")?.with_file_name(name))
}

/// The Worker under `wrangler dev`, with its KV in `state`. Its secrets go by a file that only we may read:
/// an argument would be seen by everyone on the machine.
pub fn edge(addresses: &Addresses, variables: &Variables, state: &Path) -> Outcome<Command> {
    let secrets = state.join("edge.env");
    let values = environment::of_the_edge(variables, addresses.origin);
    environment::write_private(&secrets, &environment::dotenv(&values))?;
    let mut command = program("node_modules/.bin/wrangler");
    command.args(["dev", "--local", "--live-reload=false", "--show-interactive-dev-session=false", "--inspector-port", "0"]);
    command.args(["--ip", &addresses.edge.ip().to_string(), "--port", &addresses.edge.port().to_string()]);
    command.arg("--persist-to").arg(state.join("edge")).arg("--env-file").arg(secrets);
    quiet(&mut command, state)?;
    Ok(command)
}

/// No telemetry, no questions, no look at the web for a location, and nothing written to the home directory.
fn quiet(wrangler: &mut Command, state: &Path) -> Outcome {
    let state = std::path::absolute(state).or_say("cannot tell where the state directory is")?;
    wrangler.env("CI", "true").env("FORCE_COLOR", "0").env("WRANGLER_HIDE_BANNER", "true");
    wrangler.env("WRANGLER_SEND_METRICS", "false").env("WRANGLER_SEND_ERROR_REPORTS", "false");
    wrangler.env("CLOUDFLARE_CF_FETCH_ENABLED", "false");
    wrangler.env("XDG_CONFIG_HOME", state.join("config")).env("WRANGLER_LOG_PATH", state.join("wrangler.log"));
    Ok(())
}

/// What a part answers once it is ready.
pub struct Ready {
    pub address: SocketAddr,
    pub path: &'static str,
}

impl Ready {
    pub fn graph(addresses: &Addresses) -> Self {
        Self { address: addresses.graph, path: "/messages" }
    }

    pub fn origin(addresses: &Addresses) -> Self {
        Self { address: reachable(addresses.origin), path: "/readyz" }
    }

    /// A public page of the origin: once it comes through the edge, the two fit together.
    pub fn edge(addresses: &Addresses) -> Self {
        Self { address: addresses.edge, path: "/otp/status" }
    }
}
