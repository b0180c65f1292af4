use serde_json::json;

use super::*;

fn change(field: &str, value: &Value) -> Value {
    json!({ "field": field, "value": value })
}

fn events_of(changes: &[Value]) -> Vec<Event> {
    let body = json!({ "object": "whatsapp_business_account", "entry": [{ "id": "1", "time": 1_790_000_000, "changes": changes }] });
    parse(body.to_string().as_bytes()).unwrap()
}

fn one(field: &str, value: &Value) -> Event {
    events_of(&[change(field, value)]).pop().expect("every change is an event")
}

fn status(status: &Value) -> Event {
    one("messages", &json!({ "statuses": [status] }))
}

fn message(message: &Value) -> Event {
    one("messages", &json!({ "messages": [message] }))
}

fn unknown(field: &str) -> Event {
    Event::Unknown { field: field.to_owned() }
}

#[test]
fn a_receipt_reads_as_meta_writes_it() {
    let value = json!({
        "messaging_product": "whatsapp", "metadata": { "display_phone_number": "250700000000", "phone_number_id": "2" },
        "statuses": [{ "id": "wamid.A", "status": "delivered", "timestamp": "1790000000", "recipient_id": "250788123456",
            "biz_opaque_callback_data": "req-1", "pricing": { "billable": true }, "recipient_user_id": "new" }],
    });
    let expected = Event::Receipt {
        reference: Some("req-1".to_owned()),
        message_id: "wamid.A".to_owned(),
        delivery: Delivery::Delivered,
        at_s: 1_790_000_000,
        error_code: None,
    };
    assert_eq!(one("messages", &value), expected);
}

#[test]
fn every_status_has_its_delivery_and_times_come_in_two_spellings() {
    for (word, expected) in [
        ("sent", Some(Delivery::Sent)),
        ("delivered", Some(Delivery::Delivered)),
        ("read", Some(Delivery::Delivered)),
        ("played", Some(Delivery::Delivered)),
        ("failed", Some(Delivery::Failed)),
        ("warning", None),
        ("", None),
    ] {
        for at in [json!("1790000000"), json!(1_790_000_000)] {
            match status(&json!({ "id": "w", "status": word, "timestamp": at })) {
                Event::Receipt { delivery, at_s: 1_790_000_000, .. } => assert_eq!(Some(delivery), expected, "{word}"),
                other => assert_eq!((other, expected), (unknown("messages.statuses"), None), "{word}"),
            }
        }
    }
}

#[test]
fn a_failure_tells_its_code() {
    let failed =
        json!({ "id": "w", "status": "failed", "timestamp": "1", "errors": [{ "code": 131_026, "title": "Message undeliverable" }] });
    assert!(matches!(status(&failed), Event::Receipt { delivery: Delivery::Failed, error_code: Some(131_026), .. }));
    let bare = json!({ "id": "w", "status": "failed", "timestamp": "1", "errors": "none" });
    assert!(matches!(status(&bare), Event::Receipt { delivery: Delivery::Failed, error_code: None, .. }));
}

#[test]
fn damage_costs_nothing_but_itself() {
    let good = json!({ "id": "w", "status": "sent", "timestamp": "1" });
    let bad = [
        json!(null),
        json!(7),
        json!({}),
        json!({ "id": 5, "status": "sent", "timestamp": "1" }),
        json!({ "id": "w", "status": "sent", "timestamp": "soon" }),
    ];
    let statuses: Vec<_> = bad.iter().cloned().chain([good]).collect();
    let events = events_of(&[
        change("messages", &json!({ "statuses": statuses })),
        json!("damage"),
        change("messages", &json!({ "statuses": "all" })),
    ]);
    assert_eq!(events.len(), bad.len() + 3);
    assert_eq!(events.iter().filter(|event| matches!(event, Event::Receipt { .. })).count(), 1);
    assert_eq!(events[..bad.len()], vec![unknown("messages.statuses"); bad.len()]);
    assert_eq!(events[bad.len() + 1..], [unknown("field"), unknown("messages.statuses")]);
}

#[test]
fn only_what_is_no_json_is_refused() {
    for body in ["", "{", r#"{"entry":[{"changes":["#, "\u{0}", "{}x"] {
        assert_eq!(parse(body.as_bytes()), Err(Malformed), "{body}");
    }
    assert_eq!(parse("[".repeat(100_000).as_bytes()), Err(Malformed), "nested without end");
    for (body, field) in [("7", "entry"), ("[]", "entry"), ("{}", "entry"), (r#"{"entry":7}"#, "entry"), (r#"{"entry":[7]}"#, "changes")] {
        assert_eq!(parse(body.as_bytes()), Ok(vec![unknown(field)]), "{body}");
    }
}

#[test]
fn ten_thousand_statuses_come_in_one_body() {
    let statuses: Vec<_> = (0..10_000).map(|n| json!({ "id": format!("wamid.{n}"), "status": "sent", "timestamp": n })).collect();
    let events = events_of(&[change("messages", &json!({ "statuses": statuses }))]);
    assert_eq!(events.iter().filter(|event| matches!(event, Event::Receipt { .. })).count(), 10_000);
}

#[test]
fn a_template_event_reads_with_either_spelling_of_the_language() {
    for (language, id) in [("en_US", json!(594_425_479_261_596_u64)), ("en-US", json!("594425479261596"))] {
        let value = json!({ "event": "PAUSED", "message_template_id": id, "message_template_name": "otp_login",
            "message_template_language": language, "reason": "NONE", "other_info": { "title": "FIRST_PAUSE" } });
        let expected = Event::Template {
            name: "otp_login".to_owned(),
            language: "en_US".to_owned(),
            event: "PAUSED".to_owned(),
            reason: Some("FIRST_PAUSE".to_owned()),
            at_s: Some(1_790_000_000),
        };
        assert_eq!(one("message_template_status_update", &value), expected);
    }
}

#[test]
fn a_reason_is_kept_only_when_it_says_something() {
    for (reason, expected) in [(json!("NONE"), None), (json!(null), None), (json!("SCAM"), Some("SCAM"))] {
        let value = json!({ "event": "REJECTED", "message_template_name": "n", "message_template_language": "sw", "reason": reason });
        let Event::Template { reason, .. } = one("message_template_status_update", &value) else { panic!("a template event") };
        assert_eq!(reason.as_deref(), expected);
    }
}

#[test]
fn quality_and_category_events_name_the_template() {
    let template = |more: Value| {
        let mut value = json!({ "message_template_id": 1, "message_template_name": "otp_login", "message_template_language": "rw_RW" });
        value.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        value
    };
    let (name, language) = ("otp_login".to_owned(), "rw_RW".to_owned());
    assert_eq!(
        one("message_template_quality_update", &template(json!({ "previous_quality_score": "GREEN", "new_quality_score": "RED" }))),
        Event::TemplateQuality { name: name.clone(), language: language.clone(), quality: "RED".to_owned() }
    );
    assert_eq!(
        one("template_category_update", &template(json!({ "previous_category": "AUTHENTICATION", "new_category": "MARKETING" }))),
        Event::TemplateCategory { name, language, category: "MARKETING".to_owned() }
    );
}

#[test]
fn account_events_are_an_open_set() {
    let account = |event: &str, detail: Option<&str>| Event::Account { event: event.to_owned(), detail: detail.map(str::to_owned) };
    let restricted =
        json!({ "event": "ACCOUNT_RESTRICTION", "restriction_info": [{ "restriction_type": "RESTRICTED_BIZ_INITIATED_MESSAGING" }] });
    assert_eq!(one("account_update", &restricted), account("ACCOUNT_RESTRICTION", Some("RESTRICTED_BIZ_INITIATED_MESSAGING")));
    let banned = json!({ "event": "DISABLED_UPDATE", "ban_info": { "waba_ban_state": "SCHEDULE_FOR_DISABLE" } });
    assert_eq!(one("account_update", &banned), account("DISABLED_UPDATE", Some("SCHEDULE_FOR_DISABLE")));
    assert_eq!(one("account_update", &json!({ "event": "NEW_THING" })), account("NEW_THING", None));
    assert_eq!(
        one("business_capability_update", &json!({ "max_daily_conversations_per_business": "TIER_2K" })),
        account("business_capability_update", None)
    );
    assert_eq!(one("phone_number_quality_update", &json!({ "event": "DOWNGRADE" })), Event::PhoneQuality { event: "DOWNGRADE".to_owned() });
}

#[test]
fn what_nobody_knows_is_named_without_its_content() {
    assert_eq!(one("flows", &json!({ "event": "X" })), unknown("flows"));
    assert_eq!(one("message_template_status_update", &json!({ "event": "PAUSED" })), unknown("message_template_status_update"));
    assert_eq!(one("a\n\"b", &json!(null)), unknown("ab"));
    assert_eq!(one(&"x".repeat(500), &json!(null)), unknown(&"x".repeat(NAME_MAX)));
}

#[test]
fn an_owner_may_say_stop_in_many_ways() {
    let text = |body: &str| json!({ "from": "250788123456", "id": "wamid.I", "timestamp": "1790000000", "type": "text", "text": { "body": body } });
    for (body, expected) in [
        ("STOP", InboundKind::Stop),
        (" stop. ", InboundKind::Stop),
        ("Arrêt", InboundKind::Stop),
        ("start", InboundKind::Start),
        ("STOP sending me this", InboundKind::Other),
        ("did_not_request_code", InboundKind::DidNotRequest),
        ("", InboundKind::Other),
    ] {
        let from = Phone::parse("+250788123456").unwrap();
        let expected = Event::Inbound { id: "wamid.I".to_owned(), from, kind: expected, about: None, at_s: 1_790_000_000 };
        assert_eq!(message(&text(body)), expected, "{body}");
    }
}

#[test]
fn the_button_names_the_message_it_stands_under() {
    let pressed = json!({ "from": "250788123456", "id": "wamid.I", "timestamp": "1", "type": "button", "context": { "from": "250700000000", "id": "wamid.A" },
        "button": { "payload": "DID_NOT_REQUEST_CODE", "text": "I didn't request a code" } });
    let Event::Inbound { kind, about, .. } = message(&pressed) else { panic!("an inbound message") };
    assert_eq!((kind, about.as_deref()), (InboundKind::DidNotRequest, Some("wamid.A")));
}

#[test]
fn a_message_of_a_kind_nobody_knows_is_still_a_message() {
    let odd = json!({ "from": "250788123456", "id": "w", "timestamp": 1, "type": "hologram", "hologram": {} });
    assert!(matches!(message(&odd), Event::Inbound { kind: InboundKind::Other, .. }));
    for broken in [json!({ "from": "someone", "id": "w", "timestamp": 1 }), json!({ "from": "250788123456", "timestamp": 1 })] {
        assert_eq!(message(&broken), unknown("messages.messages"));
    }
}

#[test]
fn debug_hides_the_number() {
    let event = message(&json!({ "from": "250788123456", "id": "w", "timestamp": 1 }));
    assert!(!format!("{event:?}").contains("788123456"));
}
