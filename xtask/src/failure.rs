//! How a step fails: with a sentence for the person at the terminal, and what to do about it.
//!
//! Nothing here is ever matched on, so there are no kinds of failure.

use std::fmt::{self, Display};

/// What a step comes to.
pub type Outcome<T = ()> = Result<T, Failure>;

/// Why a step stopped.
#[derive(Debug, PartialEq, Eq)]
pub struct Failure(String);

impl Failure {
    /// `sentence` names the thing that is wrong and, where there is one, the remedy.
    pub fn new(sentence: impl Into<String>) -> Self {
        Self(sentence.into())
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Puts what was being done in front of the system's own words.
pub trait Context<T> {
    /// "cannot write .dev/up.json: Permission denied (os error 13)"
    fn or_say(self, doing: impl Display) -> Outcome<T>;
}

impl<T, E: Display> Context<T> for Result<T, E> {
    fn or_say(self, doing: impl Display) -> Outcome<T> {
        self.map_err(|error| Failure(format!("{doing}: {error}")))
    }
}
