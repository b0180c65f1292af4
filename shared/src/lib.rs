//! What the edge and the origin must agree on, written once: phones, blacklist entries, the snapshot, limits, the signature
//! between them, wire types and problem codes.
//!
//! **Invariant:** pure. No clock, no chance, no I/O, no async runtime and no platform: all of it is bytes in, bytes out, and
//! none of it panics, because it also runs inside the Worker.

pub mod address;
pub mod country;
pub mod headers;
pub mod kv;
pub mod limits;
pub mod phone;
pub mod problem;
pub mod routes;
pub mod secret;
pub mod signature;
pub mod snapshot;
pub mod subject;
pub mod wire;
