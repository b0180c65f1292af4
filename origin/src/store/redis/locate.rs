//! Which server to talk to: the one of the URL, the master that Sentinel names, or the cluster's owner of our one slot. Not how to talk to it.
//!
//! **Invariant:** every key has the hash tag `{v1}`, so on a cluster one master has them all, and a plain connection to it is enough: nothing is
//! ever resent by a cluster client.

use std::str::FromStr;

use ::redis::{Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisError, Value, aio::MultiplexedConnection, cmd};

/// How Redis is deployed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RedisMode {
    /// One server.
    #[default]
    Standalone,
    /// The URL names sentinels; they name the master. User and password of the URL are the master's.
    Sentinel,
    /// The URL names nodes of a Redis Cluster.
    Cluster,
}

/// Where Redis is.
#[derive(Clone)]
pub struct RedisConfig {
    /// `redis://` or `rediss://`, with user and password if there are any; several, separated by commas, for Sentinel and Cluster.
    pub url: String,
    /// How it is deployed.
    pub mode: RedisMode,
    /// What the sentinels call the master.
    pub sentinel_name: String,
}

/// Why there is no server to talk to.
#[derive(Debug, thiserror::Error)]
pub enum LocateError {
    /// The URL is none.
    #[error("REDIS_URL does not parse: {0}")]
    Url(&'static str),
    /// A server did not answer as it should.
    #[error("{0}")]
    Redis(#[from] RedisError),
    /// Nobody knows the master.
    #[error("no {0} of REDIS_URL names a master")]
    Unknown(&'static str),
}

/// The slot of `{v1}` in a Redis Cluster: CRC16 of `v1`, modulo 16384.
const SLOT: u64 = 1165;

impl FromStr for RedisMode {
    type Err = LocateError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "standalone" => Ok(Self::Standalone),
            "sentinel" => Ok(Self::Sentinel),
            "cluster" => Ok(Self::Cluster),
            _ => Err(LocateError::Url("the mode is standalone, sentinel or cluster")),
        }
    }
}

/// A parsed [`RedisConfig`].
#[derive(Clone)]
pub struct Locator {
    seeds: Vec<ConnectionInfo>,
    mode: RedisMode,
    sentinel_name: String,
}

impl Locator {
    /// Parses the URLs; asks nobody.
    pub fn new(config: &RedisConfig) -> Result<Self, LocateError> {
        let seeds: Vec<_> = config.url.split(',').map(|url| parse(url.trim())).collect::<Result<_, _>>()?;
        Ok(Self { seeds, mode: config.mode, sentinel_name: config.sentinel_name.clone() })
    }

    /// A fresh connection to the server that has our keys now.
    pub async fn connect(&self) -> Result<MultiplexedConnection, LocateError> {
        match self.mode {
            RedisMode::Standalone => open(self.seeds.first().ok_or(LocateError::Unknown("server"))?).await,
            RedisMode::Sentinel => self.first_to_answer("sentinel", SeedKind::Sentinel).await,
            RedisMode::Cluster => self.first_to_answer("node", SeedKind::Node).await,
        }
    }

    async fn first_to_answer(&self, who: &'static str, seeds: SeedKind) -> Result<MultiplexedConnection, LocateError> {
        let mut failure = LocateError::Unknown(who);
        for seed in &self.seeds {
            match self.through(seed, seeds).await {
                Ok(connection) => return Ok(connection),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    async fn through(&self, seed: &ConnectionInfo, seeds: SeedKind) -> Result<MultiplexedConnection, LocateError> {
        let found = match seeds {
            SeedKind::Sentinel => ask_sentinel(seed, &self.sentinel_name).await?,
            SeedKind::Node => ask_node(seed).await?,
        };
        let (host, port) = found.ok_or(LocateError::Unknown("server"))?;
        let mut connection = open(&at(seed, host, port)).await?;
        // A sentinel may name a master that has just been demoted.
        let role: Vec<Value> = cmd("ROLE").query_async(&mut connection).await?;
        if role.first() == Some(&Value::BulkString(b"master".to_vec())) { Ok(connection) } else { Err(LocateError::Unknown("server")) }
    }
}

#[derive(Clone, Copy)]
/// What the URLs name.
enum SeedKind {
    Sentinel,
    Node,
}

fn parse(url: &str) -> Result<ConnectionInfo, LocateError> {
    if !(url.starts_with("redis://") || url.starts_with("rediss://")) {
        return Err(LocateError::Url("it starts with redis:// or rediss://"));
    }
    url.into_connection_info().map_err(|_| LocateError::Url("as in redis://user:password@host:6379/0"))
}

async fn open(info: &ConnectionInfo) -> Result<MultiplexedConnection, LocateError> {
    Ok(Client::open(info.clone())?.get_multiplexed_async_connection().await?)
}

/// Sentinels are asked without the master's user and password: they have their own, or none.
async fn ask_sentinel(seed: &ConnectionInfo, name: &str) -> Result<Option<(String, u16)>, LocateError> {
    let mut sentinel = open(&seed.clone().set_redis_settings(::redis::RedisConnectionInfo::default())).await?;
    Ok(cmd("SENTINEL").arg("get-master-addr-by-name").arg(name).query_async(&mut sentinel).await?)
}

/// `CLUSTER SLOTS` answers with `[first, last, [host, port, …] of the master, …]` for every range.
async fn ask_node(seed: &ConnectionInfo) -> Result<Option<(String, u16)>, LocateError> {
    let mut node = open(seed).await?;
    let ranges: Vec<Vec<Value>> = cmd("CLUSTER").arg("SLOTS").query_async(&mut node).await?;
    let ours = ranges.iter().find_map(|range| match range.as_slice() {
        [Value::Int(first), Value::Int(last), Value::Array(master), ..] if (*first..=*last).contains(&SLOT.cast_signed()) => Some(master),
        _ => None,
    });
    Ok(ours.and_then(|master| address(seed, master)))
}

fn address(seed: &ConnectionInfo, master: &[Value]) -> Option<(String, u16)> {
    let [host, Value::Int(port), ..] = master else { return None };
    let told = match host {
        Value::BulkString(host) => String::from_utf8(host.clone()).ok()?,
        _ => String::new(),
    };
    // A node that does not know its own address tells none: it is the one we asked.
    let host = if told.is_empty() { host_of(seed)? } else { told };
    Some((host, u16::try_from(*port).ok()?))
}

fn host_of(info: &ConnectionInfo) -> Option<String> {
    match info.addr() {
        ConnectionAddr::Tcp(host, _) | ConnectionAddr::TcpTls { host, .. } => Some(host.clone()),
        _ => None,
    }
}

/// The seed's way of talking, with another address.
fn at(seed: &ConnectionInfo, host: String, port: u16) -> ConnectionInfo {
    let addr = match seed.addr() {
        ConnectionAddr::TcpTls { insecure, tls_params, .. } => {
            ConnectionAddr::TcpTls { host, port, insecure: *insecure, tls_params: tls_params.clone() }
        }
        _ => ConnectionAddr::Tcp(host, port),
    };
    seed.clone().set_addr(addr)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(url: &str) -> RedisConfig {
        RedisConfig { url: url.into(), mode: RedisMode::Standalone, sentinel_name: "mymaster".into() }
    }

    #[test]
    fn a_user_and_password_are_taken_from_the_url() {
        let locator = Locator::new(&config("redis://otp:secret@127.0.0.1:6380/2")).expect("it parses");
        let settings = locator.seeds[0].redis_settings();
        assert_eq!((settings.username(), settings.password(), settings.db()), (Some("otp"), Some("secret"), 2));
    }

    #[test]
    fn only_redis_urls_are_taken_and_an_error_does_not_repeat_them() {
        for url in ["", "http://secret@h", "/tmp/redis.sock", "redis+unix:///tmp/s", "redis://", "rediss://u:secret@"] {
            if let Err(error) = Locator::new(&config(url)) {
                assert!(!error.to_string().contains("secret"), "{error}");
            } else {
                assert!(url.starts_with("redis://") || url.starts_with("rediss://"), "{url}");
            }
        }
    }

    #[test]
    fn several_seeds_are_told_apart() {
        assert_eq!(Locator::new(&config("redis://a:1, redis://b:2")).expect("both parse").seeds.len(), 2);
    }

    #[test]
    fn our_slot_is_that_of_the_hash_tag() {
        let crc = b"v1".iter().fold(0u16, |crc, byte| {
            (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc, _| if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 })
        });
        assert_eq!(u64::from(crc) % 16_384, SLOT);
    }
}
