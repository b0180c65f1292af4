//! The operators' side of the origin in process: the router on the embedded store, with a clock that is moved by hand. No story goes over a network,
//! but for the edge's list of what was written by hand.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where it stands")]

mod bench;
mod blacklist;
mod dashboard;
mod decisions;
mod either_way;
mod lists;
mod metrics;
