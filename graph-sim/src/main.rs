//! The simulator as a program: `otp-graph --help` lists its flags.
//!
//! Its first line of output is `listening on http://…`. It runs until Ctrl-C or SIGTERM. Everybody
//! who can reach it can read the passcodes and script it, so it belongs on loopback of a
//! development machine.

use std::collections::VecDeque;
use std::io;
use std::process::ExitCode;

use otp_graph_sim::{Graph, Retry, Settings, TEMPLATE};
use tokio::signal::unix::{SignalKind, signal};

const HELP: &str = "\
otp-graph: a stand-in for Meta's Graph API, Africa's Talking and Twilio, for development.

usage: otp-graph [--flag value]…

  --listen ADDRESS:PORT     address to listen on; port 0 takes a free one
                            default: 127.0.0.1:8090
  --webhook URL             where webhooks are posted: 10 attempts each, the first pause is 100 ms,
                            each further one twice as long, up to 10 s
                            default: no webhooks
  --automatic true|false    whether the receipts 'sent' and 'delivered' follow every message
                            default: true
  --token TEXT              bearer token that Graph API calls have to carry
                            default: development-whatsapp-token
  --app-secret TEXT         key of the webhooks' signature in X-Hub-Signature-256
                            default: development-app-secret
  --verify-token TEXT       hub.verify_token of the webhooks' handshake
                            default: development-verify-token
  --phone-number-id ID      id of the business number
                            default: 200000000000002
  --waba-id ID              id of the WhatsApp Business Account
                            default: 100000000000001
  --sms-username TEXT       username at Africa's Talking
                            default: sandbox
  --sms-api-key TEXT        apiKey at Africa's Talking
                            default: development-africastalking-key
  --twilio-sid SID          account SID at Twilio
                            default: AC00000000000000000000000000000001
  --twilio-token TEXT       auth token at Twilio
                            default: development-twilio-token
  --print-settings          print the origin's WHATSAPP_* variables for these flags, one NAME=value
                            a line, and exit
  --help, -h                print this and exit

Open its address in a browser to read the messages. Everybody who can reach it can read the codes in
them and make it fail (POST /control/faults): do not listen beyond loopback.";

/// What the arguments ask for.
enum Command {
    Serve(Settings),
    PrintSettings(Settings),
    Help,
}

#[tokio::main]
async fn main() -> ExitCode {
    match parse(std::env::args().skip(1).collect()) {
        Ok(Command::Serve(settings)) => serve(settings).await,
        Ok(Command::PrintSettings(settings)) => {
            print_settings(&settings);
            ExitCode::SUCCESS
        }
        Ok(Command::Help) => {
            println!("{HELP}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}\n\n{HELP}");
            ExitCode::from(2)
        }
    }
}

async fn serve(settings: Settings) -> ExitCode {
    match serve_until_signal(settings).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("otp-graph: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve_until_signal(settings: Settings) -> io::Result<()> {
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

fn parse(mut arguments: VecDeque<String>) -> Result<Command, String> {
    let mut settings = development_settings();
    let mut print = false;
    while let Some(flag) = arguments.pop_front() {
        match flag.as_str() {
            "--help" | "-h" => return Ok(Command::Help),
            "--print-settings" => print = true,
            _ => {
                let value = arguments.pop_front().ok_or_else(|| format!("{flag} is not a flag, or its value is missing"))?;
                set(&mut settings, &flag, value)?;
            }
        }
    }
    Ok(if print { Command::PrintSettings(settings) } else { Command::Serve(settings) })
}

/// The defaults of the flags. Webhooks have more attempts than in tests, because a developer often
/// starts or rebuilds the receiver in the meantime.
fn development_settings() -> Settings {
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

/// The variables that the origin needs in order to send through this simulator.
fn print_settings(settings: &Settings) {
    for (name, value) in [
        ("WHATSAPP_BASE_URL", format!("http://{}", settings.listen).as_str()),
        ("WHATSAPP_TOKEN", &settings.token),
        ("WHATSAPP_PHONE_NUMBER_ID", &settings.phone_number_id),
        ("WHATSAPP_WABA_ID", &settings.waba_id),
        ("WHATSAPP_APP_SECRET", &settings.app_secret),
        ("WHATSAPP_VERIFY_TOKEN", &settings.verify_token),
        ("WHATSAPP_TEMPLATE", TEMPLATE),
    ] {
        println!("{name}={value}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_line(line: &str) -> Result<Command, String> {
        parse(line.split_whitespace().map(str::to_owned).collect())
    }

    #[test]
    fn flags_replace_the_development_values() {
        let line = "--listen 127.0.0.1:0 --webhook http://127.0.0.1:1/hook --automatic false --token t";
        let Ok(Command::Serve(settings)) = parse_line(line) else { panic!("it serves") };
        assert_eq!((settings.listen.port(), settings.automatic, settings.token.as_str()), (0, false, "t"));
        assert_eq!(settings.webhook.as_deref(), Some("http://127.0.0.1:1/hook"));
        assert!(matches!(parse_line("--token t --print-settings"), Ok(Command::PrintSettings(_))));
    }

    #[test]
    fn what_is_no_flag_or_has_no_value_is_refused() {
        for line in ["--listen", "--listen here", "--tokens t", "serve", "--automatic perhaps"] {
            assert!(parse_line(line).is_err(), "{line}");
        }
    }

    #[test]
    fn help_is_asked_for_in_both_usual_ways() {
        for line in ["--help", "-h", "--token t --help"] {
            assert!(matches!(parse_line(line), Ok(Command::Help)), "{line}");
        }
    }

    /// Each flag of the help with its default.
    fn flags_in_help() -> Vec<(&'static str, &'static str)> {
        let entries = HELP.split("\n  --").skip(1).filter_map(|entry| entry.split_once("default: "));
        entries.map(|(entry, rest)| (entry.split(' ').next().unwrap(), rest.lines().next().unwrap())).collect()
    }

    #[test]
    fn the_help_has_every_flag_with_its_default() {
        let documented = flags_in_help();
        assert_eq!(documented.len(), 12);
        for (flag, default) in documented.into_iter().filter(|(flag, _)| *flag != "webhook") {
            let mut settings = development_settings();
            set(&mut settings, &format!("--{flag}"), default.to_owned()).unwrap();
            assert_eq!(format!("{settings:?}"), format!("{:?}", development_settings()), "--{flag}");
        }
        let Retry { attempts, first } = development_settings().retry;
        assert!(HELP.contains(&format!("{attempts} attempts each, the first pause is {} ms", first.as_millis())));
    }
}
