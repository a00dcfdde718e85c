//! What the HPA looks at: plain borrowed data, gathered by whoever drives it.
//!
//! Amounts are whole thousandths (millicores; bytes times 1000), each rounded up from its source
//! on its own, as the controller does per container. Times are integer nanoseconds on any clock
//! that whole seconds are counted on.

use super::spec::ResourceName;

/// Everything one sync sees.
#[derive(Debug, Clone, Copy)]
pub struct HpaObservation<'a> {
    /// The moment of this sync (ns).
    pub now_ns: i64,
    /// The target's scale; `None` when it could not be read.
    pub scale: Option<Scale>,
    /// What became of the check of the target's pod selector.
    pub selector: SelectorCheck,
    /// All pods the selector matches, also old, finished and deleted ones.
    pub pods: &'a [ObservedPod<'a>],
    /// What metrics-server serves for these pods; empty when it serves nothing.
    pub pod_metrics: &'a [PodMetrics<'a>],
    /// One reading for each metric of the specification, in its order. Resource metrics come from
    /// `pod_metrics`; theirs is not looked at. A missing one is a failed one.
    pub readings: &'a [Reading<'a>],
    /// How the API server answers if the scale is written.
    pub scale_update: ScaleUpdate,
}

/// The target's scale subresource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scale {
    /// `.spec.replicas`: the size asked for.
    pub spec_replicas: i32,
    /// `.status.replicas`: pods that exist.
    pub status_replicas: i32,
}

/// Result of the selector checks (`validateAndParseSelector`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SelectorCheck {
    /// Usable, and no other HPA selects these pods.
    Valid,
    /// The scale has no selector.
    Missing,
    /// It cannot be parsed.
    Invalid,
    /// Another HPA selects some of these pods too; then both stand still.
    Ambiguous,
}

/// How a write of the scale ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScaleUpdate {
    /// It is taken.
    Succeeds,
    /// It is refused.
    Fails,
}

/// One pod as the informer cache has it.
#[derive(Debug, Clone, Copy)]
pub struct ObservedPod<'a> {
    /// Its name.
    pub name: &'a str,
    /// `.status.phase`.
    pub phase: PodPhase,
    /// The Ready condition, if there is one yet.
    pub ready: Option<ReadyCondition>,
    /// `.status.startTime` (ns), if there is one yet.
    pub start_ns: Option<i64>,
    /// Whether it is being deleted.
    pub lifecycle: PodLifecycle,
    /// Requests of its containers and sidecars. Pods of one template can share the slice.
    pub containers: &'a [ContainerAmounts<'a>],
    /// Requests of the pod as a whole (gate PodLevelResources), instead of its containers'.
    pub pod_level_requests: Option<Amounts>,
}

/// `.status.phase` of a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PodPhase {
    /// Not all containers run yet.
    Pending,
    /// Running.
    Running,
    /// Ended well.
    Succeeded,
    /// Ended badly.
    Failed,
    /// Its node does not answer.
    Unknown,
}

/// Whether a pod has a deletion timestamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PodLifecycle {
    /// It has none.
    Present,
    /// It has one.
    Deleting,
}

/// A pod's Ready condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadyCondition {
    /// Its status.
    pub status: ConditionStatus,
    /// When the status changed last (ns).
    pub last_transition_ns: i64,
}

/// Status of a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConditionStatus {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// Not known.
    Unknown,
}

impl std::fmt::Display for ConditionStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        })
    }
}

/// Amounts of the two measured resources; `None` is "not given".
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Amounts {
    /// Processor (millicores).
    pub cpu_milli: Option<i64>,
    /// Memory (thousandths of a byte).
    pub memory_milli: Option<i64>,
}

impl Amounts {
    /// The amount of one resource.
    pub fn of(self, resource: &ResourceName) -> Option<i64> {
        match resource {
            ResourceName::Cpu => self.cpu_milli,
            ResourceName::Memory => self.memory_milli,
            ResourceName::Other(_) => None,
        }
    }
}

/// Requests or usage of one container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContainerAmounts<'a> {
    /// The container's name.
    pub name: &'a str,
    /// Its amounts.
    pub amounts: Amounts,
}

/// Usage of one pod as metrics-server serves it.
#[derive(Debug, Clone, Copy)]
pub struct PodMetrics<'a> {
    /// The pod's name.
    pub name: &'a str,
    /// When the sample was taken (ns).
    pub timestamp_ns: i64,
    /// The span the CPU usage is averaged over, ending at the timestamp (ns).
    pub window_ns: i64,
    /// Usage per container.
    pub containers: &'a [ContainerAmounts<'a>],
}

/// What came back for one custom or external metric, in thousandths.
#[derive(Debug, Clone, Copy)]
pub enum Reading<'a> {
    /// It could not be read, or is not of this kind.
    Failed,
    /// A Pods metric: one value a pod.
    PerPod(&'a [PodValue<'a>]),
    /// An Object metric: one value.
    Single(i64),
    /// An External metric: one value a series.
    Series(&'a [i64]),
}

/// Value of a Pods metric for one pod.
#[derive(Debug, Clone, Copy)]
pub struct PodValue<'a> {
    /// The pod's name.
    pub pod: &'a str,
    /// The value (thousandths).
    pub value_milli: i64,
}
