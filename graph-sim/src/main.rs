//! The stand-in of the Graph API as a program: `otp-graph --listen 127.0.0.1:8090 --webhook http://127.0.0.1:8787/webhooks/whatsapp`.
//!
//! Its first line is `listening on http://…`. It runs until Ctrl-C or SIGTERM. Codes are shown to whoever can reach it, and
//! anyone who can may script it: it belongs on a development machine and on loopback.

use std::collections::VecDeque;
use std::io;
use std::process::ExitCode;

use otp_graph_sim::{Graph, Retry, Settings};
use tokio::signal::unix::{SignalKind, signal};

const USAGE: &str = "\
usage: otp-graph [--flag value]…
  --listen ADDRESS:PORT     where to listen (127.0.0.1:8090; port 0 takes a free one)
  --webhook URL             where webhooks go (nowhere)
  --automatic true|false    whether 'sent' and 'delivered' follow every send (true)
  --token T                 bearer token of the Graph calls
  --app-secret S            key of X-Hub-Signature-256
  --verify-token T          hub.verify_token of the handshake
  --phone-number-id ID      the business number's id
  --waba-id ID              the WhatsApp Business Account's id
  --sms-username U          Africa's Talking username
  --sms-api-key K           Africa's Talking apiKey
  --twilio-sid SID          Twilio account SID
  --twilio-token T          Twilio auth token
  --print-settings          the values above as NAME=value, then exit";

#[tokio::main]
async fn main() -> ExitCode {
    let (settings, print) = match read(std::env::args().skip(1).collect()) {
        Ok(read) => read,
        Err(complaint) => {
            eprintln!("{complaint}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    if print {
        print_settings(&settings);
        return ExitCode::SUCCESS;
    }
    match run(settings).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("otp-graph: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(settings: Settings) -> io::Result<()> {
    let mut terminated = signal(SignalKind::terminate())?;
    let graph = Graph::start(settings).await?;
    println!("listening on {}", graph.url());
    tokio::select! {
        _ = terminated.recv() => {}
        interrupted = tokio::signal::ctrl_c() => interrupted?,
    }
    graph.stop().await;
    Ok(())
}

/// The settings that the arguments ask for, and whether they are only to be printed.
fn read(mut arguments: VecDeque<String>) -> Result<(Settings, bool), String> {
    let mut settings = development();
    let mut print = false;
    while let Some(flag) = arguments.pop_front() {
        if flag == "--print-settings" {
            print = true;
            continue;
        }
        let value = arguments.pop_front().ok_or_else(|| format!("{flag} needs a value, or is no flag"))?;
        set(&mut settings, &flag, value)?;
    }
    Ok((settings, print))
}

/// Patient with webhooks: the receiver is often started, or built anew, beside it.
fn development() -> Settings {
    let retry = Retry { attempts: 10, ..Settings::default().retry };
    Settings { listen: ([127, 0, 0, 1], 8090).into(), automatic: true, retry, ..Settings::default() }
}

fn set(settings: &mut Settings, flag: &str, value: String) -> Result<(), String> {
    let invalid = || format!("{flag} cannot be '{value}'");
    match flag {
        "--listen" => settings.listen = value.parse().map_err(|_| invalid())?,
        "--webhook" => settings.webhook = Some(value),
        "--automatic" => settings.automatic = value.parse().map_err(|_| invalid())?,
        "--token" => settings.token = value,
        "--app-secret" => settings.app_secret = value,
        "--verify-token" => settings.verify_token = value,
        "--phone-number-id" => settings.phone_number_id = value,
        "--waba-id" => settings.waba_id = value,
        "--sms-username" => settings.sms.username = value,
        "--sms-api-key" => settings.sms.api_key = value,
        "--twilio-sid" => settings.sms.account_sid = value,
        "--twilio-token" => settings.sms.auth_token = value,
        _ => return Err(format!("there is no flag {flag}")),
    }
    Ok(())
}

/// What a sender has to be given, in the origin's own variables.
fn print_settings(settings: &Settings) {
    for (name, value) in [
        ("WHATSAPP_BASE_URL", format!("http://{}", settings.listen).as_str()),
        ("WHATSAPP_TOKEN", &settings.token),
        ("WHATSAPP_PHONE_NUMBER_ID", &settings.phone_number_id),
        ("WHATSAPP_WABA_ID", &settings.waba_id),
        ("WHATSAPP_APP_SECRET", &settings.app_secret),
        ("WHATSAPP_VERIFY_TOKEN", &settings.verify_token),
        ("WHATSAPP_TEMPLATE", otp_graph_sim::TEMPLATE),
    ] {
        println!("{name}={value}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(line: &str) -> VecDeque<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn flags_replace_the_development_values() {
        let (settings, print) =
            read(arguments("--listen 127.0.0.1:0 --webhook http://127.0.0.1:1/hook --automatic false --token t")).unwrap();
        assert_eq!((settings.listen.port(), settings.automatic, settings.token.as_str(), print), (0, false, "t", false));
        assert_eq!(settings.webhook.as_deref(), Some("http://127.0.0.1:1/hook"));
        assert!(read(arguments("--print-settings")).unwrap().1);
    }

    #[test]
    fn what_is_no_flag_or_has_no_value_is_refused() {
        for line in ["--listen", "--listen here", "--tokens t", "serve", "--automatic perhaps"] {
            assert!(read(arguments(line)).is_err(), "{line}");
        }
    }
}
