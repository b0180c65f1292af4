//! A replica: the use cases over the store of the product, and its copy of the operator state as the origin keeps it.

use std::sync::{Arc, Mutex};

use otp_origin::{
    app::{operators::exchange, records::Records},
    clock::Clock,
    domain::{
        limits::Policy,
        operator::{Change, OperatorState, Target},
        record::merge::Merging,
    },
    store::{
        OperatorStore, Store, StoreError, StoreState,
        fallback::{Fallback, Setup},
    },
};

use crate::{
    model::Teller,
    remote::{Shared, SimRemote},
    sabotage::Sabotage,
    server::CAPACITY,
    world::ReplicaClock,
};

/// One of several over one store.
pub struct Replica {
    pub index: usize,
    pub records: Records,
    pub fallback: Arc<Fallback<SimRemote>>,
    pub remote: SimRemote,
    pub clock: Arc<ReplicaClock>,
    operators: Mutex<Operators>,
    sabotage: Option<Sabotage>,
}

/// What `app::operators` keeps.
#[derive(Default)]
struct Operators {
    state: OperatorState,
    version: u64,
}

impl Replica {
    pub fn new(index: usize, replicas: u32, policy: Policy, world: Shared, now_ms: u64, sabotage: Option<Sabotage>) -> Self {
        let slot = u32::try_from(index).unwrap_or_default() + 1;
        let clock = Arc::new(ReplicaClock::at(now_ms));
        let remote = SimRemote::new(index, slot, world, Arc::clone(&clock));
        let shares = if sabotage == Some(Sabotage::WholeQuotaInMemory) { 1 } else { replicas };
        let merging = Merging { quotas: policy.quotas.clone() };
        let setup = Setup { slot, replicas: shares, merging, capacity: CAPACITY };
        let fallback = Arc::new(Fallback::new(remote.clone(), Arc::clone(&clock) as Arc<dyn Clock>, setup));
        let store: Arc<dyn Store> = match sabotage {
            Some(sabotage) => sabotage.wrap(Arc::clone(&fallback), remote.clone()),
            None => Arc::clone(&fallback) as _,
        };
        let records = Records::new(store, Arc::clone(&fallback) as _, policy);
        Self { index, records, fallback, remote, clock, operators: Mutex::default(), sabotage }
    }

    /// Who decided what is about to be told.
    pub fn teller(&self) -> Teller {
        let connected = self.fallback.state() == StoreState::Connected;
        Teller { replica: self.index, connected, clock_ms: self.fallback.now_us() / 1000 }
    }

    /// Connects, and tells the server what this replica knows.
    pub async fn resync(&self) {
        let Some(generation) = self.remote.connect() else { return };
        if self.fallback.resync(generation).await.is_err() {
            otp_origin::store::remote::Remote::give_up(&self.remote, generation, "");
        }
    }

    pub fn operator_version(&self) -> u64 {
        self.lock().version
    }

    pub fn changes(&self) -> Vec<Change> {
        self.lock().state.changes().cloned().collect()
    }

    /// It has the change, or a newer one of the same subject.
    pub fn knows(&self, change: &Change) -> bool {
        self.lock().state.get(&change.target).is_some_and(|known| known.stamp >= change.stamp)
    }

    /// As `App::change_all`: durable first, then in force here. The edge takes what the store does not.
    pub async fn change(&self, target: Target, present: bool, id: String) -> Result<Change, (Change, StoreError)> {
        let now_ms = self.clock.now_ms();
        let stamp = self.lock().state.next_stamp(now_ms, id);
        let change = Change { target, stamp, actor: "ops".into(), note: String::new(), present, until_ms: None };
        let changes = [change.clone()];
        let taken = self.fallback.state() == StoreState::Connected && self.records.merge_operator(&changes).await.is_ok();
        if !(taken && self.fallback.state() == StoreState::Connected) {
            self.records.merge_operator(&changes).await.map_err(|error| (change.clone(), error))?;
        }
        self.lock().state.merge(change.clone());
        Ok(change)
    }

    /// As `App::keep_operators_in_sync`.
    pub async fn keep_in_sync(&self) -> Result<(), StoreError> {
        let version = self.records.operator_version().await?;
        if self.sabotage == Some(Sabotage::VersionNotedAlone) {
            self.lock().version = version;
        }
        if version == self.operator_version() { Ok(()) } else { self.sync().await }
    }

    /// As `App::sync_operators`.
    pub async fn sync(&self) -> Result<(), StoreError> {
        let copy = exchange(&self.records, self.changes(), self.clock.now_ms()).await?;
        let mut operators = self.lock();
        copy.changes.into_iter().for_each(|change| _ = operators.state.merge(change));
        operators.version = copy.version;
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Operators> {
        self.operators.lock().expect("no panic while it was held")
    }
}
