//! The rules, as pure code: no I/O, no clock, no chance.
//!
//! **Invariant:** imports neither axum, tokio, redis and reqwest nor any outer module of this crate.

pub mod breadth;
pub mod challenge;
pub mod consent;
pub mod judgement;
pub mod locale;
pub mod numbering;
pub mod operator;
pub mod session;
