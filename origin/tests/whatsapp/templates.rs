//! Which translation is sent, as the flag, lookups, webhooks and refused sends tell it.

use super::*;

#[tokio::test]
async fn a_template_that_is_paused_in_the_middle_moves_to_the_next_language() {
    let (graph, whatsapp) = start().await;
    whatsapp.poll_templates().await.unwrap();
    graph.review_quietly(TEMPLATE, "rw_RW", &Review::Pause).unwrap();
    for _ in 0..3 {
        assert!(accepted(&send(&whatsapp).await));
    }
    let languages: Vec<_> = graph.messages().into_iter().filter_map(|message| message.language).collect();
    assert_eq!(languages, ["en_US"; 3]);
    assert_eq!(errors(&whatsapp), BTreeMap::from([(132_015, 1)]), "it asks once");
    assert_eq!((template_status(&whatsapp, "rw_RW"), whatsapp.status().approved), (TemplateStatus::Paused, Some(true)));
}

#[tokio::test]
async fn with_no_language_left_a_fan_is_told_before_waiting() {
    let (graph, whatsapp) = start().await;
    graph.review_quietly(TEMPLATE, "rw_RW", &Review::Pause).unwrap();
    graph.review_quietly(TEMPLATE, "en_US", &Review::Disable).unwrap();
    assert_eq!(whatsapp.unavailable_reason(None), None);
    assert_eq!(send(&whatsapp).await, Sent::Refused(Refusal::TemplateNotApproved));
    assert_eq!(whatsapp.unavailable_reason(None), Some(Refusal::TemplateNotApproved));
    assert_eq!(whatsapp.status().approved, Some(false));
    assert!(graph.messages().is_empty());
}

#[tokio::test]
async fn the_operators_flag_decides() {
    let graph = graph().await;
    let flagged = |approved| WhatsApp::new(WhatsAppConfig { approved, ..config(&graph) }, Arc::new(SystemClock));
    let off = flagged(Some(false));
    off.poll_templates().await.unwrap();
    assert_eq!(off.unavailable_reason(None), Some(Refusal::TemplateNotApproved));
    assert_eq!(send(&off).await, Sent::Refused(Refusal::TemplateNotApproved));
    let on = flagged(Some(true));
    graph.review_quietly(TEMPLATE, "rw_RW", &Review::Reject { reason: "SCAM".to_owned() }).unwrap();
    on.poll_templates().await.unwrap();
    assert!(accepted(&send(&on).await));
    assert_eq!(graph.messages().len(), 1);
    assert!(errors(&on).is_empty(), "what Meta refuses is tried last");
}

#[tokio::test]
async fn the_template_is_found_by_its_exact_name_on_any_page() {
    let (graph, whatsapp) = start().await;
    for language in ["rw_RW", "en_US"] {
        graph.remove_template(TEMPLATE, language);
    }
    for serial in 100..250 {
        graph.put_template(
            Template::new(serial, &format!("{TEMPLATE}_{serial}"), "rw_RW").with_status(otp_graph_sim::TemplateStatus::Rejected),
        );
    }
    graph.put_template(Template::new(900, TEMPLATE, "rw_RW"));
    whatsapp.poll_templates().await.unwrap();
    assert_eq!(
        (template_status(&whatsapp, "rw_RW"), template_status(&whatsapp, "en_US")),
        (TemplateStatus::Approved, TemplateStatus::Missing)
    );
}

#[tokio::test]
async fn a_lookup_tells_why_and_what_to_look_at() {
    let (graph, whatsapp) = start().await;
    graph.review_quietly(TEMPLATE, "rw_RW", &Review::Reject { reason: "PROMOTIONAL".to_owned() }).unwrap();
    graph.review_quietly(TEMPLATE, "en_US", &Review::Category { category: "MARKETING".to_owned() }).unwrap();
    whatsapp.poll_templates().await.unwrap();
    let status = whatsapp.status();
    assert_eq!(status.languages[0].reason.as_deref(), Some("PROMOTIONAL"));
    assert_eq!(status.warnings.len(), 2, "another category, and no TTL of its own: {:?}", status.warnings);
}

#[tokio::test]
async fn a_lookup_that_fails_stops_nothing() {
    let (graph, whatsapp) = start().await;
    graph.script(Rule::once(Fault::error(200)).on(Operation::Templates));
    graph.script(Rule::once(Fault::Garbage).on(Operation::Templates));
    assert_eq!(whatsapp.poll_templates().await, Err(LookupError::Refused(200)));
    assert_eq!(whatsapp.status().warnings, ["Meta refused the lookup with code 200"]);
    assert_eq!(whatsapp.poll_templates().await, Err(LookupError::Unanswered));
    assert!(accepted(&send(&whatsapp).await));
    whatsapp.poll_templates().await.unwrap();
    assert!(whatsapp.status().warnings.is_empty());
}

#[tokio::test]
async fn the_watch_asks_at_once() {
    let (_graph, whatsapp) = start().await;
    assert_eq!(whatsapp.status().approved, None);
    let watched = Arc::clone(&whatsapp);
    let watch = tokio::spawn(async move { watched.watch_templates().await });
    until(|| whatsapp.status().approved == Some(true)).await;
    watch.abort();
}

#[tokio::test]
async fn webhook_and_lookup_agree_in_either_order() {
    for webhook_first in [true, false] {
        let (graph, whatsapp) = start().await;
        graph.review_quietly(TEMPLATE, "rw_RW", &Review::Pause).unwrap();
        if webhook_first {
            template_event(&whatsapp, "PAUSED", "rw-RW");
            whatsapp.poll_templates().await.unwrap();
        } else {
            whatsapp.poll_templates().await.unwrap();
            template_event(&whatsapp, "PAUSED", "rw_RW");
        }
        assert_eq!(template_status(&whatsapp, "rw_RW"), TemplateStatus::Paused);
        assert!(accepted(&send(&whatsapp).await));
        assert_eq!(graph.arrived(FAN, 1).await.language.as_deref(), Some("en_US"));
        assert!(errors(&whatsapp).is_empty(), "nothing had to be refused for it");
    }
}

#[tokio::test]
async fn an_event_of_long_ago_does_not_undo_what_meta_says_now() {
    let (_graph, whatsapp) = start().await;
    whatsapp.poll_templates().await.unwrap();
    template_event_at(&whatsapp, "PAUSED", "rw_RW", 1_000);
    assert_eq!(template_status(&whatsapp, "rw_RW"), TemplateStatus::Approved);
}
