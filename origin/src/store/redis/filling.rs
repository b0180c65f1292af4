//! What a connection needs before calls may use it: everything that this replica knows and Redis may not. Not when that is.
//!
//! **Invariant:** everything here goes over one given connection, or nowhere.

use serde_json::{Value, json};
use tokio::sync::watch;

use super::{Answer, Generation, RedisStore, new_epoch, wire};
use crate::{
    domain::{
        judgement::{Receipt, Settlement},
        operator::Change,
    },
    store::{OperatorCopy, StoreError},
};

/// Records taken in by one script: few enough for a script to stay far below its deadline.
const AT_ONCE: usize = 200;

/// The operator state after a merge.
pub struct Merged {
    /// What Redis has now.
    pub copy: OperatorCopy,
    /// Its epoch mark; `None` when nobody has filled it yet.
    pub epoch: Option<String>,
    /// Redis had no epoch mark before: it is new or was emptied.
    pub was_empty: bool,
}

impl RedisStore {
    /// Which connection there is, admitted or not.
    pub fn generations(&self) -> watch::Receiver<Option<Generation>> {
        self.link.generations()
    }

    /// Whether calls go through.
    pub fn is_admitted(&self) -> bool {
        self.link.is_admitted()
    }

    /// Calls may use that connection from now on, and expect that epoch mark; `false` when it is gone already.
    pub fn admit(&self, generation: Generation, epoch: Option<String>) -> bool {
        self.link.admit(generation, epoch)
    }

    /// Takes that connection out of use.
    pub fn give_up(&self, generation: Generation, why: &str) {
        self.link.give_up(generation, why);
    }

    /// Merges operator changes over that connection; with `fill`, sets an epoch mark where there is none.
    pub async fn merge_over(&self, generation: Generation, changes: &[Change], fill: bool) -> Result<Merged, StoreError> {
        let mark = new_epoch();
        let fill = fill.then_some(mark.as_str());
        for some in changes.chunks(AT_ONCE) {
            self.merge(self.link.line_of(generation)?, some, None).await?;
        }
        // The mark comes last: a copy that broke off in the middle is still one that has to be filled.
        let (_, epoch) = self.merge(self.link.line_of(generation)?, &[], fill).await?;
        let copy = self.read_operator(self.link.line_of(generation)?).await?;
        let was_empty = epoch.as_deref().is_none_or(|epoch| epoch == mark);
        Ok(Merged { copy, epoch, was_empty })
    }

    /// Has Redis take in records over that connection.
    pub async fn fill_over(&self, generation: Generation, records: &[Value]) -> Result<(), StoreError> {
        for some in records.chunks(AT_ONCE) {
            let line = self.link.line_of(generation)?;
            self.run_on(line, &self.scripts.fill, json!({ "records": some })).await?.done()?;
        }
        Ok(())
    }

    /// Settles over that connection.
    pub async fn settle_over(&self, generation: Generation, settlement: &Settlement) -> Result<(), StoreError> {
        let line = self.link.line_of(generation)?;
        self.run_on(line, &self.scripts.settle, wire::settle(settlement)).await?.done()
    }

    /// Tells a receipt over that connection; one of nothing that is known is told all the same.
    pub async fn receipt_over(&self, generation: Generation, receipt: &Receipt) -> Result<(), StoreError> {
        let line = self.link.line_of(generation)?;
        self.run_on(line, &self.scripts.receipt, wire::receipt(receipt)).await.map(drop)
    }
}

impl Answer {
    fn done(self) -> Result<(), StoreError> {
        if matches!(self, Self::Done {}) { Ok(()) } else { Err(self.unexpected()) }
    }
}
