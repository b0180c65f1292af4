//! One send: what arrives, what is tried again, and what never is.

use super::*;

#[tokio::test]
async fn a_code_arrives_in_the_fans_language() {
    let (graph, whatsapp) = start().await;
    for (locale, language) in [("rw", "rw_RW"), ("en-GB", "en_US"), ("de", "rw_RW")] {
        graph.clear_messages();
        let Sent::Accepted { message_id } = whatsapp.send(&message(FAN, locale), DEADLINE).await else { panic!("accepted") };
        let arrived = graph.arrived(FAN, 1).await;
        assert_eq!((arrived.id, arrived.code.as_str(), arrived.language.as_deref()), (message_id, CODE, Some(language)));
        assert_eq!(arrived.callback_data.as_deref(), Some("req-1"));
    }
    assert_eq!(whatsapp.sending().accepted, 3);
}

#[tokio::test]
async fn every_code_is_answered_alike_in_both_status_styles() {
    let halted = Sent::Refused(Refusal::Unavailable { retry_after_s: 60 });
    let (undeliverable, blocked) = (Sent::Refused(Refusal::Undeliverable), Sent::Refused(Refusal::TemplateNotApproved));
    let wait = |retry_after_s| Sent::Refused(Refusal::Unavailable { retry_after_s });
    let rows: Vec<(&[u32], Sent)> = vec![
        (&[4, 80_007, 130_429, 131_056], wait(1)),
        (&[0, 190, 3, 10, 200, 299, 131_005, 33, 368, 131_031, 131_048, 131_064, 131_042], halted.clone()),
        (&[131_037, 131_045, 133_000, 133_005, 133_006, 133_008, 133_009, 133_010, 133_015, 133_016, 131_057], halted),
        (&[1, 2, 131_000, 131_016, 133_004], wait(1)),
        (&[131_021, 131_026, 130_403, 130_472, 130_497, 131_049, 131_050], undeliverable),
        (&[132_001, 132_015, 132_016], blocked),
        (&[100, 131_008, 131_009, 131_030, 131_047, 131_051, 131_052, 131_053, 131_062], wait(60)),
        (&[132_000, 132_005, 132_007, 132_012, 132_068, 132_069, 134_011, 135_000, 999_999], wait(60)),
    ];
    let graph = graph().await;
    for style in [StatusStyle::Plain, StatusStyle::Table] {
        graph.set_status_style(style);
        for (codes, expected) in &rows {
            for code in *codes {
                let whatsapp = WhatsApp::new(config(&graph), Arc::new(SystemClock));
                graph.clear_script();
                graph.script(Rule::always(Fault::error(*code)));
                assert_eq!(whatsapp.send(&message(FAN, "rw"), ONE_CALL).await, *expected, "{code} {style:?}");
            }
        }
    }
    assert!(graph.messages().is_empty());
}

#[tokio::test]
async fn an_error_counts_whatever_its_http_status() {
    let (graph, whatsapp) = start().await;
    for status in [200, 404, 429, 500, 503] {
        let fault = Fault::Error { code: 131_026, subcode: None, status: Some(status), retry_after_s: None, details: None };
        graph.script(Rule::once(fault));
        assert_eq!(send(&whatsapp).await, Sent::Refused(Refusal::Undeliverable), "{status}");
    }
    assert_eq!(errors(&whatsapp), BTreeMap::from([(131_026, 5)]));
}

#[tokio::test]
async fn an_explicit_throttle_is_tried_again_and_arrives_once() {
    for code in [4, 80_007, 130_429, 131_056] {
        let (graph, whatsapp) = start().await;
        graph.script(Rule::once(Fault::error(code)));
        assert!(accepted(&send(&whatsapp).await), "{code}");
        assert_eq!(graph.messages().len(), 1, "{code}");
        assert_eq!(errors(&whatsapp), BTreeMap::from([(code, 1)]));
    }
}

#[tokio::test]
async fn metas_retry_after_is_kept() {
    let (graph, whatsapp) = start().await;
    graph.script(Rule::once(Fault::error_after(130_429, 2)));
    let began = tokio::time::Instant::now();
    assert!(accepted(&send(&whatsapp).await));
    assert!(began.elapsed() >= Duration::from_secs(2));
    graph.script(Rule::always(Fault::error_after(130_429, 90)));
    assert_eq!(send(&whatsapp).await, Sent::Refused(Refusal::Unavailable { retry_after_s: 90 }));
}

#[tokio::test]
async fn a_send_whose_answer_is_lost_is_never_sent_twice() {
    let faults = [
        (Fault::Hang, 1),
        (Fault::Drop { accepted: true }, 1),
        (Fault::Drop { accepted: false }, 0),
        (Fault::Garbage, 1),
        (Fault::NoId, 1),
        (Fault::Bare { status: 404, accepted: false }, 0),
    ];
    for (fault, arrived) in faults {
        let (graph, whatsapp) = start().await;
        graph.script(Rule::once(fault.clone()));
        assert_eq!(whatsapp.send(&message(FAN, "rw"), ONE_CALL).await, Sent::Unconfirmed, "{fault:?}");
        assert_eq!(graph.messages().len(), arrived, "{fault:?}");
        assert_eq!(whatsapp.sending().unconfirmed, 1);
    }
}

#[tokio::test]
async fn a_service_that_says_it_failed_is_reported_as_failed_and_not_asked_again() {
    for fault in [Fault::Bare { status: 500, accepted: true }, Fault::Bare { status: 502, accepted: false }, Fault::error(131_000)] {
        let (graph, whatsapp) = start().await;
        graph.script(Rule::once(fault.clone()));
        let sent = whatsapp.send(&message(FAN, "rw"), ONE_CALL).await;
        assert_eq!(sent, Sent::Refused(Refusal::Unavailable { retry_after_s: 1 }), "{fault:?}");
        assert!(graph.messages().len() <= 1, "{fault:?}");
        assert_eq!(whatsapp.sending().unconfirmed, 0);
    }
}

#[tokio::test]
async fn an_answer_after_the_deadline_is_lost() {
    let (graph, whatsapp) = start().await;
    graph.script(Rule::always(Fault::Slow).after(Duration::from_secs(3)));
    let began = tokio::time::Instant::now();
    assert_eq!(whatsapp.send(&message(FAN, "rw"), ONE_CALL).await, Sent::Unconfirmed);
    assert!(began.elapsed() < Duration::from_secs(3));
    assert_eq!(graph.messages().len(), 1);
}

#[tokio::test]
async fn a_message_that_meta_holds_back_is_accepted() {
    let (graph, whatsapp) = start().await;
    graph.script(Rule::once(Fault::Held { message_status: "held_for_quality_assessment".to_owned() }));
    assert!(accepted(&send(&whatsapp).await));
}

#[test]
fn nothing_that_prints_shows_a_secret() {
    let secret = |name: &str| format!("secret-{name}");
    let config = WhatsAppConfig {
        base_url: "http://localhost".to_owned(),
        api_version: VERSION.to_owned(),
        phone_number_id: "1".to_owned(),
        token: secret("token"),
        waba_id: "2".to_owned(),
        app_secret: secret("app"),
        verify_token: secret("verify"),
        template: TEMPLATE.to_owned(),
        languages: vec![],
        approved: None,
        rate_limit_doc: None,
        sends_per_s: 80,
        code_life_s: 300,
    };
    assert!(!format!("{config:?}").contains("secret-"), "{config:?}");
}
