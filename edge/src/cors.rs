//! Who may call the service from a page in a browser: the fan's own page, and the pages that `ALLOWED_ORIGINS` lists. Apps and servers send
//! no `Origin` and are not concerned.
//!
//! The cookie is `SameSite=Lax`: a listed page that is to be signed in by it has to be of the same site, as `app.club.example` is to
//! `otp.club.example`.
//!
//! **Invariant:** only a listed origin is ever named in an answer, and no answer says `*`. Webhooks and `/internal` are never opened.

use otp_shared::{
    headers::{IDEMPOTENCY_KEY, REQUEST_ID},
    problem::ProblemCode,
    routes::{self, Forward, RouteError},
};

use crate::refusal::{Refusal, Reply};

/// How long a browser may remember a preflight, in seconds: the longest that browsers accept. Only what it may *ask* is remembered; who may
/// read the answer is said with every answer.
const REMEMBERED_S: &str = "7200";

/// The origins whose pages may call, as browsers write them: `https://app.example`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Allowed(Vec<String>);

impl Allowed {
    /// Reads a list with commas. `None` when one of them is no origin: scheme, host and port, without a path.
    pub fn parse(text: &str) -> Option<Self> {
        text.split(',').map(str::trim).filter(|origin| !origin.is_empty()).map(origin).collect::<Option<_>>().map(Self)
    }

    fn lists(&self, origin: &str) -> bool {
        self.0.iter().any(|allowed| allowed == origin)
    }
}

fn origin(text: &str) -> Option<String> {
    let text = text.trim_end_matches('/').to_ascii_lowercase();
    let (scheme, host) = text.split_once("://")?;
    let scheme_is_good = !scheme.is_empty() && scheme.bytes().all(|byte| byte.is_ascii_lowercase());
    let host_is_good = !host.is_empty() && !host.contains(['/', '?', '#', '@', '*', ' ']) && host.is_ascii();
    // A browser leaves the scheme's own port out.
    let host = match scheme {
        "https" => host.strip_suffix(":443").unwrap_or(host),
        "http" => host.strip_suffix(":80").unwrap_or(host),
        _ => host,
    };
    (scheme_is_good && host_is_good).then(|| format!("{scheme}://{host}"))
}

/// Where a request was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Site {
    /// Not in a page: an app, a server, or a browser that follows a link.
    NoPage,
    /// In the fan's own page.
    Own,
    /// In a page that is listed, by its origin.
    Listed(String),
    /// In any other page.
    Foreign,
}

/// Reads the `Origin` header of a request to `url`, which is absolute.
pub fn site(origin: Option<&str>, url: &str, allowed: &Allowed) -> Site {
    match origin {
        None => Site::NoPage,
        Some(origin) if own(url) == Some(origin) => Site::Own,
        Some(origin) if allowed.lists(origin) => Site::Listed(origin.to_owned()),
        Some(_) => Site::Foreign,
    }
}

/// `https://otp.example` of `https://otp.example/otp/request`
fn own(url: &str) -> Option<&str> {
    let (scheme, rest) = url.split_once("://")?;
    let host = rest.split(['/', '?', '#']).next()?;
    url.get(..scheme.len().checked_add(3)?.checked_add(host.len())?)
}

fn covers(path: &str) -> bool {
    path.starts_with("/otp/") || path.starts_with("/auth/fan/")
}

/// The answer to a browser that asks first (a preflight); `None` when it is none, or about a path that is not open to pages.
pub fn preflight(method: &str, path: &str, site: &Site) -> Option<Reply> {
    if method != "OPTIONS" || !covers(path) {
        return None;
    }
    let Err(RouteError::MethodNotAllowed(methods)) = routes::forwarded(method, path) else { return None };
    let mut headers = vec![("allow", methods.to_owned())];
    if let Site::Listed(_) = site {
        headers.push(("access-control-allow-methods", methods.to_owned()));
        headers.push(("access-control-allow-headers", format!("content-type, {IDEMPOTENCY_KEY}")));
        headers.push(("access-control-max-age", REMEMBERED_S.to_owned()));
    }
    Some(Reply { status: 204, headers, body: String::new() })
}

/// What every answer about `path` says to browsers, refusals and preflights included.
pub fn headers(path: &str, site: &Site) -> Vec<(&'static str, String)> {
    if !covers(path) {
        return Vec::new();
    }
    let mut headers = vec![("vary", "origin".to_owned())];
    if let Site::Listed(origin) = site {
        headers.push(("access-control-allow-origin", origin.clone()));
        headers.push(("access-control-allow-credentials", "true".to_owned()));
        headers.push(("access-control-expose-headers", format!("retry-after, {REQUEST_ID}")));
    }
    headers
}

/// A page of somebody else must not sign a fan in, as somebody whose messages the fan would then read (login CSRF).
pub fn refuse_foreign(fan: Forward, site: &Site) -> Result<(), Refusal> {
    if fan == Forward::FromOnboarding && *site == Site::Foreign {
        return Err(Refusal::new(ProblemCode::Forbidden, "A page of another site cannot sign anybody in.").because("origin"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "https://otp.example/otp/request?a=b";
    const APP: &str = "https://app.example";

    fn allowed() -> Allowed {
        Allowed::parse("https://app.example, http://localhost:5173,capacitor://localhost").unwrap()
    }

    fn listed() -> Site {
        Site::Listed(APP.to_owned())
    }

    fn value<'a>(headers: &'a [(&'static str, String)], name: &str) -> Option<&'a str> {
        headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }

    #[test]
    fn origins_are_read_as_browsers_write_them() {
        let check = |text: &str, expected: &[&str]| assert_eq!(Allowed::parse(text).unwrap().0, expected, "{text}");
        check("", &[]);
        check(" , ", &[]);
        check("https://App.Example/", &["https://app.example"]);
        check("https://a.example:443,http://b.example:80", &["https://a.example", "http://b.example"]);
        check("http://localhost:5173, capacitor://localhost", &["http://localhost:5173", "capacitor://localhost"]);
    }

    #[test]
    fn what_is_no_origin_is_refused() {
        for text in
            ["*", "null", "app.example", "https://", "https://*.example", "https://a/b", "https://u@a", "https://a b", "://a", "https://é"]
        {
            assert_eq!(Allowed::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_request_is_placed_by_its_origin() {
        let check = |origin, expected| assert_eq!(site(origin, URL, &allowed()), expected, "{origin:?}");
        check(None, Site::NoPage);
        check(Some("https://otp.example"), Site::Own);
        check(Some(APP), listed());
        check(Some("https://app.example.evil"), Site::Foreign);
        check(Some("https://app.exampl"), Site::Foreign);
        check(Some("http://otp.example"), Site::Foreign);
        check(Some("https://otp.example:8443"), Site::Foreign);
        check(Some("null"), Site::Foreign);
        check(Some(""), Site::Foreign);
    }

    #[test]
    fn an_empty_list_lets_the_own_page_alone() {
        let site = |origin| site(Some(origin), "http://127.0.0.1:8787/", &Allowed::default());
        assert_eq!((site("http://127.0.0.1:8787"), site(APP)), (Site::Own, Site::Foreign));
    }

    #[test]
    fn a_listed_page_may_ask_what_the_route_takes() {
        for (path, methods) in [
            ("/otp/request", "POST"),
            ("/otp/request/abc", "GET"),
            ("/otp/verify", "POST"),
            ("/otp/consent", "GET"),
            ("/auth/fan/from-onboarding", "POST"),
            ("/auth/fan/session", "GET, DELETE"),
        ] {
            let reply = preflight("OPTIONS", path, &listed()).unwrap_or_else(|| panic!("{path}"));
            assert_eq!((reply.status, reply.body.as_str()), (204, ""), "{path}");
            assert_eq!(value(&reply.headers, "access-control-allow-methods"), Some(methods), "{path}");
            assert_eq!(value(&reply.headers, "access-control-allow-headers"), Some("content-type, idempotency-key"), "{path}");
            assert_eq!(value(&reply.headers, "access-control-max-age"), Some("7200"), "{path}");
        }
    }

    #[test]
    fn another_page_is_allowed_nothing() {
        for site in [Site::Foreign, Site::NoPage, Site::Own] {
            let reply = preflight("OPTIONS", "/otp/request", &site).unwrap();
            let said = [reply.headers, headers("/otp/request", &site)].concat();
            assert!(!said.iter().any(|(name, _)| name.starts_with("access-control-")), "{site:?}: {said:?}");
            assert_eq!(value(&said, "vary"), Some("origin"), "{site:?}");
        }
    }

    #[test]
    fn webhooks_the_internal_paths_and_the_page_are_not_open() {
        for path in ["/webhooks/whatsapp", "/internal/edge/snapshot", "/", "/app.js", "/otp/nothing", "/otp", "/auth/fan/"] {
            assert_eq!(preflight("OPTIONS", path, &listed()), None, "{path}");
        }
        for path in ["/webhooks/whatsapp", "/internal/edge/snapshot", "/", "/app.js", "/otp"] {
            assert_eq!(headers(path, &listed()), [], "{path}");
        }
    }

    #[test]
    fn a_listed_page_may_read_the_answer_and_when_to_come_back() {
        let headers = headers("/otp/verify", &listed());
        assert_eq!(value(&headers, "access-control-allow-origin"), Some(APP));
        assert_eq!(value(&headers, "access-control-allow-credentials"), Some("true"));
        assert_eq!(value(&headers, "access-control-expose-headers"), Some("retry-after, x-request-id"));
        assert_eq!(value(&headers, "vary"), Some("origin"));
        assert!(headers.iter().all(|(_, value)| !value.contains('*')));
    }

    #[test]
    fn a_strangers_page_signs_nobody_in() {
        let code = |fan, site| refuse_foreign(fan, &site).err().map(|refusal| refusal.problem.code);
        assert_eq!(code(Forward::FromOnboarding, Site::Foreign), Some(ProblemCode::Forbidden));
        for site in [Site::NoPage, Site::Own, listed()] {
            assert_eq!(code(Forward::FromOnboarding, site.clone()), None, "{site:?}");
        }
        assert_eq!(code(Forward::Webhook, Site::Foreign), None);
    }
}
