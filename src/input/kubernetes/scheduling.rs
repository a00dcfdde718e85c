//! The parts of a pod that say where it may run.

use std::sync::Arc;

use super::meta::{names, requirement, selector};
use crate::cluster::api::scheduling::{
    Affinity, NodeInclusionPolicy, NodeSelectorTerm, PodAffinityTerm, Taint, TaintEffect,
    Toleration, TopologySpreadConstraint, WhenUnsatisfiable,
};
use crate::cluster::api::selector::{SelectorOperator, SelectorRequirement};
use crate::input::codes;
use crate::input::decode::{Fields, Value};

const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";

const EFFECTS: [(&str, TaintEffect); 3] = [
    ("NoSchedule", TaintEffect::NoSchedule),
    ("PreferNoSchedule", TaintEffect::PreferNoSchedule),
    ("NoExecute", TaintEffect::NoExecute),
];

/// A taint of a node or node pool.
pub(in crate::input) fn taint(value: &Value<'_>) -> Option<Taint> {
    let fields = value.fields()?;
    let key = fields.required("key").and_then(|key| key.non_empty().map(Arc::from));
    let text = fields.read_or("value", Arc::from(""), Value::shared);
    let effect = fields.required("effect").and_then(|effect| effect.word(&EFFECTS));
    fields.ignore(&["timeAdded"]);
    fields.finish("Taint (v1)");
    Some(Taint { key: key?, value: text?, effect: effect? })
}

/// A toleration, checked as validation.go `ValidateTolerations` does.
pub(super) fn toleration(value: &Value<'_>) -> Option<Toleration> {
    let fields = value.fields()?;
    let key = fields.read("key", Value::shared);
    let operators = [("Exists", true), ("Equal", false), ("", false)];
    let exists = fields.read_or("operator", false, |value| value.word(&operators));
    let text = fields.read_or("value", Arc::from(""), Value::shared);
    let effect = fields.read("effect", |effect| {
        if effect.node().text() == Some("") { Some(None) } else { effect.word(&EFFECTS).map(Some) }
    });
    let toleration_seconds =
        fields.read("tolerationSeconds", |value| value.integer(i64::MIN..=i64::MAX));
    fields.finish("Toleration (v1)");
    let (exists, text, effect) = (exists?, text?, effect?.flatten());
    let key = key?.filter(|key| !key.is_empty());
    let toleration_seconds = toleration_seconds?;
    let fault = if key.is_none() && !exists {
        Some(
            "operator must be Exists when `key` is empty, which means \"match all values and all \
             keys\"",
        )
    } else if exists && !text.is_empty() {
        Some("value must be empty when `operator` is 'Exists'")
    } else if toleration_seconds.is_some()
        && effect.is_some_and(|effect| effect != TaintEffect::NoExecute)
    {
        Some("effect must be 'NoExecute' when `tolerationSeconds` is set")
    } else {
        None
    };
    if let Some(fault) = fault {
        value.report(value.error(codes::INVALID_CONSTRAINT, &format!("is not allowed: {fault}")));
        return None;
    }
    Some(Toleration { key, exists, value: text, effect, toleration_seconds })
}

/// `spec.affinity`.
pub(super) fn affinity(value: &Value<'_>) -> Option<Affinity> {
    let fields = value.fields()?;
    let node = fields.read("nodeAffinity", node_affinity);
    let pod = fields.read_or("podAffinity", Default::default(), pod_affinity);
    let anti = fields.read_or("podAntiAffinity", Default::default(), pod_affinity);
    fields.finish("Affinity (v1)");
    let (node_required, node_preferred) = node?.unwrap_or_default();
    let (pod_required, pod_preferred) = pod?;
    let (pod_anti_required, pod_anti_preferred) = anti?;
    Some(Affinity {
        node_required,
        node_preferred,
        pod_required,
        pod_preferred,
        pod_anti_required,
        pod_anti_preferred,
    })
}

type NodeAffinity = (Option<Vec<NodeSelectorTerm>>, Vec<(i32, NodeSelectorTerm)>);

fn node_affinity(value: &Value<'_>) -> Option<NodeAffinity> {
    let fields = value.fields()?;
    let required = fields.read(REQUIRED, |value| {
        let fields = value.fields()?;
        let terms =
            fields.required("nodeSelectorTerms").and_then(|terms| terms.list(node_selector_term));
        fields.finish("NodeSelector (v1)");
        terms
    });
    let preferred = fields.read_or(PREFERRED, Vec::new(), |value| {
        value.list(|item| weighted(item, "preference", node_selector_term))
    });
    fields.finish("NodeAffinity (v1)");
    Some((required?, preferred?))
}

fn node_selector_term(value: &Value<'_>) -> Option<NodeSelectorTerm> {
    let fields = value.fields()?;
    let expressions = |name| fields.read_or(name, Vec::new(), |value| value.list(node_requirement));
    let match_expressions = expressions("matchExpressions");
    let match_fields = expressions("matchFields");
    fields.finish("NodeSelectorTerm (v1)");
    Some(NodeSelectorTerm { match_expressions: match_expressions?, match_fields: match_fields? })
}

fn node_requirement(value: &Value<'_>) -> Option<SelectorRequirement> {
    use SelectorOperator::{DoesNotExist, Exists, Gt, In, Lt, NotIn};
    let operators = [
        ("In", In),
        ("NotIn", NotIn),
        ("Exists", Exists),
        ("DoesNotExist", DoesNotExist),
        ("Gt", Gt),
        ("Lt", Lt),
    ];
    requirement(value, &operators)
}

type PodAffinity = (Vec<PodAffinityTerm>, Vec<(i32, PodAffinityTerm)>);

fn pod_affinity(value: &Value<'_>) -> Option<PodAffinity> {
    let fields = value.fields()?;
    let required = fields.read_or(REQUIRED, Vec::new(), |value| value.list(pod_affinity_term));
    let preferred = fields.read_or(PREFERRED, Vec::new(), |value| {
        value.list(|item| weighted(item, "podAffinityTerm", pod_affinity_term))
    });
    fields.finish("PodAffinity (v1)");
    Some((required?, preferred?))
}

fn pod_affinity_term(value: &Value<'_>) -> Option<PodAffinityTerm> {
    let fields = value.fields()?;
    let label_selector = fields.read("labelSelector", selector);
    let namespaces = fields.read_or("namespaces", Vec::new(), names);
    let namespace_selector = fields.read("namespaceSelector", selector);
    let topology_key = topology_key(&fields);
    let match_label_keys = fields.read_or("matchLabelKeys", Vec::new(), names);
    let mismatch_label_keys = fields.read_or("mismatchLabelKeys", Vec::new(), names);
    fields.finish("PodAffinityTerm (v1)");
    Some(PodAffinityTerm {
        label_selector: label_selector?,
        namespaces: namespaces?,
        namespace_selector: namespace_selector?,
        topology_key: topology_key?,
        match_label_keys: match_label_keys?,
        mismatch_label_keys: mismatch_label_keys?,
    })
}

/// A preference with its weight of 1 to 100.
fn weighted<'a, T>(
    value: &Value<'a>,
    name: &'static str,
    read: impl FnOnce(&Value<'a>) -> Option<T>,
) -> Option<(i32, T)> {
    let fields = value.fields()?;
    let weight = fields.required("weight").and_then(|weight| weight.integer(1..=100_i32));
    let term = fields.required(name).and_then(|term| read(&term));
    fields.finish("a weighted term");
    Some((weight?, term?))
}

fn topology_key(fields: &Fields<'_>) -> Option<Arc<str>> {
    fields.required("topologyKey").and_then(|key| key.non_empty().map(Arc::from))
}

/// `spec.topologySpreadConstraints[]`.
pub(super) fn topology_spread(value: &Value<'_>) -> Option<TopologySpreadConstraint> {
    let fields = value.fields()?;
    let max_skew = fields.required("maxSkew").and_then(|skew| skew.integer(1..=i32::MAX));
    let topology_key = topology_key(&fields);
    let actions = [
        ("DoNotSchedule", WhenUnsatisfiable::DoNotSchedule),
        ("ScheduleAnyway", WhenUnsatisfiable::ScheduleAnyway),
    ];
    let when = fields.required("whenUnsatisfiable").and_then(|value| value.word(&actions));
    let label_selector = fields.read("labelSelector", selector);
    let min_domains = fields.read("minDomains", |value| value.integer(1..=i32::MAX));
    let policies = [("Honor", NodeInclusionPolicy::Honor), ("Ignore", NodeInclusionPolicy::Ignore)];
    let policy = |name, default| fields.read_or(name, default, |value| value.word(&policies));
    let node_affinity_policy = policy("nodeAffinityPolicy", NodeInclusionPolicy::Honor);
    let node_taints_policy = policy("nodeTaintsPolicy", NodeInclusionPolicy::Ignore);
    let match_label_keys = fields.read_or("matchLabelKeys", Vec::new(), names);
    fields.finish("TopologySpreadConstraint (v1)");
    let (when, min_domains) = (when?, min_domains?);
    if min_domains.is_some() && when == WhenUnsatisfiable::ScheduleAnyway {
        let fault = "can only use minDomains if whenUnsatisfiable=DoNotSchedule";
        value.report(value.error(codes::INVALID_CONSTRAINT, fault));
        return None;
    }
    Some(TopologySpreadConstraint {
        max_skew: max_skew?,
        topology_key: topology_key?,
        when_unsatisfiable: when,
        label_selector: label_selector?,
        min_domains,
        node_affinity_policy: node_affinity_policy?,
        node_taints_policy: node_taints_policy?,
        match_label_keys: match_label_keys?,
    })
}
