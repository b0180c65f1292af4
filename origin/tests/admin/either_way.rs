//! What the page's forms do and what the JSON API does is the same: one verb, one set of checks, whichever of the two an operator uses.

use axum::{body::Body, http::Method, http::Request};
use serde_json::{Value, json};

use crate::bench::{Answer, Bench, NOW_MS};

const PAGE: &str = "/admin/sms/otp";
const LIST: &str = "/admin/otp/blacklist";
const SESSION: &str = "7f2c1c3e-93c5-4c0e-8d9b-0f8f4f4f2a11";
const FAN: &str = "+250788123456";
const ADDRESS: &str = "198.51.100.7";

/// A form of the page, sent as its script sends it, with the operator's token.
async fn form(bench: &Bench, fields: &[(&str, &str)]) -> Answer {
    sent_to(bench, PAGE, fields).await
}

async fn sent_to(bench: &Bench, path: &str, fields: &[(&str, &str)]) -> Answer {
    let request = Request::post(path)
        .header("content-type", "application/x-www-form-urlencoded")
        .header("accept", "application/json")
        .header("x-admin-token", crate::bench::OPS);
    bench.send(request.body(Body::from(serde_urlencoded::to_string(fields).unwrap())).unwrap()).await
}

async fn delete(bench: &Bench, path: &str, body: Value) -> Answer {
    bench.admin(Method::DELETE, path, Some(body)).await
}

async fn post(bench: &Bench, path: &str, body: Value) -> Answer {
    bench.admin(Method::POST, path, Some(body)).await
}

/// The reference of the first entry on the page that has a button for `action`.
async fn reference(bench: &Bench, action: &str) -> String {
    let page = bench.admin(Method::GET, PAGE, None).await.expect(200).text;
    let (_, rest) = page.split_once(&format!("id=\"{action}-")).unwrap_or_else(|| panic!("no {action} in {page}"));
    rest.split('"').next().unwrap().to_owned()
}

async fn total(bench: &Bench) -> Value {
    bench.admin(Method::GET, LIST, None).await.json()["total"].clone()
}

async fn sessions(bench: &Bench) -> usize {
    bench.admin(Method::GET, "/admin/sessions", None).await.json()["sessions"].as_array().unwrap().len()
}

/// The newest change in the audit.
async fn newest(bench: &Bench) -> Value {
    bench.admin(Method::GET, "/admin/otp/audit", None).await.expect(200).json()["changes"][0].clone()
}

/// One number and one address, written to KV by hand.
async fn with_manual_entries() -> Bench {
    let entries = json!([
        { "type": "phone", "value": "+250788000001", "untilS": null },
        { "type": "ip", "value": "203.0.113.1", "untilS": null },
    ]);
    Bench::with_hand(json!({ "entries": entries, "unreadable": [] })).await
}

/// A number that came back too often, and the subject under which it is held.
async fn held(bench: &Bench) -> String {
    for _ in 0..6 {
        bench.request(FAN, ADDRESS).await;
    }
    let holds = bench.admin(Method::GET, "/admin/otp/holds", None).await.expect(200).json();
    holds["holds"][0]["subject"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_entry_that_only_kv_has_is_a_conflict_however_it_is_unblocked() {
    let bench = with_manual_entries().await;
    let reference = reference(&bench, "adopt").await;
    form(&bench, &[("action", "unblock"), ("reference", &reference)]).await.expect(409).refused("conflict");
    for value in ["+250788000001", "00250 788 000 001"] {
        form(&bench, &[("action", "unblock"), ("type", "phone"), ("value", value)]).await.expect(409).refused("conflict");
        delete(&bench, LIST, json!({ "type": "phone", "value": value })).await.expect(409).refused("conflict");
    }
    form(&bench, &[("action", "unblock"), ("type", "phone"), ("value", "+250788000009")]).await.expect(404);
    delete(&bench, LIST, json!({ "type": "phone", "value": "+250788000009" })).await.expect(404);
}

#[tokio::test]
async fn unblocking_ends_no_session_and_revoking_unblocks_nobody() {
    let bench = Bench::new();
    post(&bench, "/admin/sessions", json!({ "sessionId": SESSION })).await.expect(200);
    bench.block("ip", "203.0.113.1", "").await.expect(200);
    let blocked = reference(&bench, "unblock").await;
    let session = reference(&bench, "revoke").await;
    form(&bench, &[("action", "unblock"), ("reference", &session)]).await.expect(404);
    form(&bench, &[("action", "revoke"), ("reference", &blocked)]).await.expect(404);
    assert_eq!((total(&bench).await, sessions(&bench).await), (json!(1), 1));
}

#[tokio::test]
async fn every_change_takes_a_note_of_the_same_length() {
    let bench = with_manual_entries().await;
    let long = "x".repeat(501);
    for fields in [
        [("action", "unblock"), ("type", "ip"), ("value", "203.0.113.1")],
        [("action", "adopt"), ("type", "ip"), ("value", "203.0.113.1")],
        [("action", "reveal"), ("type", "ip"), ("value", "203.0.113.1")],
        [("action", "revoke"), ("sessionId", SESSION), ("x", "")],
        [("action", "revoke-all"), ("x", ""), ("y", "")],
    ] {
        let refused = form(&bench, &[&fields[..], &[("note", &long)]].concat()).await.expect(400).refused("invalid_body");
        assert_eq!(refused.json()["detail"], "note: at most 500 characters", "{fields:?}");
    }
    for (method, path, body) in [
        (Method::DELETE, LIST, json!({ "type": "ip", "value": "203.0.113.1", "note": long })),
        (Method::POST, "/admin/otp/blacklist/adopt", json!({ "all": true, "note": long })),
        (Method::POST, "/admin/otp/blacklist/reveal", json!({ "type": "ip", "value": "203.0.113.1", "note": long })),
        (Method::DELETE, "/admin/sessions/7f2c1c3e-93c5-4c0e-8d9b-0f8f4f4f2a11", json!({ "note": long })),
        (Method::DELETE, "/admin/sessions", json!({ "all": true, "note": long })),
    ] {
        let refused = bench.admin(method, path, Some(body)).await.expect(400).refused("invalid_body");
        assert_eq!(refused.json()["detail"], "note: at most 500 characters", "{path}");
    }
}

#[tokio::test]
async fn a_note_of_a_removal_reaches_the_audit_either_way() {
    let bench = with_manual_entries().await;
    form(&bench, &[("action", "adopt"), ("reference", &reference(&bench, "adopt").await), ("note", "taken over")]).await.expect(200);
    assert_eq!(newest(&bench).await["note"], "taken over");
    form(&bench, &[("action", "unblock"), ("reference", &reference(&bench, "unblock").await), ("note", "over")]).await.expect(200);
    assert_eq!(newest(&bench).await["note"], "over");
    for revoke in ["page", "json"] {
        post(&bench, "/admin/sessions", json!({ "sessionId": SESSION })).await.expect(200);
        if revoke == "page" {
            form(&bench, &[("action", "revoke"), ("sessionId", SESSION), ("note", "found the phone")]).await.expect(200);
        } else {
            delete(&bench, &format!("/admin/sessions/{SESSION}"), json!({ "note": "found the phone" })).await.expect(200);
        }
        assert_eq!(newest(&bench).await["note"], "found the phone", "{revoke}");
    }
    bench.admin(Method::DELETE, &format!("/admin/sessions/{SESSION}"), None).await.expect(404);
}

#[tokio::test]
async fn revoking_all_says_so_in_the_audit_unless_there_is_a_note() {
    let bench = Bench::new();
    let authorise = async || post(&bench, "/admin/sessions", json!({ "sessionId": SESSION })).await.expect(200);
    for (note, told) in [("", "all at once"), ("over", "over")] {
        authorise().await;
        form(&bench, &[("action", "revoke-all"), ("note", note)]).await.expect(200);
        assert_eq!((newest(&bench).await["note"].clone(), sessions(&bench).await), (json!(told), 0));
        authorise().await;
        let body = if note.is_empty() { json!({ "all": true }) } else { json!({ "all": true, "note": note }) };
        delete(&bench, "/admin/sessions", body).await.expect(200);
        assert_eq!((newest(&bench).await["note"].clone(), sessions(&bench).await), (json!(told), 0));
    }
}

#[tokio::test]
async fn an_entry_is_named_by_its_reference_or_in_full_either_way() {
    let bench = with_manual_entries().await;
    let row = async |value: &str| {
        let list = bench.admin(Method::GET, LIST, None).await.expect(200).json();
        list["entries"].as_array().unwrap().iter().find(|row| row["value"] == value).unwrap().clone()
    };
    let manual = row("+250788000001").await["reference"].clone();
    post(&bench, "/admin/otp/blacklist/adopt", json!({ "reference": manual })).await.expect(200);
    assert_eq!(row("+250788000001").await["source"], "operator");
    delete(&bench, LIST, json!({ "reference": manual })).await.expect(200);
    delete(&bench, LIST, json!({ "reference": manual })).await.expect(409);
    form(&bench, &[("action", "adopt"), ("type", "ip"), ("value", "203.0.113.1")]).await.expect(200);
    form(&bench, &[("action", "unblock"), ("type", "ip"), ("value", "203.0.113.1")]).await.expect(200);
    for nothing in [json!({}), json!({ "type": "ip" }), json!({ "type": "ip", "value": "203.0.113.1", "reference": "x" })] {
        delete(&bench, LIST, nothing).await.expect(400).refused("invalid_body");
    }
    form(&bench, &[("action", "unblock")]).await.expect(400).refused("invalid_body");
}

#[tokio::test]
async fn all_manual_entries_are_adopted_on_the_page_too() {
    let bench = with_manual_entries().await;
    assert!(bench.admin(Method::GET, PAGE, None).await.text.contains("value=\"adopt-all\""));
    form(&bench, &[("action", "adopt-all"), ("note", "Incident #123")]).await.expect(200);
    let list = bench.admin(Method::GET, LIST, None).await.json();
    for row in list["entries"].as_array().unwrap() {
        assert_eq!((&row["source"], &row["note"]), (&json!("operator"), &json!("Incident #123")));
    }
    assert!(!bench.admin(Method::GET, PAGE, None).await.text.contains("value=\"adopt-all\""), "none is left");
}

#[tokio::test]
async fn an_edge_that_does_not_list_is_told_in_the_same_words() {
    let bench = Bench::with_dead_edge();
    let made_up = "00000000000000000000000000000000";
    for action in ["adopt", "reveal"] {
        let by_form = form(&bench, &[("action", action), ("reference", made_up)]).await.expect(503).refused("origin_unavailable");
        let path = format!("/admin/otp/blacklist/{action}");
        let by_json = post(&bench, &path, json!({ "reference": made_up })).await.expect(503).refused("origin_unavailable");
        let detail = by_json.json()["detail"].clone();
        assert!(detail.as_str().unwrap().starts_with("What was written by hand is not known: "), "{detail}");
        assert_eq!(by_form.json()["detail"], detail);
    }
}

#[tokio::test]
async fn a_number_is_revealed_by_either_and_both_are_in_the_audit() {
    let bench = with_manual_entries().await;
    bench.block("phone", "+250788000077", "").await.expect(200);
    let list = bench.admin(Method::GET, LIST, None).await.expect(200).json();
    for row in list["entries"].as_array().unwrap() {
        let (reference, value) = (row["reference"].as_str().unwrap(), row["value"].clone());
        let by_json = post(&bench, "/admin/otp/blacklist/reveal", json!({ "reference": reference })).await.expect(200).json();
        assert_eq!(by_json, json!({ "reference": reference, "type": row["type"], "value": value }));
        let told = newest(&bench).await;
        assert_eq!((&told["about"], &told["value"], &told["who"]), (&json!("reveal"), &value, &json!("ops")));
        assert_eq!(told["note"], "looked at the full value");
        let by_form = form(&bench, &[("action", "reveal"), ("reference", reference), ("note", "asked by the club")]).await.expect(200);
        assert_eq!(by_form.json()["full"], value);
        assert_eq!(newest(&bench).await["note"], "asked by the club");
    }
    post(&bench, "/admin/otp/blacklist/reveal", json!({ "reference": "made-up" })).await.expect(404);
    post(&bench, "/admin/otp/blacklist/reveal", json!({ "type": "phone", "value": "+250788000099" })).await.expect(404);
}

#[tokio::test]
async fn a_hold_is_lifted_as_it_is_listed_and_by_number_either_way() {
    let bench = Bench::new();
    for lift in 0..4 {
        let subject = held(&bench).await;
        match lift {
            0 => _ = delete(&bench, "/admin/otp/holds", json!({ "subject": subject })).await.expect(204),
            1 => _ = delete(&bench, "/admin/otp/holds", json!({ "type": "phone", "value": FAN })).await.expect(204),
            2 => _ = form(&bench, &[("action", "lift"), ("subject", &subject)]).await.expect(200),
            _ => _ = form(&bench, &[("action", "lift"), ("type", "phone"), ("value", FAN)]).await.expect(200),
        }
        assert_eq!(bench.admin(Method::GET, "/admin/otp/holds", None).await.json()["holds"], json!([]));
        form(&bench, &[("action", "lift"), ("subject", &subject)]).await.expect(404);
        delete(&bench, "/admin/otp/holds", json!({ "subject": subject })).await.expect(404);
    }
    for subject in ["fan:1", "phone:+250788123456", "phone:", "address:lol", "address:", "x"] {
        form(&bench, &[("action", "lift"), ("subject", subject)]).await.expect(400).refused("invalid_body");
        delete(&bench, "/admin/otp/holds", json!({ "subject": subject })).await.expect(400).refused("invalid_body");
    }
}

#[tokio::test]
async fn a_hold_ends_at_the_same_second_wherever_it_is_told() {
    let bench = Bench::new();
    bench.clock.advance_ms(500);
    held(&bench).await;
    let looked_up = bench.admin(Method::GET, "/admin/otp/decisions?phone=%2B250788123456", None).await.expect(200).json();
    let listed = bench.admin(Method::GET, "/admin/otp/holds", None).await.json()["holds"][0]["untilS"].clone();
    assert_eq!(listed, looked_up["standing"]["heldUntilS"]);
}

#[tokio::test]
async fn who_is_found_held_can_be_let_go_at_once() {
    let bench = Bench::new();
    let subject = held(&bench).await;
    let found = form(&bench, &[("action", "look-up"), ("phone", FAN)]).await.expect(200).json()["found"].as_str().unwrap().to_owned();
    assert!(found.contains(&format!("name=\"subject\" value=\"{subject}\"")) && !found.contains("788123456"), "{found}");
}

#[tokio::test]
async fn a_new_session_id_is_made_by_either() {
    let bench = Bench::new();
    let made = post(&bench, "/admin/sessions", json!({ "note": "Incident #123", "ttlS": 600 })).await.expect(200).json();
    let id = made["entry"]["id"].as_str().unwrap();
    assert_eq!((id.len(), made["entry"]["untilS"].as_u64()), (32, Some(NOW_MS / 1000 + 600)));
    let redeem = Request::post("/auth/fan/from-onboarding").header("content-type", "application/json");
    bench.send(redeem.body(Body::from(json!({ "sessionId": id }).to_string())).unwrap()).await.expect(204);
    post(&bench, "/admin/sessions", json!({ "sessionId": "" })).await.expect(400).refused("invalid_body");
    for (blanks, other) in [("  7f2c1c3e-93c5-4c0e-8d9b-0f8f4f4f2a12 ", "7f2c1c3e-93c5-4c0e-8d9b-0f8f4f4f2a12")] {
        form(&bench, &[("action", "authorise"), ("sessionId", blanks)]).await.expect(200);
        let same = post(&bench, "/admin/sessions", json!({ "sessionId": blanks })).await.expect(200).json();
        assert_eq!(same["entry"]["id"], other);
    }
}

#[tokio::test]
async fn a_look_up_takes_the_same_either_way() {
    let bench = Bench::new();
    bench.request(FAN, ADDRESS).await.expect(202);
    bench.request("+250788999999", "198.51.100.8").await.expect(202);
    let found = async |fields: &[(&str, &str)]| {
        let all = [&[("action", "look-up")], fields].concat();
        form(&bench, &all).await.expect(200).json()["found"].as_str().unwrap().matches("<tr").count() - 1
    };
    assert_eq!(found(&[("phone", ""), ("ip", "")]).await, 2, "nobody in particular: everybody's");
    assert_eq!(found(&[("limit", "1")]).await, 1);
    assert_eq!(found(&[("ip", " 198.51.100.8 ")]).await, 1);
    let by_json = bench.admin(Method::GET, "/admin/otp/decisions?ip=%20198.51.100.8%20", None).await.expect(200).json();
    assert_eq!(by_json["decisions"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn the_page_and_the_json_show_as_many_decisions() {
    let bench = Bench::new();
    for _ in 0..40 {
        bench.request(FAN, ADDRESS).await;
    }
    let shown = bench.admin(Method::GET, "/admin/otp/dashboard", None).await.expect(200).json()["decisions"].as_array().unwrap().len();
    let live = bench.admin(Method::GET, "/admin/sms/otp/live", None).await.expect(200).json();
    assert_eq!(live["sections"]["decisions"].as_str().unwrap().matches("<tr").count() - 1, shown);
}

#[tokio::test]
async fn a_country_whose_codes_another_replica_sent_is_shown_by_both() {
    let (sender, bench) = (Bench::new(), Bench::new());
    let accepted = sender.request(FAN, ADDRESS).await.expect(202).json();
    let guess = json!({ "challengeId": accepted["challengeId"], "phone": FAN, "code": sender.codes.last() });
    bench.fan("/otp/verify", &guess, ADDRESS).await.expect(200);
    let dashboard = bench.admin(Method::GET, "/admin/otp/dashboard", None).await.expect(200).json();
    assert_eq!(dashboard["conversion"]["RW"], json!({ "sent": 0, "verified": 1 }));
    let live = bench.admin(Method::GET, "/admin/sms/otp/live", None).await.expect(200).json();
    assert!(live["sections"]["figures"].as_str().unwrap().contains("<th scope=\"row\">RW</th>"), "{live}");
}

#[tokio::test]
async fn a_refusal_is_told_in_the_same_words_with_and_without_a_script() {
    let bench = Bench::new();
    let fields = [("action", "block"), ("type", "ip"), ("value", "lol")];
    let by_json = bench.block("ip", "lol", "").await.expect(400).json();
    assert_eq!(form(&bench, &fields).await.expect(400).json()["detail"], by_json["detail"]);
    let text = serde_urlencoded::to_string(fields).unwrap();
    let page = bench.admin_sends(Method::POST, PAGE, Some(("application/x-www-form-urlencoded", &text))).await.expect(400);
    assert!(page.headers["content-type"].to_str().unwrap().starts_with("text/html"), "{}", page.text);
    assert!(page.text.contains(by_json["detail"].as_str().unwrap()), "{}", page.text);
}

#[tokio::test]
async fn the_audit_has_one_verb_for_revoking() {
    let bench = Bench::new();
    post(&bench, "/admin/sessions", json!({ "sessionId": SESSION })).await.expect(200);
    bench.admin(Method::DELETE, &format!("/admin/sessions/{SESSION}"), None).await.expect(200);
    let markdown = bench.admin(Method::GET, "/admin/otp/audit?format=markdown", None).await.expect(200).text;
    let page = bench.admin(Method::GET, PAGE, None).await.text;
    assert!(markdown.contains("| revoked session `7f2c1c3e") && page.contains("<td>revoked session</td>"), "{markdown}");
}

#[tokio::test]
async fn the_page_imports_with_the_checks_of_the_json() {
    let bench = Bench::new();
    let import = "/admin/sms/otp/import";
    let csv = "type,value,note\nphone,+250788000001,good\nphone,lol,bad\ncidr,0.0.0.0/0,wide\n";
    let refused = sent_to(&bench, import, &[("action", "import"), ("entries", csv)]).await.expect(400).refused("invalid_body").json();
    let by_json = bench.admin_sends(Method::POST, "/admin/otp/blacklist/import", Some(("text/csv", csv))).await.expect(400).json();
    assert_eq!((&refused["errors"], &refused["detail"]), (&by_json["errors"], &by_json["detail"]));
    assert_eq!(total(&bench).await, 0);

    let good = "type,value,note\nphone,+250788000001,good\ncountry,RW,wide\n";
    let fields = [("action", "import"), ("entries", good), ("force", "true")];
    let tried = sent_to(&bench, import, &[&fields[..], &[("dryRun", "true")]].concat()).await.expect(200).json();
    assert!(tried["found"].as_str().unwrap().contains("<dt>Added</dt><dd>2</dd>"), "{tried}");
    assert_eq!(total(&bench).await, 0);
    sent_to(&bench, import, &fields).await.expect(200);
    assert_eq!(total(&bench).await, 2);
    sent_to(&bench, import, &[("action", "block"), ("type", "ip"), ("value", "203.0.113.1")]).await.expect(400);
    let large = "x".repeat(5000);
    form(&bench, &[("action", "import"), ("entries", &large)]).await.expect(413);
}

#[tokio::test]
async fn the_page_exports_what_the_json_exports() {
    let bench = Bench::new();
    bench.block("phone", "+250788000001", "=1+1").await.expect(200);
    let by_page = bench.admin(Method::GET, "/admin/sms/otp/blacklist.csv", None).await.expect(200);
    let by_json = bench.admin(Method::GET, "/admin/otp/blacklist/export?format=csv", None).await.expect(200);
    assert_eq!(by_page.text, by_json.text);
    assert!(by_page.headers["content-disposition"].to_str().unwrap().starts_with("attachment"));
    bench.send(Request::get("/admin/sms/otp/blacklist.csv").body(Body::empty()).unwrap()).await.expect(401);
}
