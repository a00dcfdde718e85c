//! The conditions in the status of an HPA and the reasons Kubernetes gives for them.
//!
//! Source: kube-controller-manager, `horizontal.go` (`setConditionInList`).

use std::fmt;

use super::observation::ConditionStatus;

/// One condition in the status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Condition {
    /// Which.
    pub kind: ConditionKind,
    /// Whether it holds.
    pub status: ConditionStatus,
    /// Why, in one word.
    pub reason: ConditionReason,
    /// When the status (not merely the reason) changed last (ns).
    pub last_transition_ns: i64,
}

/// The types of condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConditionKind {
    /// The scale can be read and written.
    AbleToScale,
    /// Metrics give a proposal.
    ScalingActive,
    /// A limit changed the proposal.
    ScalingLimited,
    /// The HPA itself went to size 0 (1.36, gate HPAScaleToZero).
    ScaledToZero,
}

impl fmt::Display for ConditionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AbleToScale => "AbleToScale",
            Self::ScalingActive => "ScalingActive",
            Self::ScalingLimited => "ScalingLimited",
            Self::ScaledToZero => "ScaledToZero",
        })
    }
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Reasons of conditions; `Display` gives Kubernetes' word.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum ConditionReason { $($(#[$doc])* $name,)* }

        impl fmt::Display for ConditionReason {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $(Self::$name => stringify!($name),)* })
            }
        }
    };
}

reasons! {
    /// The scale could not be read.
    FailedGetScale,
    /// The scale was read; nothing further is known yet.
    SucceededGetScale,
    /// Stabilization changed nothing.
    ReadyForNewScale,
    /// A higher, older recommendation held.
    ScaleDownStabilized,
    /// A lower, older recommendation held.
    ScaleUpStabilized,
    /// The scale was written.
    SucceededRescale,
    /// The scale could not be written.
    FailedUpdateScale,
    /// At least one metric gave a proposal.
    ValidMetricFound,
    /// Size 0 was set by hand.
    ScalingDisabled,
    /// A Resource metric failed.
    FailedGetResourceMetric,
    /// A ContainerResource metric failed.
    FailedGetContainerResourceMetric,
    /// A Pods metric failed.
    FailedGetPodsMetric,
    /// An Object metric failed.
    FailedGetObjectMetric,
    /// An External metric failed.
    FailedGetExternalMetric,
    /// The selector is missing or cannot be parsed.
    InvalidSelector,
    /// Another HPA selects the same pods.
    AmbiguousSelector,
    /// No limit changed the proposal.
    DesiredWithinRange,
    /// The rate limit upwards changed it.
    ScaleUpLimit,
    /// The rate limit downwards changed it.
    ScaleDownLimit,
    /// The maximum changed it.
    TooManyReplicas,
    /// The minimum changed it.
    TooFewReplicas,
    /// The HPA went to size 0.
    ScaledToZero,
    /// The HPA wrote another size than 0.
    NotScaledToZero,
}

/// The conditions as they stand; those a sync does not touch keep their value.
#[derive(Debug, Clone, Default)]
pub(super) struct Conditions {
    list: Vec<Condition>,
}

impl Conditions {
    pub(super) fn set(
        &mut self,
        kind: ConditionKind,
        status: ConditionStatus,
        reason: ConditionReason,
        now_ns: i64,
    ) {
        match self.list.iter_mut().find(|condition| condition.kind == kind) {
            Some(condition) => {
                if condition.status != status {
                    condition.last_transition_ns = now_ns;
                }
                condition.status = status;
                condition.reason = reason;
            }
            None => {
                self.list.push(Condition { kind, status, reason, last_transition_ns: now_ns });
            }
        }
    }

    pub(super) fn remove(&mut self, kind: ConditionKind) {
        self.list.retain(|condition| condition.kind != kind);
    }

    pub(super) fn is_true(&self, kind: ConditionKind) -> bool {
        self.list
            .iter()
            .any(|condition| condition.kind == kind && condition.status == ConditionStatus::True)
    }

    pub(super) fn list(&self) -> &[Condition] {
        &self.list
    }
}
