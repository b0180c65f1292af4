//! The fan's routes, one operation a file.

pub mod consent;
pub mod delivery;
pub mod from_onboarding;
pub mod request;
pub mod session;
pub mod status;
pub mod verify;
