//! The origin, put together for these tests, and two who call it: an operator, and a fan behind the edge.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use axum::{
    Router,
    body::Body,
    extract::ConnectInfo,
    http::{HeaderMap, Method, Request, StatusCode},
    routing::{get, put},
};
use http_body_util::BodyExt;
use otp_origin::{
    app::{App, Publication, Sender, Settings, Telemetry, operators::Operators, records::Records, secrets::Secrets},
    channels::{
        Channel, Message, Refusal, Sent,
        whatsapp::{WhatsApp, WhatsAppConfig},
    },
    clock::{Clock, ManualClock},
    domain::{evaluation::Quotas, limits::Policy, locale::Locale, numbering::Countries},
    edge::EdgeClient,
    http::{Http, admin_auth::AdminTokens, health::Readiness, operators::page::session::AdminSessions, router, signed::EdgeKeys},
    store::memory::Memory,
};
use otp_shared::{
    headers, routes,
    secret::Secret,
    signature::{Direction, Keyring, Parts},
    wire,
};
use serde_json::{Value, json};
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

/// The operators' tokens.
pub const OPS: &str = "token-of-the-operator-ops";
pub const NIGHT: &str = "token-of-the-operator-night";
/// When every test begins, in Unix milliseconds.
pub const NOW_MS: u64 = 1_795_420_800_000;
const PEER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1)), 4000);

/// The origin.
pub struct Bench {
    pub app: Arc<App>,
    pub clock: Arc<ManualClock>,
    pub codes: Arc<Codes>,
    router: Router,
    keyring: Keyring,
    nonces: Mutex<u128>,
}

/// An answer, read to its end.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

/// A channel that takes every message and keeps its code.
#[derive(Default)]
pub struct Codes(Mutex<Vec<String>>);

#[async_trait]
impl Channel for Codes {
    fn name(&self) -> wire::Channel {
        wire::Channel::Whatsapp
    }

    fn unavailable_reason(&self, _: Option<&Locale>) -> Option<Refusal> {
        None
    }

    async fn send(&self, message: &Message, _: Duration) -> Sent {
        self.0.lock().unwrap().push(message.code.expose().to_owned());
        Sent::Accepted { message_id: "wamid.1".to_owned() }
    }
}

impl Codes {
    pub fn last(&self) -> String {
        self.0.lock().unwrap().last().unwrap().clone()
    }
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        self
    }

    /// A problem document with this code.
    #[track_caller]
    pub fn refused(self, code: &str) -> Self {
        assert_eq!(self.json()["code"], code, "{}", self.text);
        self
    }
}

impl Bench {
    pub fn new() -> Self {
        Self::with(None)
    }

    /// With an edge that lists this as written by hand, and takes every snapshot.
    pub async fn with_hand(hand: Value) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let edge = Router::new()
            .route(routes::INTERNAL_HAND, get(async move || axum::Json(hand.clone())))
            .route(routes::INTERNAL_SNAPSHOT, put(async || axum::Json(json!({ "version": 1 }))))
            .route(routes::INTERNAL_OPERATOR, get(async || axum::Json(json!({ "copies": [] }))));
        tokio::spawn(otp_origin::http::server::serve(listener, edge, std::future::pending()));
        Self::with(Some(&url))
    }

    /// With an edge that nobody reaches.
    pub fn with_dead_edge() -> Self {
        Self::with(Some("http://127.0.0.1:9"))
    }

    fn with(edge_url: Option<&str>) -> Self {
        let clock = Arc::new(ManualClock::at(NOW_MS));
        let codes = Arc::new(Codes::default());
        let app = Arc::new(app(&clock, &codes, edge_url));
        let edge_secret = secret('e');
        let http = Http {
            app: Arc::clone(&app),
            edge_keys: EdgeKeys::new(&edge_secret, None),
            admin_tokens: AdminTokens::parse(&format!("ops={OPS},night={NIGHT}")).unwrap(),
            admin_sessions: AdminSessions::new(&secret('s'), None),
            readiness: Readiness::default(),
        };
        let keyring = Keyring::new(&edge_secret, None, Direction::EdgeToOrigin);
        Self { app, clock, codes, router: router(Arc::new(http)), keyring, nonces: Mutex::new(0) }
    }

    /// Sends a request, from the same address every time.
    pub async fn send(&self, mut request: Request<Body>) -> Answer {
        request.extensions_mut().insert(ConnectInfo(PEER));
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        Answer { status: parts.status, headers: parts.headers, text: String::from_utf8(bytes.to_vec()).unwrap() }
    }

    /// An operator's call.
    pub async fn admin(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let body = body.map(|body| ("application/json", body.to_string()));
        self.admin_sends(method, path, body.as_ref().map(|(media_type, text)| (*media_type, text.as_str()))).await
    }

    /// An operator's call with a body of any kind.
    pub async fn admin_sends(&self, method: Method, path: &str, body: Option<(&str, &str)>) -> Answer {
        let mut request = Request::builder().method(method).uri(path).header(headers::ADMIN_TOKEN, OPS);
        if let Some((media_type, _)) = body {
            request = request.header("content-type", media_type);
        }
        self.send(request.body(Body::from(body.map(|(_, text)| text.to_owned()).unwrap_or_default())).unwrap()).await
    }

    /// An operator blocks.
    pub async fn block(&self, kind: &str, value: &str, note: &str) -> Answer {
        self.admin(Method::POST, "/admin/otp/blacklist", Some(json!({ "type": kind, "value": value, "note": note }))).await
    }

    /// A fan's call through the edge, from `address`.
    pub async fn fan(&self, path: &str, body: &Value, address: &str) -> Answer {
        let body = body.to_string();
        let address_of = address.parse().unwrap();
        let parts =
            Parts { method: "POST", path, query: "", body: body.as_bytes(), client_address: Some(address_of), client_country: None };
        let signed = self.keyring.sign(&parts, self.clock.now_ms() / 1000, self.nonce());
        let request = Request::post(path)
            .header("content-type", "application/json")
            .header(headers::CLIENT_ADDRESS, address)
            .header(headers::CONTENT_DIGEST, signed.content_digest)
            .header(headers::SIGNATURE_INPUT, signed.signature_input)
            .header(headers::SIGNATURE, signed.signature);
        self.send(request.body(Body::from(body)).unwrap()).await
    }

    /// A fan asks for a code.
    pub async fn request(&self, phone: &str, address: &str) -> Answer {
        self.fan(routes::OTP_REQUEST, &json!({ "phone": phone }), address).await
    }

    fn nonce(&self) -> [u8; 16] {
        let mut nonces = self.nonces.lock().unwrap();
        *nonces += 1;
        nonces.to_be_bytes()
    }
}

fn secret(fill: char) -> Secret {
    Secret::parse(&fill.to_string().repeat(32)).unwrap()
}

fn app(clock: &Arc<ManualClock>, codes: &Arc<Codes>, edge_url: Option<&str>) -> App {
    let (secret, edge_secret) = (secret('s'), secret('e'));
    let shared_clock: Arc<dyn Clock> = Arc::clone(clock) as _;
    let memory = Arc::new(Memory::new(Arc::clone(&shared_clock), 1, 100_000));
    let edge = edge_url.map(|url| EdgeClient::new(url, &edge_secret, &secret, None));
    App {
        settings: Settings {
            challenge_ttl: Duration::from_mins(5),
            session_ttl: Duration::from_hours(1),
            countries: Countries::parse("RW,KE").unwrap(),
            quotas: Quotas::default(),
            replica: "replica-1".to_owned(),
            publish_interval: Duration::from_secs(10),
            send_deadline: Duration::from_secs(8),
        },
        store: Records::new(Arc::clone(&memory) as _, memory, Policy { quotas: Quotas::default(), hold_threshold: 5 }),
        secrets: Secrets::new(&secret, None, &edge_secret),
        sender: Sender {
            channels: vec![Arc::clone(codes) as _],
            whatsapp: WhatsApp::new(whatsapp(), Arc::clone(&shared_clock)),
            tasks: TaskTracker::new(),
        },
        operators: Operators::default(),
        publication: Publication::new(edge),
        telemetry: Telemetry::new(Arc::clone(&shared_clock)),
        clock: shared_clock,
    }
}

fn whatsapp() -> WhatsAppConfig {
    let text = |text: &str| text.to_owned();
    WhatsAppConfig {
        base_url: text("http://127.0.0.1:9"),
        api_version: text("v26.0"),
        phone_number_id: text("2000"),
        token: text("token"),
        waba_id: text("1000"),
        app_secret: text("app-secret"),
        verify_token: text("verify"),
        template: text("otp_login"),
        languages: vec![text("en_US")],
        approved: Some(true),
        rate_limit_doc: None,
        sends_per_s: 80,
        code_life_s: 300,
    }
}
