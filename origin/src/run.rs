//! The origin, put together and run: configuration in, a served listener out.

use std::{sync::Arc, time::Duration};

use tokio::net::TcpListener;

use crate::{
    app::{App, Publication, Sender, Settings, Telemetry, operators::Operators, publish, records::Records, secrets::Secrets},
    channels::{Channel, sms::Sms, whatsapp::WhatsApp},
    clock::{self, Clock, SystemClock},
    config::Config,
    domain::{limits::Policy, record::merge::Merging},
    edge::EdgeClient,
    http::{self, Http, health::Readiness, operators::page::session::AdminSessions, server, signed::EdgeKeys},
    store::{
        fallback::{Fallback, Setup, Supervisor},
        memory::Memory,
        redis::RedisStore,
    },
};

/// How long a send may take: less than the edge's wait of 10 s.
const SEND_DEADLINE: Duration = Duration::from_secs(8);
/// How long a start waits for Redis before it goes on without.
const REDIS_PATIENCE: Duration = Duration::from_secs(2);
/// How long the last bookkeeping may take after the last answer.
pub const BOOKKEEPING_PATIENCE: Duration = Duration::from_secs(10);
/// Between readiness dropping and the listener closing: a load balancer's time to notice.
pub const LEAVE_NOTICE: Duration = Duration::from_millis(300);

/// Why the origin does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address is taken, or not ours.
    #[error("cannot listen on {0}: {1}")]
    Listen(std::net::SocketAddr, std::io::Error),
    /// Redis' settings cannot be used.
    #[error("REDIS_URL cannot be used: {0}")]
    Redis(String),
}

/// Runs until `shutdown` completes.
pub async fn run(config: Config, shutdown: impl Future<Output = ()>) -> Result<(), StartError> {
    let listen = config.listen;
    let listener = TcpListener::bind(listen).await.map_err(|error| StartError::Listen(listen, error))?;
    let (http, _supervisor) = assemble(&config).await?;
    let app = Arc::clone(&http.app);
    app.recover_operators().await;
    if let Err(error) = app.sync_operators().await {
        tracing::warn!(target: "otp::start", %error, "the operator state is not synchronised yet");
    }
    for mismatch in app.consent_mismatches() {
        tracing::warn!(target: "otp::start", mismatch, "consent and template differ in their languages");
    }
    // libphonenumber compiles a country's patterns when it first meets it: not while a fan waits.
    _ = app.served_phone("+250788123456");
    let publisher = tokio::spawn(publish::run(Arc::clone(&app)));
    let watcher = tokio::spawn({
        let whatsapp = Arc::clone(&app.sender.whatsapp);
        async move { whatsapp.watch_templates().await }
    });
    http.readiness.set(true);
    let listening = listener.local_addr().map_or_else(|_| listen.to_string(), |address| address.to_string());
    tracing::info!(target: "otp::start", listening, replica = app.settings.replica, redis = ?app.store.state(), "ready");
    let leave = {
        let http = Arc::clone(&http);
        async move {
            shutdown.await;
            tracing::info!(target: "otp::start", "stopping: requests in flight finish first");
            http.readiness.set(false);
            tokio::time::sleep(LEAVE_NOTICE).await;
        }
    };
    server::serve(listener, http::router(http), leave).await;
    publisher.abort();
    watcher.abort();
    app.sender.tasks.close();
    if tokio::time::timeout(BOOKKEEPING_PATIENCE, app.sender.tasks.wait()).await.is_err() {
        tracing::warn!(target: "otp::start", "the last bookkeeping was cut off");
    }
    Ok(())
}

async fn assemble(config: &Config) -> Result<(Arc<Http>, Option<Supervisor>), StartError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let (store, supervisor) = open_store(config, &clock).await?;
    let whatsapp = WhatsApp::new(config.whatsapp.clone(), Arc::clone(&clock));
    let sms = config.sms.as_ref().map(|sms| Sms::new(sms.provider.clone(), sms.budget.clone(), Arc::clone(&clock)) as Arc<dyn Channel>);
    let (secret, previous) = (&config.secret, config.secret_previous.as_ref());
    let edge = config.edge_url.as_deref().map(|url| EdgeClient::new(url, &config.edge_secret, secret, previous));
    let app = App {
        settings: settings(config),
        store,
        secrets: Secrets::new(secret, previous, &config.edge_secret),
        sender: Sender::new(whatsapp, sms),
        operators: Operators::default(),
        publication: Publication::new(edge),
        telemetry: Telemetry::new(Arc::clone(&clock)),
        clock,
    };
    let http = Arc::new(Http {
        app: Arc::new(app),
        edge_keys: EdgeKeys::new(&config.edge_secret, config.edge_secret_previous.as_ref()),
        admin_tokens: config.admin_tokens.clone(),
        admin_sessions: AdminSessions::new(secret, previous),
        readiness: Readiness::default(),
    });
    Ok((http, supervisor))
}

fn settings(config: &Config) -> Settings {
    Settings {
        challenge_ttl: config.challenge_ttl,
        session_ttl: config.session_ttl,
        countries: config.countries.clone(),
        quotas: config.quotas.clone(),
        replica: config.replica.clone(),
        publish_interval: config.publish_interval,
        send_deadline: SEND_DEADLINE,
    }
}

/// Redis with memory standing in, or memory alone; and what keeps Redis connected.
async fn open_store(config: &Config, clock: &Arc<dyn Clock>) -> Result<(Records, Option<Supervisor>), StartError> {
    let policy = Policy { quotas: config.quotas.clone(), hold_threshold: config.hold_threshold };
    // Guesses are counted by each process apart: after a restart, memory has forgotten what the last one counted.
    let slot = u32::from_be_bytes(clock::random());
    let Some(redis) = &config.redis else {
        let memory = Arc::new(Memory::new(Arc::clone(clock), slot, config.memory_records));
        return Ok((Records::new(Arc::clone(&memory) as _, memory, policy), None));
    };
    let remote = RedisStore::connect_guarded(redis, slot).map_err(|error| StartError::Redis(error.to_string()))?;
    let merging = Merging { quotas: config.quotas.clone() };
    let setup = Setup { slot, replicas: config.replicas, merging, capacity: config.memory_records };
    let store = Arc::new(Fallback::new(remote, Arc::clone(clock), setup));
    let supervisor = store.supervise();
    if !store.wait_ready(REDIS_PATIENCE).await {
        tracing::warn!(target: "otp::store", "redis is not there yet");
    }
    let records = Records::new(Arc::clone(&store) as _, Arc::clone(&store) as _, policy).beside(store);
    Ok((records, Some(supervisor)))
}
