//! The origin: judges requests for codes exactly, sends codes over WhatsApp, checks guesses, keeps working when Redis or the template does not.
//!
//! `domain` is pure; `app` holds the use cases; `http` maps them to axum; `store`, `channels` and `edge` are adapters. Arrows point inwards only.

pub mod app;
pub mod channels;
pub mod clock;
pub mod config;
pub mod domain;
pub mod edge;
pub mod http;
pub mod run;
pub mod store;
pub mod transaction;
