//! Node pools of a live cluster, from its own nodes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::catalogue::Catalogue;
use super::codes;
use super::decode::Context;
use super::diagnostic::Diagnostic;
use super::kubernetes::{NodeObject, Objects};
use super::yaml::Node;
use crate::cluster::api::{InstanceType, Labels, NodePoolSpec};
use crate::engine::Dist;
use crate::scenario::Provider;
use crate::units::Resources;

/// Labels by which clouds and tools name the group of a node, the more telling first.
const GROUP_LABELS: [&str; 8] = [
    "eks.amazonaws.com/nodegroup",
    "cloud.google.com/gke-nodepool",
    "kubernetes.azure.com/agentpool",
    "agentpool",
    "karpenter.sh/nodepool",
    "alpha.eksctl.io/nodegroup-name",
    "kops.k8s.io/instancegroup",
    "node.kubernetes.io/instance-type",
];
const INSTANCE_LABELS: [&str; 2] =
    ["node.kubernetes.io/instance-type", "beta.kubernetes.io/instance-type"];
const ZONE_LABELS: [&str; 2] =
    ["topology.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/zone"];
/// Labels that every simulated node gets for itself.
const OWN_LABELS: [&str; 3] = ["kubernetes.io/hostname", ZONE_LABELS[0], ZONE_LABELS[1]];

/// The pools and zones of a cluster.
pub(super) struct LiveCluster {
    pub(super) pools: Vec<NodePoolSpec>,
    pub(super) zones: Vec<Arc<str>>,
    pub(super) provider: Option<Provider>,
}

/// Whether a document holds Kubernetes objects instead of one of ours.
pub(super) fn is_objects(node: &Node) -> bool {
    node.get("apiVersion").and_then(Node::text).is_some_and(|version| version == "v1")
}

/// Groups the nodes of documents into pools. Their sizes are fixed at what there is: a node does
/// not tell the bounds of its group. Cordoned nodes are left out, with a word about it.
pub(super) fn live_cluster(
    context: Context<'_>,
    documents: &[&Node],
    catalogue: Option<&Catalogue>,
) -> Option<LiveCluster> {
    let mut objects = Objects::default();
    for document in documents {
        objects.read(context, document);
    }
    for node in objects.nodes.iter().filter(|node| node.unschedulable) {
        let message =
            format!("node {} ({}) is cordoned and left out", node.meta.name, node.meta.origin);
        context.diagnostics.push(Diagnostic::warning(codes::UNSUPPORTED, message));
    }
    let nodes = objects.nodes.iter().filter(|node| !node.unschedulable);
    let mut groups: BTreeMap<Key, Vec<&NodeObject>> = BTreeMap::new();
    for node in nodes {
        groups.entry(Key::of(node)).or_default().push(node);
    }
    if groups.is_empty() {
        if !context.diagnostics.has_errors() {
            let message = "the cluster has no node that takes pods: give the output of \
                           `kubectl get nodes -o yaml`";
            context.diagnostics.push(Diagnostic::error(codes::MISSING_FIELD, message));
        }
        return None;
    }
    let mut names = BTreeSet::new();
    let pools = groups.iter().map(|(key, nodes)| pool(key, nodes, catalogue, &mut names)).collect();
    let zones: BTreeSet<Arc<str>> = objects.nodes.iter().map(zone).collect();
    let provider = objects.nodes.iter().find_map(|node| node.provider);
    Some(LiveCluster { pools, zones: zones.into_iter().collect(), provider })
}

/// What makes nodes alike.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    group: Arc<str>,
    instance: Arc<str>,
    taints: Vec<String>,
}

impl Key {
    fn of(node: &NodeObject) -> Self {
        let named = |keys: &[&str], default: &str| {
            node.label(keys).cloned().unwrap_or_else(|| Arc::from(default))
        };
        let mut taints: Vec<String> =
            node.taints.iter().map(|taint| format!("{taint:?}")).collect();
        taints.sort();
        Self {
            group: named(&GROUP_LABELS, "nodes"),
            instance: named(&INSTANCE_LABELS, "unknown"),
            taints,
        }
    }
}

fn zone(node: &NodeObject) -> Arc<str> {
    node.label(&ZONE_LABELS).cloned().unwrap_or_else(|| Arc::from("zone-a"))
}

fn pool(
    key: &Key,
    nodes: &[&NodeObject],
    catalogue: Option<&Catalogue>,
    names: &mut BTreeSet<Arc<str>>,
) -> NodePoolSpec {
    let first = nodes.first().expect("a group has the node that made it");
    let count = u32::try_from(nodes.len()).unwrap_or(u32::MAX);
    let zones: BTreeSet<Arc<str>> = nodes.iter().map(|node| zone(node)).collect();
    let mut name = Arc::clone(&key.group);
    let mut number = 2;
    while !names.insert(Arc::clone(&name)) {
        name = format!("{}-{number}", key.group).into();
        number += 1;
    }
    NodePoolSpec {
        name,
        origin: first.meta.origin.clone(),
        instance: Arc::new(instance(key, nodes, catalogue)),
        min: count,
        max: count,
        max_origin: first.meta.origin.clone(),
        initial: count,
        zones: zones.into_iter().collect(),
        labels: common_labels(nodes),
        taints: first.taints.clone(),
        launch: Dist::lognormal_median_sigma(40.0, 0.35).expect("the default is positive"),
        node_ready: None,
        gpu_ready: None,
        gpu_sharing: None,
        spot: is_spot(first),
        autoscaled: false,
        node_pool: None,
    }
}

/// The least that any of the nodes has: equal machines differ by a few pages of memory.
fn instance(key: &Key, nodes: &[&NodeObject], catalogue: Option<&Catalogue>) -> InstanceType {
    let least = |of: fn(&NodeObject) -> &Resources| {
        let mut least = of(nodes[0]).clone();
        for node in nodes {
            let other = of(node);
            least.cpu = least.cpu.min(other.cpu);
            least.memory = least.memory.min(other.memory);
            least.ephemeral_storage = least.ephemeral_storage.min(other.ephemeral_storage);
            let extended: Vec<_> =
                least.extended().map(|(name, amount)| (name.clone(), amount)).collect();
            for (name, amount) in extended {
                least.set(&name, amount.min(other.get(&name)));
            }
        }
        least
    };
    let known = catalogue.and_then(|machines| machines.get(&key.instance));
    InstanceType {
        name: Arc::clone(&key.instance),
        capacity: least(|node| &node.capacity),
        allocatable: least(|node| &node.allocatable),
        max_pods: nodes.iter().map(|node| node.max_pods).min().unwrap_or(110),
        max_volumes: nodes
            .iter()
            .filter_map(|node| node.max_volumes)
            .min()
            .or_else(|| known.and_then(|machine| machine.max_volumes)),
        gpu_kind: known.and_then(|machine| machine.gpu_kind.clone()),
        on_demand_per_hour: known.and_then(|machine| machine.on_demand_per_hour),
        spot_per_hour: known.and_then(|machine| machine.spot_per_hour),
        price_date: known.map_or_else(|| Arc::from(""), |machine| Arc::clone(&machine.price_date)),
    }
}

fn common_labels(nodes: &[&NodeObject]) -> Labels {
    let mut common = nodes[0].meta.labels.clone();
    common.retain(|key, value| {
        let shared = nodes.iter().all(|node| node.meta.labels.get(key) == Some(value));
        shared && !OWN_LABELS.contains(&&**key)
    });
    common
}

fn is_spot(node: &NodeObject) -> bool {
    [
        ("eks.amazonaws.com/capacityType", "SPOT"),
        ("karpenter.sh/capacity-type", "spot"),
        ("cloud.google.com/gke-spot", "true"),
        ("cloud.google.com/gke-preemptible", "true"),
        ("kubernetes.azure.com/scalesetpriority", "spot"),
    ]
    .iter()
    .any(|(key, value)| node.label(&[key]).is_some_and(|found| **found == **value))
}
