//! What is known of a request before its body is read. Not the body, and not who signed it.
//!
//! **Invariant:** the address is the platform's word (`CF-Connecting-IP`); `X-Forwarded-For` and its like are never looked at.

use std::net::IpAddr;

use otp_shared::country::Country;

/// The facts of one request.
#[derive(Debug, Clone)]
pub struct Facts {
    /// Upper case.
    pub method: String,
    /// As it stands in the request line, without the query.
    pub path: String,
    /// Without its question mark; empty when there is none.
    pub query: String,
    /// `Content-Type`
    pub content_type: Option<String>,
    /// `Content-Length`, in bytes: what the sender announces, which may be a lie.
    pub content_length: Option<u64>,
    /// The client's address as the platform saw it.
    pub address: Option<IpAddr>,
    /// Where the platform places that address.
    pub country: Option<Country>,
}

impl Facts {
    /// Whether the body is announced as JSON, with or without parameters.
    pub fn is_json(&self) -> bool {
        let media_type = self.content_type.as_deref().and_then(|value| value.split(';').next());
        media_type.is_some_and(|text| text.trim().eq_ignore_ascii_case("application/json"))
    }

    /// Whether a body may follow: `GET` and `HEAD` have none that means anything.
    pub fn has_body(&self) -> bool {
        !matches!(self.method.as_str(), "GET" | "HEAD")
    }
}

/// Cuts path and query out of an absolute URL's text, as the runtime serialises it: no parser, because that would bring Unicode's
/// tables for host names along (a hundred kilobytes) to find a slash and a question mark.
pub fn path_and_query(url: &str) -> (&str, &str) {
    let after_scheme = url.split_once("://").map_or(url, |(_, rest)| rest);
    let target = after_scheme.find('/').and_then(|start| after_scheme.get(start..)).unwrap_or("/");
    let target = target.split('#').next().unwrap_or("/");
    target.split_once('?').unwrap_or((target, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_and_query_are_cut_as_they_stand() {
        let check = |url, expected| assert_eq!(path_and_query(url), expected, "{url}");
        check("https://otp.example/otp/request", ("/otp/request", ""));
        check(
            "https://otp.example:8443/webhooks/whatsapp?hub.mode=subscribe&x=a%2Fb",
            ("/webhooks/whatsapp", "hub.mode=subscribe&x=a%2Fb"),
        );
        check("https://otp.example/", ("/", ""));
        check("https://otp.example", ("/", ""));
        check("http://127.0.0.1:8787/otp/request/a?b?c#d", ("/otp/request/a", "b?c"));
    }

    #[test]
    fn json_is_recognised_with_and_without_parameters() {
        let facts = |value: Option<&str>| Facts {
            method: "POST".into(),
            path: "/".into(),
            query: String::new(),
            content_type: value.map(str::to_owned),
            content_length: None,
            address: None,
            country: None,
        };
        for good in ["application/json", "Application/JSON; charset=utf-8", " application/json ;x"] {
            assert!(facts(Some(good)).is_json(), "{good}");
        }
        for bad in [None, Some(""), Some("text/plain"), Some("application/jsonp"), Some("application/problem+json")] {
            assert!(!facts(bad).is_json(), "{bad:?}");
        }
    }
}
