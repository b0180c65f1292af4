//! What becomes of a request, from its facts and from what this isolate remembers. Pure: nothing is awaited, read or sent here.
//!
//! **Invariant:** a verify is never refused for a hold: whoever asks for codes on behalf of a stranger's number must not keep its owner
//! from verifying one.

use otp_shared::{
    phone::Phone,
    problem::{Problem, ProblemCode},
    routes::{self, Forward, RouteError},
    snapshot::Match,
};

use crate::{
    body::{self, Members},
    burst::BurstKeys,
    config::Keys,
    holds::Holds,
    internal::{self, Internal},
    refusal::Refusal,
    request::Facts,
    snapshots::{Client, Snapshots},
};

/// Where a request goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// On to the origin, if nothing refuses it.
    Forward(Forward),
    /// The origin's own call to the edge.
    Internal(Internal),
}

/// Step 1, before the body is read: the route (404, 405), the announced length (413), the media type (415).
pub fn admit(facts: &Facts) -> Result<Route, Refusal> {
    let route = route(facts)?;
    let limit = routes::body_limit(&facts.path);
    if facts.content_length.is_some_and(|length| length > u64::try_from(limit).unwrap_or(u64::MAX)) {
        return Err(too_large(limit));
    }
    if matches!(route, Route::Forward(fan) if is_fan_post(fan)) && !facts.is_json() {
        return Err(Refusal::new(ProblemCode::UnsupportedMediaType, "Send the body with Content-Type: application/json."));
    }
    Ok(route)
}

/// The refusal of a body that is larger than its route allows, announced or not.
pub fn too_large(limit: usize) -> Refusal {
    Refusal::new(ProblemCode::TooLarge, format!("The body may have at most {limit} bytes here."))
}

fn route(facts: &Facts) -> Result<Route, RouteError> {
    match internal::route(&facts.method, &facts.path) {
        Err(RouteError::NotFound) => routes::forwarded(&facts.method, &facts.path).map(Route::Forward),
        found => found.map(Route::Internal),
    }
}

/// The fan's `POST`s: JSON, and refused for a blacklisted number or address.
pub fn is_fan_post(fan: Forward) -> bool {
    matches!(fan, Forward::Request | Forward::Verify | Forward::FromOnboarding)
}

/// What this isolate remembers.
pub struct Known<'a> {
    /// Hashes numbers as the snapshots do.
    pub keys: &'a Keys,
    /// The blacklist and the world's holds.
    pub snapshots: &'a Snapshots,
    /// The holds that were told to this isolate.
    pub holds: &'a Holds,
}

/// A request that memory does not refuse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passage {
    /// The number it is about, if it is about one.
    pub phone: Option<Phone>,
    /// What the rate-limit bindings are asked, if they are.
    pub burst: Option<BurstKeys>,
}

/// Step 3, with the body: its form and number (400), the blacklist (403), holds (429). Webhooks and `GET`s pass.
pub fn judge(fan: Forward, facts: &Facts, body: &[u8], known: &Known<'_>, now_s: u64) -> Result<Passage, Refusal> {
    let said = said(fan, body)?;
    let client = Client { phone: said.phone, address: facts.address };
    refuse_known(fan, client, known, now_s).map_err(|refusal| refusal.about(said.phone))?;
    let burst = said.phone.zip(facts.address).map(|(phone, address)| {
        let hash = known.keys.hasher().hash(&phone);
        BurstKeys::new(hash, address, said.challenge.as_deref())
    });
    Ok(Passage { phone: said.phone, burst })
}

#[derive(Default)]
struct Said {
    phone: Option<Phone>,
    challenge: Option<String>,
}

fn said(fan: Forward, body: &[u8]) -> Result<Said, Refusal> {
    match fan {
        Forward::Request => {
            let members = Members::read(body, &body::REQUEST).ok_or_else(invalid_body)?;
            let text = members.text("phone").ok_or_else(invalid_body)?;
            Ok(Said { phone: Some(phone(text)?), challenge: None })
        }
        Forward::Verify => {
            let members = Members::read(body, &body::VERIFY).ok_or_else(invalid_body)?;
            let text = |name| members.text(name).ok_or_else(invalid_body);
            let (challenge, _code) = (text("challengeId")?, text("code")?);
            Ok(Said { phone: Some(phone(text("phone")?)?), challenge: Some(challenge.to_owned()) })
        }
        _ => Ok(Said::default()),
    }
}

/// Quotes nothing of what was sent: that may be a number or a code.
fn invalid_body() -> Refusal {
    Refusal::new(ProblemCode::InvalidBody, "The body has to be a JSON object of texts with the documented members, each once.")
}

fn phone(text: &str) -> Result<Phone, Refusal> {
    Phone::parse(text).map_err(|error| Refusal::new(ProblemCode::InvalidPhone, format!("{error}.")))
}

fn refuse_known(fan: Forward, client: Client, known: &Known<'_>, now_s: u64) -> Result<(), Refusal> {
    if is_fan_post(fan) {
        refuse_blacklisted(client, known, now_s)?;
    }
    if fan == Forward::Request {
        refuse_held(client, known, now_s)?;
    }
    Ok(())
}

fn refuse_blacklisted(client: Client, known: &Known<'_>, now_s: u64) -> Result<(), Refusal> {
    match known.snapshots.blacklisted(client, known.keys, now_s) {
        Some(Match { kind, .. }) => Err(Refusal::new(ProblemCode::Blacklisted, "This number or address is blocked.").because(kind)),
        None => Ok(()),
    }
}

fn refuse_held(client: Client, known: &Known<'_>, now_s: u64) -> Result<(), Refusal> {
    let told = known.holds.until_s(client.phone, client.address.map(Into::into), now_s);
    let broadcast = known.snapshots.held(client, known.keys, now_s);
    let Some(until_s) = told.max(broadcast.and_then(|held| held.until_s)) else { return Ok(()) };
    let problem = Problem::new(ProblemCode::EdgeHold, "This number or address asked again too often while it was refused.");
    let because = broadcast.map_or("remembered", |held| held.kind);
    Err(Refusal::from(problem.retry_after_s(until_s.saturating_sub(now_s))).because(because))
}

#[cfg(test)]
mod tests {
    use otp_shared::{
        headers::{HeldSubject, HoldNotice},
        snapshot::SnapshotBuilder,
    };

    use super::*;
    use crate::snapshots::{
        Source,
        tests::{NOW_S, blacklisting, keys},
    };

    const REQUEST: &str = r#"{"phone":"+250788123456"}"#;
    const VERIFY: &str = r#"{"challengeId":"c","phone":"+250788123456","code":"012345"}"#;

    fn facts(method: &str, path: &str) -> Facts {
        Facts {
            method: method.into(),
            path: path.into(),
            query: String::new(),
            content_type: Some("application/json".into()),
            content_length: None,
            address: Some("203.0.113.7".parse().unwrap()),
            country: None,
        }
    }

    fn code<T>(result: Result<T, Refusal>) -> Option<ProblemCode> {
        result.err().map(|refusal| refusal.problem.code)
    }

    #[derive(Default)]
    struct Memory {
        snapshots: Snapshots,
        holds: Holds,
    }

    impl Memory {
        fn blacklisting(kind: &str, value: &str) -> Self {
            let mut memory = Self::default();
            memory.snapshots.take(Source::Hand, Some(blacklisting(kind, value, 1)), &keys()).unwrap();
            memory
        }

        fn judge(&self, fan: Forward, path: &str, body: &str) -> Result<Passage, Refusal> {
            let keys = keys();
            let known = Known { keys: &keys, snapshots: &self.snapshots, holds: &self.holds };
            judge(fan, &facts("POST", path), body.as_bytes(), &known, NOW_S)
        }
    }

    #[test]
    fn a_known_route_is_admitted() {
        assert_eq!(admit(&facts("POST", "/otp/request")), Ok(Route::Forward(Forward::Request)));
        assert_eq!(admit(&facts("GET", "/internal/edge/hand")), Ok(Route::Internal(Internal::Hand)));
    }

    #[test]
    fn what_is_not_known_is_not_forwarded() {
        for path in ["/", "/admin/otp/dashboard", "/metrics", "/internal/edge/counters"] {
            assert_eq!(code(admit(&facts("GET", path))), Some(ProblemCode::NotFound), "{path}");
        }
        assert_eq!(code(admit(&facts("GET", "/otp/verify"))), Some(ProblemCode::MethodNotAllowed));
        assert_eq!(code(admit(&facts("POST", "/internal/edge/hand"))), Some(ProblemCode::MethodNotAllowed));
    }

    #[test]
    fn an_announced_length_over_the_routes_limit_is_refused() {
        let announced = |path, length| code(admit(&Facts { content_length: Some(length), ..facts("POST", path) }));
        assert_eq!(announced("/otp/request", 4096), None);
        assert_eq!(announced("/otp/request", 4097), Some(ProblemCode::TooLarge));
        assert_eq!(announced("/webhooks/whatsapp", 3 << 20), None);
        assert_eq!(announced("/webhooks/whatsapp", (3 << 20) + 1), Some(ProblemCode::TooLarge));
    }

    #[test]
    fn a_fans_body_has_to_be_json_and_metas_may_be_anything() {
        let plain = |path| code(admit(&Facts { content_type: Some("text/plain".into()), ..facts("POST", path) }));
        assert_eq!(plain("/otp/request"), Some(ProblemCode::UnsupportedMediaType));
        assert_eq!(plain("/auth/fan/from-onboarding"), Some(ProblemCode::UnsupportedMediaType));
        assert_eq!(plain("/webhooks/whatsapp"), None);
    }

    #[test]
    fn a_body_that_is_not_of_the_form_is_refused_without_quoting_it() {
        for body in ["", "{", "[]", r#"{"phone":250788123456}"#, r#"{"phone":"+250788123456","admin":true}"#, r#"{"locale":"rw"}"#] {
            let refusal = Memory::default().judge(Forward::Request, "/otp/request", body).unwrap_err();
            assert_eq!(refusal.problem.code, ProblemCode::InvalidBody, "{body}");
            assert!(!refusal.problem.detail.contains("2507") && !refusal.problem.detail.contains("admin"), "{}", refusal.problem.detail);
        }
    }

    #[test]
    fn a_number_that_is_none_is_refused() {
        for phone in ["lol", "0788123456", "+250", ""] {
            let body = format!(r#"{{"phone":"{phone}"}}"#);
            assert_eq!(code(Memory::default().judge(Forward::Request, "/otp/request", &body)), Some(ProblemCode::InvalidPhone), "{phone}");
        }
        let body = VERIFY.replace("+250788123456", "lol");
        assert_eq!(code(Memory::default().judge(Forward::Verify, "/otp/verify", &body)), Some(ProblemCode::InvalidPhone));
    }

    #[test]
    fn a_blacklisted_number_is_refused_in_any_spelling() {
        let memory = Memory::blacklisting("phone", "+250788123456");
        for phone in ["+250788123456", "00250 788 123 456", "+250-788-123-456"] {
            let body = format!(r#"{{"phone":"{phone}"}}"#);
            assert_eq!(code(memory.judge(Forward::Request, "/otp/request", &body)), Some(ProblemCode::Blacklisted), "{phone}");
        }
        assert_eq!(code(memory.judge(Forward::Verify, "/otp/verify", VERIFY)), Some(ProblemCode::Blacklisted));
    }

    #[test]
    fn a_blacklisted_address_is_refused_on_every_post_of_a_fan() {
        let memory = Memory::blacklisting("cidr", "203.0.113.0/24");
        for (fan, path, body) in [
            (Forward::Request, "/otp/request", REQUEST),
            (Forward::Verify, "/otp/verify", VERIFY),
            (Forward::FromOnboarding, "/auth/fan/from-onboarding", "{}"),
        ] {
            assert_eq!(code(memory.judge(fan, path, body)), Some(ProblemCode::Blacklisted), "{path}");
        }
    }

    #[test]
    fn webhooks_and_reads_pass_whoever_sends_them() {
        let memory = Memory::blacklisting("ip", "203.0.113.7");
        for (fan, path) in
            [(Forward::Webhook, "/webhooks/whatsapp"), (Forward::Delivery, "/otp/request/c"), (Forward::Session, "/auth/fan/session")]
        {
            assert_eq!(memory.judge(fan, path, "not JSON"), Ok(Passage { phone: None, burst: None }), "{path}");
        }
    }

    #[test]
    fn a_remembered_hold_refuses_requests_but_never_a_verify() {
        let mut memory = Memory::default();
        let notice = HoldNotice { subject: HeldSubject::Phone, until_s: NOW_S + 42 };
        memory.holds.remember(notice, Some(Phone::parse("+250788123456").unwrap()), None, NOW_S);
        let refusal = memory.judge(Forward::Request, "/otp/request", REQUEST).unwrap_err();
        assert_eq!((refusal.problem.code, refusal.problem.retry_after_s), (ProblemCode::EdgeHold, Some(42)));
        assert!(memory.judge(Forward::Verify, "/otp/verify", VERIFY).is_ok());
    }

    #[test]
    fn a_hold_of_the_snapshot_refuses_requests_but_never_a_verify() {
        let (mut memory, keys) = (Memory::default(), keys());
        let mut builder = SnapshotBuilder::new(keys.hasher().key_id(), 1, NOW_S);
        builder.hold_address("203.0.113.7".parse::<std::net::IpAddr>().unwrap().into(), NOW_S + 3600);
        memory.snapshots.take(Source::Origin, Some(builder.encode()), &keys).unwrap();
        let refusal = memory.judge(Forward::Request, "/otp/request", REQUEST).unwrap_err();
        assert_eq!((refusal.problem.retry_after_s, refusal.because), (Some(3600), Some("ip")));
        assert!(memory.judge(Forward::Verify, "/otp/verify", VERIFY).is_ok());
    }

    #[test]
    fn what_passes_is_asked_of_the_rate_limits_by_number_and_address() {
        let passage = Memory::default().judge(Forward::Request, "/otp/request", REQUEST).unwrap();
        assert_eq!(passage.phone, Phone::parse("+250788123456").ok());
        assert!(passage.burst.is_some());
    }
}
