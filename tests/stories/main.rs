//! What the product promises, told end to end on its real parts: one promise a story, one subject a module.
//!
//! Not here: what one part promises alone. Those tests stand beside the code.
//!
//! **Invariant:** every story starts what it needs and shares nothing, so stories run in any order and side by side.

mod bad_input;
mod blacklist;
mod dashboard_page;
mod deployments;
mod economy;
mod fallback_channel;
mod fan_page;
mod flush;
mod guesses;
mod holds;
mod idempotency;
mod main_job;
mod openapi;
mod operator_state;
mod operators;
mod outage;
mod peers;
mod provider;
mod receipts;
mod resend;
mod runbook;
mod secrecy;
mod shutdown;
mod signatures;
mod smoke;
mod start;
mod storm;
mod templates;
mod tour;
mod webhooks;
mod wrangler;
