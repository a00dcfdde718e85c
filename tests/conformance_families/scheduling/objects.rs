//! Kubernetes objects of the scheduling vectors, and what they become for the scheduler.

use std::collections::BTreeMap;
use std::sync::Arc;

use aurelius_sim::cluster::api::pod::HostPort;
use aurelius_sim::cluster::api::scheduling::{
    NodeInclusionPolicy, NodeSelectorTerm, PodAffinityTerm, WhenUnsatisfiable,
};
use aurelius_sim::cluster::api::selector::SelectorRequirement;
use aurelius_sim::cluster::api::{
    Affinity, Container, LabelSelector, Labels, PodSpec, PodTemplate, SelectorOperator, Taint,
    TaintEffect, Toleration, TopologySpreadConstraint,
};
use aurelius_sim::control::scheduler::NodeInfo;
use aurelius_sim::units::quantity::Quantity;
use aurelius_sim::units::{Bytes, MilliCpu, ResourceList, Resources};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Metadata {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) namespace: String,
    #[serde(default)]
    pub(crate) labels: Words,
    #[serde(default)]
    pub(crate) owner_references: Vec<OwnerReference>,
    pub(crate) deletion_timestamp: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct OwnerReference {
    pub(crate) kind: String,
    pub(crate) name: String,
}

#[derive(Deserialize)]
pub(crate) struct NodeDoc {
    metadata: Metadata,
    #[serde(default)]
    spec: NodeSpecDoc,
    #[serde(default)]
    status: NodeStatusDoc,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct NodeSpecDoc {
    #[serde(default)]
    taints: Vec<TaintDoc>,
    #[serde(default)]
    unschedulable: bool,
}

#[derive(Deserialize)]
struct TaintDoc {
    key: String,
    #[serde(default)]
    value: String,
    effect: String,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct NodeStatusDoc {
    #[serde(default)]
    allocatable: BTreeMap<String, String>,
    #[serde(default)]
    images: Vec<ImageDoc>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ImageDoc {
    names: Vec<String>,
    size_bytes: i64,
}

/// Labels as JSON has them.
pub(crate) type Words = BTreeMap<String, String>;

pub(crate) fn labels(words: Words) -> Labels {
    words.into_iter().map(|(k, v)| (Arc::from(k), Arc::from(v))).collect()
}

fn texts(all: Vec<String>) -> Vec<Arc<str>> {
    all.into_iter().map(Arc::from).collect()
}

impl NodeDoc {
    pub(crate) fn read(self) -> NodeInfo {
        let Self { metadata, spec, status } = self;
        let mut list = resource_list(&status.allocatable);
        let pods = list.extended.iter().position(|(name, _)| &**name == "pods");
        let max_pods = pods.map_or(0, |at| list.extended.remove(at).1);
        let images = status.images.into_iter().flat_map(|image| {
            let size = Bytes(image.size_bytes);
            image.names.into_iter().map(move |name| (Arc::from(name), size))
        });
        let taint = |taint: TaintDoc| Taint {
            key: Arc::from(taint.key),
            value: Arc::from(taint.value),
            effect: effect(&taint.effect).expect("a taint has an effect"),
        };
        NodeInfo {
            name: Arc::from(metadata.name),
            labels: labels(metadata.labels),
            taints: spec.taints.into_iter().map(taint).collect(),
            unschedulable: spec.unschedulable,
            allocatable: Resources::from(&list),
            max_pods,
            images: images.collect(),
            ..NodeInfo::default()
        }
    }
}

fn effect(name: &str) -> Option<TaintEffect> {
    match name {
        "NoSchedule" => Some(TaintEffect::NoSchedule),
        "PreferNoSchedule" => Some(TaintEffect::PreferNoSchedule),
        "NoExecute" => Some(TaintEffect::NoExecute),
        "" => None,
        other => panic!("unknown taint effect {other}"),
    }
}

pub(crate) fn resource_list(amounts: &BTreeMap<String, String>) -> ResourceList {
    let mut list = ResourceList::default();
    for (name, amount) in amounts {
        let amount: Quantity = amount.parse().expect("a vector holds valid quantities");
        match name.as_str() {
            "cpu" => list.cpu = Some(MilliCpu(amount.milli_value_ceil())),
            "memory" => list.memory = Some(Bytes(amount.value_ceil())),
            "ephemeral-storage" => list.ephemeral_storage = Some(Bytes(amount.value_ceil())),
            _ => list.extended.push((Arc::from(name.as_str()), amount.value_ceil())),
        }
    }
    list
}

#[derive(Deserialize)]
pub(crate) struct PodDoc {
    pub(crate) metadata: Metadata,
    pub(crate) spec: PodSpecDoc,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct PodSpecDoc {
    containers: Vec<ContainerDoc>,
    #[serde(default)]
    init_containers: Vec<ContainerDoc>,
    resources: Option<ResourcesDoc>,
    #[serde(default)]
    overhead: BTreeMap<String, String>,
    pub(crate) node_name: Option<String>,
    #[serde(default)]
    node_selector: Words,
    #[serde(default)]
    affinity: AffinityDoc,
    #[serde(default)]
    tolerations: Vec<TolerationDoc>,
    #[serde(default)]
    topology_spread_constraints: Vec<SpreadDoc>,
    #[serde(rename = "schedulerName")]
    _scheduler_name: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct ResourcesDoc {
    #[serde(default)]
    requests: BTreeMap<String, String>,
    #[serde(default)]
    limits: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ContainerDoc {
    name: String,
    image: String,
    #[serde(default)]
    resources: ResourcesDoc,
    #[serde(default)]
    ports: Vec<PortDoc>,
    restart_policy: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PortDoc {
    #[serde(default)]
    host_port: i32,
    #[serde(default, rename = "hostIP")]
    host_ip: String,
    #[serde(default)]
    protocol: String,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct AffinityDoc {
    #[serde(default)]
    node_affinity: NodeAffinityDoc,
    #[serde(default)]
    pod_affinity: PodAffinityDoc,
    #[serde(default)]
    pod_anti_affinity: PodAffinityDoc,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct NodeAffinityDoc {
    #[serde(rename = "requiredDuringSchedulingIgnoredDuringExecution")]
    required: Option<NodeSelectorDoc>,
    #[serde(default, rename = "preferredDuringSchedulingIgnoredDuringExecution")]
    preferred: Vec<PreferredNodeDoc>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NodeSelectorDoc {
    node_selector_terms: Vec<NodeTermDoc>,
}

#[derive(Deserialize)]
struct PreferredNodeDoc {
    weight: i32,
    preference: NodeTermDoc,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NodeTermDoc {
    #[serde(default)]
    match_expressions: Vec<RequirementDoc>,
    #[serde(default)]
    match_fields: Vec<RequirementDoc>,
}

#[derive(Deserialize)]
struct RequirementDoc {
    key: String,
    operator: String,
    #[serde(default)]
    values: Vec<String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct PodAffinityDoc {
    #[serde(default, rename = "requiredDuringSchedulingIgnoredDuringExecution")]
    required: Vec<PodTermDoc>,
    #[serde(default, rename = "preferredDuringSchedulingIgnoredDuringExecution")]
    preferred: Vec<PreferredPodDoc>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PreferredPodDoc {
    weight: i32,
    pod_affinity_term: PodTermDoc,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PodTermDoc {
    label_selector: Option<SelectorDoc>,
    #[serde(default)]
    namespaces: Vec<String>,
    namespace_selector: Option<SelectorDoc>,
    topology_key: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct SelectorDoc {
    #[serde(default)]
    match_labels: Words,
    #[serde(default)]
    match_expressions: Vec<RequirementDoc>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct TolerationDoc {
    key: Option<String>,
    #[serde(default)]
    operator: String,
    #[serde(default)]
    value: String,
    #[serde(default)]
    effect: String,
    toleration_seconds: Option<i64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SpreadDoc {
    max_skew: i32,
    topology_key: String,
    when_unsatisfiable: String,
    label_selector: Option<SelectorDoc>,
    min_domains: Option<i32>,
    node_affinity_policy: Option<String>,
    node_taints_policy: Option<String>,
    #[serde(default)]
    match_label_keys: Vec<String>,
}

impl PodDoc {
    pub(crate) fn template(self) -> PodTemplate {
        let Self { metadata, spec } = self;
        let pod_level = spec.resources.unwrap_or_default();
        let containers = |docs: Vec<ContainerDoc>| docs.into_iter().map(container).collect();
        let spec = PodSpec {
            containers: containers(spec.containers),
            init_containers: containers(spec.init_containers),
            pod_requests: resource_list(&pod_level.requests),
            pod_limits: resource_list(&pod_level.limits),
            overhead: resource_list(&spec.overhead),
            node_selector: labels(spec.node_selector),
            affinity: affinity(spec.affinity),
            tolerations: spec.tolerations.into_iter().map(toleration).collect(),
            topology_spread: spec.topology_spread_constraints.into_iter().map(spread).collect(),
            ..PodSpec::default()
        };
        PodTemplate { labels: labels(metadata.labels), spec, ..PodTemplate::default() }
    }
}

fn container(doc: ContainerDoc) -> Container {
    let or = |text: String, default: &str| {
        Arc::from(if text.is_empty() { default.to_owned() } else { text })
    };
    let asked = doc.ports.into_iter().filter(|port| port.host_port > 0);
    let host_ports = asked.map(|port| HostPort {
        ip: or(port.host_ip, "0.0.0.0"),
        protocol: or(port.protocol, "TCP"),
        port: port.host_port,
    });
    Container {
        name: Arc::from(doc.name),
        image: Arc::from(doc.image),
        requests: resource_list(&doc.resources.requests),
        limits: resource_list(&doc.resources.limits),
        host_ports: host_ports.collect(),
        sidecar: doc.restart_policy.as_deref() == Some("Always"),
        ..Container::default()
    }
}

fn affinity(doc: AffinityDoc) -> Affinity {
    let AffinityDoc { node_affinity, pod_affinity, pod_anti_affinity } = doc;
    let required = node_affinity.required;
    let preferred = node_affinity.preferred.into_iter();
    let terms = |docs: Vec<PodTermDoc>| docs.into_iter().map(pod_term).collect();
    let weighted = |docs: Vec<PreferredPodDoc>| {
        docs.into_iter().map(|doc| (doc.weight, pod_term(doc.pod_affinity_term))).collect()
    };
    Affinity {
        node_required: required
            .map(|doc| doc.node_selector_terms.into_iter().map(node_term).collect()),
        node_preferred: preferred.map(|doc| (doc.weight, node_term(doc.preference))).collect(),
        pod_required: terms(pod_affinity.required),
        pod_preferred: weighted(pod_affinity.preferred),
        pod_anti_required: terms(pod_anti_affinity.required),
        pod_anti_preferred: weighted(pod_anti_affinity.preferred),
    }
}

fn node_term(doc: NodeTermDoc) -> NodeSelectorTerm {
    NodeSelectorTerm {
        match_expressions: requirements(doc.match_expressions),
        match_fields: requirements(doc.match_fields),
    }
}

fn pod_term(doc: PodTermDoc) -> PodAffinityTerm {
    PodAffinityTerm {
        label_selector: doc.label_selector.map(selector),
        namespaces: texts(doc.namespaces),
        namespace_selector: doc.namespace_selector.map(selector),
        topology_key: Arc::from(doc.topology_key),
        match_label_keys: Vec::new(),
        mismatch_label_keys: Vec::new(),
    }
}

pub(crate) fn selector(doc: SelectorDoc) -> LabelSelector {
    LabelSelector {
        match_labels: labels(doc.match_labels),
        match_expressions: requirements(doc.match_expressions),
    }
}

fn requirements(docs: Vec<RequirementDoc>) -> Vec<SelectorRequirement> {
    let operator = |name: &str| match name {
        "In" => SelectorOperator::In,
        "NotIn" => SelectorOperator::NotIn,
        "Exists" => SelectorOperator::Exists,
        "DoesNotExist" => SelectorOperator::DoesNotExist,
        "Gt" => SelectorOperator::Gt,
        "Lt" => SelectorOperator::Lt,
        other => panic!("unknown operator {other}"),
    };
    docs.into_iter()
        .map(|doc| SelectorRequirement {
            key: Arc::from(doc.key),
            operator: operator(&doc.operator),
            values: texts(doc.values),
        })
        .collect()
}

fn toleration(doc: TolerationDoc) -> Toleration {
    Toleration {
        key: doc.key.map(Arc::from),
        exists: doc.operator == "Exists",
        value: Arc::from(doc.value),
        effect: effect(&doc.effect),
        toleration_seconds: doc.toleration_seconds,
    }
}

fn spread(doc: SpreadDoc) -> TopologySpreadConstraint {
    let policy = |name: Option<String>, default| match name.as_deref() {
        Some("Honor") => NodeInclusionPolicy::Honor,
        Some("Ignore") => NodeInclusionPolicy::Ignore,
        _ => default,
    };
    TopologySpreadConstraint {
        max_skew: doc.max_skew,
        topology_key: Arc::from(doc.topology_key),
        when_unsatisfiable: match doc.when_unsatisfiable.as_str() {
            "DoNotSchedule" => WhenUnsatisfiable::DoNotSchedule,
            _ => WhenUnsatisfiable::ScheduleAnyway,
        },
        label_selector: doc.label_selector.map(selector),
        min_domains: doc.min_domains,
        node_affinity_policy: policy(doc.node_affinity_policy, NodeInclusionPolicy::Honor),
        node_taints_policy: policy(doc.node_taints_policy, NodeInclusionPolicy::Ignore),
        match_label_keys: texts(doc.match_label_keys),
    }
}
