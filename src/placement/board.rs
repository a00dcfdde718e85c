//! The nodes of a trace with what is on them, and the sums over all of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::cluster::api::scheduling::NodeSelectorTerm;
use crate::cluster::api::selector::SelectorRequirement;
use crate::cluster::api::{Container, Labels, PodSpec, PodTemplate, SelectorOperator};
use crate::control::scheduler::gpu_share::WHOLE;
use crate::control::scheduler::{
    Devices, GpuDemand, NodeInfo, NodeSlot, Outcome, PodDescription, PodInfo, Scheduler, ShapeId,
    Snapshot, Surroundings, TypicalPods,
};
use crate::model::id::PodId;
use crate::scenario::pod_trace::{PodTrace, Sharing, TraceNode, TracePod};
use crate::units::convert::{count_u32, f64_from_i64, f64_from_usize, index};
use crate::units::{MilliCpu, ResourceList, Resources, SimTime};

/// The resource under which the default scheduler counts GPUs.
const GPU: &str = "nvidia.com/gpu";
/// The label with the model of a node's GPUs.
const MODEL: &str = "nvidia.com/gpu.product";

/// What a pod wants of GPUs, as they are counted: by whole ones a part is one.
pub(super) fn demand(pod: &TracePod, sharing: Sharing) -> Option<GpuDemand> {
    let milli = if sharing == Sharing::Whole { WHOLE } else { pod.gpu_milli };
    let wants = pod.gpus > 0 && pod.gpu_milli > 0;
    wants.then(|| GpuDemand {
        count: pod.gpus,
        milli,
        models: pod.models.iter().cloned().collect(),
    })
}

/// The state of a cluster at an instant; shares are of everything the cluster has.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Point {
    /// When (s).
    pub at_s: f64,
    /// GPUs that all pods so far wanted.
    pub arrived: f64,
    /// GPUs that pods with a place asked for: a half is a half.
    pub allocated: f64,
    /// GPUs that somebody has a part of.
    pub occupied: f64,
    /// GPUs that are idle and that the next typical pod could not use.
    pub fragmented: f64,
    /// The same as a share of the idle ones.
    pub fragmented_of_idle: f64,
    /// CPU that pods with a place asked for.
    pub cpu: f64,
    /// Memory that pods with a place asked for.
    pub memory: f64,
    /// Pods with a place.
    pub running: u32,
    /// Pods that wait for one, or were turned away.
    pub waiting: u32,
}

/// What makes pods interchangeable: cores, bytes and GPUs.
type Request = (i64, i64, Option<GpuDemand>);

/// The cluster of a trace.
pub(super) struct Board<'a> {
    trace: &'a PodTrace,
    pub(super) scheduler: Scheduler,
    pub(super) snapshot: Snapshot,
    typical: Arc<TypicalPods>,
    shapes: BTreeMap<Request, ShapeId>,
    /// Where each pod is, by its number.
    place: BTreeMap<PodId, (NodeSlot, usize)>,
    /// Idle GPUs of each node that typical pods could not use (thousandths), by slot.
    fragments: Vec<f64>,
    /// Devices of each node that somebody has a part of, by slot.
    occupied: Vec<usize>,
    sums: Sums,
    all: Sums,
}

/// Requests of pods together, or what all nodes have.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    cpu: i64,
    memory: i64,
    gpu_milli: i64,
}

impl<'a> Board<'a> {
    pub(super) fn new(
        trace: &'a PodTrace,
        typical: Arc<TypicalPods>,
        scheduler: Scheduler,
    ) -> Self {
        let gpu_share = matches!(trace.sharing, Sharing::Devices(_));
        let mut snapshot = Snapshot::new(Surroundings { gpu_share, ..Surroundings::default() });
        let mut all = Sums { gpu_milli: trace.gpu_milli(), ..Sums::default() };
        for node in &trace.nodes {
            all.cpu += node.cpu.0;
            all.memory = all.memory.saturating_add(node.memory.0);
            snapshot.add_node(node_info(node, gpu_share));
        }
        let mut board = Self {
            trace,
            scheduler,
            fragments: vec![0.0; trace.nodes.len()],
            occupied: vec![0; trace.nodes.len()],
            snapshot,
            typical,
            shapes: BTreeMap::new(),
            place: BTreeMap::new(),
            sums: Sums::default(),
            all,
        };
        for at in 0..trace.nodes.len() {
            board.look_at(NodeSlot(count_u32(at)));
        }
        board
    }

    /// The shape of a pod of the trace.
    pub(super) fn shape(&mut self, pod: &TracePod) -> ShapeId {
        let demand = demand(pod, self.trace.sharing);
        let request = (pod.cpu.0, pod.memory.0, demand);
        if let Some(known) = self.shapes.get(&request) {
            return *known;
        }
        let template = template(pod, request.2.as_ref(), self.trace.sharing);
        let shape = self.snapshot.add_shape(PodDescription {
            namespace: Arc::from("default"),
            labels: Labels::new(),
            template: Arc::new(template),
            owner_selector: None,
        });
        self.shapes.insert(request, shape);
        shape
    }

    /// One cycle for the pod in a row of the trace, under a number of its own.
    pub(super) fn schedule(&mut self, id: PodId, row: usize) -> Result<NodeSlot, Outcome> {
        let pod = &self.trace.pods[row];
        let info = PodInfo::new(id, self.shape(pod));
        match self.scheduler.schedule_one(&mut self.snapshot, &info, &[]) {
            Outcome::Bind { slot, .. } => {
                self.place.insert(id, (slot, row));
                self.count(row, 1);
                self.look_at(slot);
                Ok(slot)
            }
            other => Err(other),
        }
    }

    /// A pod leaves its node.
    pub(super) fn leave(&mut self, id: PodId) {
        let Some((slot, row)) = self.place.remove(&id) else { return };
        self.snapshot.remove_pod(slot, id);
        self.count(row, -1);
        self.look_at(slot);
    }

    /// The node a pod is on.
    pub(super) fn node_of(&self, slot: NodeSlot) -> &'a TraceNode {
        &self.trace.nodes[index(slot.0)]
    }

    /// The state of the cluster.
    pub(super) fn point(&self, at: SimTime, arrived_milli: i64, waiting: usize) -> Point {
        let share = |part: i64, of: i64| {
            if of == 0 { 0.0 } else { f64_from_i64(part) / f64_from_i64(of) }
        };
        let gpus = f64_from_i64(self.all.gpu_milli) / f64_from_i64(WHOLE);
        let of_gpus = |part: f64| if gpus > 0.0 { part / gpus } else { 0.0 };
        let fragmented: f64 = self.fragments.iter().sum::<f64>() / f64_from_i64(WHOLE);
        let idle = f64_from_i64(self.idle_milli()) / f64_from_i64(WHOLE);
        Point {
            at_s: at.as_secs_f64(),
            arrived: share(arrived_milli, self.all.gpu_milli),
            allocated: share(self.sums.gpu_milli, self.all.gpu_milli),
            occupied: of_gpus(f64_from_usize(self.occupied.iter().sum())),
            fragmented: of_gpus(fragmented),
            fragmented_of_idle: if idle > 0.0 { fragmented / idle } else { 0.0 },
            cpu: share(self.sums.cpu, self.all.cpu),
            memory: share(self.sums.memory, self.all.memory),
            running: count_u32(self.place.len()),
            waiting: count_u32(waiting),
        }
    }

    fn idle_milli(&self) -> i64 {
        match self.trace.sharing {
            Sharing::Devices(_) => self.all.gpu_milli - self.sums.gpu_milli,
            Sharing::Whole => {
                let occupied = i64::from(count_u32(self.occupied.iter().sum()));
                self.all.gpu_milli - occupied * WHOLE
            }
        }
    }

    fn count(&mut self, row: usize, sign: i64) {
        let pod = &self.trace.pods[row];
        self.sums.cpu += sign * pod.cpu.0;
        self.sums.memory = self.sums.memory.saturating_add(sign * pod.memory.0);
        self.sums.gpu_milli += sign * pod.total_gpu_milli();
    }

    /// Notes what a node that changed has idle, and who could use it.
    fn look_at(&mut self, slot: NodeSlot) {
        let node = self.snapshot.node(slot);
        let whole = match self.trace.sharing {
            Sharing::Devices(_) => None,
            Sharing::Whole => {
                let free = node.allocatable.get(GPU) - node.requested.get(GPU);
                let model = node.label(MODEL).cloned();
                Some(Devices::new(u32::try_from(free).unwrap_or(0), model))
            }
        };
        let devices = whole.as_ref().unwrap_or(&node.devices);
        let cpu = node.allocatable.cpu.0 - node.scoring_requested.cpu.0;
        let at = index(slot.0);
        self.fragments[at] = self.typical.fragments(cpu, devices).fragmented();
        self.occupied[at] = index(self.trace.nodes[at].gpus) - devices.untouched();
    }
}

fn node_info(node: &TraceNode, gpu_share: bool) -> NodeInfo {
    let mut labels = Labels::from([(Arc::from("kubernetes.io/hostname"), Arc::clone(&node.name))]);
    if let Some(model) = &node.model {
        labels.insert(Arc::from(MODEL), Arc::clone(model));
    }
    let mut allocatable = Resources::new(node.cpu, node.memory);
    let mut devices = Devices::default();
    if gpu_share {
        devices = Devices::new(node.gpus, node.model.clone());
    } else {
        allocatable.set(&Arc::from(GPU), i64::from(node.gpus));
    }
    NodeInfo {
        name: Arc::clone(&node.name),
        labels,
        allocatable,
        max_pods: node.max_pods,
        devices,
        ..NodeInfo::default()
    }
}

fn template(pod: &TracePod, demand: Option<&GpuDemand>, sharing: Sharing) -> PodTemplate {
    let mut requests = ResourceList {
        cpu: (pod.cpu > MilliCpu(0)).then_some(pod.cpu),
        memory: (pod.memory.0 > 0).then_some(pod.memory),
        ..ResourceList::default()
    };
    let mut spec = PodSpec::default();
    let mut annotations = Labels::new();
    match (demand, sharing) {
        (Some(demand), Sharing::Devices(_)) => annotations = demand.annotations(),
        (Some(demand), Sharing::Whole) => {
            requests.extended.push((Arc::from(GPU), i64::from(demand.count)));
            spec.affinity.node_required = required_model(demand);
        }
        (None, _) => {}
    }
    spec.containers.push(Container { requests, ..Container::default() });
    PodTemplate { labels: Labels::new(), annotations, spec }
}

/// The node affinity that keeps a pod to models it can use.
fn required_model(demand: &GpuDemand) -> Option<Vec<NodeSelectorTerm>> {
    let one_of = SelectorRequirement {
        key: Arc::from(MODEL),
        operator: SelectorOperator::In,
        values: demand.models.to_vec(),
    };
    let term = NodeSelectorTerm { match_expressions: vec![one_of], match_fields: Vec::new() };
    (!demand.models.is_empty()).then(|| vec![term])
}
