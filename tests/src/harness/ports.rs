//! Free ports for servers that must know their port before they bind it.

use std::net::{Ipv4Addr, TcpListener};

/// A port of the loopback that was free a moment ago. Somebody else may take it first: who uses it tries again with another.
pub fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr()).expect("the loopback has a free port").port()
}
