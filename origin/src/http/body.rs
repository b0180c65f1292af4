//! Bodies: read up to the route's limit, within a time, and parsed as JSON into a type. What is wrong is told by its problem code.

use std::time::Duration;

use axum::{
    body::Body,
    http::{HeaderMap, header},
};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use otp_shared::problem::{Problem, ProblemCode};
use serde::de::DeserializeOwned;

/// How long a body may take to arrive.
const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// The whole body, at most `limit` bytes of it.
pub async fn read(body: Body, limit: usize) -> Result<Vec<u8>, Problem> {
    let collecting = Limited::new(body, limit).collect();
    match tokio::time::timeout(READ_TIMEOUT, collecting).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes().to_vec()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            Err(Problem::new(ProblemCode::TooLarge, format!("At most {limit} bytes are taken here.")))
        }
        Ok(Err(_)) => Err(Problem::new(ProblemCode::InvalidBody, "The body broke off.")),
        Err(_) => Err(Problem::new(ProblemCode::InvalidBody, "The body took too long to arrive.")),
    }
}

/// Refuses a body that does not say it is JSON.
pub fn require_json(headers: &HeaderMap) -> Result<(), Problem> {
    let media_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    Err(Problem::new(ProblemCode::UnsupportedMediaType, "Send Content-Type: application/json."))
}

/// Parses JSON. The detail names the place and the kind of mistake, and repeats none of the values.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let text = std::str::from_utf8(bytes).map_err(|_| Problem::new(ProblemCode::InvalidBody, "The body is not UTF-8."))?;
    serde_json::from_str(text).map_err(|error| Problem::new(ProblemCode::InvalidBody, explain(&error)))
}

fn explain(error: &serde_json::Error) -> String {
    use serde_json::error::Category;
    let place = format!("at line {} column {}", error.line(), error.column());
    let message = error.to_string();
    match error.classify() {
        Category::Syntax | Category::Eof | Category::Io => format!("The body is not JSON: see {place}."),
        // serde's own words name the member; those about a wrong type repeat the value, which may be a code.
        Category::Data
            if message.starts_with("unknown field") || message.starts_with("missing field") || message.starts_with("duplicate field") =>
        {
            format!("The body has an {message}.").replace("an missing", "a missing").replace("an duplicate", "a duplicate")
        }
        Category::Data => format!("A member of the body has the wrong type, {place}."),
    }
}

#[cfg(test)]
mod tests {
    use otp_shared::wire::VerifyRequest;

    use super::*;

    fn detail(body: &[u8]) -> String {
        let problem = parse::<VerifyRequest>(body).err().unwrap();
        assert_eq!(problem.code, ProblemCode::InvalidBody);
        problem.detail
    }

    #[test]
    fn mistakes_are_explained_without_the_values() {
        assert!(detail(b"{").contains("not JSON"));
        assert!(detail(&[0xff, 0xfe]).contains("UTF-8"));
        assert!(detail(br#"{"challengeId":"a","phone":"b"}"#).contains("code"));
        assert!(detail(br#"{"challengeId":"a","phone":"b","code":"c","x":1}"#).contains("unknown field `x`"));
        let wrong_type = detail(br#"{"challengeId":"a","phone":"b","code":123456}"#);
        assert!(wrong_type.contains("wrong type") && !wrong_type.contains("123456"), "{wrong_type}");
    }
}
