//! The operator state in Redis: a hash of the newest changes, its version, its epoch mark and its audit. Whoever may change it is not decided here.
//!
//! **Invariant:** the epoch mark is set after all of a copy was merged: one that broke off in the middle is merged again.

use ::redis::{cmd, pipe};
use async_trait::async_trait;
use otp_shared::signature::hex;
use serde::Serialize;

use super::{
    EPOCH, RedisStore,
    connection::{BULK_TIMEOUT, ConnectionHandle},
    script::{LATE, Reply},
};
use crate::{
    clock,
    domain::{
        operator::{Change, Stamp, TOMBSTONE_MS},
        record::OPERATOR_VERSION,
    },
    store::{
        OperatorCopy, OperatorStore, StoreError, StoreState,
        memory::{AUDIT_KEPT, in_order},
        new_version,
        remote::{Generation, Merged},
    },
};

const STATE: &str = "operator:{v1}";
const AUDIT: &str = "audit:{v1}";
/// Changes merged by one script: few enough for it to stay far below its deadline.
const AT_ONCE: usize = 200;

/// What `operator.lua` takes.
#[derive(Serialize)]
struct Arguments<'a> {
    deadline_us: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    epoch: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fill: Option<&'a str>,
    /// As text: it is written as it comes.
    version: String,
    changes: Vec<Argument<'a>>,
    audit_kept: usize,
    tombstone_ms: u64,
}

#[derive(Serialize)]
struct Argument<'a> {
    key: String,
    stamp: &'a Stamp,
    text: String,
}

impl RedisStore {
    /// Merges operator changes over that connection; with `fill`, sets an epoch mark where there is none.
    pub(super) async fn merge_operator_over(&self, generation: Generation, changes: &[Change], fill: bool) -> Result<Merged, StoreError> {
        self.look_for_older_replicas(generation).await?;
        let mark = new_epoch();
        let fill = fill.then_some(mark.as_str());
        for some in changes.chunks(AT_ONCE) {
            self.merge(self.manager.handle_of(generation)?, some, None).await?;
        }
        // The mark comes last: see the invariant.
        let (_, epoch) = self.merge(self.manager.handle_of(generation)?, &[], fill).await?;
        let copy = self.read_operator(self.manager.handle_of(generation)?).await?;
        let was_empty = epoch.as_deref().is_none_or(|epoch| epoch == mark);
        Ok(Merged { copy, epoch, was_empty })
    }

    /// Merges changes; returns the version and the epoch mark.
    async fn merge(&self, handle: ConnectionHandle, changes: &[Change], fill: Option<&str>) -> Result<(u64, Option<String>), StoreError> {
        let generation = handle.generation();
        let mut call = self.scripts.operator.prepare_invoke();
        call.key(&[STATE, EPOCH, OPERATOR_VERSION, AUDIT][..]).arg(arguments(&handle, changes, fill)?);
        let reply: Reply = self.manager.call(handle, |mut connection| async move { call.invoke_async(&mut connection).await }).await?;
        let mut reply = reply.into_iter().map(|text| text.and_then(|text| String::from_utf8(text).ok()));
        match reply.next().flatten().as_deref() {
            Some(LATE) => Err(self.lost(generation, "a script ran after its deadline")),
            Some("unfilled") => Err(self.emptied(generation)),
            _ => {
                let version = reply.next().flatten().and_then(|version| version.parse().ok());
                Ok((version.ok_or_else(|| StoreError::Corrupt("a version that is no number".into()))?, reply.next().flatten()))
            }
        }
    }

    async fn read_operator(&self, handle: ConnectionHandle) -> Result<OperatorCopy, StoreError> {
        let (texts, version, filled): (Vec<String>, Option<u64>, bool) = self
            .manager
            .call_within(BULK_TIMEOUT, handle, |mut connection| async move {
                let mut all = pipe();
                all.atomic().cmd("HVALS").arg(STATE).cmd("GET").arg(OPERATOR_VERSION).cmd("EXISTS").arg(EPOCH);
                all.query_async(&mut connection).await
            })
            .await?;
        let changes = texts.iter().map(|text| read_change(text)).collect::<Result<_, _>>()?;
        Ok(OperatorCopy { version: version.unwrap_or_default(), filled, changes })
    }
}

fn arguments(handle: &ConnectionHandle, changes: &[Change], fill: Option<&str>) -> Result<String, StoreError> {
    let argument = |change: &&'_ Change| Ok((change.target.key(), serde_json::to_string(change)?));
    let changes = in_order(changes);
    let texts: Result<Vec<_>, serde_json::Error> = changes.iter().map(argument).collect();
    let texts = texts.map_err(|error| StoreError::Corrupt(error.to_string()))?;
    let changes = changes.iter().zip(texts).map(|(change, (key, text))| Argument { key, stamp: &change.stamp, text }).collect();
    let (deadline_us, epoch) = (handle.deadline_us, handle.epoch.as_deref());
    let version = new_version().to_string();
    let arguments = Arguments { deadline_us, epoch, fill, version, changes, audit_kept: AUDIT_KEPT, tombstone_ms: TOMBSTONE_MS };
    serde_json::to_string(&arguments).map_err(|error| StoreError::Corrupt(error.to_string()))
}

fn new_epoch() -> String {
    hex(&clock::random::<16>())
}

fn read_change(text: &str) -> Result<Change, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::Corrupt(error.to_string()))
}

#[async_trait]
impl OperatorStore for RedisStore {
    async fn operator(&self) -> Result<OperatorCopy, StoreError> {
        self.read_operator(self.manager.handle()?).await
    }

    async fn operator_version(&self) -> Result<u64, StoreError> {
        let query = |mut connection| async move { cmd("GET").arg(OPERATOR_VERSION).query_async(&mut connection).await };
        let version: Option<u64> = self.manager.call(self.manager.handle()?, query).await?;
        Ok(version.unwrap_or_default())
    }

    async fn merge_operator(&self, changes: &[Change]) -> Result<u64, StoreError> {
        let handle = self.manager.handle()?;
        let generation = handle.generation();
        let (version, epoch) = self.merge(handle, changes, Some(&new_epoch())).await?;
        if let Some(epoch) = epoch {
            self.manager.expect_epoch(generation, &epoch);
        }
        Ok(version)
    }

    async fn audit(&self, limit: usize) -> Result<Vec<Change>, StoreError> {
        let Some(last) = limit.checked_sub(1) else { return Ok(Vec::new()) };
        let query = |mut connection| async move { cmd("LRANGE").arg(AUDIT).arg(0).arg(last).query_async(&mut connection).await };
        let texts: Vec<String> = self.manager.call_within(BULK_TIMEOUT, self.manager.handle()?, query).await?;
        texts.iter().map(|text| read_change(text)).collect()
    }

    fn state(&self) -> StoreState {
        if self.manager.admitted().is_some() { StoreState::Connected } else { StoreState::MemoryFallback }
    }

    fn skew_ms(&self) -> i64 {
        self.manager.skew_ms()
    }
}
