//! A stand-in for Meta's Graph API, as far as one-time passcodes use it, with two SMS providers beside it.
//!
//! It is strict where Meta is (and stricter where Meta is silent), can be told to fail in every way a provider fails, and
//! shows what arrived: as JSON for tests, as a page with a phone's screen for people. It is not a copy of WhatsApp: there
//! are no media, no conversations, no accounts, and only authentication templates can be sent.
//!
//! **Invariant:** a message is in [`World::messages`] exactly if a real phone would have rung, whatever the sender was answered.
//!
//! ```no_run
//! # async fn story() -> std::io::Result<()> {
//! use otp_graph_sim::{Fault, Graph, Rule, Settings};
//!
//! let graph = Graph::start(Settings::default()).await?;
//! graph.script(Rule::once(Fault::error(130_429)).to("+250788123456"));
//! // … the origin, with WHATSAPP_BASE_URL = graph.url(), sends …
//! let code = graph.arrived("+250788123456", 1).await.code;
//! graph.stop().await;
//! # Ok(())
//! # }
//! ```

mod answer;
mod clock;
mod codes;
mod control;
mod courier;
mod error;
mod ids;
mod lookup;
mod message;
mod number;
mod page;
mod payload;
mod phone;
mod receipt;
mod recipient;
mod review;
mod routes;
mod script;
mod send;
mod server;
mod settings;
mod sms;
mod state;
mod template;
mod throttle;
mod validate;
mod version;

pub use clock::Clock;
pub use courier::{Posted, SIGNATURE, WebhookError, escaped, sign};
pub use error::{GraphError, StatusStyle};
pub use message::{Channel, Delivery, Message};
pub use receipt::{Inbound, Receipt};
pub use review::Review;
pub use script::{Fault, Operation, Rule};
pub use server::Graph;
pub use settings::{Business, Retry, Settings, Sms};
pub use state::World;
pub use template::{NAME as TEMPLATE, Status, Template};
pub use version::CURRENT as VERSION;
