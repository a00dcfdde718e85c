//! What a shape asks of nodes and of other pods, worked out once.

use std::sync::Arc;

use crate::cluster::api::scheduling::{
    NodeInclusionPolicy, NodeSelectorTerm, PodAffinityTerm, TopologySpreadConstraint,
    WhenUnsatisfiable,
};
use crate::cluster::api::selector::SelectorRequirement;
use crate::cluster::api::{LabelSelector, Labels, SelectorOperator, Taint, TaintEffect};
use crate::control::scheduler::snapshot::{KeyId, NodeInfo, Shape, Snapshot, Surroundings, equals};

/// A shape and the rules that follow from it.
#[derive(Debug, Clone)]
pub(crate) struct Rules {
    pub(crate) shape: Arc<Shape>,
    /// `DoNotSchedule` constraints, in the pod's order.
    pub(crate) hard: Vec<SpreadRule>,
    /// `ScheduleAnyway` constraints or the system defaults.
    pub(crate) soft: Vec<SpreadRule>,
    /// Nodes that lack the key of a soft constraint are left out of soft spreading: not so with the
    /// system defaults.
    pub(crate) soft_requires_keys: bool,
    /// Required affinity.
    pub(crate) affinity: Vec<TermRule>,
    /// Whether the shape matches all its own required affinity terms.
    pub(crate) attracts_itself: bool,
    /// Required anti-affinity.
    pub(crate) anti_affinity: Vec<TermRule>,
    /// Preferred affinity, and anti-affinity with its weight negated.
    pub(crate) preferred: Vec<(i64, TermRule)>,
    /// What NodeAffinity's PreFilter makes of `matchFields`.
    pub(crate) narrowing: Narrowing,
}

/// Which nodes are looked at, by NodeAffinity's PreFilter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Narrowing {
    /// All.
    None,
    /// Those named.
    Names(Vec<Arc<str>>),
    /// The terms contradict themselves.
    Conflict,
}

/// A spread constraint.
#[derive(Debug, Clone)]
pub(crate) struct SpreadRule {
    pub(crate) key: KeyId,
    pub(crate) is_hostname: bool,
    pub(crate) max_skew: i64,
    pub(crate) min_domains: usize,
    pub(crate) honors_affinity: bool,
    pub(crate) honors_taints: bool,
    /// Whether the shape's own labels match the selector.
    pub(crate) counts_itself: bool,
    namespace: Arc<str>,
    /// `None` counts nobody: a selector that is absent or empty.
    selector: Option<LabelSelector>,
}

impl SpreadRule {
    fn new(shape: &Shape, snapshot: &Snapshot, constraint: &TopologySpreadConstraint) -> Self {
        let selector = with_label_keys(constraint, &shape.labels);
        let counts_itself = selector.as_ref().is_some_and(|s| s.matches(&shape.labels));
        Self {
            key: snapshot.key(&constraint.topology_key),
            is_hostname: &*constraint.topology_key == HOSTNAME,
            max_skew: i64::from(constraint.max_skew),
            min_domains: usize::try_from(constraint.min_domains.unwrap_or(1)).unwrap_or(1),
            honors_affinity: constraint.node_affinity_policy == NodeInclusionPolicy::Honor,
            honors_taints: constraint.node_taints_policy == NodeInclusionPolicy::Honor,
            counts_itself,
            namespace: Arc::clone(&shape.namespace),
            selector: selector.filter(|selector| !selector.is_empty()),
        }
    }

    /// Whether pods of a shape are counted.
    pub(crate) fn counts(&self, other: &Shape) -> bool {
        self.namespace == other.namespace
            && self.selector.as_ref().is_some_and(|selector| selector.matches(&other.labels))
    }
}

/// Label of a node's own domain.
pub(crate) const HOSTNAME: &str = "kubernetes.io/hostname";
const ZONE: &str = "topology.kubernetes.io/zone";

/// podtopologyspread/common.go `mergeLabelSetWithSelector`: the values the pod has for
/// `matchLabelKeys` are demanded too. An absent selector has no requirements of its own, so with
/// such keys it stops matching nothing.
pub(in crate::control) fn with_label_keys(
    constraint: &TopologySpreadConstraint,
    own: &Labels,
) -> Option<LabelSelector> {
    let demanded: Vec<SelectorRequirement> = constraint
        .match_label_keys
        .iter()
        .filter_map(|key| own.get(key).map(|value| equals(key, value)))
        .collect();
    if demanded.is_empty() {
        return constraint.label_selector.clone();
    }
    let mut selector = constraint.label_selector.clone().unwrap_or_default();
    selector.match_expressions.extend(demanded);
    Some(selector)
}

/// A term of affinity between pods.
#[derive(Debug, Clone)]
pub(crate) struct TermRule {
    pub(crate) key: KeyId,
    namespaces: Vec<Arc<str>>,
    namespace_selector: Option<LabelSelector>,
    selector: Option<LabelSelector>,
}

impl TermRule {
    fn new(shape: &Shape, snapshot: &Snapshot, term: &PodAffinityTerm) -> Self {
        let own = term.namespaces.is_empty() && term.namespace_selector.is_none();
        let namespaces =
            if own { vec![Arc::clone(&shape.namespace)] } else { term.namespaces.clone() };
        Self {
            key: snapshot.key(&term.topology_key),
            namespaces,
            namespace_selector: term.namespace_selector.clone(),
            selector: term.label_selector.clone().map(|s| completed(s, term, &shape.labels)),
        }
    }

    /// Whether the term means pods of a shape.
    pub(crate) fn matches(&self, other: &Shape, surroundings: &Surroundings) -> bool {
        self.namespaces_include(&other.namespace, surroundings)
            && self.selector.as_ref().is_some_and(|selector| selector.matches(&other.labels))
    }

    fn namespaces_include(&self, namespace: &Arc<str>, surroundings: &Surroundings) -> bool {
        let nothing = Labels::new();
        self.namespaces.contains(namespace)
            || self.namespace_selector.as_ref().is_some_and(|selector| {
                selector.matches(surroundings.namespaces.get(namespace).unwrap_or(&nothing))
            })
    }
}

/// The API server writes `matchLabelKeys` and `mismatchLabelKeys` into the selector when the pod is
/// made (pkg/registry/core/pod/strategy.go `applyMatchLabelKeysAndMismatchLabelKeys`).
pub(in crate::control) fn completed(
    mut selector: LabelSelector,
    term: &PodAffinityTerm,
    own: &Labels,
) -> LabelSelector {
    for key in &term.match_label_keys {
        selector.match_expressions.extend(own.get(key).map(|value| equals(key, value)));
    }
    for key in &term.mismatch_label_keys {
        let differs = |value: &Arc<str>| SelectorRequirement {
            operator: SelectorOperator::NotIn,
            ..equals(key, value)
        };
        selector.match_expressions.extend(own.get(key).map(differs));
    }
    selector
}

impl Rules {
    pub(crate) fn of(snapshot: &Snapshot, shape: &Arc<Shape>) -> Self {
        let affinity = &shape.template.spec.affinity;
        let term = |term: &PodAffinityTerm| TermRule::new(shape, snapshot, term);
        let required: Vec<TermRule> = affinity.pod_required.iter().map(term).collect();
        let attracted =
            affinity.pod_preferred.iter().map(|(weight, t)| (i64::from(*weight), term(t)));
        let repelled =
            affinity.pod_anti_preferred.iter().map(|(weight, t)| (-i64::from(*weight), term(t)));
        let surroundings = snapshot.surroundings();
        Self {
            hard: own_constraints(snapshot, shape, WhenUnsatisfiable::DoNotSchedule),
            soft: soft_constraints(snapshot, shape),
            soft_requires_keys: !shape.template.spec.topology_spread.is_empty(),
            attracts_itself: required.iter().all(|term| term.matches(shape, surroundings)),
            affinity: required,
            anti_affinity: affinity.pod_anti_required.iter().map(term).collect(),
            preferred: attracted.chain(repelled).collect(),
            narrowing: narrowing(affinity.node_required.as_deref()),
            shape: Arc::clone(shape),
        }
    }

    /// Whether any rule of the shape looks at other pods' labels.
    pub(crate) fn matches_all_affinity(&self, other: &Shape, around: &Surroundings) -> bool {
        !self.affinity.is_empty() && self.affinity.iter().all(|term| term.matches(other, around))
    }

    /// Node selector and required node affinity (component-helpers nodeaffinity
    /// `RequiredNodeAffinity.Match`).
    pub(crate) fn node_affinity_matches(&self, node: &NodeInfo) -> bool {
        let spec = &self.shape.template.spec;
        let selected = spec.node_selector.iter().all(|(k, v)| node.labels.get(k) == Some(v));
        let required = spec.affinity.node_required.as_ref();
        selected && required.is_none_or(|terms| terms.iter().any(|term| term_holds(term, node)))
    }

    /// Whether it tolerates every taint that keeps pods away.
    pub(crate) fn tolerates(&self, taints: &[Taint]) -> bool {
        let keeps_away = |taint: &&Taint| {
            matches!(taint.effect, TaintEffect::NoSchedule | TaintEffect::NoExecute)
        };
        taints.iter().filter(keeps_away).all(|taint| self.tolerates_one(taint))
    }

    pub(crate) fn tolerates_one(&self, taint: &Taint) -> bool {
        self.shape.template.spec.tolerations.iter().any(|toleration| toleration.tolerates(taint))
    }
}

/// Whether all expressions and fields of a term hold; a term without any matches nothing.
pub(crate) fn term_holds(term: &NodeSelectorTerm, node: &NodeInfo) -> bool {
    if term.match_expressions.is_empty() && term.match_fields.is_empty() {
        return false;
    }
    let by_label = |r: &SelectorRequirement| r.matches_value(node.label(&r.key).map(|v| &**v));
    let by_field = |r: &SelectorRequirement| {
        r.matches_value((&*r.key == "metadata.name").then_some(&*node.name))
    };
    term.match_expressions.iter().all(by_label) && term.match_fields.iter().all(by_field)
}

fn own_constraints(
    snapshot: &Snapshot,
    shape: &Shape,
    action: WhenUnsatisfiable,
) -> Vec<SpreadRule> {
    let own = shape.template.spec.topology_spread.iter();
    own.filter(|constraint| constraint.when_unsatisfiable == action)
        .map(|constraint| SpreadRule::new(shape, snapshot, constraint))
        .collect()
}

/// The pod's own soft constraints; when it has none of any kind, the system defaults
/// (podtopologyspread/plugin.go `systemDefaultConstraints`).
fn soft_constraints(snapshot: &Snapshot, shape: &Shape) -> Vec<SpreadRule> {
    if !shape.template.spec.topology_spread.is_empty() {
        return own_constraints(snapshot, shape, WhenUnsatisfiable::ScheduleAnyway);
    }
    let Some(selector) = &shape.default_spread else { return Vec::new() };
    [(HOSTNAME, 3), (ZONE, 5)]
        .map(|(key, max_skew)| {
            let constraint = TopologySpreadConstraint {
                max_skew,
                topology_key: Arc::from(key),
                when_unsatisfiable: WhenUnsatisfiable::ScheduleAnyway,
                label_selector: Some(selector.clone()),
                min_domains: None,
                node_affinity_policy: NodeInclusionPolicy::Honor,
                node_taints_policy: NodeInclusionPolicy::Ignore,
                match_label_keys: Vec::new(),
            };
            SpreadRule::new(shape, snapshot, &constraint)
        })
        .into()
}

/// nodeaffinity/node_affinity.go `PreFilter`: names demanded by every term, intersected inside a
/// term, united over terms.
fn narrowing(required: Option<&[NodeSelectorTerm]>) -> Narrowing {
    let Some(terms) = required.filter(|terms| !terms.is_empty()) else { return Narrowing::None };
    let mut all: Vec<Arc<str>> = Vec::new();
    for term in terms {
        let mut names: Option<Vec<Arc<str>>> = None;
        let by_name = |r: &&SelectorRequirement| {
            &*r.key == "metadata.name" && r.operator == SelectorOperator::In
        };
        for requirement in term.match_fields.iter().filter(by_name) {
            let mut next = requirement.values.clone();
            next.retain(|name| names.as_ref().is_none_or(|before| before.contains(name)));
            names = Some(next);
        }
        let Some(names) = names else { return Narrowing::None };
        all.extend(names);
    }
    if all.is_empty() { Narrowing::Conflict } else { Narrowing::Names(all) }
}
