//! What the end-to-end stories stand on: stand-ins for the services outside, and the means to start the product
//! against them; and the checklist that looks at a running deployment. Nothing here is part of the product, and nothing here is needed to run it.

pub mod graph;
pub mod harness;
pub mod smoke;
