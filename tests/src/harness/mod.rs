//! Starts the product's real parts and talks to them as the people do who use it: a fan, an operator, an attacker.
//!
//! Not a mock of anything: redis-server, workerd and the origin are the ones that run in production; only Meta is a stand-in ([`otp_graph_sim`]).
//! Everything here panics with a sentence when it cannot do its part, because a story that could not be told has failed.
//!
//! **Invariant:** whatever was started is stopped, whether a story passes, fails or is interrupted; and no [`Stack`] ends before its logs
//! were searched for codes, tokens and numbers.

mod admin;
mod answer;
mod binaries;
mod browser;
mod clock;
mod door;
mod fan;
mod ledger;
mod origin;
mod plan;
mod ports;
mod process;
mod proxy;
mod reaper;
mod redis;
mod stack;
mod traffic;
mod wait;
mod workerd;

pub use admin::{ADMIN_TOKEN, Admin};
pub use answer::Answer;
pub use binaries::repository;
pub use browser::Browser;
pub use clock::now_s;
pub use door::{Door, Signer};
pub use fan::{Fan, Sent, challenge_of, session_of};
pub use ledger::{Ledger, says};
pub use origin::{Environment, Origin};
pub use plan::{Plan, Sms, Store};
pub use ports::free_port;
pub use process::Process;
pub use proxy::{Fault, Proxy};
pub use redis::{Monitor, RedisServer};
pub use stack::Stack;
pub use traffic::{End, Journey, Journeys, Pace, Traffic};
pub use wait::{PATIENCE, until, within};
pub use workerd::{Burst, Workerd, WorkerdConfig};
