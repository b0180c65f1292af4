//! The WhatsApp adapter over HTTP, against the stand-in of the Graph API. What a real phone would have shown is what counts: a message that
//! arrives twice, or arrives although it was called refused, fails a test here.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use otp_graph_sim::{Fault, Graph, Operation, Review, Rule, Settings, StatusStyle, TEMPLATE, Template, VERSION};
use otp_origin::{
    channels::{
        Channel, Message, Refusal, Sent,
        whatsapp::{LookupError, TemplateStatus, WhatsApp, WhatsAppConfig, webhook},
    },
    clock::{ManualClock, SystemClock},
    domain::{challenge::Passcode, locale::Locale},
};
use otp_shared::phone::Phone;

mod holding_back;
mod sending;
mod templates;

const FAN: &str = "+250788123456";
const CODE: &str = "012345";
/// What the product gives a send.
const DEADLINE: Duration = Duration::from_secs(8);
/// Too short for a pause and another call.
const ONE_CALL: Duration = Duration::from_millis(1_400);
const NOW_MS: u64 = 1_790_000_000_000;

fn config(graph: &Graph) -> WhatsAppConfig {
    let settings = graph.settings();
    WhatsAppConfig {
        base_url: graph.url().to_owned(),
        api_version: VERSION.to_owned(),
        phone_number_id: settings.phone_number_id.clone(),
        token: settings.token.clone(),
        waba_id: settings.waba_id.clone(),
        app_secret: settings.app_secret.clone(),
        verify_token: settings.verify_token.clone(),
        template: TEMPLATE.to_owned(),
        languages: vec!["rw_RW".to_owned(), "en_US".to_owned()],
        approved: None,
        rate_limit_doc: None,
        sends_per_s: 80,
        code_life_s: 300,
    }
}

async fn graph() -> Graph {
    Graph::start(Settings::default()).await.expect("a free port on the loopback")
}

async fn start() -> (Graph, Arc<WhatsApp>) {
    let graph = graph().await;
    let whatsapp = WhatsApp::new(config(&graph), Arc::new(SystemClock));
    (graph, whatsapp)
}

fn message(to: &str, locale: &str) -> Message {
    Message {
        to: Phone::parse(to).expect("a number"),
        code: Passcode::parse(CODE).expect("six digits"),
        locale: Locale::parse(locale).ok(),
        reference: "req-1".to_owned(),
        lifetime: Duration::from_mins(5),
    }
}

async fn send(whatsapp: &WhatsApp) -> Sent {
    whatsapp.send(&message(FAN, "rw"), DEADLINE).await
}

fn accepted(sent: &Sent) -> bool {
    matches!(sent, Sent::Accepted { .. })
}

/// Unavailable for at least a second, whatever the number.
fn unavailable(sent: &Sent) -> bool {
    matches!(sent, Sent::Refused(Refusal::Unavailable { retry_after_s: 1.. }))
}

fn errors(whatsapp: &WhatsApp) -> BTreeMap<u32, u64> {
    whatsapp.sending().errors
}

fn template_status(whatsapp: &WhatsApp, language: &str) -> TemplateStatus {
    let languages = whatsapp.status().languages;
    languages.iter().find(|status| status.code == language).map(|status| status.status).expect("a configured language")
}

async fn send_to(whatsapp: Arc<WhatsApp>, to: String) -> Sent {
    whatsapp.send(&message(&to, "rw"), DEADLINE).await
}

/// Waits for a condition, and gives up after what is long for a machine under load.
async fn until(condition: impl Fn() -> bool) {
    let wait = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), wait).await.expect("the condition comes true");
}

fn template_event(whatsapp: &WhatsApp, event: &str, language: &str) {
    template_event_at(whatsapp, event, language, u64::MAX >> 1);
}

fn template_event_at(whatsapp: &WhatsApp, event: &str, language: &str, at_s: u64) {
    let body = format!(
        r#"{{"entry":[{{"time":{at_s},"changes":[{{"field":"message_template_status_update","value":{{"event":"{event}",
        "message_template_name":"{TEMPLATE}","message_template_language":"{language}","reason":"NONE"}}}}]}}]}}"#
    );
    handle_webhook(whatsapp, &body);
}

fn fail_later(whatsapp: &WhatsApp, at_s: u64) {
    let body = format!(
        r#"{{"entry":[{{"changes":[{{"field":"messages","value":{{"statuses":[
        {{"id":"wamid.A","status":"failed","timestamp":"{at_s}","errors":[{{"code":131042}}]}}]}}}}]}}]}}"#
    );
    handle_webhook(whatsapp, &body);
}

fn handle_webhook(whatsapp: &WhatsApp, body: &str) {
    let events = webhook::parse(body.as_bytes()).expect("JSON");
    assert!(!events.iter().any(|event| matches!(event, webhook::Event::Unknown { .. })), "{events:?}");
    for event in &events {
        whatsapp.handle_event(event);
    }
}
