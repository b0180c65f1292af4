//! The routes both sides know, with their methods and body limits. Not a router: each side maps them to its own handlers.
//!
//! **Invariant:** what is not listed here is not forwarded by the edge.

/// A fan asks for a code.
pub const OTP_REQUEST: &str = "/otp/request";
/// A fan types the code.
pub const OTP_VERIFY: &str = "/otp/verify";
/// How the service does; public.
pub const OTP_STATUS: &str = "/otp/status";
/// The consent text; public.
pub const OTP_CONSENT: &str = "/otp/consent";
/// A verified or authorised session id becomes a cookie.
pub const FROM_ONBOARDING: &str = "/auth/fan/from-onboarding";
/// Who the cookie is; signing out.
pub const SESSION: &str = "/auth/fan/session";
/// Meta's webhooks.
pub const WEBHOOK: &str = "/webhooks/whatsapp";
/// Edge: takes the origin's snapshot.
pub const INTERNAL_SNAPSHOT: &str = "/internal/edge/snapshot";
/// Edge: keeps each replica's copy of the operator state.
pub const INTERNAL_OPERATOR: &str = "/internal/edge/operator";
/// Edge: lists the entries that were written to KV by hand.
pub const INTERNAL_HAND: &str = "/internal/edge/hand";
/// Origin: takes the edge's counters.
pub const INTERNAL_COUNTERS: &str = "/internal/edge/counters";

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// The most bytes a request body may have on `path`; over it the answer is 413.
pub fn body_limit(path: &str) -> usize {
    match path {
        WEBHOOK => 3 * MIB,
        _ if path.starts_with("/internal/edge/") => 16 * MIB,
        "/admin/otp/blacklist/import" | "/admin/sms/otp/import" => 5 * MIB,
        _ => 4 * KIB,
    }
}

/// A fan's or Meta's route, as the edge forwards it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Forward {
    /// `POST /otp/request`
    Request,
    /// `GET /otp/request/{challengeId}`
    Delivery,
    /// `POST /otp/verify`
    Verify,
    /// `GET /otp/status`
    Status,
    /// `GET /otp/consent`
    Consent,
    /// `POST /auth/fan/from-onboarding`
    FromOnboarding,
    /// `GET /auth/fan/session`
    Session,
    /// `DELETE /auth/fan/session`
    SignOut,
    /// `GET` or `POST /webhooks/whatsapp`
    Webhook,
}

/// Why a request is not forwarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RouteError {
    /// No such path.
    NotFound,
    /// The path exists, with these methods (the `Allow` header).
    MethodNotAllowed(&'static str),
}

/// Finds the route of a fan's or Meta's request; `path` without its query.
pub fn forwarded(method: &str, path: &str) -> Result<Forward, RouteError> {
    let (allow, found) = match path {
        OTP_REQUEST => ("POST", (method == "POST").then_some(Forward::Request)),
        OTP_VERIFY => ("POST", (method == "POST").then_some(Forward::Verify)),
        OTP_STATUS => ("GET", (method == "GET").then_some(Forward::Status)),
        OTP_CONSENT => ("GET", (method == "GET").then_some(Forward::Consent)),
        FROM_ONBOARDING => ("POST", (method == "POST").then_some(Forward::FromOnboarding)),
        SESSION => ("GET, DELETE", session(method)),
        WEBHOOK => ("GET, POST", matches!(method, "GET" | "POST").then_some(Forward::Webhook)),
        _ if is_delivery(path) => ("GET", (method == "GET").then_some(Forward::Delivery)),
        _ => return Err(RouteError::NotFound),
    };
    found.ok_or(RouteError::MethodNotAllowed(allow))
}

fn session(method: &str) -> Option<Forward> {
    match method {
        "GET" => Some(Forward::Session),
        "DELETE" => Some(Forward::SignOut),
        _ => None,
    }
}

fn is_delivery(path: &str) -> bool {
    path.strip_prefix("/otp/request/").is_some_and(|id| !id.is_empty() && !id.contains('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_is_found_by_its_method() {
        let check = |method, path, expected| assert_eq!(forwarded(method, path), expected, "{method} {path}");
        check("POST", "/otp/request", Ok(Forward::Request));
        check("GET", "/otp/request/abc", Ok(Forward::Delivery));
        check("POST", "/otp/verify", Ok(Forward::Verify));
        check("GET", "/otp/status", Ok(Forward::Status));
        check("GET", "/otp/consent", Ok(Forward::Consent));
        check("POST", "/auth/fan/from-onboarding", Ok(Forward::FromOnboarding));
        check("GET", "/auth/fan/session", Ok(Forward::Session));
        check("DELETE", "/auth/fan/session", Ok(Forward::SignOut));
        check("POST", "/webhooks/whatsapp", Ok(Forward::Webhook));
        check("GET", "/webhooks/whatsapp", Ok(Forward::Webhook));
    }

    #[test]
    fn the_rest_is_not_forwarded() {
        for path in [
            "/",
            "/admin/otp/dashboard",
            "/metrics",
            "/otp",
            "/otp/request/",
            "/otp/request/a/b",
            "/internal/edge/snapshot",
            "/otp/Request",
        ] {
            assert_eq!(forwarded("GET", path), Err(RouteError::NotFound), "{path}");
        }
    }

    #[test]
    fn a_wrong_method_is_told_the_right_ones() {
        assert_eq!(forwarded("GET", "/otp/verify"), Err(RouteError::MethodNotAllowed("POST")));
        assert_eq!(forwarded("POST", "/auth/fan/session"), Err(RouteError::MethodNotAllowed("GET, DELETE")));
    }

    #[test]
    fn limits_follow_the_route() {
        assert_eq!(body_limit("/otp/verify"), 4096);
        assert_eq!(body_limit(WEBHOOK), 3 * MIB);
        assert_eq!(body_limit(INTERNAL_SNAPSHOT), 16 * MIB);
    }
}
