//! Why somebody was refused.

use axum::http::Method;
use otp_shared::routes;
use serde_json::json;

use crate::bench::Bench;

const FAN: &str = "+250788123456";
const ADDRESS: &str = "198.51.100.7";

#[tokio::test]
async fn what_was_allowed_and_what_was_refused_is_found_by_number_and_by_address() {
    let bench = Bench::new();
    let accepted = bench.request(FAN, ADDRESS).await.expect(202).json();
    let code = bench.codes.last();
    bench.request(FAN, ADDRESS).await.expect(429);
    let guess = |code: &str| json!({ "challengeId": accepted["challengeId"], "phone": FAN, "code": code });
    let wrong = if code == "000000" { "000001" } else { "000000" };
    bench.fan(routes::OTP_VERIFY, &guess(wrong), ADDRESS).await.expect(401);
    bench.fan(routes::OTP_VERIFY, &guess(&code), ADDRESS).await.expect(200);
    bench.request("+250788999999", "198.51.100.8").await.expect(202);

    let of_phone = bench.admin(Method::GET, "/admin/otp/decisions?phone=%2B250788123456", None).await.expect(200);
    let decisions = of_phone.json()["decisions"].clone();
    let told: Vec<_> = decisions.as_array().unwrap().iter().map(|each| (each["asked"].clone(), each["outcome"].clone())).collect();
    let expected = [("verify", "allowed"), ("verify", "code_incorrect"), ("request", "rate_limited"), ("request", "allowed")];
    assert_eq!(told, expected.map(|(asked, outcome)| (json!(asked), json!(outcome))));
    assert_eq!((&decisions[2]["limit"], &decisions[2]["retryAfterS"]), (&json!("request.phone.cooldown"), &json!(60)));
    assert_eq!((&decisions[3]["channel"], &decisions[3]["delivery"]), (&json!("whatsapp"), &json!("accepted")));
    assert!(!of_phone.text.contains("788123456") && !of_phone.text.contains(&code), "{}", of_phone.text);

    let of_address = bench.admin(Method::GET, &format!("/admin/otp/decisions?ip={ADDRESS}&limit=2"), None).await.expect(200).json();
    assert_eq!(of_address["decisions"].as_array().unwrap().len(), 2);
    let of_all = bench.admin(Method::GET, "/admin/otp/decisions", None).await.expect(200).json();
    assert_eq!(of_all["decisions"].as_array().unwrap().len(), 5);
}

#[tokio::test]
async fn what_stands_against_somebody_now_is_told_with_it() {
    let bench = Bench::new();
    let ask = async || bench.admin(Method::GET, "/admin/otp/decisions?phone=%2B250788123456", None).await.expect(200).json();
    assert_eq!(ask().await["standing"], json!({ "blacklistedBy": null, "heldUntilS": null }));
    bench.request(FAN, ADDRESS).await.expect(202);
    for _ in 0..5 {
        bench.request(FAN, ADDRESS).await.expect(429);
    }
    let held = ask().await;
    assert!(held["standing"]["heldUntilS"].is_u64(), "{held}");
    assert_eq!(held["decisions"][0]["heldUntilS"], held["standing"]["heldUntilS"]);
    bench.block("phone", FAN, "").await.expect(200);
    bench.request(FAN, ADDRESS).await.refused("blacklisted");
    let blocked = ask().await;
    assert_eq!((&blocked["standing"]["blacklistedBy"], &blocked["decisions"][0]["blacklistedBy"]), (&json!("phone"), &json!("phone")));
}

#[tokio::test]
async fn a_question_that_makes_no_sense_is_refused() {
    let bench = Bench::new();
    for (query, code) in
        [("phone=lol", "invalid_phone"), ("ip=lol", "invalid_body"), ("ip=192.0.2.1&phone=%2B250788123456", "invalid_body")]
    {
        bench.admin(Method::GET, &format!("/admin/otp/decisions?{query}"), None).await.expect(400).refused(code);
    }
}
