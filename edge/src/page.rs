//! The fan's page, embedded in the Worker, and the headers it is served with. Not what the page does: that is `edge/page/`.
//!
//! **Invariant:** the page asks nobody but the service itself for anything, runs no inline script, and is shown in no frame. Serving it
//! reads no KV, asks no origin, and works while the edge is not configured.

use otp_shared::routes::RouteError;

use crate::refusal::{Refusal, Reply};

const INDEX: &str = include_str!("../page/index.html");
const STYLE: &str = include_str!("../page/app.css");
const ICON: &str = include_str!("../page/icon.svg");
/// One file for the browser: each part is a module of its own, in the order in which they need one another.
const SCRIPT: &str = concat!(
    include_str!("../page/words.js"),
    include_str!("../page/countries.js"),
    include_str!("../page/talk.js"),
    include_str!("../page/phone.js"),
    include_str!("../page/choice.js"),
    include_str!("../page/net.js"),
    include_str!("../page/app.js"),
);

const SCRIPT_VERSION: u64 = version(&[SCRIPT]);
const STYLE_VERSION: u64 = version(&[STYLE]);
const ICON_VERSION: u64 = version(&[ICON]);
/// The document names the versions of its parts, so theirs are part of its own.
const INDEX_VERSION: u64 = version(&[INDEX, SCRIPT, STYLE]);

/// Everything from the service itself and nothing else. No form is ever sent by the browser: the script sends them.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'";
/// Asked for again at every visit, and answered with a 304.
const REVALIDATE: &str = "no-cache";
/// What is asked for by its version never changes.
const FOREVER: &str = "public, max-age=31536000, immutable";

/// A request, as far as the page is concerned.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Upper case.
    pub method: &'a str,
    /// Without the query.
    pub path: &'a str,
    /// Without its question mark.
    pub query: &'a str,
    /// `If-None-Match`
    pub known: Option<&'a str>,
}

struct Part {
    media_type: &'static str,
    version: u64,
    text: String,
}

/// The answer to a request for the page or one of its parts; `None` when it is for something else.
pub fn answer(asked: &Asked<'_>) -> Option<Result<Reply, Refusal>> {
    let part = part(asked.path)?;
    if !matches!(asked.method, "GET" | "HEAD") {
        return Some(Err(RouteError::MethodNotAllowed("GET, HEAD").into()));
    }
    Some(Ok(reply(part, asked)))
}

fn part(path: &str) -> Option<Part> {
    let (media_type, version, text) = match path {
        "/" => ("text/html; charset=utf-8", INDEX_VERSION, index()),
        "/app.js" => ("text/javascript; charset=utf-8", SCRIPT_VERSION, SCRIPT.to_owned()),
        "/app.css" => ("text/css; charset=utf-8", STYLE_VERSION, STYLE.to_owned()),
        // The second is where browsers look that don't know icons of this kind; it saves them a refusal.
        "/icon.svg" | "/favicon.ico" => ("image/svg+xml", ICON_VERSION, ICON.to_owned()),
        _ => return None,
    };
    Some(Part { media_type, version, text })
}

/// The document, which asks for its script and style by their versions.
fn index() -> String {
    let script = INDEX.replace("/app.js", &format!("/app.js?{}", query(SCRIPT_VERSION)));
    script.replace("/app.css", &format!("/app.css?{}", query(STYLE_VERSION)))
}

fn query(version: u64) -> String {
    format!("v={version:016x}")
}

fn reply(part: Part, asked: &Asked<'_>) -> Reply {
    // While a new version is rolled out, one edge's document may ask another edge for a part that this one has not: it must not be kept.
    let lifetime = if asked.query == query(part.version) { FOREVER } else { REVALIDATE };
    let tag = format!("\"{:016x}\"", part.version);
    let fresh = asked.known.is_some_and(|known| knows(known, &tag));
    let headers = [
        ("content-type", part.media_type),
        ("cache-control", lifetime),
        // Weak, because whoever compresses the answer on its way changes its bytes.
        ("etag", &format!("W/{tag}")),
        ("content-security-policy", POLICY),
        ("x-content-type-options", "nosniff"),
        // For browsers that know no `frame-ancestors`.
        ("x-frame-options", "DENY"),
        // Not `no-referrer`, which has some browsers hide the page's origin from the service too.
        ("referrer-policy", "same-origin"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
    ];
    let headers = headers.map(|(name, value)| (name, value.to_owned())).into();
    if fresh { Reply { status: 304, headers, body: String::new() } } else { Reply { status: 200, headers, body: part.text } }
}

/// Whether `If-None-Match` names the tag, weak or not (RFC 9110, 13.1.2).
fn knows(if_none_match: &str, tag: &str) -> bool {
    if_none_match.split(',').map(str::trim).any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag)
}

/// FNV-1a over the texts, when the Worker is built: tells versions apart, and guards nothing.
const fn version(texts: &[&str]) -> u64 {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    let mut texts = texts;
    while let [text, more @ ..] = texts {
        let mut bytes = text.as_bytes();
        while let [byte, rest @ ..] = bytes {
            // `u64::from` is not const.
            hash = (hash ^ *byte as u64).wrapping_mul(0x0000_0100_0000_01b3);
            bytes = rest;
        }
        texts = more;
    }
    hash
}

#[cfg(test)]
mod tests;
