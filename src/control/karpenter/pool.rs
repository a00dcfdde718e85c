//! NodePools as written, and the flags of Karpenter itself.
//!
//! sigs.k8s.io/karpenter, pkg/apis/v1/nodepool.go; pkg/operator/options/options.go.

use std::fmt;
use std::sync::Arc;

use super::instance::InstanceOption;
use super::requirement::Requirements;
use crate::cluster::api::meta::IntOrPercent;
use crate::cluster::api::{Labels, Taint};
use crate::units::{Origin, ResourceList, SimDuration, SimTime};

/// A `karpenter.sh/v1` NodePool and the machines it may launch.
#[derive(Debug, Clone, PartialEq)]
pub struct NodePool {
    /// `metadata.name`.
    pub name: Arc<str>,
    /// Where it is written.
    pub origin: Origin,
    /// `spec.weight`; the heaviest pool is tried first.
    pub weight: i32,
    /// `spec.limits`, where `nodes` is a limit too.
    pub limits: ResourceList,
    /// Labels of its nodes.
    pub labels: Labels,
    /// Annotations of its nodes.
    pub annotations: Labels,
    /// Taints of its nodes.
    pub taints: Vec<Taint>,
    /// Taints that a node starts with and that someone takes away.
    pub startup_taints: Vec<Taint>,
    /// `spec.template.spec.requirements`.
    pub requirements: Requirements,
    /// `expireAfter`; `None` is `Never`.
    pub expire_after: Option<SimDuration>,
    /// `terminationGracePeriod`; `None` waits for ever.
    pub termination_grace: Option<SimDuration>,
    /// `consolidationPolicy`.
    pub policy: ConsolidationPolicy,
    /// `consolidateAfter`; `None` is `Never`.
    pub consolidate_after: Option<SimDuration>,
    /// `budgets`.
    pub budgets: Vec<Budget>,
    /// Machine types that its node class offers, in the order of the catalogue.
    pub options: Vec<Arc<InstanceOption>>,
}

/// `disruption.consolidationPolicy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConsolidationPolicy {
    /// Only empty nodes go.
    WhenEmpty,
    /// Nodes go whose pods fit elsewhere, or on a cheaper node.
    WhenEmptyOrUnderutilized,
    /// As before, when what is saved is worth the pods that move.
    Balanced,
}

impl ConsolidationPolicy {
    /// The name in NodePools.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::WhenEmpty => "WhenEmpty",
            Self::WhenEmptyOrUnderutilized => "WhenEmptyOrUnderutilized",
            Self::Balanced => "Balanced",
        }
    }
}

/// Why nodes are disrupted of Karpenter's own accord.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DisruptionReason {
    /// No pod that would have to move.
    Empty,
    /// Its NodePool asks for something else now.
    Drifted,
    /// Its pods fit elsewhere, or on a cheaper node.
    Underutilized,
}

impl fmt::Display for DisruptionReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "Empty",
            Self::Drifted => "Drifted",
            Self::Underutilized => "Underutilized",
        })
    }
}

/// `disruption.budgets[]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Budget {
    /// Reasons it restricts; `None` is all.
    pub reasons: Option<Vec<DisruptionReason>>,
    /// Nodes that may be disrupted at a time; percentages are rounded up.
    pub nodes: IntOrPercent,
    /// When it restricts: from each time on, up to but not including the other. `None` is always.
    pub active: Option<Vec<(SimTime, SimTime)>>,
}

impl Budget {
    /// The budget of a NodePool that states none: one node in ten.
    #[must_use]
    pub fn usual() -> Self {
        Self { reasons: None, nodes: IntOrPercent::Percent(10), active: None }
    }

    /// Whether it restricts now. A hit of the schedule counts from its instant on
    /// (nodepool.go `IsActive`).
    #[must_use]
    pub fn is_active(&self, now: SimTime) -> bool {
        let inside = |(from, to): &(SimTime, SimTime)| *from <= now && now < *to;
        self.active.as_ref().is_none_or(|windows| windows.iter().any(inside))
    }
}

impl NodePool {
    /// How many of `nodes` nodes may be disrupted at a time for a reason; `None` is any number
    /// (nodepool.go `GetAllowedDisruptionsByReason`).
    #[must_use]
    pub fn allowed_disruptions(
        &self,
        now: SimTime,
        nodes: i32,
        reason: DisruptionReason,
    ) -> Option<i32> {
        let concerns = |budget: &&Budget| {
            budget.is_active(now)
                && budget.reasons.as_ref().is_none_or(|reasons| reasons.contains(&reason))
        };
        let budgets = self.budgets.iter().filter(concerns);
        budgets.map(|budget| budget.nodes.scaled(nodes, true)).min()
    }
}

/// What is done with preferences of pods (`--preference-policy`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PreferencePolicy {
    /// They count as demands until the pod fits nowhere.
    #[default]
    Respect,
    /// They do not count.
    Ignore,
}

/// What is done when `minValues` cannot be kept (`--min-values-policy`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MinValuesPolicy {
    /// Nothing is launched.
    #[default]
    Strict,
    /// It is launched with what there is.
    BestEffort,
}

/// Flags and feature gates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// `--batch-idle-duration`: so long without a new pod ends a window.
    pub batch_idle: SimDuration,
    /// `--batch-max-duration`: no window is longer.
    pub batch_max: SimDuration,
    /// `--preference-policy`.
    pub preferences: PreferencePolicy,
    /// `--min-values-policy`.
    pub min_values: MinValuesPolicy,
    /// Feature gate `SpotToSpotConsolidation`.
    pub spot_to_spot: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            batch_idle: SimDuration::from_secs(1),
            batch_max: SimDuration::from_secs(10),
            preferences: PreferencePolicy::Respect,
            min_values: MinValuesPolicy::Strict,
            spot_to_spot: false,
        }
    }
}

/// What Karpenter runs on.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct KarpenterSpec {
    /// NodePools in the order in which they are tried: by weight, then by name from the end of the
    /// alphabet (pkg/utils/nodepool `OrderByWeight`).
    pub pools: Vec<Arc<NodePool>>,
    /// Flags.
    pub options: Options,
}

impl KarpenterSpec {
    /// A set of NodePools, put in order.
    #[must_use]
    pub fn new(mut pools: Vec<Arc<NodePool>>, options: Options) -> Self {
        pools.sort_by(|a, b| b.weight.cmp(&a.weight).then_with(|| b.name.cmp(&a.name)));
        Self { pools, options }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A pool that asks for nothing.
    pub(crate) fn plain(name: &str, options: Vec<Arc<InstanceOption>>) -> NodePool {
        NodePool {
            name: Arc::from(name),
            origin: Origin::default(),
            weight: 0,
            limits: ResourceList::default(),
            labels: Labels::new(),
            annotations: Labels::new(),
            taints: Vec::new(),
            startup_taints: Vec::new(),
            requirements: Requirements::new(),
            expire_after: Some(SimDuration::from_secs(720 * 3600)),
            termination_grace: None,
            policy: ConsolidationPolicy::WhenEmptyOrUnderutilized,
            consolidate_after: Some(SimDuration::ZERO),
            budgets: vec![Budget::usual()],
            options,
        }
    }

    fn at(secs: u64) -> SimTime {
        SimTime::from_secs(secs)
    }

    #[test]
    fn the_tightest_active_budget_of_a_reason_counts() {
        use DisruptionReason::{Drifted, Empty, Underutilized};
        let mut pool = plain("p", Vec::new());
        let allowed =
            |pool: &NodePool, nodes, reason| pool.allowed_disruptions(at(50), nodes, reason);
        // One in ten, rounded up: also of a single node.
        let nodes = [0, 1, 5, 10, 11, 25];
        assert_eq!(nodes.map(|n| allowed(&pool, n, Empty)), [0, 1, 1, 1, 2, 3].map(Some));
        pool.budgets = vec![
            Budget { nodes: IntOrPercent::Percent(50), ..Budget::usual() },
            Budget { reasons: Some(vec![Drifted]), nodes: IntOrPercent::Int(0), active: None },
            Budget {
                reasons: None,
                nodes: IntOrPercent::Int(2),
                active: Some(vec![(at(50), at(60))]),
            },
        ];
        assert_eq!(
            [Empty, Drifted, Underutilized].map(|r| allowed(&pool, 20, r)),
            [2, 0, 2].map(Some)
        );
        // At the end of its window the budget restricts no more.
        assert_eq!(pool.allowed_disruptions(at(60), 20, Empty), Some(10));
        pool.budgets.clear();
        assert_eq!(allowed(&pool, 20, Empty), None);
    }

    #[test]
    fn heavy_pools_come_first_and_equals_from_the_end_of_the_alphabet() {
        let pool = |name: &str, weight| Arc::new(NodePool { weight, ..plain(name, Vec::new()) });
        let spec = KarpenterSpec::new(
            vec![pool("a", 0), pool("c", 5), pool("b", 0), pool("d", 1)],
            Options::default(),
        );
        let names: Vec<&str> = spec.pools.iter().map(|pool| &*pool.name).collect();
        assert_eq!(names, ["c", "d", "b", "a"]);
    }
}
