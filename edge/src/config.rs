//! The Worker's configuration: variables and secrets, parsed once an isolate. Not its bindings, which belong to one request.
//!
//! **Invariant:** an error names every bad variable at once and echoes no secret.

use otp_shared::{
    secret::Secret,
    signature::{Direction, Keyring},
    snapshot::{KeyId, PhoneHasher},
};

use crate::cors::Allowed;

/// How old a snapshot may get before it is read again, in seconds, unless `SNAPSHOT_REFRESH_S` says otherwise.
pub const DEFAULT_REFRESH_S: u64 = 30;

/// The texts as the platform gives them.
#[derive(Default, Clone)]
pub struct Vars {
    /// `ORIGIN_URL`: where the origin listens, as `https://host[:port]`. Unset: the edge answers 503.
    pub origin_url: Option<String>,
    /// `EDGE_SHARED_SECRET` (secret): signs and verifies between edge and origin, at least 32 bytes. Unset: the edge answers 503.
    pub secret: Option<String>,
    /// `EDGE_SHARED_SECRET_PREVIOUS` (secret): still accepted while the secret is being rotated. Unset: no rotation.
    pub secret_previous: Option<String>,
    /// `SNAPSHOT_REFRESH_S`: 1 to 3600. Unset: [`DEFAULT_REFRESH_S`].
    pub snapshot_refresh_s: Option<String>,
    /// `ALLOWED_ORIGINS`: whose pages may call besides the fan's own, as `https://app.example,https://www.example`. Unset: nobody's.
    pub allowed_origins: Option<String>,
}

/// The parsed configuration.
pub struct Config {
    /// `https://host[:port]`, without a slash at the end.
    pub origin: String,
    /// How old a snapshot may get before it is read again.
    pub refresh_ms: u64,
    /// Whose pages may call.
    pub allowed: Allowed,
    /// Everything derived from the shared secrets.
    pub keys: Keys,
}

/// Why the edge cannot work: a sentence for each bad variable, without its full stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError(pub Vec<&'static str>);

impl std::fmt::Display for ConfigError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|sentence| write!(f, "{sentence}. "))
    }
}

impl Config {
    /// Reads the variables. An empty text is an unset one.
    pub fn parse(vars: &Vars) -> Result<Self, ConfigError> {
        let mut wrong = Vec::new();
        let origin = origin(given(vars.origin_url.as_ref())).map_err(|error| wrong.push(error)).ok();
        let current = current(given(vars.secret.as_ref())).map_err(|error| wrong.push(error)).ok();
        let previous = previous(given(vars.secret_previous.as_ref())).map_err(|error| wrong.push(error)).ok();
        let refresh_s = refresh_s(given(vars.snapshot_refresh_s.as_ref())).map_err(|error| wrong.push(error)).ok();
        let allowed = allowed(given(vars.allowed_origins.as_ref())).map_err(|error| wrong.push(error)).ok();
        match (origin, current, previous, refresh_s, allowed) {
            (Some(origin), Some(current), Some(previous), Some(refresh_s), Some(allowed)) => {
                Ok(Self { origin, refresh_ms: refresh_s.saturating_mul(1000), allowed, keys: Keys::new(&current, previous.as_ref()) })
            }
            _ => Err(ConfigError(wrong)),
        }
    }
}

/// Everything derived from the shared secrets.
pub struct Keys {
    /// Signs what is forwarded.
    pub to_origin: Keyring,
    /// Verifies the origin's own calls.
    pub from_origin: Keyring,
    current: PhoneHasher,
    previous: Option<PhoneHasher>,
}

impl Keys {
    fn new(current: &Secret, previous: Option<&Secret>) -> Self {
        Self {
            to_origin: Keyring::new(current, previous, Direction::EdgeToOrigin),
            from_origin: Keyring::new(current, previous, Direction::OriginToEdge),
            current: PhoneHasher::new(current),
            previous: previous.map(PhoneHasher::new),
        }
    }

    /// The hasher of what this edge writes itself.
    pub fn hasher(&self) -> &PhoneHasher {
        &self.current
    }

    /// The hasher that made a snapshot's phone hashes. For a key that is not known it is the current one: no number will match, but
    /// addresses, prefixes and countries still do.
    pub fn hasher_of(&self, key: KeyId) -> &PhoneHasher {
        self.previous.as_ref().filter(|hasher| hasher.key_id() == key).unwrap_or(&self.current)
    }

    /// Whether a snapshot's phone hashes can be looked up.
    pub fn knows(&self, key: KeyId) -> bool {
        self.hasher_of(key).key_id() == key
    }
}

fn given(text: Option<&String>) -> Option<&str> {
    text.map(String::as_str).map(str::trim).filter(|text| !text.is_empty())
}

/// No path: the path that is signed is the one the origin sees.
fn origin(text: Option<&str>) -> Result<String, &'static str> {
    let url = text.ok_or("ORIGIN_URL is not set: it should be https://host[:port]")?.trim_end_matches('/');
    let host = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://")).unwrap_or_default();
    if host.is_empty() || host.contains(['/', '?', '#', '@', ' ']) {
        return Err("ORIGIN_URL is not of the form https://host[:port]");
    }
    Ok(url.to_owned())
}

fn current(text: Option<&str>) -> Result<Secret, &'static str> {
    let text = text.ok_or("EDGE_SHARED_SECRET is not set: it should be a secret of at least 32 bytes")?;
    Secret::parse(text).map_err(|_| "EDGE_SHARED_SECRET is shorter than 32 bytes")
}

fn previous(text: Option<&str>) -> Result<Option<Secret>, &'static str> {
    text.map(Secret::parse).transpose().map_err(|_| "EDGE_SHARED_SECRET_PREVIOUS is shorter than 32 bytes")
}

fn refresh_s(text: Option<&str>) -> Result<u64, &'static str> {
    let Some(text) = text else { return Ok(DEFAULT_REFRESH_S) };
    text.parse().ok().filter(|seconds| (1..=3600).contains(seconds)).ok_or("SNAPSHOT_REFRESH_S is not a whole number from 1 to 3600")
}

fn allowed(text: Option<&str>) -> Result<Allowed, &'static str> {
    Allowed::parse(text.unwrap_or_default()).ok_or("ALLOWED_ORIGINS is not a list of the form https://host[:port],https://host[:port]")
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A configuration for the tests of other modules.
    pub(crate) fn vars() -> Vars {
        Vars { origin_url: Some("https://origin.example".into()), secret: Some("s".repeat(32)), ..Vars::default() }
    }

    fn wrong(vars: &Vars) -> Vec<&'static str> {
        Config::parse(vars).map(|_| ()).unwrap_err().0
    }

    #[test]
    fn two_variables_are_enough() {
        let config = Config::parse(&vars()).map_err(|error| error.to_string()).unwrap();
        assert_eq!((config.origin.as_str(), config.refresh_ms), ("https://origin.example", 30_000));
    }

    #[test]
    fn every_bad_variable_is_named_at_once() {
        let vars = Vars {
            origin_url: Some("origin.example".into()),
            secret: None,
            secret_previous: Some("short".into()),
            snapshot_refresh_s: Some("0".into()),
            allowed_origins: Some("*".into()),
        };
        let names: Vec<_> = wrong(&vars).iter().filter_map(|text| text.split(' ').next()).collect();
        assert_eq!(names, ["ORIGIN_URL", "EDGE_SHARED_SECRET", "EDGE_SHARED_SECRET_PREVIOUS", "SNAPSHOT_REFRESH_S", "ALLOWED_ORIGINS"]);
    }

    #[test]
    fn an_origin_has_no_path() {
        for bad in ["https://", "ftp://x", "https://x/api", "https://u@x", "https://x?y"] {
            assert_eq!(wrong(&Vars { origin_url: Some(bad.into()), ..vars() }).len(), 1, "{bad}");
        }
        let slash = Vars { origin_url: Some("http://127.0.0.1:8080/".into()), ..vars() };
        assert_eq!(Config::parse(&slash).map(|config| config.origin).ok().as_deref(), Some("http://127.0.0.1:8080"));
    }

    #[test]
    fn an_empty_previous_secret_is_none() {
        assert!(Config::parse(&Vars { secret_previous: Some(String::new()), ..vars() }).is_ok());
    }

    #[test]
    fn a_snapshot_of_the_previous_secret_is_hashed_with_it() {
        let (old, new) = (Secret::parse(&"o".repeat(32)).unwrap(), Secret::parse(&"n".repeat(32)).unwrap());
        let keys = Keys::new(&new, Some(&old));
        let id = PhoneHasher::new(&old).key_id();
        assert!(keys.knows(id) && keys.hasher_of(id).key_id() == id);
        assert!(!Keys::new(&new, None).knows(id));
    }
}
