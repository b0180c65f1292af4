//! The whole product on free ports: the stand-in of Meta, Redis if wanted, the origin, and the edge before it.
//!
//! **Invariant:** a stack that ends well has shown no code, token or full number in a log and no code in an answer, and nothing in it panicked.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use otp_shared::{
    kv::KV_SNAPSHOT_ORIGIN,
    phone::Phone,
    secret::Secret,
    snapshot::{Caller, PhoneHasher, Snapshot},
};
use tempfile::TempDir;

use super::{
    admin::{ADMIN_TOKEN, Admin},
    door::{Door, Signer},
    fan::Fan,
    ledger::Ledger,
    origin::{Environment, Origin},
    plan::{EDGE_SECRET, OTP_SECRET, Plan, Store},
    ports::free_port,
    redis::RedisServer,
    wait::until,
    workerd::{Workerd, WorkerdConfig},
};
use otp_graph_sim::Graph;

const ATTEMPTS: usize = 5;
/// How long a client waits: longer than every deadline of the product.
const CLIENT_PATIENCE: Duration = Duration::from_secs(40);

/// A running stack.
pub struct Stack {
    /// The origin; `None` while it is stopped.
    pub origin: Option<Origin>,
    /// The edge; `None` where the plan has none.
    pub edge: Option<Workerd>,
    /// Redis; `None` on embedded memory.
    pub redis: Option<RedisServer>,
    /// The stand-in of Meta's Graph API.
    pub graph: Graph,
    kv: TempDir,
    plan: Plan,
    environment: Environment,
    port: u16,
    http: reqwest::Client,
    ledger: Ledger,
    written: Vec<String>,
    numbers: AtomicU32,
    addresses: AtomicU32,
}

impl Stack {
    pub(super) async fn start(plan: Plan) -> Self {
        let graph = Graph::start(otp_graph_sim::Settings::default()).await.expect("the stand-in binds a free port");
        let redis = match plan.store {
            Store::Redis => Some(RedisServer::start().await),
            Store::Embedded => None,
        };
        let kv = TempDir::new().expect("there is room for a temporary directory");
        let mut environment = Plan::environment(&graph);
        if let Some(redis) = &redis {
            environment = environment.set("REDIS_URL", &redis.url());
        }
        if let Some(provider) = plan.sms {
            environment = environment.over(&provider.environment(&graph));
        }
        // A connection a request, as from different people: a server may close a kept one just when the next request goes out on it.
        let client = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).timeout(CLIENT_PATIENCE);
        let http = client.build().expect("a plain client can be built");
        let stack = Self {
            origin: None,
            edge: None,
            redis,
            graph,
            kv,
            environment: plan.unset.iter().fold(environment.over(&plan.environment), |rest, name| rest.unset(name)),
            plan,
            port: 0,
            http,
            ledger: Ledger::default(),
            written: Vec::new(),
            numbers: AtomicU32::new(0),
            addresses: AtomicU32::new(0),
        };
        stack.with_edge_and_origin().await
    }

    /// Each needs the other's URL: the edge is told a port that the origin then takes. Somebody else may be faster, so again with another.
    async fn with_edge_and_origin(mut self) -> Self {
        self.note_tokens();
        let mut last_words = String::new();
        for _ in 0..ATTEMPTS {
            self.port = free_port();
            if self.plan.edge {
                let edge = Workerd::start(&self.edge_config()).await;
                self.environment = self.environment.clone().set("EDGE_URL", &edge.url());
                self.edge = Some(edge);
            }
            match Origin::start(&self.environment, self.port).await {
                Ok(origin) => {
                    self.origin = Some(origin);
                    return self;
                }
                Err(tail) => last_words = tail,
            }
        }
        panic!("the origin did not start in {ATTEMPTS} attempts: {last_words}");
    }

    fn note_tokens(&self) {
        let settings = self.graph.settings();
        self.ledger.token(&settings.sms.api_key);
        self.ledger.token(&settings.sms.auth_token);
        for token in [OTP_SECRET, EDGE_SECRET, ADMIN_TOKEN, &settings.token, &settings.app_secret, &settings.verify_token] {
            self.ledger.token(token);
        }
    }

    /// What this stack's edge is started with.
    pub fn edge_config(&self) -> WorkerdConfig {
        self.edge_config_with(EDGE_SECRET)
    }

    /// What an edge of this stack is started with, but for its secret.
    pub fn edge_config_with(&self, secret: &str) -> WorkerdConfig {
        WorkerdConfig {
            origin: self.origin_url(),
            secret: secret.to_owned(),
            vars: [("SNAPSHOT_REFRESH_S".to_owned(), self.plan.refresh_s.to_string())].into(),
            burst: self.plan.burst,
            kv: Some(self.kv.path().to_owned()),
        }
    }

    /// The origin's URL, whether it runs or not.
    pub fn origin_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The running origin.
    pub fn origin(&mut self) -> &mut Origin {
        self.origin.as_mut().expect("the story has not stopped the origin")
    }

    /// The edge.
    pub fn edge(&mut self) -> &mut Workerd {
        self.edge.as_mut().expect("the story's plan has an edge")
    }

    /// Redis.
    pub fn redis(&self) -> &RedisServer {
        self.redis.as_ref().expect("the story's plan has Redis")
    }

    /// Redis, to be killed or restarted.
    pub fn redis_mut(&mut self) -> &mut RedisServer {
        self.redis.as_mut().expect("the story's plan has Redis")
    }

    /// A fan at an address of their own, through the edge (or signed, where the plan has none).
    pub fn fan(&self) -> Fan {
        self.fan_at(self.door())
    }

    /// The way in that fans take.
    pub fn door(&self) -> Door {
        match &self.edge {
            Some(edge) => Door::Edge(edge.url()),
            None => self.signed_door(),
        }
    }

    /// What this stack's origin is started with, for another replica.
    pub fn replica_environment(&self) -> &Environment {
        &self.environment
    }

    /// A fan at an address of their own, straight at the origin with a good signature.
    pub fn signed_fan(&self) -> Fan {
        self.fan_at(self.signed_door())
    }

    /// Somebody straight at the origin without a signature.
    pub fn unsigned_fan(&self) -> Fan {
        self.fan_at(Door::Unsigned(self.origin_url()))
    }

    /// Somebody behind any door.
    pub fn fan_at(&self, door: Door) -> Fan {
        Fan::new(door, self.http.clone(), self.next_address(), self.ledger.clone())
    }

    /// Signs as this stack's edge does.
    pub fn signer(&self) -> Signer {
        Signer::new(EDGE_SECRET)
    }

    fn signed_door(&self) -> Door {
        Door::Origin(self.origin_url(), self.signer())
    }

    /// An operator.
    pub fn admin(&self) -> Admin {
        Admin::new(self.origin_url(), self.http.clone(), self.ledger.clone())
    }

    /// The plain client.
    pub fn http(&self) -> &reqwest::Client {
        &self.http
    }

    /// A Rwandan mobile number that nobody used before in this stack.
    pub fn phone(&self) -> String {
        let phone = format!("+25078{:07}", 8_100_000 + self.numbers.fetch_add(1, Ordering::Relaxed));
        self.ledger.number(&phone);
        phone
    }

    /// Has the logs searched for a number that the story made up itself, as `+250788123456`.
    pub fn note_number(&self, e164: &str) {
        self.ledger.number(e164);
    }

    /// Has the logs searched for a token that the story made up itself.
    pub fn note_token(&self, token: &str) {
        self.ledger.token(token);
    }

    /// An address that nobody used before in this stack, of a network for benchmarks (RFC 2544).
    fn next_address(&self) -> IpAddr {
        let count = self.addresses.fetch_add(1, Ordering::Relaxed);
        Ipv4Addr::from_bits(Ipv4Addr::new(198, 18, 0, 1).to_bits() + count).into()
    }

    /// Ends the origin at once, and keeps what it wrote.
    pub fn kill_origin(&mut self) {
        if let Some(mut origin) = self.origin.take() {
            origin.kill();
            self.written.extend(origin.written());
        }
    }

    /// Ends the origin as Kubernetes does, and keeps what it wrote.
    pub fn stop_origin(&mut self) {
        if let Some(mut origin) = self.origin.take() {
            origin.stop();
            self.written.extend(origin.written());
        }
    }

    /// Starts the origin again on its port.
    pub async fn start_origin(&mut self) {
        let (environment, port) = (self.environment.clone(), self.port);
        // The old one's port may still be held by a connection that is just ending.
        let origin = until("the origin runs again", async || Origin::start(&environment, port).await.ok()).await;
        self.origin = Some(origin);
    }

    /// Ends the edge and starts another process on the same KV namespace. Its URL changes: ask for new fans.
    pub async fn replace_edge(&mut self) {
        if let Some(mut edge) = self.edge.take() {
            edge.stop();
            self.written.extend(edge.log().all());
        }
        self.edge = Some(Workerd::start(&self.edge_config()).await);
    }

    /// Where KV keeps its values: what wrangler takes as `--persist-to`.
    pub fn kv(&self) -> &Path {
        self.kv.path()
    }

    /// The origin's snapshot, as it stands in KV.
    pub async fn published(&mut self) -> Option<Snapshot> {
        let text = self.edge().kv_get_base64(KV_SNAPSHOT_ORIGIN).await?;
        Snapshot::decode(BASE64.decode(text).ok()?).ok()
    }

    /// Whom a snapshot would see in a request for a code for `phone` (E.164) from nowhere.
    pub fn caller(phone: &str) -> Caller {
        let phone = Phone::parse(phone).expect("the story's numbers parse");
        let hasher = PhoneHasher::new(&Secret::parse(EDGE_SECRET).expect("the harness's secrets are long enough"));
        Caller { phone: Some((phone, hasher.hash(&phone))), address: None }
    }

    /// Whether memory had to stand in for Redis. On a busy machine 100 ms can pass without a fault of Redis' own.
    pub fn fell_back(&self) -> bool {
        self.logs().iter().any(|line| line.contains("memory stands in"))
    }

    /// Everything that the origin and the edge wrote so far.
    pub fn logs(&self) -> Vec<String> {
        let mut lines = self.written.clone();
        lines.extend(self.origin.iter().flat_map(Origin::written));
        lines.extend(self.edge.iter().flat_map(|edge| edge.log().all()));
        lines
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        self.stop_origin();
        if let Some(edge) = &mut self.edge {
            edge.stop();
        }
        if std::thread::panicking() {
            return;
        }
        let codes: Vec<String> = self.graph.messages().into_iter().map(|message| message.code).collect();
        let logs = self.logs();
        let leaks = self.ledger.leaks(&codes, &logs);
        assert!(leaks.is_empty(), "{}", leaks.join("\n"));
        let panic = logs.iter().find(|line| line.contains("panicked at"));
        assert_eq!(panic, None, "a part of the product panicked");
    }
}
