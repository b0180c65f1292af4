//! Manual sessions and the audit.

use axum::http::Method;
use serde_json::json;

use crate::bench::Bench;

#[tokio::test]
async fn all_manual_sessions_are_revoked_at_once() {
    let bench = Bench::new();
    let ids = ["7f2c1c3e-93c5-4c0e-8d9b-0f8f4f4f2a11", "7f2c1c3e-93c5-4c0e-8d9b-0f8f4f4f2a12"];
    for id in ids {
        bench.admin(Method::POST, "/admin/sessions", Some(json!({ "sessionId": id, "note": "Incident #123" }))).await.expect(200);
    }
    bench.admin(Method::DELETE, "/admin/sessions", Some(json!({ "all": false }))).await.expect(400);
    let answer = bench.admin(Method::DELETE, "/admin/sessions", Some(json!({ "all": true, "note": "over" }))).await.expect(200).json();
    assert_eq!(answer["withdrawn"], 2);
    assert_eq!(bench.admin(Method::GET, "/admin/sessions", None).await.json()["sessions"], json!([]));
    bench.admin(Method::DELETE, &format!("/admin/sessions/{}", ids[0]), None).await.expect(404);
    let again = bench.admin(Method::DELETE, "/admin/sessions", Some(json!({ "all": true }))).await.expect(200).json();
    assert_eq!(again["withdrawn"], 0);
}

#[tokio::test]
async fn the_audit_is_read_page_by_page_while_it_grows() {
    let bench = Bench::new();
    for last in 0..5 {
        bench.block("ip", &format!("203.0.113.{last}"), "").await.expect(200);
    }
    let values =
        |page: &serde_json::Value| page["changes"].as_array().unwrap().iter().map(|each| each["value"].clone()).collect::<Vec<_>>();
    let first = bench.admin(Method::GET, "/admin/otp/audit?limit=2", None).await.expect(200).json();
    assert_eq!(values(&first), ["203.0.113.4", "203.0.113.3"]);
    bench.block("ip", "203.0.113.99", "").await.expect(200);
    let next = first["next"].as_str().unwrap();
    let second = bench.admin(Method::GET, &format!("/admin/otp/audit?limit=2&after={next}"), None).await.expect(200).json();
    assert_eq!(values(&second), ["203.0.113.2", "203.0.113.1"]);
    let next = second["next"].as_str().unwrap();
    let last = bench.admin(Method::GET, &format!("/admin/otp/audit?limit=2&after={next}"), None).await.expect(200).json();
    assert_eq!((values(&last), &last["next"]), (vec![json!("203.0.113.0")], &json!(null)));
    bench.admin(Method::GET, "/admin/otp/audit?after=made-up", None).await.expect(400);
}
