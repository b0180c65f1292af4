//! `GET /admin/otp/decisions?phone=|ip=&limit=`: why somebody was refused, or was not, and what stands against them now. This replica's decisions only,
//! the newest of them, since its start; what the edge refused by itself never came here.

use std::net::IpAddr;

use axum::{
    extract::{Query, State},
    response::Response,
};
use otp_shared::{address::Address, phone::Phone};
use serde::{Deserialize, Serialize};

use crate::{
    app::{
        App,
        decisions::{Decision, Standing, Whose},
        refusal::Refused,
    },
    http::{Shared, admin_auth::Operator, answer::Answer, json},
};

/// The query.
#[derive(Deserialize)]
pub struct Asked {
    phone: Option<String>,
    ip: Option<String>,
    limit: Option<usize>,
}

/// The answer.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Found {
    /// Whose decisions these are.
    pub replica: String,
    /// Since when they are kept, as Unix second.
    pub since_s: u64,
    /// What stands against the number or address now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub standing: Option<Standing>,
    /// The newest first.
    pub decisions: Vec<Decision>,
}

/// 200 with what is known.
pub async fn get(State(http): Shared, _: Operator, Query(asked): Query<Asked>) -> Result<Response, Answer> {
    let limit = asked.limit.unwrap_or(100).clamp(1, 1000);
    Ok(json(&find(&http.app, asked.phone.as_deref(), asked.ip.as_deref(), limit).await?))
}

/// The decisions about a number, about an address, or about everybody.
pub async fn find(app: &App, phone: Option<&str>, ip: Option<&str>, limit: usize) -> Result<Found, Refused> {
    let (whose, standing) = match (phone, ip) {
        (None, None) => (Whose::All, None),
        (Some(phone), None) => {
            // A plus that was not escaped reaches us as a blank.
            let phone = phone.strip_prefix(' ').map_or_else(|| phone.to_owned(), |rest| format!("+{rest}"));
            let phone = Phone::parse(&phone).map_err(|_| Refused::InvalidPhone)?;
            (Whose::Phone(app.keys.phone(phone)), Some(app.standing_of_phone(phone).await?))
        }
        (None, Some(ip)) => {
            let address = Address::parse(ip).map_err(|_| Refused::InvalidField("ip: an address"))?;
            let ip: IpAddr = ip.split('/').next().and_then(|ip| ip.parse().ok()).ok_or(Refused::InvalidField("ip: an address"))?;
            (Whose::Address(address.to_string()), Some(app.standing_of_address(ip).await?))
        }
        (Some(_), Some(_)) => return Err(Refused::InvalidField("phone or ip, not both")),
    };
    let (replica, since_s) = (app.settings.replica.clone(), app.counters.started_ms() / 1000);
    Ok(Found { replica, since_s, standing, decisions: app.decisions.newest(&whose, limit) })
}
