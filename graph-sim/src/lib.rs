//! A simulator of Meta's Graph API, with two text-message providers beside it: the stand-in that
//! `cargo xtask up` and the tests send to.
//!
//! It accepts what Meta accepts, and where Meta's documentation is silent it takes the stricter
//! reading. It can be told to fail in every way a provider fails. What arrived on the phones is
//! served as JSON for tests and as a page for people.
//!
//! Not a copy of WhatsApp: there are no media, no conversations and no accounts, and only
//! authentication templates can be sent. Delivery reports of the text-message providers are absent
//! too.
//!
//! **Invariant:** a message is in [`Simulator::messages`] exactly if a real phone would have
//! received it, whatever response its sender got.
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

mod business_number;
mod clock;
mod control;
mod error;
mod error_codes;
mod ids;
mod lookup;
mod messages;
mod payload;
mod rate_limits;
mod receipt;
mod recipient;
mod response;
mod review;
mod routes;
mod script;
mod send;
mod server;
mod settings;
mod simulator;
mod sms;
mod template;
mod validate;
mod version;
mod webhook;

pub use clock::Clock;
pub use error::{GraphError, StatusStyle};
pub use messages::{Channel, Delivery, Message};
pub use receipt::{Inbound, Receipt};
pub use review::Review;
pub use script::{Fault, Operation, Rule};
pub use server::Graph;
pub use settings::{Business, Retry, Settings, Sms};
pub use simulator::Simulator;
pub use template::{NAME as TEMPLATE, Template, TemplateStatus};
pub use version::CURRENT as VERSION;
pub use webhook::{Posted, SIGNATURE, WebhookError, escaped, sign};
