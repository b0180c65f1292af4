//! The request as the origin gets it, and what its answer means for the edge. Not the sending.
//!
//! **Invariant:** a header reaches the origin only if it is listed in [`PASSED_ON`] or written here; `x-admin-token` is in neither. What
//! the origin says to the edge alone does not reach the fan.

use std::net::IpAddr;

use otp_shared::{
    country::Country,
    headers::{self, HoldNotice},
    problem::{Problem, ProblemCode},
    routes::INTERNAL_COUNTERS,
    signature::{Parts, hex},
};

use crate::{config::Config, refusal::Refusal, request::Facts};

/// How long a fan waits for the origin, in milliseconds: Meta's 8 s and a margin.
pub const TIME_LIMIT_MS: u32 = 10_000;

/// The headers that are passed on as they came. A list of what is allowed, because what is not thought of must not reach the origin: no
/// hop-by-hop header, no forwarding header that somebody might believe, no operator's token.
pub const PASSED_ON: [&str; 12] = [
    "accept",
    "accept-language",
    "content-type",
    "cookie",
    headers::IDEMPOTENCY_KEY,
    "origin",
    "referer",
    "sec-fetch-mode",
    "sec-fetch-site",
    "user-agent",
    "x-hub-signature",
    "x-hub-signature-256",
];

/// The headers that are taken off the origin's answer: what it says to the edge alone, and what is about its connection to the edge.
pub const TAKEN_OFF: [&str; 12] = [
    headers::HOLD,
    headers::SIGNATURE_STATUS,
    "connection",
    "content-encoding",
    "content-length",
    "keep-alive",
    "proxy-authenticate",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// When and with which randomness a request is signed.
#[derive(Debug, Clone, Copy)]
pub struct Stamp {
    /// Unix second.
    pub now_s: u64,
    /// Random, and used once.
    pub nonce: [u8; 16],
}

/// What is sent to the origin, next to the headers that are passed on and the body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// Absolute.
    pub url: String,
    /// Written by the edge; they replace what a client sent by these names.
    pub headers: Vec<(&'static str, String)>,
}

/// A fan's or Meta's request, signed. `request_id` names it in the logs of both sides.
pub fn outgoing(config: &Config, facts: &Facts, body: &[u8], stamp: Stamp, request_id: &str) -> Outgoing {
    let parts = Parts {
        method: &facts.method,
        path: &facts.path,
        query: &facts.query,
        body,
        client_address: facts.address,
        client_country: facts.country,
    };
    let mut outgoing = signed(config, &parts, stamp);
    outgoing.headers.push((headers::REQUEST_ID, request_id.to_owned()));
    outgoing
}

/// The edge's own report. It is about no client, which the unspecified address says: the signature wants one.
pub fn report(config: &Config, body: &[u8], stamp: Stamp) -> Outgoing {
    let unspecified = IpAddr::from([0, 0, 0, 0]);
    let parts = Parts { method: "POST", path: INTERNAL_COUNTERS, query: "", body, client_address: Some(unspecified), client_country: None };
    let mut outgoing = signed(config, &parts, stamp);
    outgoing.headers.push(("content-type", "application/json".to_owned()));
    outgoing
}

fn signed(config: &Config, parts: &Parts<'_>, stamp: Stamp) -> Outgoing {
    let signed = config.keys.to_origin.sign(parts, stamp.now_s, stamp.nonce);
    let mut headers = vec![
        (headers::CONTENT_DIGEST, signed.content_digest),
        (headers::SIGNATURE_INPUT, signed.signature_input),
        (headers::SIGNATURE, signed.signature),
    ];
    headers.extend(parts.client_address.map(|address| (headers::CLIENT_ADDRESS, address.to_string())));
    headers.extend(parts.client_country.map(|country: Country| (headers::CLIENT_COUNTRY, country.to_string())));
    let question_mark = if parts.query.is_empty() { "" } else { "?" };
    Outgoing { url: format!("{}{}{question_mark}{}", config.origin, parts.path, parts.query), headers }
}

/// What the origin's answer means for the edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It goes to the fan; with a hold to remember, perhaps.
    PassOn(Option<HoldNotice>),
    /// The origin does not accept the edge's signature: the secrets or the clocks differ.
    SignatureRefused,
    /// Not the origin's own answer: a proxy before it could not reach it.
    Unreachable,
}

/// Reads the answer's status and the headers that are for the edge.
pub fn weigh(status: u16, signature_status: Option<&str>, hold: Option<&str>) -> Answer {
    if status == 401 && signature_status == Some(headers::SIGNATURE_REFUSED) {
        return Answer::SignatureRefused;
    }
    // The origin never answers these. Cloudflare does, with 52x and 530, where another runtime's `fetch` would fail.
    if matches!(status, 502 | 504 | 520..=530) {
        return Answer::Unreachable;
    }
    Answer::PassOn(hold.and_then(HoldNotice::parse))
}

/// What a fan is told when the origin cannot be reached, is too slow, or refuses the edge itself.
pub fn unavailable() -> Refusal {
    Refusal::from(Problem::new(ProblemCode::OriginUnavailable, "Please try again in a moment.").retry_after_s(RETRY_AFTER_S))
}

/// Long enough for a restarted replica to be ready, short enough that a fan waits for it.
const RETRY_AFTER_S: u64 = 10;

/// A request's name in the logs of both sides.
pub fn request_id(random: [u8; 16]) -> String {
    hex(&random)
}

#[cfg(test)]
mod tests {
    use otp_shared::{
        headers::HeldSubject,
        secret::Secret,
        signature::{Claimed, Direction, Keyring},
    };

    use super::*;
    use crate::config::tests::vars;

    const STAMP: Stamp = Stamp { now_s: 1_790_000_000, nonce: [7; 16] };

    fn config() -> Config {
        Config::parse(&vars()).map_err(|error| error.to_string()).unwrap()
    }

    fn facts(query: &str) -> Facts {
        Facts {
            method: "POST".into(),
            path: "/otp/request".into(),
            query: query.into(),
            content_type: None,
            content_length: None,
            address: Some("203.0.113.7".parse().unwrap()),
            country: Country::parse("RW").ok(),
        }
    }

    fn header<'a>(outgoing: &'a Outgoing, name: &str) -> Option<&'a str> {
        outgoing.headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }

    #[test]
    fn the_origin_can_verify_what_the_edge_signed() {
        let (facts, body) = (facts("a=b"), br#"{"phone":"+250788123456"}"#);
        let outgoing = outgoing(&config(), &facts, body, STAMP, "r1");
        let claimed = Claimed {
            content_digest: header(&outgoing, "content-digest").unwrap(),
            signature_input: header(&outgoing, "signature-input").unwrap(),
            signature: header(&outgoing, "signature").unwrap(),
        };
        let parts = Parts {
            method: "POST",
            path: "/otp/request",
            query: "a=b",
            body,
            client_address: header(&outgoing, "otp-client-address").and_then(|text| text.parse().ok()),
            client_country: header(&outgoing, "otp-client-country").and_then(|text| Country::parse(text).ok()),
        };
        let ring = Keyring::new(&Secret::parse(&"s".repeat(32)).unwrap(), None, Direction::EdgeToOrigin);
        assert_eq!(ring.verify(&parts, &claimed, STAMP.now_s).map(|verified| verified.nonce), Ok(STAMP.nonce));
        assert_eq!(header(&outgoing, "x-request-id"), Some("r1"));
    }

    #[test]
    fn path_and_query_go_on_as_they_came() {
        let url = |query| outgoing(&config(), &facts(query), b"", STAMP, "r1").url;
        assert_eq!(url(""), "https://origin.example/otp/request");
        assert_eq!(url("a=%2B&b"), "https://origin.example/otp/request?a=%2B&b");
    }

    #[test]
    fn no_token_no_forwarding_header_and_no_signature_of_the_client_is_passed_on() {
        for name in [
            headers::ADMIN_TOKEN,
            "authorization",
            "x-forwarded-for",
            "forwarded",
            "cf-connecting-ip",
            "connection",
            "host",
            headers::SIGNATURE,
            headers::CLIENT_ADDRESS,
            headers::REQUEST_ID,
        ] {
            assert!(!PASSED_ON.contains(&name), "{name}");
        }
    }

    #[test]
    fn every_internal_header_is_taken_off_the_answer() {
        for name in headers::INTERNAL {
            assert!(TAKEN_OFF.contains(&name), "{name}");
        }
    }

    #[test]
    fn an_answer_goes_to_the_fan_and_its_hold_to_the_edge() {
        assert_eq!(weigh(202, None, None), Answer::PassOn(None));
        let notice = HoldNotice { subject: HeldSubject::Phone, until_s: 1_790_000_060 };
        assert_eq!(weigh(429, None, Some("phone;until=1790000060")), Answer::PassOn(Some(notice)));
        assert_eq!(weigh(429, None, Some("nonsense")), Answer::PassOn(None));
    }

    #[test]
    fn a_refused_signature_is_told_from_a_wrong_code() {
        assert_eq!(weigh(401, Some("refused"), None), Answer::SignatureRefused);
        assert_eq!(weigh(401, None, None), Answer::PassOn(None));
    }

    #[test]
    fn a_proxys_error_is_an_unreachable_origin() {
        for status in [502, 504, 520, 521, 522, 530] {
            assert_eq!(weigh(status, None, None), Answer::Unreachable, "{status}");
        }
        for status in [500, 503] {
            assert_eq!(weigh(status, None, None), Answer::PassOn(None), "{status}");
        }
    }

    #[test]
    fn an_unavailable_origin_says_when_to_come_back() {
        assert_eq!(unavailable().problem.retry_after_s, Some(RETRY_AFTER_S));
    }
}
