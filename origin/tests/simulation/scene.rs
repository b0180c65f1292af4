//! The world and its replicas as calls share them, and what fans, providers and operators know.

use std::sync::Mutex;

use otp_origin::{
    domain::{
        evaluation::{Call, ChallengeKey, ClientNetwork, Idempotency, MessageKey, VerifyCall},
        operator::Change,
    },
    store::{
        StoreError,
        remote::{Generation, Remote as _},
    },
};

use crate::{model::Issued, random::Random, remote::Shared, replica::Replica, world::lock};

/// The world and its replicas, as calls share them.
pub struct Scene {
    pub world: Shared,
    pub replicas: Vec<Replica>,
    pub story: Mutex<Story>,
    pub habits: Habits,
}

/// What providers and fans of a schedule tend to do.
#[derive(Debug, Clone, Copy)]
pub struct Habits {
    /// Sends of a hundred that fail.
    pub failures: u64,
    /// Guesses of a hundred that are right.
    pub right_guesses: u64,
}

/// What fans and operators know.
#[derive(Default)]
pub struct Story {
    pub challenges: Vec<Challenge>,
    pub messages: Vec<Message>,
    pub sessions: Vec<String>,
    pub asks: Vec<Ask>,
    pub guesses: Vec<(usize, VerifyCall)>,
    pub changes: Vec<Change>,
    /// Changes of which nobody knows whether they were taken.
    pub doubtful: Vec<Change>,
}

#[derive(Debug, Clone)]
pub struct Challenge {
    pub key: ChallengeKey,
    pub expires_at_ms: u64,
    pub phone: usize,
    pub address: usize,
    /// A message left, so that the fan may know the code.
    pub left: bool,
    /// A receipt told of a failure.
    pub told_failed: bool,
}

#[derive(Debug, Clone, Copy)]
pub struct Message {
    pub key: MessageKey,
    pub call: usize,
    pub challenge: usize,
    /// The provider has told its name.
    pub named: bool,
}

/// What a call is judged by.
pub struct Basis {
    connection: Option<Generation>,
    /// It has the version of the server.
    is_newest: bool,
    /// Its replica knows all that the server has under that version.
    is_whole: bool,
}

/// A request that a fan makes.
#[derive(Debug, Clone, Copy)]
pub struct Ask {
    pub replica: usize,
    pub phone: usize,
    pub address: usize,
    pub resend: Option<usize>,
    pub idempotency: Option<Idempotency>,
    /// The nonce of another call.
    pub nonce: Option<[u8; 16]>,
}

pub fn name(kind: u8, number: usize) -> [u8; 16] {
    let mut name = [kind; 16];
    name[..8].copy_from_slice(&(number as u64).to_be_bytes());
    name
}

/// Whether an address is of the site that the model knows.
pub fn has_site(address: usize) -> bool {
    address.is_multiple_of(2)
}

pub fn network(address: usize) -> ClientNetwork {
    ClientNetwork { address: format!("2001:db8:0:{address}::/64"), site: has_site(address).then(|| "2001:db8::/48".to_owned()) }
}

impl Scene {
    pub fn random<T>(&self, draw: impl FnOnce(&mut Random) -> T) -> T {
        draw(&mut lock(&self.world).random)
    }

    pub fn note(&self, line: impl FnOnce() -> String) {
        lock(&self.world).note(line);
    }

    pub fn story(&self) -> std::sync::MutexGuard<'_, Story> {
        self.story.lock().expect("no panic while it was held")
    }

    pub fn issued(&self) -> Issued {
        lock(&self.world).model.issued()
    }

    pub fn error(&self, replica: usize, issued: Issued, error: &StoreError) {
        self.note(|| format!("  replica {replica}: {error}"));
        lock(&self.world).model.told_error(replica, issued, &error.to_string());
    }

    pub fn new_call(&self, replica: &Replica, idempotency: Option<Idempotency>, nonce: Option<[u8; 16]>) -> Call {
        let (id, fresh) = self.random(|random| (random.bytes(), random.bytes()));
        Call { id, nonce: nonce.unwrap_or(fresh), operator_version: replica.operator_version(), idempotency }
    }

    /// What a call is judged by, compared with the server that the replica is connected to.
    pub fn basis(&self, replica: &Replica, call: &Call) -> Basis {
        let (connection, server) = (replica.remote.admitted(), replica.remote.server());
        let world = lock(&self.world);
        let operator = server.map(|server| &world.servers[server].operator);
        let is_newest = operator.is_none_or(|operator| operator.version() == call.operator_version);
        // What is garbage to one clock is not yet to another, and nothing needs it.
        let garbage_ms = world.start_ms + world.model.now.ms + world.model.now.jumped_ms + 60_000;
        let knows = |change: &Change| change.is_garbage(garbage_ms) || replica.knows(change);
        let is_whole = !is_newest || operator.is_none_or(|operator| operator.copy().changes.iter().all(knows));
        Basis { connection, is_newest, is_whole }
    }

    /// The store told an answer over the connection that there was when it was asked.
    pub fn check_basis(&self, replica: &Replica, basis: &Basis, at: usize) {
        if basis.connection.is_none() || replica.remote.admitted() != basis.connection {
            return;
        }
        let mut world = lock(&self.world);
        world.model.check(basis.is_newest, || format!("5. call {at} was judged by operator state that had changed before it came"));
        world.model.check(basis.is_whole, || format!("5. call {at} was judged by a version of the operator state without all of its data"));
    }

    /// Time passes for everybody.
    pub fn pass_ms(&self, by_ms: u64) {
        let mut world = lock(&self.world);
        world.note(|| format!("{by_ms} ms pass"));
        world.model.now.ms += by_ms;
        world.servers.iter_mut().for_each(|server| server.clock_ms += by_ms);
        self.replicas.iter().for_each(|replica| replica.clock.advance_ms(by_ms));
    }
}
