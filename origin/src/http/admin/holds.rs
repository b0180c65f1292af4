//! `/admin/otp/holds`: subjects that came back too often while refused. They end by themselves; an operator may lift them.

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use otp_shared::{
    address::Address,
    phone::Phone,
    problem::{Code, Problem},
};
use serde::{Deserialize, Serialize};

use super::Json;
use crate::{
    app::refusal::Refused,
    http::{Shared, admin_auth::Operator, answer::Answer, json},
};

/// What DELETE takes: `phone` with a number, or `ip` with an address.
#[derive(Deserialize)]
pub struct Asked {
    r#type: String,
    value: String,
}

#[derive(Serialize)]
struct List {
    holds: Vec<Entry>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    /// Numbers as their keyed hash.
    subject: String,
    until_s: u64,
}

/// The holds in force. Numbers are shown as their keyed hashes: nothing here knows more.
pub async fn get(State(http): Shared, _: Operator) -> Result<Response, Answer> {
    let holds = http.app.store.holds().await.map_err(Refused::from)?;
    let holds = holds.into_iter().map(|hold| Entry { subject: hold.subject, until_s: hold.until_ms / 1000 }).collect();
    Ok(json(&List { holds }))
}

/// Lifts one; 404 when there is none.
pub async fn delete(State(http): Shared, operator: Operator, Json(asked): Json<Asked>) -> Result<Response, Answer> {
    let subject = match asked.r#type.as_str() {
        "phone" => Phone::parse(&asked.value).ok().map(|phone| http.app.phone_hold(phone)),
        "ip" => Address::parse(&asked.value).ok().map(|address| format!("address:{address}")),
        _ => None,
    };
    let wrong = || Problem::new(Code::InvalidBody, "type and value: phone with a number, or ip with an address");
    if !http.app.store.lift_hold(&subject.ok_or_else(wrong)?).await.map_err(Refused::from)? {
        return Err(Refused::NotFound.into());
    }
    tracing::info!(target: "otp::admin", who = operator.0, r#type = asked.r#type, "a hold was lifted");
    http.app.changed.notify_one();
    Ok(StatusCode::NO_CONTENT.into_response())
}
