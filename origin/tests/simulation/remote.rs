//! A replica's connection to a simulated server. Each call lets others run before it takes effect and before its reply arrives, and may go
//! wrong on the way.
//!
//! **Invariant:** a call that fails takes its connection out of use, as the Redis store does.

use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use otp_origin::{
    clock::Clock,
    domain::operator::Change,
    store::{
        OperatorCopy, OperatorStore, Store, StoreError, StoreState,
        remote::{Generation, Merged, Remote},
    },
    transaction::{Committed, Key, Outcome, Side, Transaction, Value, Values},
};
use tokio::sync::watch;

use crate::{
    executor::pause,
    sabotage::Sabotage,
    world::{Fate, ReplicaClock, World, lock},
};

pub type Shared = Arc<Mutex<World>>;

/// One replica's end.
#[derive(Clone)]
pub struct SimRemote {
    replica: usize,
    slot: u32,
    world: Shared,
    clock: Arc<ReplicaClock>,
    generations: watch::Sender<Option<Generation>>,
    connection: Arc<Mutex<Connection>>,
}

#[derive(Default)]
struct Connection {
    /// Which server, and which start of it, each connection was made to.
    made: Vec<(usize, u64)>,
    live: Option<Generation>,
    admitted: Option<Generation>,
    epoch: Option<String>,
    skew_ms: i64,
}

fn away() -> StoreError {
    StoreError::Unavailable("away".into())
}

impl SimRemote {
    pub fn new(replica: usize, slot: u32, world: Shared, clock: Arc<ReplicaClock>) -> Self {
        Self { replica, slot, world, clock, generations: watch::channel(None).0, connection: Arc::default() }
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().expect("no panic while it was held")
    }

    /// Makes a new connection, if the server can be reached.
    pub fn connect(&self) -> Option<Generation> {
        let world = lock(&self.world);
        let server = world.links[self.replica].filter(|server| world.servers[*server].is_up)?;
        let mut connection = self.connection();
        connection.made.push((server, world.servers[server].start));
        let generation = Generation(connection.made.len() as u64);
        connection.live = Some(generation);
        connection.admitted = None;
        drop(connection);
        self.look_at_clock(&world, server);
        Some(generation)
    }

    /// The server at the other end of the admitted connection, if that still stands.
    pub fn server(&self) -> Option<usize> {
        let admitted = self.admitted()?;
        self.reachable(&lock(&self.world), admitted)
    }

    /// What the connection's health check does: notices a break, and looks at the server's clock.
    pub fn check_health(&self) {
        let world = lock(&self.world);
        let Some(live) = self.connection().live else { return };
        match self.reachable(&world, live) {
            Some(server) => self.look_at_clock(&world, server),
            None => self.drop_connection(live),
        }
    }

    fn look_at_clock(&self, world: &World, server: usize) {
        let skew_ms = world.servers[server].clock_ms.cast_signed() - self.clock.now_ms().cast_signed();
        self.connection().skew_ms = if world.sabotage == Some(Sabotage::SkewIgnored) { 0 } else { skew_ms };
    }

    fn reachable(&self, world: &World, generation: Generation) -> Option<usize> {
        let (server, start) = self.connection().made.get(usize::try_from(generation.0).ok()? - 1).copied()?;
        let is_there = world.servers[server].is_up && world.servers[server].start == start;
        (is_there && world.links[self.replica] == Some(server)).then_some(server)
    }

    fn drop_connection(&self, generation: Generation) {
        let mut connection = self.connection();
        if connection.live == Some(generation) {
            (connection.live, connection.admitted, connection.epoch) = (None, None, None);
        }
    }

    fn admitted_or_away(&self) -> Result<(Generation, Option<String>), StoreError> {
        let connection = self.connection();
        connection.admitted.map(|generation| (generation, connection.epoch.clone())).ok_or_else(away)
    }

    fn expected_epoch(&self, generation: Generation) -> Option<String> {
        let connection = self.connection();
        if connection.admitted == Some(generation) { connection.epoch.clone() } else { None }
    }

    fn failed<T>(&self, generation: Generation) -> Result<T, StoreError> {
        self.drop_connection(generation);
        Err(away())
    }

    /// One call: to the server, its effect, and back.
    async fn call<T: Send>(
        &self,
        generation: Generation,
        epoch: Option<String>,
        delayed: Option<&Transaction>,
        mut effect: impl FnMut(&mut World, usize) -> T + Send,
    ) -> Result<T, StoreError> {
        pause(1).await;
        let fate = lock(&self.world).fate();
        let result = {
            let mut world = lock(&self.world);
            world.deliver_delayed();
            let Some(server) = self.reachable(&world, generation) else { return self.failed(generation) };
            if matches!(fate, Fate::LoseCall | Fate::Late) {
                return self.failed(generation);
            }
            if fate == Fate::Delay {
                let deadline_us = world.servers[server].now_us() + 100_000;
                if let Some(transaction) = delayed {
                    world.servers[server].delayed.push((deadline_us, self.replica, transaction.clone()));
                }
                return self.failed(generation);
            }
            if epoch.is_some() && world.servers[server].epoch != epoch {
                return self.failed(generation);
            }
            effect(&mut world, server)
        };
        pause(1).await;
        let mut world = lock(&self.world);
        // The client sends what was not answered once more over the same connection.
        let result = match self.reachable(&world, generation) {
            Some(server) if fate == Fate::Twice => effect(&mut world, server),
            _ => result,
        };
        if fate == Fate::LoseReply || self.reachable(&world, generation).is_none() {
            return self.failed(generation);
        }
        Ok(result)
    }

    async fn commit_with(&self, generation: Generation, epoch: Option<String>, transaction: &Transaction) -> Result<Outcome, StoreError> {
        let replica = self.replica;
        self.call(generation, epoch, Some(transaction), |world, server| world.commit(server, replica, transaction)).await
    }
}

#[async_trait]
impl Store for SimRemote {
    async fn read(&self, keys: &[Key]) -> Result<Values, StoreError> {
        let (generation, epoch) = self.admitted_or_away()?;
        self.call(generation, epoch, None, |world, server| world.servers[server].read(keys)).await
    }

    async fn commit(&self, transaction: &Transaction) -> Result<Outcome, StoreError> {
        let (generation, epoch) = self.admitted_or_away()?;
        self.commit_with(generation, epoch, transaction).await
    }

    fn believe(&self, _key: &Key) -> Option<Value> {
        None
    }

    fn now_us(&self) -> u64 {
        self.clock.now_ms().saturating_add_signed(self.connection().skew_ms) * 1000
    }

    fn side(&self) -> Side {
        Side { slot: self.slot, shares: 1 }
    }
}

#[async_trait]
impl OperatorStore for SimRemote {
    async fn operator(&self) -> Result<OperatorCopy, StoreError> {
        let (generation, epoch) = self.admitted_or_away()?;
        self.call(generation, epoch, None, |world, server| world.servers[server].operator.copy()).await
    }

    async fn operator_version(&self) -> Result<u64, StoreError> {
        let (generation, epoch) = self.admitted_or_away()?;
        self.call(generation, epoch, None, |world, server| world.servers[server].operator.version()).await
    }

    async fn merge_operator(&self, changes: &[Change]) -> Result<u64, StoreError> {
        let (generation, epoch) = self.admitted_or_away()?;
        let mark = format!("{}-{}", self.replica, generation.0);
        let merge = |world: &mut World, server: usize| {
            let new_version = world.random.next() >> 12;
            let version = world.servers[server].merge(changes, true, &mark, new_version);
            (version, world.servers[server].epoch.clone())
        };
        let (version, epoch) = self.call(generation, epoch, None, merge).await?;
        let mut connection = self.connection();
        if connection.admitted == Some(generation) {
            connection.epoch = epoch;
        }
        Ok(version)
    }

    async fn audit(&self, limit: usize) -> Result<Vec<Change>, StoreError> {
        let (generation, epoch) = self.admitted_or_away()?;
        self.call(generation, epoch, None, |world, server| world.servers[server].operator.audit(limit)).await
    }

    fn state(&self) -> StoreState {
        StoreState::Connected
    }

    fn skew_ms(&self) -> i64 {
        self.connection().skew_ms
    }
}

#[async_trait]
impl Remote for SimRemote {
    fn generations(&self) -> watch::Receiver<Option<Generation>> {
        self.generations.subscribe()
    }

    fn admitted(&self) -> Option<Generation> {
        self.connection().admitted
    }

    fn admit(&self, generation: Generation, epoch: Option<String>) -> bool {
        let mut world = lock(&self.world);
        let Some(server) = self.reachable(&world, generation) else { return false };
        let mut connection = self.connection();
        if connection.live != Some(generation) {
            return false;
        }
        (connection.admitted, connection.epoch) = (Some(generation), epoch);
        drop(connection);
        world.resynced(server, self.replica);
        true
    }

    fn give_up(&self, generation: Generation, _why: &str) {
        self.drop_connection(generation);
    }

    async fn read_over(&self, generation: Generation, keys: &[Key]) -> Result<Values, StoreError> {
        let epoch = self.expected_epoch(generation);
        let hidden = lock(&self.world).sabotage == Some(Sabotage::GuessesOverwritten);
        let mut values = self.call(generation, epoch, None, |world, server| world.servers[server].read(keys)).await?;
        if hidden {
            values.values.iter_mut().filter(|(key, _)| key.starts_with("spent:")).for_each(|(_, value)| *value = None);
        }
        Ok(values)
    }

    async fn commit_over(&self, generation: Generation, transaction: &Transaction) -> Result<Outcome, StoreError> {
        let epoch = self.expected_epoch(generation);
        let sabotage = lock(&self.world).sabotage;
        if sabotage == Some(Sabotage::RecordsCleanedUntold) {
            return Ok(Outcome::Committed(Committed::default()));
        }
        let transaction = sabotage.map_or_else(|| transaction.clone(), |sabotage| sabotage.of_resync(transaction));
        self.commit_with(generation, epoch, &transaction).await
    }

    async fn merge_over(&self, generation: Generation, changes: &[Change], fill: bool) -> Result<Merged, StoreError> {
        let mark = format!("{}-{}", self.replica, generation.0);
        let sabotage = lock(&self.world).sabotage;
        let changes: Vec<_> = changes.iter().filter(|change| Sabotage::tells(sabotage, change)).cloned().collect();
        let merge = |world: &mut World, server: usize| {
            let new_version = world.random.next() >> 12;
            let server = &mut world.servers[server];
            let was_empty = server.epoch.is_none();
            server.merge(&changes, fill, &mark, new_version);
            Merged { copy: server.operator.copy(), epoch: server.epoch.clone(), was_empty }
        };
        self.call(generation, None, None, merge).await
    }
}
