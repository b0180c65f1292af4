//! `otp-origin`: reads its environment, runs, and stops when asked.

use std::process::ExitCode;

use otp_origin::{config::Config, run};
use tracing_subscriber::EnvFilter;

#[tokio::main]
async fn main() -> ExitCode {
    start_logging();
    let config = match Config::from_variables(std::env::vars().collect()) {
        Ok(config) => config,
        Err(error) => {
            tracing::error!(target: "otp::start", %error, "not started");
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    };
    match run::run(config, asked_to_stop()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(target: "otp::start", %error, "not started");
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// JSON, a line an event; `RUST_LOG` changes what is logged.
fn start_logging() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn,otp=info"));
    tracing_subscriber::fmt().json().flatten_event(true).with_env_filter(filter).init();
}

/// SIGTERM from Kubernetes, or Ctrl-C.
async fn asked_to_stop() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        _ = tokio::signal::ctrl_c().await;
        return;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}
