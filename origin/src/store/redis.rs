//! The store on Redis: one script a step, run atomically there, timed by Redis' own clock. Not what happens while Redis is away: `fallback`.
//!
//! **Invariant:** a request and a guess are one `EVALSHA` each. Every script has a deadline, after which it does nothing; a repeated call id gets its
//! first verdict again. Every key has the hash tag `{v1}` and, below `otp:`, `spent:`, `known:` and `revoked:`, an end.
//!
//! Needs Redis 6.2 or later with `maxmemory-policy noeviction`: evicting a used mark would revive a code.

use std::{sync::Arc, time::Duration};

use ::redis::{Script, aio::MultiplexedConnection, cmd, pipe};
use async_trait::async_trait;
use otp_shared::{limits::Limit, signature::hex};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::{Lease, OperatorCopy, Store, StoreError, StoreState, memory::Spent};
use crate::{
    clock,
    domain::{
        judgement::{
            ChallengeKey, DeliveryRecord, Hold, MessageKey, Quotas, Receipt, RequestCall, RequestVerdict, Settlement, VerifyCall,
            VerifyVerdict,
        },
        operator::Change,
    },
};

mod filling;
mod link;
mod locate;
mod scripts;
mod wire;

pub use link::Generation;
pub use locate::{LocateError, RedisConfig, RedisMode};

use link::{BULK_TIMEOUT, Line, Link};
use locate::Locator;
use scripts::Scripts;
use wire::Answer;

/// Routes every script to the slot that has all keys.
const ROUTE: &str = "otp:{v1}";

/// The store on Redis.
pub struct RedisStore {
    link: Arc<Link>,
    scripts: Arc<Scripts>,
    replica: String,
    keeper: JoinHandle<()>,
}

impl Drop for RedisStore {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

impl RedisStore {
    /// Returns at once, whether or not Redis is there; connects in the background of the running tokio runtime, again and again.
    /// `replica` names the slot its guesses are counted in; `hold_threshold` refusals hold a subject.
    pub fn connect(config: &RedisConfig, quotas: &Quotas, replica: String, hold_threshold: u32) -> Result<Self, LocateError> {
        Self::start(config, quotas, replica, hold_threshold, false)
    }

    /// The same, but each new connection waits until it was filled and [admitted](Self::admit).
    pub fn connect_guarded(config: &RedisConfig, quotas: &Quotas, replica: String, hold_threshold: u32) -> Result<Self, LocateError> {
        Self::start(config, quotas, replica, hold_threshold, true)
    }

    fn start(config: &RedisConfig, quotas: &Quotas, replica: String, hold_threshold: u32, guarded: bool) -> Result<Self, LocateError> {
        let locator = Locator::new(config)?;
        let scripts = Arc::new(Scripts::new(quotas, hold_threshold));
        let link = Arc::new(Link::new(guarded));
        let keeper = tokio::spawn(Arc::clone(&link).keep(locator, Arc::clone(&scripts)));
        Ok(Self { link, scripts, replica, keeper })
    }

    /// Waits until Redis is connected; `false` when it was not within `at_most`.
    pub async fn wait_ready(&self, at_most: Duration) -> bool {
        let mut generations = self.link.generations();
        let connected = generations.wait_for(Option::is_some);
        tokio::time::timeout(at_most, connected).await.is_ok_and(|waited| waited.is_ok())
    }

    /// The answer to a guess, with what is spent now.
    pub async fn judge_guess(&self, call: &VerifyCall) -> Result<(VerifyVerdict, Option<Spent>), StoreError> {
        self.run(&self.scripts.verify, wire::verify(call, &self.replica)).await?.into_verify()
    }

    async fn run(&self, script: &Script, arguments: Value) -> Result<Answer, StoreError> {
        let line = self.link.line()?;
        self.run_on(line, script, arguments).await
    }

    async fn run_on(&self, line: Line, script: &Script, mut arguments: Value) -> Result<Answer, StoreError> {
        arguments["deadline_us"] = line.deadline_us.into();
        if let Some(epoch) = &line.epoch {
            arguments["epoch"] = epoch.as_str().into();
        }
        let generation = line.generation();
        let arguments = arguments.to_string();
        let text: String = self
            .link
            .ask(line, |mut connection: MultiplexedConnection| async move {
                script.key(ROUTE).arg(arguments).invoke_async(&mut connection).await
            })
            .await?;
        let why = match Answer::parse(&text)? {
            Answer::Late {} => "a script ran after its deadline",
            Answer::Unfilled {} => "redis has lost its epoch mark",
            answer => return Ok(answer),
        };
        self.link.give_up(generation, why);
        Err(StoreError::Unavailable(why.into()))
    }

    /// Merges changes; returns the version and the epoch mark.
    async fn merge(&self, line: Line, changes: &[Change], fill: Option<&str>) -> Result<(u64, Option<String>), StoreError> {
        match self.run_on(line, &self.scripts.operator, wire::operator(changes, fill)?).await? {
            Answer::Version { version, epoch } => Ok((version, epoch)),
            other => Err(other.unexpected()),
        }
    }

    async fn read_operator(&self, line: Line) -> Result<OperatorCopy, StoreError> {
        let (texts, version, filled): (Vec<String>, Option<u64>, bool) = self
            .link
            .ask_within(BULK_TIMEOUT, line, |mut connection| async move {
                let mut all = pipe();
                all.atomic().cmd("HVALS").arg("operator:{v1}");
                all.cmd("GET").arg("operator:{v1}:version").cmd("EXISTS").arg("operator:{v1}:epoch");
                all.query_async(&mut connection).await
            })
            .await?;
        let changes = texts.iter().map(|text| read_change(text)).collect::<Result<_, _>>()?;
        Ok(OperatorCopy { version: version.unwrap_or_default(), filled, changes })
    }
}

/// What an epoch mark is made of.
fn new_epoch() -> String {
    hex(&clock::random::<16>())
}

fn challenge_key(challenge: ChallengeKey) -> String {
    format!("otp:{{v1}}:challenge:{}", hex(&challenge.0))
}

fn revoked_key(session: &str) -> String {
    format!("revoked:{{v1}}:{session}")
}

fn read_change(text: &str) -> Result<Change, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::Corrupt(error.to_string()))
}

#[async_trait]
impl Store for RedisStore {
    async fn request(&self, call: &RequestCall) -> Result<RequestVerdict, StoreError> {
        self.run(&self.scripts.request, wire::request(call)).await?.into_request()
    }

    async fn settle(&self, settlement: &Settlement) -> Result<(), StoreError> {
        self.run(&self.scripts.settle, wire::settle(settlement)).await?;
        Ok(())
    }

    async fn verify(&self, call: &VerifyCall) -> Result<VerifyVerdict, StoreError> {
        Ok(self.judge_guess(call).await?.0)
    }

    async fn charge(&self, limit: Limit, key: &str) -> Result<Result<(), u64>, StoreError> {
        match self.run(&self.scripts.charge, json!({ "limit": limit.name(), "key": key })).await? {
            Answer::Done {} => Ok(Ok(())),
            Answer::Refused { retry_after_ms, .. } => Ok(Err(retry_after_ms)),
            other => Err(other.unexpected()),
        }
    }

    async fn delivery(&self, challenge: ChallengeKey) -> Result<Option<DeliveryRecord>, StoreError> {
        let fields = self
            .link
            .ask(self.link.line()?, |mut connection| async move {
                cmd("HMGET").arg(challenge_key(challenge)).arg(&wire::DELIVERY_FIELDS).query_async(&mut connection).await
            })
            .await?;
        wire::delivery(fields)
    }

    async fn receipt(&self, receipt: &Receipt) -> Result<bool, StoreError> {
        Ok(matches!(self.run(&self.scripts.receipt, wire::receipt(receipt)).await?, Answer::Done {}))
    }

    async fn disown(&self, message: MessageKey, sends: u32) -> Result<bool, StoreError> {
        let arguments = json!({ "message": hex(&message.0), "sends": sends });
        Ok(matches!(self.run(&self.scripts.disown, arguments).await?, Answer::Done {}))
    }

    async fn first_time(&self, id: &str, ttl_ms: u64) -> Result<bool, StoreError> {
        let key = format!("otp:{{v1}}:seen:{id}");
        let set: Option<String> = self
            .link
            .ask(self.link.line()?, |mut connection| async move {
                cmd("SET").arg(key).arg(1).arg("NX").arg("PX").arg(ttl_ms.max(1)).query_async(&mut connection).await
            })
            .await?;
        Ok(set.is_some())
    }

    async fn revoke(&self, session: &str, until_ms: u64) -> Result<(), StoreError> {
        let key = revoked_key(session);
        self.link
            .ask(self.link.line()?, |mut connection| async move {
                cmd("SET").arg(key).arg(1).arg("PXAT").arg(until_ms).query_async(&mut connection).await
            })
            .await
    }

    async fn revoked(&self, session: &str) -> Result<bool, StoreError> {
        let key = revoked_key(session);
        self.link.ask(self.link.line()?, |mut connection| async move { cmd("EXISTS").arg(key).query_async(&mut connection).await }).await
    }

    async fn operator(&self) -> Result<OperatorCopy, StoreError> {
        self.read_operator(self.link.line()?).await
    }

    async fn operator_version(&self) -> Result<u64, StoreError> {
        let version: Option<u64> =
            self.link
                .ask(self.link.line()?, |mut connection| async move {
                    cmd("GET").arg("operator:{v1}:version").query_async(&mut connection).await
                })
                .await?;
        Ok(version.unwrap_or_default())
    }

    async fn merge_operator(&self, changes: &[Change]) -> Result<u64, StoreError> {
        let line = self.link.line()?;
        let generation = line.generation();
        let (version, epoch) = self.merge(line, changes, Some(&new_epoch())).await?;
        if let Some(epoch) = epoch {
            self.link.expect_epoch(generation, &epoch);
        }
        Ok(version)
    }

    async fn audit(&self, limit: usize) -> Result<Vec<Change>, StoreError> {
        let Some(last) = limit.checked_sub(1) else { return Ok(Vec::new()) };
        let texts: Vec<String> = self
            .link
            .ask_within(BULK_TIMEOUT, self.link.line()?, |mut connection| async move {
                cmd("LRANGE").arg("audit:{v1}").arg(0).arg(last).query_async(&mut connection).await
            })
            .await?;
        texts.iter().map(|text| read_change(text)).collect()
    }

    async fn lease(&self, replica: &str, ttl_ms: u64) -> Result<Option<Lease>, StoreError> {
        match self.run(&self.scripts.lease, json!({ "replica": replica, "ttl_ms": ttl_ms })).await? {
            Answer::Version { version, .. } => Ok(Some(Lease { version })),
            Answer::Unknown { .. } => Ok(None),
            other => Err(other.unexpected()),
        }
    }

    async fn holds(&self) -> Result<Vec<Hold>, StoreError> {
        match self.run(&self.scripts.holds, json!({})).await? {
            Answer::Holds { holds } => Ok(holds.into_iter().map(Hold::from).collect()),
            other => Err(other.unexpected()),
        }
    }

    async fn lift_hold(&self, subject: &str) -> Result<bool, StoreError> {
        Ok(matches!(self.run(&self.scripts.holds, json!({ "lift": subject })).await?, Answer::Done {}))
    }

    fn state(&self) -> StoreState {
        if self.link.is_admitted() { StoreState::Connected } else { StoreState::MemoryFallback }
    }

    fn skew_ms(&self) -> i64 {
        self.link.skew_ms()
    }
}
