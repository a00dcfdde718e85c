//! The scheduling cycle: one pod, one decision.

use std::sync::Arc;

use rand::RngExt;

use crate::cluster::Budget;
use crate::control::scheduler::diagnosis::{NO_NODES, plugins, sentence};
use crate::control::scheduler::framework::{Filtered, Framework, Search};
use crate::control::scheduler::gpu_share::GpuSharing;
use crate::control::scheduler::gpu_share::scoring::ScoreMemory;
use crate::control::scheduler::nomination::Nominations;
use crate::control::scheduler::preemption::Preemption;
use crate::control::scheduler::rejection::PluginSet;
use crate::control::scheduler::snapshot::{NodeSlot, PodInfo, Snapshot};
use crate::engine::Stream;
use crate::model::id::PodId;
use crate::units::convert::count_u32;

/// What can be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SchedulerConfig {
    /// `percentageOfNodesToScore`; 0, the default, adapts to the number of nodes.
    pub percentage_of_nodes_to_score: i32,
}

/// kube-scheduler, default profile.
#[derive(Debug, Clone)]
pub struct Scheduler {
    config: SchedulerConfig,
    framework: Framework,
    nominations: Nominations,
    next_start: usize,
    ties: Stream,
    found: Filtered,
    totals: Vec<i64>,
    best: Vec<NodeSlot>,
    /// How devices are chosen, where the plugin for shared GPUs runs.
    sharing: GpuSharing,
    gpu_scores: ScoreMemory,
}

/// What became of a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It goes to a node; the snapshot already holds it there.
    Bind {
        /// The node.
        slot: NodeSlot,
        /// Nodes that would have taken it, among those examined.
        feasible: u32,
    },
    /// It fits nowhere.
    Unschedulable {
        /// kube-scheduler's sentence.
        message: Arc<str>,
        /// The plugins that turned it down; none when there are no nodes, which counts as an error.
        plugins: PluginSet,
        /// Pods of lower priority that must go, and from where, so that it finds room.
        preemption: Option<(NodeSlot, Vec<PodId>)>,
    },
}

impl Scheduler {
    /// A scheduler that has seen nothing. Ties are broken by `ties`, one draw for each tie.
    #[must_use]
    pub fn new(config: SchedulerConfig, ties: Stream) -> Self {
        Self {
            config,
            framework: Framework::new(),
            nominations: Nominations::default(),
            next_start: 0,
            ties,
            found: Filtered::default(),
            totals: Vec::new(),
            best: Vec::new(),
            sharing: GpuSharing::default(),
            gpu_scores: ScoreMemory::new(),
        }
    }

    /// With a choice of devices other than the tightest. It matters where
    /// [`gpu_share`](super::Surroundings::gpu_share) is on.
    #[must_use]
    pub fn with_gpu_sharing(self, sharing: GpuSharing) -> Self {
        Self { sharing, ..self }
    }

    /// One scheduling cycle (schedule_one.go `schedulingCycle`): filters, scores and picks, and puts
    /// the pod on its node in the snapshot; or says why not and who would have to go.
    ///
    /// The snapshot must be the same one in every call.
    pub fn schedule_one(
        &mut self,
        snapshot: &mut Snapshot,
        pod: &PodInfo,
        budgets: &[Budget],
    ) -> Outcome {
        if snapshot.node_count() == 0 {
            let (plugins, preemption) = (PluginSet::default(), None);
            return Outcome::Unschedulable { message: Arc::from(NO_NODES), plugins, preemption };
        }
        if let Some(slot) = self.nominated(snapshot, pod) {
            return self.assume(snapshot, pod, slot, 1);
        }
        self.find(snapshot, pod);
        match self.found.feasible.as_slice() {
            [] => self.fail(snapshot, pod, budgets),
            [only] => {
                let slot = *only;
                self.assume(snapshot, pod, slot, 1)
            }
            several => {
                let feasible = count_u32(several.len());
                let slot = self.pick(snapshot, pod);
                self.assume(snapshot, pod, slot, feasible)
            }
        }
    }

    /// Takes a pod off its node again: its binding failed, or it was deleted meanwhile.
    pub fn forget(&mut self, snapshot: &mut Snapshot, slot: NodeSlot, pod: PodId) {
        snapshot.remove_pod(slot, pod);
    }

    /// Drops what is known of a pod that is gone: its nomination, and that it had to go.
    pub fn pod_deleted(&mut self, pod: PodId) {
        self.nominations.forget(pod);
    }

    /// The node a pod is nominated for.
    #[must_use]
    pub fn nominated_node(&self, snapshot: &Snapshot, pod: PodId) -> Option<NodeSlot> {
        self.nominations.slot_of(snapshot, pod)
    }

    /// The plugins, for questions about single nodes.
    pub fn framework(&mut self) -> &mut Framework {
        &mut self.framework
    }

    /// The nominated node, if it takes the pod by now.
    fn nominated(&mut self, snapshot: &mut Snapshot, pod: &PodInfo) -> Option<NodeSlot> {
        let slot = self.nominations.slot_of(snapshot, pod.id)?;
        let answer = self.nominations.check(&mut self.framework, snapshot, pod, slot);
        answer.is_ok().then_some(slot)
    }

    fn find(&mut self, snapshot: &mut Snapshot, pod: &PodInfo) {
        let known = if self.nominations.is_empty() {
            Vec::new()
        } else {
            self.nominations.rejections(&mut self.framework, snapshot, pod)
        };
        let percentage = self.config.percentage_of_nodes_to_score;
        let search = Search { start: self.next_start, percentage };
        self.framework.find(snapshot, pod, search, &known, &mut self.found);
        let examined = self.found.feasible.len() + self.found.rejected.len();
        self.next_start = (self.next_start + examined) % snapshot.node_count();
    }

    /// The node with the highest score; among equals by lot, or as the plugin for GPUs is set.
    fn pick(&mut self, snapshot: &Snapshot, pod: &PodInfo) -> NodeSlot {
        let Self { framework, found, totals, best, ties, sharing, gpu_scores, .. } = self;
        if !sharing.scores(snapshot, pod, &found.feasible, gpu_scores, totals) {
            framework.score(snapshot, pod, &found.feasible, totals, None);
        }
        let mut highest = i64::MIN;
        for (slot, total) in found.feasible.iter().zip(&*totals) {
            if *total > highest {
                highest = *total;
                best.clear();
            }
            if *total == highest {
                best.push(*slot);
            }
        }
        if best.len() == 1 {
            return best[0];
        }
        if let Some(first) = sharing.first_by_name(snapshot, best) {
            return first;
        }
        best[ties.random_range(0..best.len())]
    }

    fn assume(
        &mut self,
        snapshot: &mut Snapshot,
        pod: &PodInfo,
        slot: NodeSlot,
        feasible: u32,
    ) -> Outcome {
        let shape = snapshot.shape(pod.shape);
        let devices = self.sharing.devices(snapshot.node(slot), shape, &mut self.ties);
        snapshot.add_pod(slot, PodInfo { devices, ..pod.clone() });
        self.nominations.clear(pod.id);
        Outcome::Bind { slot, feasible }
    }

    fn fail(&mut self, snapshot: &mut Snapshot, pod: &PodInfo, budgets: &[Budget]) -> Outcome {
        let Self { framework, nominations, found, ties, .. } = self;
        let mut preemption = Preemption { framework, snapshot, nominations, budgets, pod };
        let (words, preemption) = match preemption.run(found, |n| ties.random_range(0..n)) {
            Ok(candidate) => (String::new(), Some((candidate.slot, candidate.victims))),
            Err(words) => (words, None),
        };
        match &preemption {
            Some((slot, victims)) => {
                nominations.nominate(snapshot, pod, *slot);
                nominations.evict(snapshot, *slot, victims);
            }
            // While its victims are still leaving, the pod keeps its claim to their node.
            None if words.starts_with("not eligible") => {}
            None => nominations.clear(pod.id),
        }
        let shape = snapshot.shape(pod.shape);
        let message = sentence(snapshot.node_count(), found, shape, &words);
        let plugins = plugins(found);
        Outcome::Unschedulable { message: Arc::from(message), plugins, preemption }
    }
}
