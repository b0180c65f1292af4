//! Figures for the scraper.

use axum::{
    body::Body,
    http::{Method, Request},
};

use crate::bench::Bench;

#[tokio::test]
async fn the_metrics_count_what_happened_and_name_nobody() {
    let bench = Bench::new();
    bench.request("+250788123456", "198.51.100.7").await.expect(202);
    bench.request("+250788123456", "198.51.100.7").await.expect(429);
    bench.block("phone", "+250788000000", "").await.expect(200);
    bench.send(Request::builder().method("BREW").uri("/nothing/198.51.100.7").body(Body::empty()).unwrap()).await.expect(404);
    let answer = bench.send(Request::get("/metrics").body(Body::empty()).unwrap()).await.expect(200);
    assert!(answer.headers["content-type"].to_str().unwrap().starts_with("text/plain; version=0.0.4"));
    for line in [
        "otp_sends_total{outcome=\"accepted\"} 1",
        "otp_limited_total{limit=\"request.phone.cooldown\"} 1",
        "otp_country_sends_total{country=\"RW\"} 1",
        "otp_http_requests_total{method=\"other\",route=\"none\",status=\"404\"} 1",
        "otp_redis_state{state=\"memory (embedded)\"} 1",
        "otp_duration_seconds_count{of=\"request\"} 2",
        "otp_duration_seconds_bucket{of=\"send\",le=\"+Inf\"} 1",
        "otp_operator_entries{kind=\"phone\"} 1",
    ] {
        assert!(answer.text.lines().any(|each| each == line), "{line} is not in\n{}", answer.text);
    }
    for told in ["788", "198.51", "BREW", "nothing"] {
        assert!(!answer.text.contains(told), "{told} is in\n{}", answer.text);
    }
}

#[tokio::test]
async fn every_metric_has_one_help_and_one_type_before_its_samples() {
    let bench = Bench::new();
    bench.admin(Method::GET, "/admin/otp/dashboard", None).await.expect(200);
    let text = bench.send(Request::get("/metrics").body(Body::empty()).unwrap()).await.text;
    let mut declared = Vec::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let name = rest.split(' ').next().unwrap();
            assert!(!declared.contains(&name), "{name} twice");
            declared.push(name);
        } else if !line.starts_with('#') {
            let newest = declared.last().unwrap();
            assert!(line.starts_with(newest), "{line} after {newest}");
        }
    }
}
