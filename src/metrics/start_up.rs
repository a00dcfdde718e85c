//! From pending to serving: where the time goes between a pod's creation and its readiness, when a
//! machine has to come first.

use std::collections::BTreeMap;

use crate::metrics::tally::{Precision, Tally};
use crate::model::id::{NodeId, PodId, WorkloadId};
use crate::model::record::Record;
use crate::units::SimTime;

/// A part of the way, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum StartPhase {
    /// Created, until the scheduler says that it fits nowhere.
    Detect,
    /// Until a machine is asked for.
    Decide,
    /// Until the cloud made it.
    Launch,
    /// Until its node is Ready.
    Ready,
    /// Until the node's GPUs are allocatable.
    Gpu,
    /// Until the pod is bound.
    Bind,
    /// Until its volumes are mounted and its images are there.
    Pull,
    /// Until its containers run.
    Start,
    /// Until it is ready: the process starts, loads its model, passes its probe.
    ModelLoad,
}

impl StartPhase {
    /// All of them, in order.
    pub const ALL: [Self; 9] = [
        Self::Detect,
        Self::Decide,
        Self::Launch,
        Self::Ready,
        Self::Gpu,
        Self::Bind,
        Self::Pull,
        Self::Start,
        Self::ModelLoad,
    ];

    /// Its name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Detect => "detect",
            Self::Decide => "decide",
            Self::Launch => "launch",
            Self::Ready => "ready",
            Self::Gpu => "gpu",
            Self::Bind => "bind",
            Self::Pull => "pull",
            Self::Start => "start",
            Self::ModelLoad => "model load",
        }
    }
}

/// Times of the pods of a workload that waited for a machine, from creation to first readiness.
#[derive(Debug, Clone, PartialEq)]
pub struct StartUps {
    /// Each part, in the order of [`StartPhase::ALL`].
    pub phases: Vec<Tally>,
    /// All of it.
    pub total: Tally,
}

impl StartUps {
    fn new() -> Self {
        let fresh = || Tally::new(Precision::Fine);
        Self { phases: StartPhase::ALL.iter().map(|_| fresh()).collect(), total: fresh() }
    }
}

/// Follows pods that fit nowhere, and machines, to the readiness of the pods.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct StartUpWatch {
    created: BTreeMap<PodId, (WorkloadId, SimTime)>,
    waiting: BTreeMap<PodId, Waiting>,
    nodes: BTreeMap<NodeId, Coming>,
    /// Only workloads of which a pod waited.
    workloads: BTreeMap<WorkloadId, StartUps>,
}

#[derive(Debug, Clone, PartialEq)]
struct Waiting {
    workload: WorkloadId,
    created: SimTime,
    unschedulable: SimTime,
    bound: Option<(SimTime, NodeId)>,
    pulled: Option<SimTime>,
    started: Option<SimTime>,
}

#[derive(Debug, Clone, PartialEq)]
struct Coming {
    asked: SimTime,
    launched: Option<SimTime>,
    ready: Option<SimTime>,
    gpus: Option<SimTime>,
}

impl StartUpWatch {
    pub(super) fn new() -> Self {
        Self {
            created: BTreeMap::new(),
            waiting: BTreeMap::new(),
            nodes: BTreeMap::new(),
            workloads: BTreeMap::new(),
        }
    }

    pub(super) fn of(&self, workload: WorkloadId) -> Option<&StartUps> {
        self.workloads.get(&workload)
    }

    pub(super) fn clear(&mut self) {
        self.workloads.clear();
    }

    /// Takes in a fact.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "only the steps of a pod's and a node's way to readiness matter here"
    )]
    pub(super) fn note(&mut self, at: SimTime, record: &Record) {
        match record {
            Record::PodCreated { pod, workload, .. } => {
                self.created.insert(*pod, (*workload, at));
            }
            Record::PodUnschedulable { pod, .. } => {
                if let Some((workload, created)) = self.created.remove(pod) {
                    let wait = Waiting {
                        workload,
                        created,
                        unschedulable: at,
                        bound: None,
                        pulled: None,
                        started: None,
                    };
                    self.waiting.insert(*pod, wait);
                }
            }
            Record::PodBound { pod, node, .. } => {
                self.created.remove(pod);
                if let Some(wait) = self.waiting.get_mut(pod) {
                    wait.bound = Some((at, *node));
                }
            }
            Record::PodImagesPulled { pod, took } => {
                if let Some(wait) = self.waiting.get_mut(pod) {
                    // A pull begins when the pod is bound, whenever it is told of.
                    let bound = wait.bound.map_or(at, |(bound, _)| bound + *took);
                    wait.pulled = Some(at.max(bound));
                }
            }
            Record::PodStarted(pod) => {
                if let Some(wait) = self.waiting.get_mut(pod) {
                    wait.started.get_or_insert(at);
                }
            }
            Record::PodBecameReady(pod) => {
                if let Some(wait) = self.waiting.remove(pod) {
                    self.served(at, &wait);
                }
            }
            Record::PodTerminating { pod, .. } | Record::PodGone(pod) => {
                self.created.remove(pod);
                self.waiting.remove(pod);
            }
            Record::NodeRequested { node, .. } => {
                let coming = Coming { asked: at, launched: None, ready: None, gpus: None };
                self.nodes.insert(*node, coming);
            }
            Record::NodeLaunched { node, .. } => self.step(*node, |node| &mut node.launched, at),
            Record::NodeBecameReady(node) => self.step(*node, |node| &mut node.ready, at),
            Record::NodeGpusAllocatable(node) => self.step(*node, |node| &mut node.gpus, at),
            Record::NodeGone(node) => {
                self.nodes.remove(node);
            }
            _ => {}
        }
    }

    fn step(&mut self, node: NodeId, of: fn(&mut Coming) -> &mut Option<SimTime>, at: SimTime) {
        if let Some(coming) = self.nodes.get_mut(&node) {
            of(coming).get_or_insert(at);
        }
    }

    /// A pod is ready. It counts when its machine came after it was found to fit nowhere.
    fn served(&mut self, at: SimTime, wait: &Waiting) {
        let Some((bound, node)) = wait.bound else { return };
        let Some(node) = self.nodes.get(&node) else { return };
        if node.ready.is_none_or(|ready| ready < wait.unschedulable) {
            return;
        }
        let ends = [
            Some(wait.unschedulable),
            Some(node.asked),
            node.launched,
            node.ready,
            node.gpus,
            Some(bound),
            wait.pulled,
            wait.started,
            Some(at),
        ];
        let own = self.workloads.entry(wait.workload).or_insert_with(StartUps::new);
        let mut from = wait.created;
        for (tally, end) in own.phases.iter_mut().zip(ends) {
            // A step that came earlier, or that there is none of, takes no time.
            let end = end.unwrap_or(from).max(from);
            tally.record(end.since(from));
            from = end;
        }
        own.total.record(at.since(wait.created));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::id::PoolId;
    use crate::model::record::MachineKind;
    use crate::units::SimDuration;

    const ML: WorkloadId = WorkloadId(0);

    fn told(pod: u32, node: u32, from: u64) -> Vec<(u64, Record)> {
        let (pod, node) = (PodId(pod), NodeId(node));
        let kind = MachineKind { instance: "g4dn.xlarge".into(), zone: None, spot: false };
        let message = || "0/3 nodes are available".into();
        let rows = vec![
            (0, Record::PodCreated { pod, workload: ML, name: "ml".into() }),
            (1, Record::PodUnschedulable { pod, message: message() }),
            (5, Record::PodUnschedulable { pod, message: message() }),
            (9, Record::NodeRequested { node, pool: PoolId(0) }),
            (29, Record::NodeLaunched { node, machine: Box::new(kind) }),
            (109, Record::NodeBecameReady(node)),
            (129, Record::NodeGpusAllocatable(node)),
            (130, Record::PodBound { pod, node, waited: SimDuration::from_secs(130) }),
            (130, Record::PodImagesPulled { pod, took: SimDuration::from_secs(170) }),
            (302, Record::PodStarted(pod)),
            (342, Record::PodBecameReady(pod)),
        ];
        rows.into_iter().map(|(at, record)| (from + at, record)).collect()
    }

    fn medians(watch: &StartUpWatch) -> Vec<Option<f64>> {
        let all = watch
            .of(ML)
            .expect("a pod waited")
            .phases
            .iter()
            .map(|phase| phase.percentile_ms(50.0));
        all.map(|ms| ms.map(|ms| (ms / 1000.0).round())).collect()
    }

    #[test]
    fn the_way_of_a_pod_that_waited_for_a_machine_is_laid_out() {
        let mut watch = StartUpWatch::new();
        for (at, record) in told(0, 0, 50) {
            watch.note(SimTime::from_secs(at), &record);
        }
        let expected = [1.0, 8.0, 20.0, 80.0, 20.0, 1.0, 170.0, 2.0, 40.0];
        assert_eq!(medians(&watch), expected.map(Some));
        let sum: f64 = expected.iter().sum();
        assert_eq!(watch.of(ML).and_then(|all| all.total.max_ms()), Some(sum * 1000.0));
    }

    #[test]
    fn pods_that_found_a_node_do_not_count_and_missing_steps_take_no_time() {
        let mut watch = StartUpWatch::new();
        // The node came before the pod was in need.
        let early = |record: &Record| {
            matches!(record, Record::NodeRequested { .. } | Record::NodeBecameReady(_))
        };
        let mut rows = told(0, 0, 50);
        rows.sort_by_key(|(at, record)| if early(record) { 0 } else { *at });
        for (at, record) in rows {
            let at = if early(&record) { 10 } else { at };
            watch.note(SimTime::from_secs(at), &record);
        }
        assert_eq!(watch.of(ML), None);
        // A node without GPUs, asked for before the pod was made.
        for (at, record) in told(1, 1, 50) {
            let at = if matches!(record, Record::NodeRequested { .. }) { 45 } else { at };
            if !matches!(record, Record::NodeGpusAllocatable(_)) {
                watch.note(SimTime::from_secs(at), &record);
            }
        }
        let expected = [1.0, 0.0, 28.0, 80.0, 0.0, 21.0, 170.0, 2.0, 40.0];
        assert_eq!(medians(&watch), expected.map(Some));
    }
}
