//! What happened: the records of the control plane, with names, lives and decisions to look up.
//!
//! Floor 7. A [`History`] is an observer. Requests are not its business (see `metrics`); what the
//! control plane did is kept whole, except that a voice which repeats itself (an HPA that syncs
//! every 15 s, an autoscaler that finds the same obstacle every 10 s) is told once with a count, so
//! that memory hardly grows with time. [`Keep::Everything`] keeps each sync on its own.

pub mod clock;
pub mod entry;
pub mod life;
pub mod names;
pub mod tell;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use clock::{Clock, Offset};
pub use entry::Entry;
use entry::Voice;
pub use life::{NodeLife, PodLife, Refusal};
pub use names::Names;

use crate::model::id::{ClassId, HpaId, LoadId, NodeId, OperationId, PodId};
use crate::model::observer::{ClientCall, Observer, OperationEnd, Sample};
use crate::model::record::{HpaSync, MachineKind, Record};
use crate::scenario::Scenario;
use crate::units::{SimDuration, SimTime};

/// How much of a run that repeats itself is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Keep {
    /// Records that say the same are one entry.
    #[default]
    Changes,
    /// Each record is an entry of its own.
    Everything,
}

/// The records of a run in their order, and the lives they tell of.
#[derive(Debug, Clone, PartialEq)]
pub struct History {
    keep: Keep,
    clock: Clock,
    names: Names,
    entries: Vec<Entry>,
    /// Where the last entry of each voice stands.
    last_of: BTreeMap<Voice, usize>,
    pods: BTreeMap<PodId, PodLife>,
    nodes: BTreeMap<NodeId, NodeLife>,
}

impl History {
    /// An empty history of a run of `scenario`.
    #[must_use]
    pub fn new(scenario: &Scenario, keep: Keep) -> Self {
        let measured_from = SimTime::ZERO + scenario.warm_up;
        Self::with_names(Names::of(scenario), measured_from, keep)
    }

    /// An empty history with the names of what the run is about.
    #[must_use]
    pub fn with_names(names: Names, measured_from: SimTime, keep: Keep) -> Self {
        Self {
            keep,
            clock: Clock { measured_from },
            names,
            entries: Vec::new(),
            last_of: BTreeMap::new(),
            pods: BTreeMap::new(),
            nodes: BTreeMap::new(),
        }
    }

    /// The clock of reports: zero where measuring begins.
    #[must_use]
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// Names by id.
    #[must_use]
    pub fn names(&self) -> &Names {
        &self.names
    }

    /// All entries by the time of their first record.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The life of a pod.
    #[must_use]
    pub fn pod(&self, id: PodId) -> Option<&PodLife> {
        self.pods.get(&id)
    }

    /// The life of a node.
    #[must_use]
    pub fn node(&self, id: NodeId) -> Option<&NodeLife> {
        self.nodes.get(&id)
    }

    /// All pods there ever were, by id.
    pub fn pods(&self) -> impl Iterator<Item = &PodLife> {
        self.pods.values()
    }

    /// All nodes there ever were, by id.
    pub fn nodes(&self) -> impl Iterator<Item = &NodeLife> {
        self.nodes.values()
    }

    /// The last pod of that name: StatefulSets use a name again.
    #[must_use]
    pub fn pod_named(&self, name: &str) -> Option<&PodLife> {
        self.pods.values().rev().find(|life| &*life.name == name)
    }

    /// The node of that name.
    #[must_use]
    pub fn node_named(&self, name: &str) -> Option<&NodeLife> {
        self.nodes.values().find(|life| &*life.name == name)
    }

    /// The syncs of an HPA that touch the span, as entries.
    pub fn syncs(
        &self,
        hpa: HpaId,
        from: SimTime,
        until: SimTime,
    ) -> impl Iterator<Item = (&Entry, &HpaSync)> {
        self.entries.iter().filter_map(move |entry| {
            let (id, sync) = entry.hpa_sync()?;
            (id == hpa && entry.last >= from && entry.first <= until).then_some((entry, sync))
        })
    }

    /// All syncs of an HPA, as entries.
    pub fn all_syncs(&self, hpa: HpaId) -> impl Iterator<Item = (&Entry, &HpaSync)> {
        self.syncs(hpa, SimTime::ZERO, SimTime::MAX)
    }

    fn learn(&mut self, at: SimTime, record: &Record) {
        match record {
            Record::PodCreated { pod, workload, name } => {
                self.names.pod_created(*pod, name);
                let life = PodLife::new(*pod, Arc::clone(name), *workload, at);
                self.pods.insert(*pod, life);
            }
            Record::NodeRequested { node, pool } => {
                self.names.node_requested(*node, *pool);
                let name = Arc::from(self.names.node(*node));
                self.nodes.insert(*node, NodeLife::new(*node, name, *pool, at));
            }
            Record::PodUnschedulable { pod, .. }
            | Record::PodBound { pod, .. }
            | Record::PodImagesPulled { pod, .. }
            | Record::PodStarted(pod)
            | Record::PodBecameReady(pod)
            | Record::PodBecameUnready(pod)
            | Record::PodTerminating { pod, .. }
            | Record::ContainerDied { pod, .. }
            | Record::TasksInterrupted { pod, .. }
            | Record::PodGone(pod) => {
                if let Some(life) = self.pods.get_mut(pod) {
                    learn_of_pod(life, at, record);
                }
            }
            Record::NodeLaunched { node, .. }
            | Record::NodeLaunchFailed { node, .. }
            | Record::NodeRegistered(node)
            | Record::NodeReclaimed(node)
            | Record::NodeBecameReady(node)
            | Record::NodeGpusAllocatable(node)
            | Record::NodeCordoned(node)
            | Record::NodeUncordoned(node)
            | Record::NodeLost(node)
            | Record::NodeRecovered(node)
            | Record::NodeRemoving(node)
            | Record::NodeGone(node)
            | Record::NodeUnneeded { node, .. } => {
                if let Some(life) = self.nodes.get_mut(node) {
                    learn_of_node(life, at, record);
                }
            }
            Record::WorkloadScaled { .. }
            | Record::WorkloadCreated(_)
            | Record::WorkloadDeleted(_)
            | Record::WorkloadUpdated { .. }
            | Record::RolloutEnded(..)
            | Record::JobStarted { .. }
            | Record::JobEnded { .. }
            | Record::JobSkipped(_)
            | Record::PodForbidden { .. }
            | Record::PodEnded { .. }
            | Record::ReplicaSetCreated(..)
            | Record::EvictionRefused { .. }
            | Record::BudgetChanged { .. }
            | Record::NodeDisrupted { .. }
            | Record::HpaSynced(..)
            | Record::Decided { .. }
            | Record::AutoscalerStatus(_)
            | Record::DisruptionBegan(_)
            | Record::DisruptionEnded(_)
            | Record::Announced { .. } => {}
        }
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the caller matched the records of pods in full"
)]
fn learn_of_pod(life: &mut PodLife, at: SimTime, record: &Record) {
    match record {
        Record::PodUnschedulable { message, .. } => life.refused(at, Arc::clone(message)),
        Record::PodBound { node, .. } => life.bound = Some((at, *node)),
        Record::PodImagesPulled { took, .. } => {
            // It is told when the last image is there; one that is pulled again by a restart does not
            // count, nor can pulls take longer than the pod has been on its node.
            let most = life.bound.map_or(*took, |(bound, _)| at.since(bound));
            life.pulled = life.pulled.or(Some((at, (*took).min(most))));
        }
        Record::PodStarted(_) => life.started = life.started.or(Some(at)),
        Record::PodBecameReady(_) => life.became_ready(at),
        Record::PodBecameUnready(_) => life.unready.push((at, None)),
        Record::PodTerminating { because, .. } => life.terminating = Some((at, *because)),
        Record::PodGone(_) => life.gone = Some(at),
        _ => {}
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the caller matched the records of nodes in full"
)]
fn learn_of_node(life: &mut NodeLife, at: SimTime, record: &Record) {
    match record {
        Record::NodeLaunched { machine, .. } => {
            life.launched = Some(at);
            life.machine = Some(MachineKind::clone(machine));
        }
        Record::NodeLaunchFailed { code, message, .. } => {
            life.launch_failures.push((at, Arc::clone(code), Arc::clone(message)));
        }
        Record::NodeReclaimed(_) => life.reclaimed = Some(at),
        Record::NodeRegistered(_) => life.registered = Some(at),
        Record::NodeBecameReady(_) => life.ready = life.ready.or(Some(at)),
        Record::NodeGpusAllocatable(_) => life.gpus = life.gpus.or(Some(at)),
        Record::NodeCordoned(_) => life.cordoned = Some(at),
        Record::NodeUncordoned(_) => life.cordoned = None,
        Record::NodeLost(_) => life.lost.push((at, None)),
        Record::NodeRecovered(_) => life.recovered(at),
        Record::NodeUnneeded { since, .. } => life.unneeded = *since,
        Record::NodeRemoving(_) => life.removing = Some(at),
        Record::NodeGone(_) => life.gone = Some(at),
        _ => {}
    }
}

impl Observer for History {
    fn record(&mut self, at: SimTime, record: Record) {
        self.learn(at, &record);
        let voice = match self.keep {
            Keep::Changes => entry::voice(&record),
            Keep::Everything => None,
        };
        let Some(voice) = voice else {
            self.entries.push(Entry::new(at, record));
            return;
        };
        let record = match self.last_of.get(&voice) {
            Some(position) => match self.entries[*position].absorb(at, record) {
                Ok(()) => return,
                Err(record) => record,
            },
            None => record,
        };
        self.last_of.insert(voice, self.entries.len());
        self.entries.push(Entry::new(at, record));
    }

    fn call_ended(&mut self, _: SimTime, _: &ClientCall) {}
    fn operation_ended(&mut self, _: SimTime, _: OperationId, _: &OperationEnd) {}
    fn iteration_ended(&mut self, _: SimTime, _: LoadId, _: ClassId, _: SimDuration) {}
    fn iteration_dropped(&mut self, _: SimTime, _: LoadId) {}
    fn sample(&mut self, _: SimTime, _: &Sample) {}
    fn warm_up_ended(&mut self, _: SimTime) {}
}

#[cfg(test)]
mod tests;
