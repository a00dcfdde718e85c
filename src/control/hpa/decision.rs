//! What one sync decided and why, as data: nothing here computes.

use std::fmt;
use std::sync::Arc;

use super::conditions::{Condition, ConditionReason};
use super::observation::SelectorCheck;
use super::spec::ScalingPolicy;
use crate::units::quantity::{Format, Quantity};

/// The answer of one sync, with everything that led to it. Pod names are borrowed from the
/// observation.
#[must_use]
#[derive(Debug, Clone)]
pub struct HpaDecision<'a> {
    /// Size before (replicas); `None` when the scale could not be read.
    pub current_replicas: Option<i32>,
    /// Size after (replicas): what was written, else the size before.
    pub desired_replicas: Option<i32>,
    /// Why the scale was written; `None` when it was not.
    pub rescale: Option<RescaleReason>,
    /// Which way the decision went.
    pub path: DecisionPath,
    /// Each metric in the order of the specification; empty when none was looked at.
    pub metrics: Vec<MetricDecision<'a>>,
    /// The conditions after this sync, also those of earlier syncs that still stand.
    pub conditions: Vec<Condition>,
    /// The events this sync emitted.
    pub events: Vec<HpaEvent>,
}

/// The way through one reconciliation.
#[derive(Debug, Clone, PartialEq)]
pub enum DecisionPath {
    /// The scale could not be read: nothing happens.
    ScaleUnreadable,
    /// Size 0 set by hand: autoscaling rests until someone sets another size.
    Disabled,
    /// Above the maximum: corrected at once, without metrics.
    AboveMaximum,
    /// Below the minimum: corrected at once, without metrics.
    BelowMinimum,
    /// No usable proposal: nothing happens.
    NoProposal(NoProposal),
    /// The metrics proposed a size, which was then steadied and limited.
    Proposed(Normalization),
}

/// Why there is no usable proposal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoProposal {
    /// The selector cannot be used.
    Selector(SelectorCheck),
    /// Too many metrics failed.
    Metrics(MetricsFailed),
}

/// Metrics that gave no usable proposal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricsFailed {
    /// How many failed.
    pub invalid: usize,
    /// Out of how many.
    pub total: usize,
    /// Reason of the first one that failed.
    pub reason: ConditionReason,
    /// What the valid ones proposed, when that was a scale-down, which is then suppressed
    /// (replicas).
    pub suppressed_proposal: Option<i32>,
}

/// One metric at one sync.
#[derive(Debug, Clone)]
pub struct MetricDecision<'a> {
    /// What rescale reasons call it.
    pub label: Arc<str>,
    /// The current value as the status shows it.
    pub status: MetricStatus,
    /// Its proposal, or why it has none.
    pub outcome: Result<MetricProposal, MetricFailure>,
    /// Each pod in the order observed, and what part it played. Empty for Object and External
    /// metrics, which do not look at single pods.
    pub pods: Vec<PodVerdict<'a>>,
    /// Pods that have a metric but no longer exist; some sums count them.
    pub ghosts: Vec<&'a str>,
}

/// A metric's wish.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MetricProposal {
    /// Usage over target, from the pods that count.
    pub ratio: f64,
    /// The ratio after missing and unready pods were filled in with cautious values, if they were.
    pub cautious_ratio: Option<f64>,
    /// The size asked for, before any limit (replicas).
    pub replicas: i32,
}

/// The current value of a metric. `Display` gives the short form people know from `kubectl`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricStatus {
    /// The metric failed.
    None,
    /// Share of the request.
    Utilization {
        /// Whole percent, cut off.
        percent: i32,
        /// Mean usage (thousandths).
        average_milli: i64,
        /// How to print the mean.
        format: Format,
    },
    /// Mean per pod.
    Average {
        /// The mean (thousandths).
        milli: i64,
        /// How to print it.
        format: Format,
    },
    /// The value in all (thousandths).
    Value {
        /// The value (thousandths).
        milli: i64,
    },
}

impl fmt::Display for MetricStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::None => f.write_str("<none>"),
            Self::Utilization { percent, .. } => write!(f, "{percent}%"),
            Self::Average { milli, format } => {
                write!(f, "avg {}", Quantity::from_milli(milli, format))
            }
            Self::Value { milli } => {
                write!(f, "{}", Quantity::from_milli(milli, Format::DecimalSi))
            }
        }
    }
}

/// A pod's part in a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PodVerdict<'a> {
    /// The pod.
    pub pod: &'a str,
    /// Its part.
    pub part: PodPart,
}

/// How a pod enters a metric (`groupPods`; the first rule that applies counts).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PodPart {
    /// Left out altogether.
    Ignored(IgnoredWhy),
    /// Left out of a scale-down, idle in a scale-up.
    Unready(UnreadyWhy),
    /// It should have a metric and has none: on target in a scale-down, idle in a scale-up.
    Missing,
    /// It counts.
    Counted {
        /// Its usage (thousandths).
        usage_milli: i64,
    },
}

/// Why a pod is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IgnoredWhy {
    /// It is being deleted.
    Deleting,
    /// It failed.
    Failed,
}

/// Why a pod is held for unready. All but pending pods are so for CPU only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnreadyWhy {
    /// Its phase is Pending.
    Pending,
    /// No Ready condition or start time yet.
    NotStarted,
    /// NotReady within the initialization period.
    Initializing,
    /// Within the initialization period, and the sample reaches back to before it was ready.
    SampleTooEarly,
    /// It has never been ready.
    NeverReady,
}

impl fmt::Display for PodPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ignored(IgnoredWhy::Deleting) => "ignored: being deleted",
            Self::Ignored(IgnoredWhy::Failed) => "ignored: failed",
            Self::Unready(UnreadyWhy::Pending) => "unready: pending",
            Self::Unready(UnreadyWhy::NotStarted) => {
                "unready: no Ready condition or start time yet"
            }
            Self::Unready(UnreadyWhy::Initializing) => {
                "unready: not Ready within the CPU initialization period"
            }
            Self::Unready(UnreadyWhy::SampleTooEarly) => {
                "unready: its CPU sample began before it was Ready"
            }
            Self::Unready(UnreadyWhy::NeverReady) => "unready: has never been Ready",
            Self::Missing => "missing: no metric",
            Self::Counted { .. } => "counted",
        })
    }
}

/// Why a metric has no proposal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MetricFailure {
    /// It could not be read, or came back empty.
    NotRead,
    /// A pod is served without the container that is asked for.
    ContainerNotServed {
        /// The container.
        container: String,
        /// The pod.
        pod: String,
    },
    /// The selector matches no pod.
    NoPods,
    /// No pod is left that counts: all may be pending or unready.
    NoPodCounts,
    /// A container (or, when `None`, the pod as a whole) has no request to compare with.
    MissingRequest {
        /// The resource.
        resource: String,
        /// The container without a request.
        container: Option<String>,
        /// Its pod.
        pod: String,
    },
    /// A pod has no container of the name asked for.
    ContainerNotFound {
        /// The container.
        container: String,
        /// The pod.
        pod: String,
    },
    /// No request at all to compare with.
    NoRequests,
    /// The specification names no usable target.
    NoTarget,
}

impl fmt::Display for MetricFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotRead => f.write_str("the metric could not be read"),
            Self::ContainerNotServed { container, pod } => {
                write!(f, "container {container} not present in metrics for pod {pod}")
            }
            Self::NoPods => f.write_str("the selector matches no pod"),
            Self::NoPodCounts => {
                f.write_str("no targeted pod has a usable metric (pods might be unready)")
            }
            Self::MissingRequest { resource, container: Some(container), pod } => {
                write!(f, "missing request for {resource} in container {container} of Pod {pod}")
            }
            Self::MissingRequest { resource, container: None, pod } => {
                write!(f, "missing pod-level request for {resource} in Pod {pod}")
            }
            Self::ContainerNotFound { container, pod } => {
                write!(f, "container {container} not found in Pod {pod}")
            }
            Self::NoRequests => f.write_str("the pods that count request nothing"),
            Self::NoTarget => f.write_str("the metric has no usable target"),
        }
    }
}

/// From the proposal of the metrics to the size written.
#[derive(Debug, Clone, PartialEq)]
pub struct Normalization {
    /// The largest proposal of the metrics, at least 0 (replicas).
    pub proposal: i32,
    /// Index of the metric that made it; `None` when all proposed 0 or less.
    pub winner: Option<usize>,
    /// After stabilization.
    pub stabilization: Stabilization,
    /// Where the size may go at all.
    pub limit: Limit,
    /// After all limits (replicas).
    pub replicas: i32,
}

/// What older recommendations did to the proposal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stabilization {
    /// The size after stabilization (replicas).
    pub replicas: i32,
    /// The window that held the size back, if one did.
    pub held_by: Option<HeldBy>,
}

/// A stabilization window that held the size back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeldBy {
    /// Which window.
    pub window: Window,
    /// The recommendation that held (replicas).
    pub replicas: i32,
    /// When it was last recommended (ns).
    pub recorded_ns: i64,
    /// When it leaves the window, unless it is recommended again (ns).
    pub expires_ns: i64,
    /// The oldest recommendation still inside the window (ns).
    pub oldest_ns: i64,
}

/// One of the two stabilization windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    /// Holds scale-ups back.
    ScaleUp,
    /// Holds scale-downs back.
    ScaleDown,
}

/// How far the size may move at this sync.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    /// What each policy of the direction allows; empty without behavior or movement.
    pub policies: Vec<PolicyLimit>,
    /// The bound of the rate of change (replicas); `None` when the size does not move.
    pub rate: Option<i32>,
    /// Which limit changed the size: `DesiredWithinRange` when none did.
    pub reason: ConditionReason,
}

/// What one policy allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PolicyLimit {
    /// The policy.
    pub policy: ScalingPolicy,
    /// Pods added within its period.
    pub added: i32,
    /// Pods removed within its period.
    pub removed: i32,
    /// The size it allows (replicas).
    pub limit: i32,
}

/// Why the scale was written. `Display` is the text of the controller's event; it can be empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RescaleReason {
    /// Correction downwards.
    AboveMaximum,
    /// Correction upwards.
    BelowMinimum,
    /// This metric asked for more.
    MetricAboveTarget(Arc<str>),
    /// All metrics asked for less.
    AllMetricsBelowTarget,
    /// The metrics asked for the present size, yet an old recommendation moved it.
    NotGiven,
}

impl fmt::Display for RescaleReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AboveMaximum => f.write_str("Current number of replicas above Spec.MaxReplicas"),
            Self::BelowMinimum => f.write_str("Current number of replicas below Spec.MinReplicas"),
            Self::MetricAboveTarget(label) => write!(f, "{label} above target"),
            Self::AllMetricsBelowTarget => f.write_str("All metrics below target"),
            Self::NotGiven => Ok(()),
        }
    }
}

/// An event of the controller. `Display` is its message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HpaEvent {
    /// The scale was written.
    SuccessfulRescale {
        /// The size written (replicas).
        new_size: i32,
        /// Why.
        reason: RescaleReason,
    },
    /// The scale could not be written.
    FailedRescale {
        /// The size that was to be written (replicas).
        new_size: i32,
        /// Why it was to be.
        reason: RescaleReason,
    },
    /// The scale could not be read.
    FailedGetScale,
    /// No usable proposal.
    FailedComputeMetricsReplicas {
        /// Why.
        cause: NoProposal,
    },
    /// One metric failed.
    FailedMetric {
        /// The reason, by kind of metric.
        reason: ConditionReason,
        /// What happened.
        failure: MetricFailure,
    },
    /// The scale has no selector.
    SelectorRequired,
    /// The selector cannot be parsed.
    InvalidSelector,
    /// Another HPA selects the same pods.
    AmbiguousSelector,
}

impl HpaEvent {
    /// The event's reason, as Kubernetes writes it.
    pub fn reason(&self) -> String {
        match self {
            Self::SuccessfulRescale { .. } => "SuccessfulRescale".to_owned(),
            Self::FailedRescale { .. } => "FailedRescale".to_owned(),
            Self::FailedGetScale => "FailedGetScale".to_owned(),
            Self::FailedComputeMetricsReplicas { .. } => "FailedComputeMetricsReplicas".to_owned(),
            Self::FailedMetric { reason, .. } => reason.to_string(),
            Self::SelectorRequired => "SelectorRequired".to_owned(),
            Self::InvalidSelector => "InvalidSelector".to_owned(),
            Self::AmbiguousSelector => "AmbiguousSelector".to_owned(),
        }
    }

    /// `Normal` or `Warning`.
    pub fn event_type(&self) -> &'static str {
        match self {
            Self::SuccessfulRescale { .. } => "Normal",
            Self::FailedRescale { .. }
            | Self::FailedGetScale
            | Self::FailedComputeMetricsReplicas { .. }
            | Self::FailedMetric { .. }
            | Self::SelectorRequired
            | Self::InvalidSelector
            | Self::AmbiguousSelector => "Warning",
        }
    }
}

impl fmt::Display for HpaEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SuccessfulRescale { new_size, reason } => {
                write!(f, "New size: {new_size}; reason: {reason}")
            }
            Self::FailedRescale { new_size, reason } => {
                write!(f, "New size: {new_size}; reason: {reason}; the update was refused")
            }
            Self::FailedGetScale => f.write_str("the target's scale could not be read"),
            Self::FailedComputeMetricsReplicas { cause: NoProposal::Metrics(failed) } => {
                let MetricsFailed { invalid, total, .. } = failed;
                write!(f, "invalid metrics ({invalid} invalid out of {total})")
            }
            Self::FailedComputeMetricsReplicas { cause: NoProposal::Selector(_) } => {
                f.write_str("the target's selector cannot be used")
            }
            Self::FailedMetric { failure, .. } => write!(f, "{failure}"),
            Self::SelectorRequired => f.write_str("selector is required"),
            Self::InvalidSelector => f.write_str("the selector cannot be parsed"),
            Self::AmbiguousSelector => {
                f.write_str("pods by selector are controlled by multiple HPAs")
            }
        }
    }
}
