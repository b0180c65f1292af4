//! `GET /otp/consent?locale=rw`: what a fan agrees to before a code is sent.

use axum::{
    extract::{Query, State},
    response::Response,
};
use serde::{Deserialize, Serialize};

use crate::{
    app::refusal::Refused,
    domain::{consent, locale::Locale},
    http::{Shared, answer::Answer, json},
};

/// The query.
#[derive(Deserialize)]
pub struct Asked {
    locale: Option<String>,
}

#[derive(Serialize)]
struct Body {
    version: &'static str,
    locale: &'static str,
    text: &'static str,
}

/// 200 with the text in the nearest language.
pub async fn get(State(_): Shared, Query(asked): Query<Asked>) -> Result<Response, Answer> {
    let locale = asked.locale.as_deref().map(Locale::parse).transpose();
    let locale = locale.map_err(|_| Refused::InvalidField("locale: a language tag such as rw or en-US"))?;
    let consent = consent::text_for(locale.as_ref());
    Ok(json(&Body { version: consent::VERSION, locale: consent.language, text: consent.text }))
}
