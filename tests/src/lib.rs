//! What the end-to-end stories need: the harness that starts the product's real parts, and the
//! checklist that looks at a running deployment (`cargo xtask smoke`). The provider's stand-in is
//! a crate of its own, [`otp_graph_sim`].
//!
//! Nothing here is part of the product, and nothing here is needed to run it.

pub mod harness;
pub mod smoke;
