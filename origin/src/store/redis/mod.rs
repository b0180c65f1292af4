//! The store on Redis: one script, `commit`, run atomically there and timed by Redis' own clock. What happens while Redis is away is `fallback`'s.
//!
//! **Invariant:** a commit is one `EVALSHA`. The script has a deadline, after which it does nothing; a transaction's id is committed once. Every key is declared, so
//! a slot that migrates refuses the script as a whole.
//!
//! Needs Redis 6.2 or later with `maxmemory-policy noeviction`: evicting a used mark would revive a code.

use std::{sync::Arc, time::Duration};

use ::redis::{Script, cmd, pipe};
use async_trait::async_trait;
use tokio::{sync::watch, task::JoinHandle};

use super::{
    Store, StoreError,
    remote::{Generation, Merged, Remote},
};
use crate::{
    domain::operator::Change,
    transaction::{Expect, Key, Outcome, Side, Transaction, Value, Values},
};

mod connection;
mod locate;
mod older_replicas;
mod operator;
mod script;

pub use locate::{LocateError, RedisConfig, RedisMode};

use connection::{ConnectionHandle, ConnectionManager};
use locate::Locator;

/// The epoch mark: random, set when the store was first filled. Without it, Redis is empty or new.
const EPOCH: &str = "operator:{v1}:epoch";

/// The store on Redis.
pub struct RedisStore {
    manager: Arc<ConnectionManager>,
    scripts: Arc<Scripts>,
    slot: u32,
    older: older_replicas::OlderState,
    supervisor: JoinHandle<()>,
}

/// Every script that is loaded on connect.
struct Scripts {
    commit: Script,
    operator: Script,
}

impl Scripts {
    fn all(&self) -> [&Script; 2] {
        [&self.commit, &self.operator]
    }
}

impl Drop for RedisStore {
    fn drop(&mut self) {
        self.supervisor.abort();
    }
}

impl RedisStore {
    /// Returns at once, whether or not Redis is there; connects in the background of the running tokio runtime, again and again. `slot` is who counts guesses here.
    pub fn connect(config: &RedisConfig, slot: u32) -> Result<Self, LocateError> {
        Self::start(config, slot, false)
    }

    /// The same, but each new connection waits until it was brought up to date and [admitted](Self::admit).
    pub fn connect_guarded(config: &RedisConfig, slot: u32) -> Result<Self, LocateError> {
        Self::start(config, slot, true)
    }

    fn start(config: &RedisConfig, slot: u32, guarded: bool) -> Result<Self, LocateError> {
        let locator = Locator::new(config)?;
        let scripts =
            Arc::new(Scripts { commit: Script::new(include_str!("commit.lua")), operator: Script::new(include_str!("operator.lua")) });
        let manager = Arc::new(ConnectionManager::new(guarded));
        let supervisor = tokio::spawn(Arc::clone(&manager).keep(locator, Arc::clone(&scripts)));
        Ok(Self { manager, scripts, slot, older: older_replicas::OlderState::default(), supervisor })
    }

    /// Waits until Redis is connected; `false` when it was not within `at_most`.
    pub async fn wait_ready(&self, at_most: Duration) -> bool {
        let mut generations = self.manager.generations();
        let connected = generations.wait_for(Option::is_some);
        tokio::time::timeout(at_most, connected).await.is_ok_and(|waited| waited.is_ok())
    }

    async fn read_with(&self, handle: ConnectionHandle, keys: &[Key]) -> Result<Values, StoreError> {
        let (generation, epoch) = (handle.generation(), handle.epoch.clone());
        // Not in MULTI: Redis 6.2 and 7.0 refuse that when they are out of memory.
        let mut query = pipe();
        let mut all = cmd("MGET");
        all.arg(EPOCH);
        for key in keys {
            all.arg(&**key);
        }
        query.cmd("TIME").add_command(all);
        let ((seconds, us), values): ((u64, u64), script::Reply) =
            self.manager.call(handle, |mut connection| async move { query.query_async(&mut connection).await }).await?;
        let mut values = values.into_iter();
        let mark = values.next().flatten();
        if let Some(epoch) = epoch
            && mark.is_none_or(|mark| mark != epoch.as_bytes())
        {
            return Err(self.emptied(generation));
        }
        Ok(Values { now_us: seconds * 1_000_000 + us, values: script::by_key(keys, values) })
    }

    async fn commit_with(&self, handle: ConnectionHandle, transaction: &Transaction) -> Result<Outcome, StoreError> {
        let generation = handle.generation();
        let mark = handle.epoch.as_ref().map(|epoch| Expect { key: EPOCH.into(), value: Some(epoch.as_bytes().into()) });
        let call = script::encode(&self.scripts.commit, transaction, mark.as_ref(), handle.deadline_us);
        let reply = self.manager.call(handle, |mut connection| async move { call.invoke_async(&mut connection).await }).await?;
        let outcome = script::decode(transaction, mark.as_ref(), reply)?;
        let mut outcome = outcome.ok_or_else(|| self.lost(generation, "a script ran after its deadline"))?;
        if let (Some(mark), Outcome::Changed(values) | Outcome::Full(values)) = (mark, &mut outcome)
            && values.values.remove(&mark.key).flatten() != mark.value
        {
            return Err(self.emptied(generation));
        }
        Ok(outcome)
    }

    fn emptied(&self, generation: Generation) -> StoreError {
        self.lost(generation, "redis has lost its epoch mark")
    }

    /// Takes the connection out of use: whatever comes next needs a resync first.
    fn lost(&self, generation: Generation, why: &str) -> StoreError {
        self.manager.give_up(generation, why);
        StoreError::Unavailable(why.into())
    }
}

#[async_trait]
impl Store for RedisStore {
    async fn read(&self, keys: &[Key]) -> Result<Values, StoreError> {
        self.read_with(self.manager.handle()?, keys).await
    }

    async fn commit(&self, transaction: &Transaction) -> Result<Outcome, StoreError> {
        self.commit_with(self.manager.handle()?, transaction).await
    }

    fn believe(&self, _key: &Key) -> Option<Value> {
        None
    }

    fn now_us(&self) -> u64 {
        self.manager.now_us()
    }

    fn side(&self) -> Side {
        Side { slot: self.slot, shares: 1 }
    }
}

#[async_trait]
impl Remote for RedisStore {
    fn generations(&self) -> watch::Receiver<Option<Generation>> {
        self.manager.generations()
    }

    fn admitted(&self) -> Option<Generation> {
        self.manager.admitted()
    }

    fn admit(&self, generation: Generation, epoch: Option<String>) -> bool {
        self.manager.admit(generation, epoch)
    }

    fn give_up(&self, generation: Generation, why: &str) {
        self.manager.give_up(generation, why);
    }

    async fn read_over(&self, generation: Generation, keys: &[Key]) -> Result<Values, StoreError> {
        self.read_with(self.manager.handle_of(generation)?, keys).await
    }

    async fn commit_over(&self, generation: Generation, transaction: &Transaction) -> Result<Outcome, StoreError> {
        self.commit_with(self.manager.handle_of(generation)?, transaction).await
    }

    async fn merge_over(&self, generation: Generation, changes: &[Change], fill: bool) -> Result<Merged, StoreError> {
        self.merge_operator_over(generation, changes, fill).await
    }
}
