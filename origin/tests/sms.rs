//! The text message channels over HTTP, against the stand-ins of both providers.

use std::{sync::Arc, time::Duration};

use otp_graph_sim::{Fault, Graph, Operation, Rule, Settings};
use otp_origin::{
    channels::{
        Channel, Message, Refusal, Sent,
        sms::{AfricasTalking, Budget, Provider, Sms, Twilio},
    },
    clock::{ManualClock, SystemClock},
    domain::{challenge::Passcode, locale::Locale},
};
use otp_shared::phone::Phone;

const FAN: &str = "+250788123456";
const CODE: &str = "012345";
const DEADLINE: Duration = Duration::from_secs(8);
const SHORT: Duration = Duration::from_millis(1_200);
const PLENTY: u32 = 1_000;
const NOW_MS: u64 = 20_000 * 86_400_000;

async fn graph() -> Graph {
    Graph::start(Settings::default()).await.expect("a free port on the loopback")
}

fn providers(graph: &Graph) -> [Provider; 2] {
    let settings = &graph.settings().sms;
    let base_url = graph.url().to_owned();
    [
        Provider::AfricasTalking(AfricasTalking {
            base_url: base_url.clone(),
            username: settings.username.clone(),
            api_key: settings.api_key.clone(),
            sender: "CLUB".to_owned(),
        }),
        Provider::Twilio(Twilio {
            base_url,
            account_sid: settings.account_sid.clone(),
            auth_token: settings.auth_token.clone(),
            from: "CLUB".to_owned(),
        }),
    ]
}

fn channels(graph: &Graph) -> [Arc<Sms>; 2] {
    providers(graph).map(|provider| Sms::new(provider, Budget::new(PLENTY, PLENTY), Arc::new(SystemClock)))
}

fn message() -> Message {
    Message {
        to: Phone::parse(FAN).expect("a number"),
        code: Passcode::parse(CODE).expect("six digits"),
        locale: Locale::parse("rw").ok(),
        reference: "req-1".to_owned(),
        lifetime: Duration::from_mins(5),
    }
}

fn sms(fault: Fault) -> Rule {
    Rule::once(fault).on(Operation::Sms)
}

#[tokio::test]
async fn a_code_arrives_as_a_text() {
    let graph = graph().await;
    for sms in channels(&graph) {
        graph.clear_messages();
        let Sent::Accepted { message_id } = sms.send(&message(), DEADLINE).await else { panic!("accepted") };
        let arrived = graph.arrived(FAN, 1).await;
        assert_eq!((arrived.id, arrived.code.as_str()), (message_id, CODE));
    }
}

#[tokio::test]
async fn an_explicit_refusal_left_nothing() {
    let graph = graph().await;
    let misuse = Refusal::Unavailable { retry_after_s: 60 };
    let rows: [&[(u32, Refusal)]; 2] = [
        &[(403, Refusal::Undeliverable), (405, misuse), (502, Refusal::Unavailable { retry_after_s: 1 })],
        &[(21_614, Refusal::Undeliverable), (20_003, misuse), (20_429, Refusal::Unavailable { retry_after_s: 1 })],
    ];
    for (channel, rows) in channels(&graph).into_iter().zip(rows) {
        for (code, refusal) in rows {
            graph.script(sms(Fault::error(*code)));
            assert_eq!(channel.send(&message(), DEADLINE).await, Sent::Refused(*refusal), "{code}");
        }
    }
    assert!(graph.messages().is_empty());
}

#[tokio::test]
async fn a_text_whose_answer_is_lost_is_never_sent_twice() {
    let graph = graph().await;
    for channel in channels(&graph) {
        let faults =
            [(Fault::Hang, 1), (Fault::Drop { accepted: true }, 1), (Fault::Garbage, 1), (Fault::Bare { status: 502, accepted: false }, 0)];
        for (fault, arrived) in faults {
            graph.clear_messages();
            graph.script(sms(fault.clone()));
            assert_eq!(channel.send(&message(), SHORT).await, Sent::Unconfirmed, "{fault:?}");
            assert_eq!(graph.messages().len(), arrived, "{fault:?}");
        }
    }
}

#[tokio::test]
async fn a_wrong_key_is_for_an_operator_to_change() {
    let graph = graph().await;
    let [africas_talking, twilio] = providers(&graph);
    let wrong = |provider| match provider {
        Provider::AfricasTalking(account) => Provider::AfricasTalking(AfricasTalking { api_key: "wrong".to_owned(), ..account }),
        Provider::Twilio(account) => Provider::Twilio(Twilio { auth_token: "wrong".to_owned(), ..account }),
    };
    for provider in [wrong(africas_talking), wrong(twilio)] {
        let channel = Sms::new(provider, Budget::new(PLENTY, PLENTY), Arc::new(SystemClock));
        assert_eq!(channel.send(&message(), DEADLINE).await, Sent::Refused(Refusal::Unavailable { retry_after_s: 60 }));
    }
}

#[tokio::test]
async fn the_budget_ends_and_what_did_not_leave_costs_nothing() {
    let graph = graph().await;
    for provider in providers(&graph) {
        graph.clear_messages();
        let channel = Sms::new(provider, Budget::new(2, PLENTY), Arc::new(ManualClock::at(NOW_MS)));
        graph.script(Rule::times(5, Fault::error(502)).on(Operation::Sms));
        for _ in 0..5 {
            assert!(matches!(channel.send(&message(), DEADLINE).await, Sent::Refused(_)));
        }
        for _ in 0..2 {
            assert_eq!(channel.unavailable_reason(None), None);
            assert!(matches!(channel.send(&message(), DEADLINE).await, Sent::Accepted { .. }));
        }
        let spent = Refusal::Unavailable { retry_after_s: 3_600 };
        assert_eq!((channel.unavailable_reason(None), channel.send(&message(), DEADLINE).await), (Some(spent), Sent::Refused(spent)));
        assert_eq!(graph.messages().len(), 2);
    }
}

#[tokio::test]
async fn a_text_without_time_for_its_answer_does_not_leave() {
    let graph = graph().await;
    for channel in channels(&graph) {
        assert!(matches!(channel.send(&message(), Duration::from_millis(10)).await, Sent::Refused(Refusal::Unavailable { .. })));
    }
    assert!(graph.messages().is_empty());
}

#[tokio::test]
async fn nobody_waits_for_a_provider_that_is_away() {
    let graph = graph().await;
    let channels = channels(&graph);
    graph.stop().await;
    for channel in channels {
        while channel.unavailable_reason(None).is_none() {
            assert!(matches!(channel.send(&message(), DEADLINE).await, Sent::Refused(Refusal::Unavailable { .. })));
        }
    }
}
