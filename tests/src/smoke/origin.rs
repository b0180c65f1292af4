//! What the origin says of itself, and what it must not do.

use reqwest::Method;
use serde_json::{Value, json};

use super::{Report, Seen, Target};

/// Everything at the origin but the blacklist.
pub async fn check(target: &Target, report: &mut Report<'_>) {
    report.note("the origin lives (/healthz)", answers(target, "/healthz").await);
    report.note("the origin takes work (/readyz)", answers(target, "/readyz").await);
    let status = status(target).await;
    report.note("Redis status is `redis connected`", status.as_ref().map_err(Clone::clone).and_then(|status| redis(target, status)));
    report.note("the WhatsApp template is approved", status.as_ref().map_err(Clone::clone).and_then(template));
    report.note("WhatsApp takes messages", status.as_ref().map_err(Clone::clone).and_then(sending));
    report.note("the last snapshot reached the edge", status.as_ref().map_err(Clone::clone).and_then(snapshot));
    report.note("a request that the edge did not sign is refused", unsigned(target).await);
    report.note("a session id that nobody authorised is refused", stray_session(target).await);
    report.note("the figures can be scraped (/metrics)", answers(target, "/metrics").await);
    report.note("the API is documented (/openapi.json)", answers(target, "/openapi.json").await);
    report.note("the admin API tells nothing without a token", locked(target).await);
    if target.admin_token.is_none() {
        report.skip("the dashboard's counters can be read", "no admin token");
        return;
    }
    report.note("the dashboard's counters can be read", dashboard(target).await);
}

async fn answers(target: &Target, path: &str) -> Seen {
    let answer = target.get(&format!("{}{path}", target.origin)).await?.expect("200")?;
    Ok(answer.told())
}

async fn status(target: &Target) -> Result<Value, String> {
    Ok(target.get(&format!("{}/otp/status", target.origin)).await?.expect("200")?.json())
}

fn redis(target: &Target, status: &Value) -> Seen {
    match status["redis"].as_str() {
        Some("connected") => Ok("redis connected".to_owned()),
        Some(state @ "memory (embedded)") if target.embedded => Ok(state.to_owned()),
        Some("memory (embedded)") => Err("no Redis is configured; if that is meant, say --embedded".to_owned()),
        state => Err(format!("it is `{}`", state.unwrap_or("not told"))),
    }
}

fn template(status: &Value) -> Seen {
    let template = &status["template"];
    let told = format!("{} is {}, by {}", template["name"], template["status"], template["source"]).replace('"', "");
    let warnings: Vec<_> = template["warnings"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    match template["approved"].as_bool() {
        Some(true) if warnings.is_empty() => Ok(told),
        Some(true) => Ok(format!("{told}; look at: {}", warnings.join("; "))),
        Some(false) => Err(format!("{told}: {}", template["reason"])),
        None => Err("neither Meta nor the operator has said so yet".to_owned()),
    }
}

fn sending(status: &Value) -> Seen {
    let whatsapp = &status["whatsapp"];
    match whatsapp["state"].as_str() {
        Some("sending") => Ok(format!("{} messages/s at most", whatsapp["sendsPerS"])),
        state => Err(format!("it is `{}`: {}", state.unwrap_or("not told"), whatsapp["advice"])),
    }
}

fn snapshot(status: &Value) -> Seen {
    let snapshot = &status["snapshot"];
    match (&snapshot["edge"], &snapshot["error"]) {
        (Value::Bool(true), Value::Null) => Ok("no error".to_owned()),
        (Value::Bool(true), error) => Err(error.to_string()),
        _ => Err("EDGE_URL is not set: operator changes do not reach the edge".to_owned()),
    }
}

/// The number does not parse, so that an origin that looked at an unsigned request would still send nothing.
async fn unsigned(target: &Target) -> Seen {
    let url = format!("{}/otp/request", target.origin);
    Ok(target.post(&url, &json!({ "phone": "smoke" })).await?.expect("401 unauthorized")?.told())
}

async fn stray_session(target: &Target) -> Seen {
    let url = format!("{}/auth/fan/from-onboarding", target.origin);
    let body = json!({ "sessionId": "00000000-0000-4000-8000-000000000000" });
    Ok(target.post(&url, &body).await?.expect("403 session_not_authorised")?.told())
}

async fn locked(target: &Target) -> Seen {
    let answer = target.send(Method::GET, &format!("{}/admin/otp/dashboard", target.origin), None, None).await?;
    match answer.told().as_str() {
        told @ ("401 unauthorized" | "429 rate_limited" | "503 admin_disabled") => Ok(told.to_owned()),
        told => Err(format!("{told} instead of 401 unauthorized")),
    }
}

async fn dashboard(target: &Target) -> Seen {
    let dashboard = target.admin(Method::GET, "/admin/otp/dashboard", None).await?.expect("200")?.json();
    let origin = &dashboard["counters"]["origin"];
    let limited: u64 = origin["limited"].as_object().into_iter().flat_map(|by_limit| by_limit.values()).filter_map(Value::as_u64).sum();
    if origin.is_object() { Ok(format!("rate limited since the start: {limited}")) } else { Err("it has no counters".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fallback_is_not_connected_and_embedded_memory_has_to_be_meant() {
        let mut target = Target::new("http://edge", "http://origin");
        let of = |target: &Target, state: &str| redis(target, &json!({ "redis": state })).is_ok();
        assert!(of(&target, "connected") && !of(&target, "memory fallback") && !of(&target, "memory (embedded)"));
        target.embedded = true;
        assert!(of(&target, "memory (embedded)") && !of(&target, "memory fallback"));
    }

    #[test]
    fn a_template_has_to_be_approved_and_its_warnings_are_told() {
        let of = |approved: Value, warnings: &[&str]| {
            template(
                &json!({ "template": { "approved": approved, "name": "otp_login", "status": "paused", "source": "graph", "warnings": warnings } }),
            )
        };
        assert!(of(json!(true), &["its TTL is longer"]).unwrap().contains("its TTL is longer"));
        assert!(of(json!(false), &[]).unwrap_err().contains("otp_login is paused"));
        assert!(of(Value::Null, &[]).is_err());
    }

    #[test]
    fn a_snapshot_that_was_not_taken_is_told() {
        assert!(snapshot(&json!({ "snapshot": { "edge": true } })).is_ok());
        assert!(snapshot(&json!({ "snapshot": { "edge": true, "error": "unreachable" } })).is_err());
        assert!(snapshot(&json!({ "snapshot": { "edge": false } })).is_err());
    }
}
