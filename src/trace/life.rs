//! Lives of pods and nodes: one line of instants each, from creation to the end.

use std::sync::Arc;

use crate::model::action::PodDeletion;
use crate::model::id::{NodeId, PodId, PoolId, WorkloadId};
use crate::model::record::MachineKind;
use crate::units::{SimDuration, SimTime};

/// What became of a pod, and when. An instant that never came is `None`.
#[derive(Debug, Clone, PartialEq)]
pub struct PodLife {
    /// Which.
    pub id: PodId,
    /// Its name.
    pub name: Arc<str>,
    /// Its owner.
    pub workload: WorkloadId,
    /// When it was made.
    pub created: SimTime,
    /// What the scheduler said each time it found no node; the same sentence again is counted.
    pub unschedulable: Vec<Refusal>,
    /// When it was bound, and to which node.
    pub bound: Option<(SimTime, NodeId)>,
    /// When its images were on the node, and how long the pull took.
    pub pulled: Option<(SimTime, SimDuration)>,
    /// When its containers ran.
    pub started: Option<SimTime>,
    /// When it first was ready.
    pub ready: Option<SimTime>,
    /// When it stopped being ready without being deleted, and when it was ready again.
    pub unready: Vec<(SimTime, Option<SimTime>)>,
    /// When its deletion began, and why.
    pub terminating: Option<(SimTime, PodDeletion)>,
    /// When it was gone.
    pub gone: Option<SimTime>,
}

/// One sentence of the scheduler on a pod, and how often it said so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// First time.
    pub first: SimTime,
    /// Last time.
    pub last: SimTime,
    /// How often.
    pub count: u32,
    /// `0/7 nodes are available: ...`
    pub message: Arc<str>,
}

/// What became of a node, and when.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeLife {
    /// Which.
    pub id: NodeId,
    /// Its name.
    pub name: Arc<str>,
    /// Its pool.
    pub pool: PoolId,
    /// When its instance was asked for.
    pub requested: SimTime,
    /// When the cloud could not make its instance: code and sentence.
    pub launch_failures: Vec<(SimTime, Arc<str>, Arc<str>)>,
    /// When its instance was made.
    pub launched: Option<SimTime>,
    /// What its instance is, once made.
    pub machine: Option<MachineKind>,
    /// When the cloud took its machine back.
    pub reclaimed: Option<SimTime>,
    /// When its kubelet registered, if that was before it was Ready.
    pub registered: Option<SimTime>,
    /// When it was Ready.
    pub ready: Option<SimTime>,
    /// When its GPUs were allocatable.
    pub gpus: Option<SimTime>,
    /// When it was cordoned last and not uncordoned since.
    pub cordoned: Option<SimTime>,
    /// When it stopped answering, and when it answered again.
    pub lost: Vec<(SimTime, Option<SimTime>)>,
    /// Since when the Cluster Autoscaler sees it as unneeded.
    pub unneeded: Option<SimTime>,
    /// When its instance began to be given back.
    pub removing: Option<SimTime>,
    /// When it was gone.
    pub gone: Option<SimTime>,
}

impl PodLife {
    pub(super) fn new(id: PodId, name: Arc<str>, workload: WorkloadId, created: SimTime) -> Self {
        Self {
            id,
            name,
            workload,
            created,
            unschedulable: Vec::new(),
            bound: None,
            pulled: None,
            started: None,
            ready: None,
            unready: Vec::new(),
            terminating: None,
            gone: None,
        }
    }

    /// Adds a sentence of the scheduler, or counts it when it is the one said last.
    pub(super) fn refused(&mut self, at: SimTime, message: Arc<str>) {
        match self.unschedulable.last_mut() {
            Some(last) if last.message == message => {
                last.last = at;
                last.count += 1;
            }
            Some(_) | None => {
                self.unschedulable.push(Refusal { first: at, last: at, count: 1, message });
            }
        }
    }

    /// It is ready, for the first time or again.
    pub(super) fn became_ready(&mut self, at: SimTime) {
        if self.ready.is_none() {
            self.ready = Some(at);
        } else if let Some((_, until @ None)) = self.unready.last_mut() {
            *until = Some(at);
        }
    }

    /// When it stopped waiting for a node: bound, deleted or gone; `None` when it still waits.
    #[must_use]
    pub fn waited_until(&self) -> Option<SimTime> {
        let deleted = self.terminating.map(|(at, _)| at).or(self.gone);
        self.bound.map(|(at, _)| at).or(deleted)
    }
}

impl NodeLife {
    pub(super) fn new(id: NodeId, name: Arc<str>, pool: PoolId, requested: SimTime) -> Self {
        Self {
            id,
            name,
            pool,
            requested,
            launch_failures: Vec::new(),
            launched: None,
            machine: None,
            reclaimed: None,
            registered: None,
            ready: None,
            gpus: None,
            cordoned: None,
            lost: Vec::new(),
            unneeded: None,
            removing: None,
            gone: None,
        }
    }

    /// It answers again.
    pub(super) fn recovered(&mut self, at: SimTime) {
        if let Some((_, until @ None)) = self.lost.last_mut() {
            *until = Some(at);
        }
    }
}
