//! Meta's error codes: their titles, and the HTTP status that comes with each.
//!
//! Meta documents `error.code` only, and sources disagree about the HTTP status. So there are two
//! tables, and a client has to work with both.

use axum::http::StatusCode;
use serde::{Deserialize, Serialize};

/// The table from which errors get their HTTP status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum StatusStyle {
    /// As captured by clients: 400 for nearly everything, rate limits included.
    #[default]
    Plain,
    /// As Meta's older documentation has it: 429 for rate limits, 404 for a missing translation,
    /// 503 for a server that is unavailable.
    Table,
}

impl StatusStyle {
    /// The HTTP status of `code` in this style.
    pub fn status(self, code: u32) -> StatusCode {
        match self {
            Self::Plain => plain(code),
            Self::Table => table(code),
        }
    }
}

fn plain(code: u32) -> StatusCode {
    match code {
        0 | 190 => StatusCode::UNAUTHORIZED,
        3 | 10 | 200..=299 | 368 | 130_497 | 131_005 | 131_031 => StatusCode::FORBIDDEN,
        131_000 => StatusCode::INTERNAL_SERVER_ERROR,
        2 => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::BAD_REQUEST,
    }
}

fn table(code: u32) -> StatusCode {
    match code {
        3 => StatusCode::INTERNAL_SERVER_ERROR,
        4 | 80_007 | 130_429 | 131_048 | 131_056 => StatusCode::TOO_MANY_REQUESTS,
        132_001 => StatusCode::NOT_FOUND,
        133_004 => StatusCode::SERVICE_UNAVAILABLE,
        _ => plain(code),
    }
}

/// Meta's title of `code`: the text after `(#code)` in `error.message`.
pub fn title(code: u32) -> &'static str {
    TITLES
        .binary_search_by_key(&code, |(known, _)| *known)
        .ok()
        .and_then(|at| TITLES.get(at))
        .map_or("An unknown error occurred", |(_, title)| title)
}

/// Sorted by code, for the binary search.
const TITLES: &[(u32, &str)] = &[
    (0, "AuthException"),
    (1, "API Unknown"),
    (2, "API Service"),
    (3, "API Method"),
    (4, "Application request limit reached"),
    (10, "Application does not have permission for this action"),
    (33, "Parameter value is not valid"),
    (100, "Invalid parameter"),
    (190, "Error validating access token"),
    (200, "Permissions error"),
    (368, "Temporarily blocked for policies violations"),
    (2_500, "Unknown path components"),
    (2_635, "You are calling a deprecated version of the API"),
    (80_007, "Rate limit issues"),
    (130_403, "The user has blocked this business"),
    (130_429, "Rate limit hit"),
    (130_472, "User's number is part of an experiment"),
    (130_497, "Business account is restricted from messaging users in this country"),
    (131_000, "Something went wrong"),
    (131_005, "Access denied"),
    (131_008, "Required parameter is missing"),
    (131_009, "Parameter value is not valid"),
    (131_016, "Service unavailable"),
    (131_021, "Recipient cannot be sender"),
    (131_026, "Message undeliverable"),
    (131_030, "Recipient phone number not in allowed list"),
    (131_031, "Business Account locked"),
    (131_037, "Display name approval needed before message can be sent"),
    (131_042, "Business eligibility payment issue"),
    (131_045, "Incorrect certificate"),
    (131_047, "Re-engagement message"),
    (131_048, "Spam rate limit hit"),
    (131_049, "This message was not delivered to maintain healthy ecosystem engagement"),
    (131_050, "User has stopped marketing messages"),
    (131_051, "Unsupported message type"),
    (131_052, "Media download error"),
    (131_053, "Media upload error"),
    (131_056, "(Business Account, Consumer Account) pair rate limit hit"),
    (131_057, "Business Account is in maintenance mode"),
    (131_062, "Recipient identifier cannot be used for authentication templates"),
    (131_064, "Classification rate limit hit"),
    (132_000, "Number of parameters does not match the expected number of params"),
    (132_001, "Template name does not exist in the translation"),
    (132_005, "Translated text too long"),
    (132_007, "Template content violates WhatsApp policy"),
    (132_012, "Parameter format does not match format in the created template"),
    (132_015, "Template is paused"),
    (132_016, "Template is disabled"),
    (132_068, "Flow is in blocked state"),
    (132_069, "Flow is in throttled state"),
    (133_000, "Incomplete deregistration"),
    (133_004, "Server temporarily unavailable"),
    (133_005, "Two-step verification PIN mismatch"),
    (133_006, "Phone number re-verification needed"),
    (133_008, "Too many two-step verification PIN guesses"),
    (133_009, "Two-step verification PIN guessed too fast"),
    (133_010, "Phone number not registered"),
    (133_015, "Phone number was recently deleted"),
    (133_016, "Account register deregister rate limit exceeded"),
    (134_011, "WhatsApp payments terms of service has not been accepted"),
    (135_000, "Generic user error"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_titles_are_sorted_so_that_each_is_found() {
        assert!(TITLES.is_sorted_by_key(|(code, _)| *code));
        assert_eq!(title(132_001), "Template name does not exist in the translation");
        assert_eq!(title(999), "An unknown error occurred");
    }

    #[test]
    fn the_two_styles_differ_where_the_sources_do() {
        for (code, plain, table) in [
            (190, 401, 401),
            (368, 403, 403),
            (131_005, 403, 403),
            (100, 400, 400),
            (2, 503, 503),
            (131_000, 500, 500),
            (131_026, 400, 400),
            (4, 400, 429),
            (80_007, 400, 429),
            (130_429, 400, 429),
            (131_048, 400, 429),
            (131_056, 400, 429),
            (132_001, 400, 404),
            (133_004, 400, 503),
        ] {
            assert_eq!(StatusStyle::Plain.status(code), plain, "{code} plain");
            assert_eq!(StatusStyle::Table.status(code), table, "{code} table");
        }
    }
}
