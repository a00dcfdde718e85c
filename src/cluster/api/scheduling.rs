//! The parts of a pod that say where it may run, and the taints that keep it away.

use std::fmt;
use std::sync::Arc;

use crate::cluster::api::meta::Labels;
use crate::cluster::api::selector::{LabelSelector, SelectorRequirement};

/// What a taint does to pods that do not tolerate it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TaintEffect {
    /// New pods stay away.
    NoSchedule,
    /// New pods stay away if they can.
    PreferNoSchedule,
    /// New pods stay away and running ones are evicted.
    NoExecute,
}

/// A taint of a node.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Taint {
    /// Key.
    pub key: Arc<str>,
    /// Value; empty when absent.
    pub value: Arc<str>,
    /// Effect.
    pub effect: TaintEffect,
}

impl fmt::Display for TaintEffect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoSchedule => "NoSchedule",
            Self::PreferNoSchedule => "PreferNoSchedule",
            Self::NoExecute => "NoExecute",
        })
    }
}

impl fmt::Display for Taint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.value.is_empty() {
            write!(f, "{}:{}", self.key, self.effect)
        } else {
            write!(f, "{}={}:{}", self.key, self.value, self.effect)
        }
    }
}

/// A toleration of a pod.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Toleration {
    /// Key; `None` (or empty) with `exists` tolerates every key.
    pub key: Option<Arc<str>>,
    /// `operator: Exists`; else the value must be equal.
    pub exists: bool,
    /// Value compared by `operator: Equal`.
    pub value: Arc<str>,
    /// Effect; `None` tolerates every effect.
    pub effect: Option<TaintEffect>,
    /// For `NoExecute`: how long the pod may stay (s); `None` is for ever, zero or less is not at all.
    pub toleration_seconds: Option<i64>,
}

impl Toleration {
    /// Whether this toleration covers a taint (api/core/v1/toleration.go `ToleratesTaint`).
    #[must_use]
    pub fn tolerates(&self, taint: &Taint) -> bool {
        let key = self.key.as_deref().unwrap_or_default();
        self.effect.is_none_or(|effect| effect == taint.effect)
            && (key.is_empty() || key == &*taint.key)
            && (self.exists || self.value == taint.value)
    }
}

/// `spec.affinity`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Affinity {
    /// `nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution`: any term must hold. `None` is
    /// absent; an empty list matches no node.
    pub node_required: Option<Vec<NodeSelectorTerm>>,
    /// `nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution`: weight and term.
    pub node_preferred: Vec<(i32, NodeSelectorTerm)>,
    /// `podAffinity.requiredDuringSchedulingIgnoredDuringExecution`.
    pub pod_required: Vec<PodAffinityTerm>,
    /// `podAffinity.preferredDuringSchedulingIgnoredDuringExecution`: weight and term.
    pub pod_preferred: Vec<(i32, PodAffinityTerm)>,
    /// `podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution`.
    pub pod_anti_required: Vec<PodAffinityTerm>,
    /// `podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution`: weight and term.
    pub pod_anti_preferred: Vec<(i32, PodAffinityTerm)>,
}

/// One term of node affinity: all expressions and fields must hold; an empty term matches nothing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct NodeSelectorTerm {
    /// Requirements on the node's labels.
    pub match_expressions: Vec<SelectorRequirement>,
    /// Requirements on the node's fields; only `metadata.name` exists.
    pub match_fields: Vec<SelectorRequirement>,
}

/// One term of pod affinity or anti-affinity.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PodAffinityTerm {
    /// Which pods count; `None` matches nothing.
    pub label_selector: Option<LabelSelector>,
    /// Namespaces by name; with no selector either: the pod's own.
    pub namespaces: Vec<Arc<str>>,
    /// Namespaces by label; `Some(empty)` is all of them.
    pub namespace_selector: Option<LabelSelector>,
    /// The node label whose equal values make nodes one place.
    pub topology_key: Arc<str>,
    /// Keys whose values are taken from the pod's own labels and added to the selector (In).
    pub match_label_keys: Vec<Arc<str>>,
    /// The same, negated (NotIn).
    pub mismatch_label_keys: Vec<Arc<str>>,
}

/// What happens when a spread constraint cannot be met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum WhenUnsatisfiable {
    /// The node is rejected.
    DoNotSchedule,
    /// The node scores lower.
    ScheduleAnyway,
}

/// Whether a policy of a spread constraint looks at affinity or taints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NodeInclusionPolicy {
    /// Only nodes that pass count.
    Honor,
    /// All nodes count.
    Ignore,
}

/// `spec.topologySpreadConstraints[]`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TopologySpreadConstraint {
    /// How uneven the spread may be, at least 1.
    pub max_skew: i32,
    /// The node label that names the domains.
    pub topology_key: Arc<str>,
    /// Hard or soft.
    pub when_unsatisfiable: WhenUnsatisfiable,
    /// Which pods count; `None` matches nothing.
    pub label_selector: Option<LabelSelector>,
    /// Fewer domains than this make the global minimum zero; default 1.
    pub min_domains: Option<i32>,
    /// Default `Honor`.
    pub node_affinity_policy: NodeInclusionPolicy,
    /// Default `Ignore`.
    pub node_taints_policy: NodeInclusionPolicy,
    /// Keys whose values are taken from the pod's own labels.
    pub match_label_keys: Vec<Arc<str>>,
}

/// Whether all `pairs` stand in `labels`, as `spec.nodeSelector` asks.
#[must_use]
pub fn node_selector_matches(pairs: &Labels, labels: &Labels) -> bool {
    pairs.iter().all(|(key, value)| labels.get(key) == Some(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taint(key: &str, value: &str, effect: TaintEffect) -> Taint {
        Taint { key: Arc::from(key), value: Arc::from(value), effect }
    }

    #[test]
    fn tolerations_match_by_key_value_and_effect() {
        let gpu = taint("nvidia.com/gpu", "true", TaintEffect::NoSchedule);
        let all = Toleration { exists: true, ..Toleration::default() };
        let exists =
            Toleration { key: Some(Arc::from("nvidia.com/gpu")), exists: true, ..all.clone() };
        let equal = Toleration { exists: false, value: Arc::from("true"), ..exists.clone() };
        let other = Toleration { value: Arc::from("false"), ..equal.clone() };
        let execute = Toleration { effect: Some(TaintEffect::NoExecute), ..exists.clone() };
        assert!(all.tolerates(&gpu) && exists.tolerates(&gpu) && equal.tolerates(&gpu));
        assert!(!other.tolerates(&gpu) && !execute.tolerates(&gpu));
        assert_eq!(gpu.to_string(), "nvidia.com/gpu=true:NoSchedule");
    }
}
