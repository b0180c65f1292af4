//! What a send has to look like, and the error for each mistake in it.

use reqwest::Method;
use serde_json::{Value, json};

use super::{FAN, authorised_request, fetch, http, message, message_to, send, start};
use otp_graph_sim::{Delivery, Template, TemplateStatus, VERSION};

/// A valid send in which the value at the JSON pointer was replaced, or removed if `value` is null.
fn with(pointer: &str, value: Value) -> Value {
    let mut message = message();
    let (parent, name) = pointer.rsplit_once('/').expect("a pointer");
    let parent = message.pointer_mut(parent).expect("a parent that is there");
    match parent {
        Value::Object(object) if value.is_null() => drop(object.remove(name)),
        Value::Object(object) => drop(object.insert(name.to_owned(), value)),
        other => *other.get_mut(name.parse::<usize>().expect("an index")).expect("an element") = value,
    }
    message
}

const BODY: &str = "/template/components/0/parameters";
const BUTTON: &str = "/template/components/1/parameters";

#[tokio::test]
async fn a_code_arrives_and_the_response_says_so() {
    let graph = start().await;
    let response = send(&graph, &message()).await;
    let arrived = graph.arrived(FAN, 1).await;
    assert_eq!(response.status, 200, "{response:?}");
    assert_eq!(response.body["messaging_product"], "whatsapp");
    assert_eq!(response.body["contacts"], json!([{ "input": FAN, "wa_id": "250788123456" }]));
    assert_eq!(response.body["messages"], json!([{ "id": arrived.id, "message_status": "accepted" }]));
    assert_eq!((arrived.to.as_str(), arrived.code.as_str()), (FAN, "012345"));
    assert_eq!((arrived.template.as_deref(), arrived.language.as_deref()), (Some("otp_login"), Some("rw_RW")));
    assert_eq!(arrived.callback_data.as_deref(), Some("req-1"));
    assert_eq!(arrived.delivery, Delivery::Accepted);
    for header in ["facebook-api-version", "x-fb-request-id", "x-fb-trace-id", "x-fb-rev", "x-business-use-case-usage"] {
        assert!(response.headers.contains_key(header), "{header}");
    }
}

#[tokio::test]
async fn every_spelling_that_clients_use_is_accepted() {
    let graph = start().await;
    for (what, message) in [
        ("no policy, as in Meta's examples", with("/template/language/policy", Value::Null)),
        ("no recipient type", with("/recipient_type", Value::Null)),
        ("no callback data", with("/biz_opaque_callback_data", Value::Null)),
        ("the longest callback data", with("/biz_opaque_callback_data", "é".repeat(512).into())),
        ("a numeric index", with("/template/components/1/index", 0.into())),
        ("capitals", with("/template/components/0/type", "BODY".into())),
        ("capitals in the button", with("/template/components/1/sub_type", "URL".into())),
        ("separators in the number", with("/to", "+250 (788) 123-456".into())),
        ("unknown members at the top", with("/future", 1.into())),
        ("a BSUID beside the number", with("/recipient", "RW.1234".into())),
    ] {
        let response = send(&graph, &message).await;
        assert_eq!(response.status, 200, "{what}: {response:?}");
    }
}

#[tokio::test]
async fn each_mistake_in_a_send_has_its_code_and_nothing_arrives() {
    let graph = start().await;
    let long = json!([{ "type": "text", "text": "1234567890123456" }]);
    for (code, what, message) in [
        (100, "no body at all", Value::Null),
        (100, "no product", with("/messaging_product", Value::Null)),
        (100, "another product", with("/messaging_product", "messenger".into())),
        (100, "a group", with("/recipient_type", "group".into())),
        (100, "no recipient", with("/to", Value::Null)),
        (100, "a number as a number", with("/to", 250_788_123_456_u64.into())),
        (131_009, "no phone number", with("/to", "+25078".into())),
        (131_009, "letters", with("/to", "fan".into())),
        (131_021, "itself", with("/to", "+250700000000".into())),
        (131_051, "a text", with("/type", "text".into())),
        (131_051, "no type, which is text", with("/type", Value::Null)),
        (131_008, "no template", with("/template", Value::Null)),
        (100, "a template that is a string", with("/template", "otp_login".into())),
        (131_008, "no name", with("/template/name", Value::Null)),
        (131_008, "no language", with("/template/language", Value::Null)),
        (100, "a language that is a string", with("/template/language", "rw_RW".into())),
        (131_008, "no language code", with("/template/language/code", Value::Null)),
        (100, "another policy", with("/template/language/policy", "fallback".into())),
        (100, "an unknown member of the template", with("/template/ttl", 300.into())),
        (100, "too long callback data", with("/biz_opaque_callback_data", "x".repeat(513).into())),
        (100, "callback data that is no string", with("/biz_opaque_callback_data", 1.into())),
        (132_000, "no components", with("/template/components", Value::Null)),
        (132_000, "an empty body", with(BODY, json!([]))),
        (132_000, "two parameters", with(BODY, json!([{ "type": "text", "text": "1" }, { "type": "text", "text": "2" }]))),
        (132_012, "another kind of parameter", with(&format!("{BODY}/0"), json!({ "type": "currency", "text": "1" }))),
        (100, "an unknown member of a parameter", with(&format!("{BODY}/0/parameter_name"), "code".into())),
        (131_008, "an empty code", with(&format!("{BODY}/0/text"), "".into())),
        (100, "a code that is a number", with(&format!("{BODY}/0/text"), 12345.into())),
        (132_005, "too long a code", with(BODY, long)),
        (100, "a line break in the code", with(&format!("{BODY}/0/text"), "012\n345".into())),
        (131_008, "no parameter of the button", with(BUTTON, json!([]))),
        (131_009, "another code in the button", with(&format!("{BUTTON}/0/text"), "543210".into())),
        (132_012, "another button", with("/template/components/1/sub_type", "quick_reply".into())),
        (131_009, "a second button", with("/template/components/1/index", "1".into())),
        (131_008, "a button without an index", with("/template/components/1/index", Value::Null)),
        (132_012, "a header", with("/template/components/0/type", "header".into())),
        (100, "the body twice", with("/template/components/1/type", "body".into())),
    ] {
        let response = send(&graph, &message).await;
        assert_eq!((response.code(), response.status), (&json!(code), 400), "{what}: {response:?}");
    }
    assert_eq!(graph.messages(), []);
}

#[tokio::test]
async fn a_bsuid_alone_cannot_receive_a_code() {
    let graph = start().await;
    let mut message = with("/to", Value::Null);
    message["recipient"] = "RW.1234".into();
    assert_eq!(send(&graph, &message).await.code(), 131_062);
}

#[tokio::test]
async fn without_a_plus_the_code_reaches_a_stranger() {
    let graph = start().await;
    let response = send(&graph, &message_to("1 (631) 555-1234")).await;
    assert_eq!(response.body["contacts"][0]["wa_id"], "25016315551234");
    assert_eq!(graph.messages_to("+16315551234"), []);
    assert_eq!(graph.messages_to("+25016315551234").len(), 1);
}

#[tokio::test]
async fn the_state_of_the_template_decides() {
    let graph = start().await;
    for (status, code) in [
        (TemplateStatus::Approved, Value::Null),
        (TemplateStatus::Paused, json!(132_015)),
        (TemplateStatus::Disabled, json!(132_016)),
        (TemplateStatus::Pending, json!(132_001)),
        (TemplateStatus::Rejected, json!(132_001)),
    ] {
        graph.put_template(Template::new(9, "otp_login", "rw_RW").with_status(status));
        assert_eq!(send(&graph, &message()).await.code(), &code, "{status:?}");
    }
    for (name, language) in [("otp_login", "sw"), ("otp_login", "rw"), ("otp_login", "RW_rw"), ("otp", "en_US")] {
        let mut message = message();
        message["template"]["name"] = name.into();
        message["template"]["language"]["code"] = language.into();
        let response = send(&graph, &message).await;
        let details = format!("template name ({name}) does not exist in {language}");
        assert_eq!((response.code(), &response.body["error"]["error_data"]["details"]), (&json!(132_001), &json!(details)));
    }
}

#[tokio::test]
async fn a_wrong_token_version_or_path_is_refused() {
    let graph = start().await;
    let id = &graph.settings().phone_number_id;
    for (status, code, token, path) in [
        (401, 190, "wrong", format!("/{VERSION}/{id}/messages")),
        (400, 2_635, "", format!("/v20.0/{id}/messages")),
        (400, 2_500, "", format!("/v99.0/{id}/messages")),
        (400, 2_500, "", format!("/{VERSION}/{id}/message")),
        (400, 2_500, "", format!("/{VERSION}/{id}/message_templates")),
        (400, 100, "", format!("/{VERSION}/200000000000003/messages")),
    ] {
        let mut request = authorised_request(&graph, Method::POST, &path);
        if !token.is_empty() {
            request = http().post(format!("{}{path}", graph.url())).bearer_auth(token);
        }
        let response = fetch(request.json(&message())).await.unwrap();
        assert_eq!((response.status, response.code()), (status, &json!(code)), "{path}: {response:?}");
        assert_eq!(response.body["error"]["fbtrace_id"], response.headers["x-fb-trace-id"].to_str().unwrap());
    }
    let bare = http().post(format!("{}/{VERSION}/{id}/messages", graph.url())).json(&message());
    assert_eq!(fetch(bare).await.unwrap().code(), 190);
    assert_eq!(graph.messages(), []);
}
