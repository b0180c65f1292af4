//! What goes wrong in a schedule.

use std::sync::Arc;

use crate::{
    executor::{Task, pause},
    schedule::Schedule,
    world::lock,
};

impl Schedule {
    pub fn draw_fault(&mut self) -> Task {
        let scene = Arc::clone(&self.scene);
        let (kind, wait, replica) = (self.random.below(16), self.random.below(10) as u64, self.random.below(scene.replicas.len()));
        let (jump_ms, percent, moved) = (self.random.between(1, 90_000), self.random.pick(&[0, 5, 15, 40]), self.random.next());
        let may_split = self.splits < 2;
        self.splits += usize::from(kind == 9 && may_split);
        Box::pin(async move {
            pause(wait).await;
            let mut world = lock(&scene.world);
            world.model.faults += 1;
            let main = world.main;
            match kind {
                0 | 1 => {
                    world.note(|| format!("the link of replica {replica} is cut"));
                    world.links[replica] = None;
                }
                2 | 3 => {
                    world.note(|| format!("the link of replica {replica} is back"));
                    world.links[replica] = Some(main);
                }
                4 => world.stop(),
                5 | 6 => world.start(),
                7 => world.start_empty(),
                8 => world.start_restored(),
                9 if may_split => world.split(moved),
                10 => world.heal(),
                11 => world.flush(),
                12 => {
                    world.note(|| format!("the clock of replica {replica} jumps by {jump_ms} ms"));
                    world.model.now.jumped_ms += jump_ms;
                    scene.replicas[replica].clock.advance_ms(jump_ms);
                }
                13 => world.jump(jump_ms),
                14 => world.back_up(),
                _ => {
                    world.note(|| format!("{percent} % of the calls go wrong"));
                    world.flaky = percent;
                }
            }
        })
    }
}
