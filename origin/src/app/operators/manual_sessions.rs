//! An operator looks at the session ids that are authorised.

use super::super::App;
use crate::domain::operator::{Change, Target};

impl App {
    /// The authorisations in force, by id.
    pub fn manual_sessions(&self) -> Vec<Change> {
        let now_ms = self.clock.now_ms();
        let in_force = self.operators.changes().into_iter().filter(|change| change.in_force(now_ms));
        in_force.filter(|change| matches!(change.target, Target::Session { .. })).collect()
    }
}
