//! The end of a schedule: every side meets every other, and all know the same.

use std::sync::Arc;

use otp_origin::domain::operator::OperatorState;

use crate::{
    schedule::{START_MS, Schedule},
    world::lock,
};

impl Schedule {
    /// Every side meets every other, and nothing is wrong any more.
    pub fn bring_together(&mut self) -> Result<(), String> {
        {
            let mut world = lock(&self.scene.world);
            world.flaky = 0;
            world.heal();
            world.start();
        }
        for _ in 0..2 {
            self.check_health();
            for replica in 0..self.scene.replicas.len() {
                let resync = self.resync(replica);
                self.execute(vec![resync])?;
            }
        }
        for _ in 0..2 {
            for replica in 0..self.scene.replicas.len() {
                let scene = Arc::clone(&self.scene);
                self.execute(vec![Box::pin(async move { scene.read_operators(replica).await })])?;
            }
        }
        self.check_operators()?;
        self.check_sessions_and_codes()
    }

    fn check_operators(&self) -> Result<(), String> {
        let world = lock(&self.scene.world);
        let story = self.scene.story.lock().expect("no panic while it was held");
        let now_ms = START_MS + world.model.now.ms + world.model.now.jumped_ms;
        let collect = |changes: &mut dyn Iterator<Item = &otp_origin::domain::operator::Change>| {
            let mut state = OperatorState::default();
            changes.for_each(|change| _ = state.merge(change.clone()));
            state.collect_garbage(now_ms + 60_000);
            state
        };
        let least = collect(&mut story.changes.iter());
        let check = |who: String, copy: &OperatorState| {
            for change in least.changes() {
                let known = copy.get(&change.target);
                let is_right = known.is_some_and(|known| known == change || known.stamp > change.stamp && story.doubtful.contains(known));
                if !is_right {
                    return Err(format!("5. {who} has {known:?} instead of {change:?}"));
                }
            }
            Ok(())
        };
        let server = world.servers[world.main].operator.copy();
        check("the server".into(), &collect(&mut server.changes.iter()))?;
        for replica in &self.scene.replicas {
            check(format!("replica {}", replica.index), &collect(&mut replica.changes().iter()))?;
        }
        Ok(())
    }

    fn check_sessions_and_codes(&mut self) -> Result<(), String> {
        let (sessions, challenges) = {
            let story = self.scene.story.lock().expect("no panic while it was held");
            (story.sessions.len(), story.challenges.len())
        };
        for session in 0..sessions {
            let (scene, replica) = (Arc::clone(&self.scene), self.random.below(self.scene.replicas.len()));
            self.execute(vec![Box::pin(async move { scene.check_session(replica, session).await })])?;
        }
        for challenge in challenges.saturating_sub(4)..challenges {
            let (scene, replica) = (Arc::clone(&self.scene), self.random.below(self.scene.replicas.len()));
            self.execute(vec![Box::pin(async move { _ = scene.guess(replica, challenge, true, None, None).await })])?;
        }
        Ok(())
    }
}
