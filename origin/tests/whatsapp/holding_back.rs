//! When nothing is sent for a while: the person's pause, the number's throughput, the breaker.

use super::*;

#[tokio::test]
async fn the_pair_limit_keeps_one_person_waiting_and_nobody_else() {
    let (graph, whatsapp) = start().await;
    graph.script(Rule::always(Fault::error(131_056)).to(FAN));
    assert!(unavailable(&whatsapp.send(&message(FAN, "rw"), ONE_CALL).await));
    assert!(unavailable(&whatsapp.send(&message(FAN, "rw"), ONE_CALL).await));
    assert_eq!(errors(&whatsapp), BTreeMap::from([(131_056, 1)]), "the second was not even asked for");
    assert!(accepted(&whatsapp.send(&message("+250788000001", "rw"), ONE_CALL).await));
}

#[tokio::test]
async fn nobody_waits_for_a_meta_that_is_away() {
    let clock = Arc::new(ManualClock::at(NOW_MS));
    let graph = graph().await;
    let whatsapp = WhatsApp::new(config(&graph), clock.clone());
    graph.stop().await;
    assert_eq!(whatsapp.unavailable_reason(None), None);
    while whatsapp.unavailable_reason(None).is_none() {
        assert!(unavailable(&send(&whatsapp).await), "a connection that did not come about is no message");
    }
    assert_eq!(whatsapp.unavailable_reason(None), Some(Refusal::Unavailable { retry_after_s: 5 }));
    assert_eq!(whatsapp.sending().state, "outage");
    let began = tokio::time::Instant::now();
    assert!(unavailable(&send(&whatsapp).await));
    assert!(began.elapsed() < Duration::from_secs(1), "it fails at once, where three connections would take 1.5 s of pauses");
    clock.advance_ms(5_000);
    assert_eq!(whatsapp.unavailable_reason(None), None, "a probe may go");
}

#[tokio::test]
async fn a_revoked_token_stops_sends_until_a_probe_gets_through() {
    let clock = Arc::new(ManualClock::at(NOW_MS));
    let graph = graph().await;
    let whatsapp = WhatsApp::new(config(&graph), clock.clone());
    graph.script(Rule::always(Fault::error(190)));
    for _ in 0..3 {
        assert_eq!(send(&whatsapp).await, Sent::Refused(Refusal::Unavailable { retry_after_s: 60 }));
    }
    assert_eq!(errors(&whatsapp), BTreeMap::from([(190, 1)]), "it does not hammer");
    let status = whatsapp.sending();
    assert_eq!((status.state, status.advice, status.since), ("halted", Some("renew WHATSAPP_TOKEN"), Some(NOW_MS / 1_000)));
    graph.clear_script();
    clock.advance_ms(60_000);
    assert!(accepted(&send(&whatsapp).await));
    assert_eq!(whatsapp.sending().state, "sending");
}

#[tokio::test]
async fn numbers_that_meta_dislikes_stop_nobody_else() {
    let (graph, whatsapp) = start().await;
    for code in [100, 131_009, 131_026, 999_999] {
        graph.script(Rule::times(20, Fault::error(code)));
        for _ in 0..20 {
            send(&whatsapp).await;
        }
        assert!(accepted(&send(&whatsapp).await), "{code}");
    }
}

#[tokio::test]
async fn an_unpaid_bill_that_only_receipts_tell_of_stops_sends() {
    let clock = Arc::new(ManualClock::at(NOW_MS));
    let graph = graph().await;
    let whatsapp = WhatsApp::new(config(&graph), clock.clone());
    fail_later(&whatsapp, NOW_MS / 1_000 - 3_600);
    assert_eq!(whatsapp.unavailable_reason(None), None, "an hour ago is no news");
    fail_later(&whatsapp, NOW_MS / 1_000);
    assert_eq!(whatsapp.unavailable_reason(None), Some(Refusal::Unavailable { retry_after_s: 60 }));
    assert_eq!(whatsapp.sending().advice, Some("settle the payment method in WhatsApp Manager"));
}

#[tokio::test]
async fn a_rush_stays_under_the_numbers_throughput() {
    let graph = graph().await;
    let whatsapp = WhatsApp::new(WhatsAppConfig { sends_per_s: 10, ..config(&graph) }, Arc::new(SystemClock));
    // Far over what is released in a second, so that a slow machine may bunch what arrives, and far under what a rush would be.
    graph.limit_throughput(Some(25));
    let sends: Vec<_> = (0..40).map(|fan| tokio::spawn(send_to(Arc::clone(&whatsapp), format!("+2507880001{fan:02}")))).collect();
    for sent in sends {
        assert!(accepted(&sent.await.unwrap()));
    }
    assert!(errors(&whatsapp).is_empty(), "{:?}", errors(&whatsapp));
    assert_eq!(graph.messages().len(), 40);
}

#[tokio::test]
async fn who_cannot_be_served_in_time_is_told_when() {
    let graph = graph().await;
    let clock = Arc::new(ManualClock::at(NOW_MS));
    let whatsapp = WhatsApp::new(WhatsAppConfig { sends_per_s: 1, ..config(&graph) }, clock);
    let full = message(FAN, "rw");
    assert!(accepted(&whatsapp.send(&full, ONE_CALL).await));
    assert_eq!(whatsapp.send(&full, ONE_CALL).await, Sent::Refused(Refusal::Unavailable { retry_after_s: 1 }));
    assert_eq!(graph.messages().len(), 1);
}
