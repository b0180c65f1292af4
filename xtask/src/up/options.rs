//! The flags of `cargo xtask up`, and the addresses that come of them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;

use crate::failure::{Context as _, Failure, Outcome};

pub const USAGE: &str = "\
cargo xtask up [flags]

  --edge-port N     where fans knock (8787)
  --origin-port N   the origin, its admin API and dashboard (8080, or ORIGIN_LISTEN where that is set)
  --graph-port N    the stand-in for WhatsApp (8090); not started where WHATSAPP_BASE_URL is set
  --state DIR       secrets, KV and logs of this stack (.dev, in the checkout)

A port of 0 takes a free one; DIR/up.json then tells which. Every variable of docs/configuration.md that is
set reaches the origin; what is missing gets a development value.";

/// What was asked for.
#[derive(Debug, PartialEq, Eq)]
pub struct Options {
    /// 0: a free one.
    pub edge_port: u16,
    /// `None`: as `ORIGIN_LISTEN` says, or 8080.
    pub origin_port: Option<u16>,
    /// 0: a free one.
    pub graph_port: u16,
    /// Where this stack keeps what must survive a restart, and its logs.
    pub state: PathBuf,
}

impl Default for Options {
    fn default() -> Self {
        Self { edge_port: 8787, origin_port: None, graph_port: 8090, state: PathBuf::from(".dev") }
    }
}

impl Options {
    /// Takes `--flag value` and `--flag=value`.
    pub fn parse(words: &[&str]) -> Outcome<Self> {
        let mut options = Self::default();
        let mut words = words.iter().flat_map(|word| match word.split_once('=') {
            Some((flag, value)) => vec![flag, value],
            None => vec![*word],
        });
        while let Some(flag) = words.next() {
            let value = words.next().ok_or_else(|| Failure::new(format!("{flag} is not a flag with a value\n\n{USAGE}")))?;
            options.set(flag, value)?;
        }
        Ok(options)
    }

    fn set(&mut self, flag: &str, value: &str) -> Outcome {
        match flag {
            "--edge-port" => self.edge_port = port(flag, value)?,
            "--origin-port" => self.origin_port = Some(port(flag, value)?),
            "--graph-port" => self.graph_port = port(flag, value)?,
            "--state" => self.state = PathBuf::from(value),
            _ => return Err(Failure::new(format!("there is no {flag}\n\n{USAGE}"))),
        }
        Ok(())
    }
}

fn port(flag: &str, value: &str) -> Outcome<u16> {
    value.parse().or_say(format_args!("{flag} takes a port, 0 to 65535, not {value:?}"))
}

/// Where each part listens; ports that were 0 are chosen.
#[derive(Debug, Clone, Copy)]
pub struct Addresses {
    pub edge: SocketAddr,
    pub origin: SocketAddr,
    pub graph: SocketAddr,
}

impl Addresses {
    /// All three are chosen before anything starts, because each part has to know another's address.
    pub fn choose(options: &Options, origin_listen: Option<&str>, with_graph: bool) -> Outcome<Self> {
        let edge = free(loopback(options.edge_port), "the edge", "--edge-port")?;
        let origin = free(origin_address(options.origin_port, origin_listen)?, "the origin", "--origin-port")?;
        let graph = if with_graph { free(loopback(options.graph_port), "the stand-in", "--graph-port")? } else { loopback(0) };
        Ok(Self { edge, origin, graph })
    }
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// The flag is the more explicit of the two.
fn origin_address(flag: Option<u16>, variable: Option<&str>) -> Outcome<SocketAddr> {
    match (flag, variable) {
        (Some(port), _) => Ok(loopback(port)),
        (None, Some(listen)) => {
            listen.parse().or_say(format_args!("ORIGIN_LISTEN takes an address such as 127.0.0.1:8080, not {listen:?}"))
        }
        (None, None) => Ok(loopback(8080)),
    }
}

/// `wanted`, with a real port. That it is free is known for this moment only; losing it later is told by the
/// part that then cannot listen.
fn free(wanted: SocketAddr, who: &str, flag: &str) -> Outcome<SocketAddr> {
    let listener = TcpListener::bind(wanted)
        .map_err(|error| Failure::new(format!("{who} cannot listen on {wanted} ({error}): pass {flag} N, or {flag} 0 for a free port")))?;
    listener.local_addr().or_say(format_args!("no address for {who}"))
}

/// How others on this machine reach a part: an address that listens everywhere is asked on loopback.
pub fn reachable(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        ip if !ip.is_unspecified() => address,
        IpAddr::V4(_) | IpAddr::V6(_) => loopback(address.port()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_take_their_value_either_way() {
        let expected = Options { edge_port: 1, origin_port: Some(0), state: PathBuf::from("/s"), ..Options::default() };
        assert_eq!(Options::parse(&["--edge-port", "1", "--origin-port=0", "--state", "/s"]).unwrap(), expected);
        assert_eq!(Options::parse(&[]).unwrap(), Options::default());
    }

    #[test]
    fn a_wrong_flag_or_port_is_told() {
        for (words, told) in [
            (&["--edge-prot", "1"][..], "there is no --edge-prot"),
            (&["--edge-port"], "--edge-port is not a flag with a value"),
            (&["--edge-port", "65536"], "--edge-port takes a port"),
        ] {
            let failure = Options::parse(words).unwrap_err().to_string();
            assert!(failure.starts_with(told), "{failure}");
        }
    }

    #[test]
    fn the_flag_wins_over_the_variable() {
        let address = |flag, variable| origin_address(flag, variable).unwrap().to_string();
        assert_eq!(address(None, None), "127.0.0.1:8080");
        assert_eq!(address(None, Some("0.0.0.0:9000")), "0.0.0.0:9000");
        assert_eq!(address(Some(9001), Some("0.0.0.0:9000")), "127.0.0.1:9001");
        assert!(origin_address(None, Some("localhost")).is_err());
    }

    #[test]
    fn a_taken_port_is_told_with_its_flag() {
        let taken = TcpListener::bind(loopback(0)).unwrap();
        let failure = free(taken.local_addr().unwrap(), "the edge", "--edge-port").unwrap_err().to_string();
        assert!(failure.contains("--edge-port 0"), "{failure}");
    }

    #[test]
    fn port_zero_becomes_a_real_one() {
        assert_ne!(free(loopback(0), "the edge", "--edge-port").unwrap().port(), 0);
    }

    #[test]
    fn an_address_that_listens_everywhere_is_asked_on_loopback() {
        let asked = |text: &str| reachable(text.parse().unwrap()).to_string();
        assert_eq!(asked("0.0.0.0:80"), "127.0.0.1:80");
        assert_eq!(asked("[::]:80"), "127.0.0.1:80");
        assert_eq!(asked("127.0.0.2:80"), "127.0.0.2:80");
    }
}
