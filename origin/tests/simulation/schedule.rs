//! A schedule is a seed: it draws a small world and some dozens of steps, runs them, brings all sides together, and says which invariant
//! did not hold.

use std::sync::{Arc, Mutex};

use otp_origin::domain::{evaluation::Idempotency, limits::Policy};

use crate::{
    executor::{self, Task, pause},
    quotas,
    random::Random,
    replica::Replica,
    sabotage::Sabotage,
    scene::{Ask, Habits, Scene, Story},
    world::{World, lock},
};

/// When every schedule begins.
pub const START_MS: u64 = 1_790_000_000_000;
const SUBJECTS: usize = 4;

/// A schedule in which an invariant did not hold.
pub struct Failure {
    pub seed: u64,
    pub what: String,
    pub trace: String,
}

/// Runs a schedule; one that fails is run again for its trace.
pub fn run(seed: u64, sabotage: Option<Sabotage>) -> Result<(), Failure> {
    let Err(_) = run_once(seed, sabotage, false) else { return Ok(()) };
    let (what, trace) = run_once(seed, sabotage, true).err().unwrap_or_else(|| ("it does not fail again".into(), String::new()));
    Err(Failure { seed, what, trace })
}

fn run_once(seed: u64, sabotage: Option<Sabotage>, traced: bool) -> Result<(), (String, String)> {
    let mut schedule = Schedule::draw(seed, sabotage, traced);
    let result = schedule.run();
    let trace = lock(&schedule.scene.world).trace.take().unwrap_or_default();
    result.map_err(|what| (what, trace))
}

/// A schedule that runs.
pub struct Schedule {
    pub scene: Arc<Scene>,
    /// Chance of the schedule itself; calls have their own, so that a trace changes nothing.
    pub random: Random,
    phones: usize,
    addresses: usize,
    steps: u64,
    /// Whether anything goes wrong in it.
    stormy: bool,
    pub splits: usize,
}

impl Schedule {
    fn draw(seed: u64, sabotage: Option<Sabotage>, traced: bool) -> Self {
        let mut random = Random::new(seed);
        let replicas = random.pick(&[1, 2, 2, 2, 3, 4]);
        let quotas = quotas::draw(&mut random);
        let policy = Policy { quotas: quotas.clone(), hold_threshold: u32::try_from(random.between(2, 5)).unwrap_or(2) };
        let world = World::new(Random::new(random.next()), replicas, quotas, START_MS, sabotage, traced);
        let world = Arc::new(Mutex::new(world));
        let shares = u32::try_from(replicas).unwrap_or(1);
        let clock = |random: &mut Random| START_MS + random.between(0, 4000) - 2000;
        let replicas = (0..replicas)
            .map(|index| Replica::new(index, shares, policy.clone(), Arc::clone(&world), clock(&mut random), sabotage))
            .collect();
        let habits = Habits { failures: random.pick(&[0, 0, 10, 30]), right_guesses: random.pick(&[0, 10, 40, 40]) };
        let scene = Arc::new(Scene { world, replicas, story: Mutex::new(Story::default()), habits });
        let (phones, addresses) = (random.pick(&[1, 2, 3, 4, 7]), random.pick(&[1, 1, 2, 3]));
        let (steps, stormy) = (random.between(15, 45), random.chance(85));
        Self { scene, random, phones, addresses, steps, stormy, splits: 0 }
    }

    fn run(&mut self) -> Result<(), String> {
        let first = self.resyncs();
        self.execute(first)?;
        for _ in 0..self.steps {
            let step = self.draw_step();
            self.execute(step)?;
            self.check_health();
        }
        self.bring_together()
    }

    pub fn execute(&mut self, tasks: Vec<Task>) -> Result<(), String> {
        executor::run(tasks, &mut self.random)?;
        lock(&self.scene.world).model.broken.take().map_or(Ok(()), Err)
    }

    /// Runs every replica's health check, and notes that clock jumps up to now have been seen.
    pub fn check_health(&mut self) {
        self.scene.replicas.iter().for_each(|replica| replica.remote.check_health());
        let mut world = lock(&self.scene.world);
        world.model.noticed_ms = world.model.now.jumped_ms;
    }

    fn resyncs(&self) -> Vec<Task> {
        let tasks = (0..self.scene.replicas.len()).map(|replica| {
            let scene = Arc::clone(&self.scene);
            Box::pin(async move { scene.replicas[replica].resync().await }) as Task
        });
        tasks.collect()
    }

    fn draw_step(&mut self) -> Vec<Task> {
        if self.random.chance(25) {
            self.pass_time();
        }
        if self.random.chance(12) {
            return vec![self.come_back()];
        }
        let many = self.random.pick(&[1, 1, 1, 2, 2, 3, 4]);
        let mut tasks: Vec<Task> = if self.random.chance(10) { self.draw_crowd() } else { (0..many).map(|_| self.draw_call()).collect() };
        if self.stormy {
            if self.random.chance(35) {
                tasks.push(self.draw_fault());
            }
            for replica in 0..self.scene.replicas.len() {
                if self.scene.replicas[replica].remote.server().is_none() && self.random.chance(45) {
                    tasks.push(self.resync(replica));
                }
            }
        }
        tasks
    }

    fn pass_time(&mut self) {
        let by_ms = match self.random.below(10) {
            0..=3 => self.random.between(1, 2000),
            4..=6 => self.random.between(2000, 30_000),
            7 | 8 => self.random.between(30_000, 200_000),
            _ => self.random.between(200_000, 5_000_000),
        };
        self.scene.pass_ms(by_ms);
    }

    pub fn resync(&mut self, replica: usize) -> Task {
        let (scene, wait) = (Arc::clone(&self.scene), self.random.below(6) as u64);
        Box::pin(async move {
            pause(wait).await;
            scene.replicas[replica].resync().await;
        })
    }

    fn draw_new_ask(&mut self) -> Ask {
        let (replica, phone, address) =
            (self.random.below(self.scene.replicas.len()), self.random.below(self.phones), self.random.below(self.addresses));
        Ask { replica, phone, address, resend: None, idempotency: None, nonce: None }
    }

    fn draw_ask(&mut self) -> Ask {
        let mut ask = self.draw_new_ask();
        let story = self.scene.story.lock().expect("no panic while it was held");
        if !story.challenges.is_empty() && self.random.chance(25) {
            let challenge = story.challenges.len() - 1 - self.random.below(story.challenges.len().min(3));
            ask.resend = Some(challenge);
            (ask.phone, ask.address) = (story.challenges[challenge].phone, story.challenges[challenge].address);
        }
        ask
    }

    /// Every number asks at once, behind one address.
    fn draw_crowd(&mut self) -> Vec<Task> {
        let (phones, address) = (self.phones, self.random.below(self.addresses));
        let mut ask = |phone| {
            let ask = Ask { phone, address, ..self.draw_new_ask() };
            let scene = Arc::clone(&self.scene);
            Box::pin(async move { _ = scene.ask(ask).await }) as Task
        };
        (0..phones).map(&mut ask).collect()
    }

    fn come_back(&mut self) -> Task {
        let (scene, ask) = (Arc::clone(&self.scene), self.draw_new_ask());
        let challenges = scene.story.lock().expect("no panic while it was held").challenges.len();
        let guess = challenges > 0 && self.random.chance(30);
        let challenge = self.random.below(challenges);
        Box::pin(async move {
            let flaky = lock(&scene.world).calm_down();
            if guess {
                scene.guess_again_in_time(ask.replica, challenge).await;
            } else {
                scene.come_back(ask).await;
            }
            lock(&scene.world).flaky = flaky;
        })
    }

    fn draw_call(&mut self) -> Task {
        let scene = Arc::clone(&self.scene);
        let replica = self.random.below(scene.replicas.len());
        let (challenges, messages, sessions, guesses, asks) = {
            let story = scene.story.lock().expect("no panic while it was held");
            (story.challenges.len(), story.messages.len(), story.sessions.len(), story.guesses.len(), story.asks.len())
        };
        let choice = self.random.below(100);
        match choice {
            30..=59 if challenges > 0 => self.draw_guess(replica, challenges, guesses),
            60..=65 if messages > 0 => {
                let message = messages - 1 - self.random.below(messages.min(4));
                Box::pin(async move { scene.receipt(replica, message).await })
            }
            66..=69 if messages > 0 => {
                let message = self.random.below(messages);
                Box::pin(async move { scene.report(replica, message).await })
            }
            70..=73 if challenges > 0 => {
                let challenge = challenges - 1 - self.random.below(challenges.min(3));
                Box::pin(async move { scene.delivery(replica, challenge).await })
            }
            74..=76 => Box::pin(async move { scene.sign_out(replica).await }),
            77..=80 if sessions > 0 => {
                let session = self.random.below(sessions);
                Box::pin(async move { scene.check_session(replica, session).await })
            }
            81..=85 => {
                let (subject, present) = (self.random.below(SUBJECTS), self.random.chance(60));
                Box::pin(async move { scene.change(replica, subject, present).await })
            }
            86 | 87 => Box::pin(async move { scene.read_operators(replica).await }),
            88 | 89 => {
                let lift = self.random.chance(50);
                Box::pin(async move { scene.holds(replica, lift).await })
            }
            90..=94 if asks > 0 => self.repeat_ask(replica, asks),
            _ => self.ask(),
        }
    }

    fn ask(&mut self) -> Task {
        let (scene, mut ask) = (Arc::clone(&self.scene), self.draw_ask());
        if self.random.chance(25) {
            ask.idempotency = Some(Idempotency { key: self.random.bytes(), body: [1; 16] });
            scene.story.lock().expect("no panic while it was held").asks.push(ask);
        } else if self.random.chance(10) {
            ask.nonce = lock(&scene.world).model.calls.last().map(|call| call.nonce);
        }
        Box::pin(async move { _ = scene.ask(ask).await })
    }

    /// The same request again, as a phone that lost the answer does.
    fn repeat_ask(&mut self, replica: usize, asks: usize) -> Task {
        let scene = Arc::clone(&self.scene);
        let at = asks - 1 - self.random.below(asks.min(3));
        let ask = Ask { replica, ..scene.story.lock().expect("no panic while it was held").asks[at] };
        Box::pin(async move { _ = scene.ask(ask).await })
    }

    fn draw_guess(&mut self, replica: usize, challenges: usize, guesses: usize) -> Task {
        let scene = Arc::clone(&self.scene);
        if guesses > 0 && self.random.chance(12) {
            let (at, call) = scene.story.lock().expect("no panic while it was held").guesses[guesses - 1].clone();
            return Box::pin(async move { scene.verify_again(replica, at, &call).await });
        }
        let challenge = challenges - 1 - self.random.below(challenges.min(3));
        let may_be_right = scene.story.lock().expect("no panic while it was held").challenges[challenge].left;
        let correct = may_be_right && self.random.chance(scene.habits.right_guesses);
        let idempotency =
            self.random.chance(20).then(|| Idempotency { key: [u8::try_from(challenge % 250).unwrap_or(0) + 1; 16], body: [2; 16] });
        let nonce = if self.random.chance(8) { lock(&scene.world).model.calls.last().map(|call| call.nonce) } else { None };
        Box::pin(async move { _ = scene.guess(replica, challenge, correct, idempotency, nonce).await })
    }
}
