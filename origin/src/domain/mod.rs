//! The rules, as pure code: no I/O, no clock, no chance.
//!
//! **Invariant:** imports neither axum, tokio, redis and reqwest nor any outer module of this crate.

pub mod challenge;
pub mod consent;
pub mod evaluation;
pub mod guess;
pub mod hold;
pub mod lease;
pub mod limits;
pub mod locale;
pub mod numbering;
pub mod operator;
pub mod outcome;
pub mod receipt;
pub mod record;
pub mod replay;
pub mod request;
pub mod scope;
pub mod session;

#[cfg(test)]
mod tests;
