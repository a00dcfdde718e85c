//! What a new node of each group would look like
//! (processors/nodeinfosprovider/mixed_nodeinfos_processor.go, simulator/node_info_utils.go).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::observation::{
    ControllerKind, DELETION_CANDIDATE, DaemonSet, Group, HOSTNAME, Node, Observation, Pod, Shape,
    TO_BE_DELETED,
};
use super::options::Options;
use super::sight::{NodeFacts, Sight, Template};
use crate::control::scheduler::Plugin;
use crate::model::id::PoolId;
use crate::units::{SimDuration, SimTime};

/// A node must have been ready for so long before its group is judged by it.
const STABLE_AFTER: SimDuration = SimDuration::from_secs(60);

/// Label that tells templates from nodes.
const TEMPLATE_NODE: &str = "cluster-autoscaler.kubernetes.io/template-node";

/// Taints that express a passing condition of a node (utils/taints/taints.go `NodeConditionTaints`).
const CONDITION_TAINTS: [&str; 11] = [
    "node.kubernetes.io/not-ready",
    "node.kubernetes.io/unreachable",
    "node.kubernetes.io/unschedulable",
    "node.kubernetes.io/memory-pressure",
    "node.kubernetes.io/disk-pressure",
    "node.kubernetes.io/network-unavailable",
    "node.kubernetes.io/pid-pressure",
    "node.cloudprovider.kubernetes.io/uninitialized",
    "node.cloudprovider.kubernetes.io/shutdown",
    "cloud.google.com/impending-node-termination",
    "NodeWithImpairedVolumes",
];

const STARTUP_PREFIXES: [&str; 2] = [
    "startup-taint.cluster-autoscaler.kubernetes.io/",
    "ignore-taint.cluster-autoscaler.kubernetes.io/",
];
const STATUS_PREFIX: &str = "status-taint.cluster-autoscaler.kubernetes.io/";

/// Templates by group.
pub(super) type Templates = BTreeMap<PoolId, Template>;

/// Templates taken from good nodes, kept while a group has none.
#[derive(Debug, Clone, Default)]
pub(super) struct TemplateCache {
    kept: BTreeMap<PoolId, (Template, SimTime)>,
    /// Loops so far.
    loops: u64,
}

/// Whether a taint says that a node is still starting (utils/taints/taints.go `IsStartupTaint`).
pub(super) fn is_startup_taint(key: &str, options: &Options) -> bool {
    let listed = options.startup_taint.iter().chain(&options.ignore_taint);
    listed.into_iter().any(|taint| taint == key)
        || options.startup_taint_prefix.iter().any(|prefix| key.starts_with(&**prefix))
        || STARTUP_PREFIXES.iter().any(|prefix| key.starts_with(prefix))
}

impl TemplateCache {
    /// Per group: its first good node, else the last good one, else the provider's description,
    /// else any node.
    pub(super) fn compute(
        &mut self,
        seen: &Observation,
        nodes: &[Arc<Node>],
        sight: &mut Sight,
        options: &Options,
    ) -> Templates {
        self.loops += 1;
        let from_node = |node: &Node, group, sight: &mut Sight| Template {
            made_in: self.loops,
            ..from_node(node, group, seen, sight, options)
        };
        let mut templates = Templates::new();
        let (good, bad): (Vec<&Arc<Node>>, Vec<&Arc<Node>>) =
            nodes.iter().partition(|node| is_good(node, seen.now));
        for node in good {
            if let Some(group) = new_group(node, &templates) {
                let template = from_node(node, group, sight);
                self.kept.insert(group, (template.clone(), seen.now));
                templates.insert(group, template);
            }
        }
        for group in &seen.groups {
            if templates.contains_key(&group.id) {
                continue;
            }
            let kept = self
                .kept
                .get(&group.id)
                .filter(|(_, added)| seen.now.since(*added) <= options.node_info_cache_expire_time);
            let template = match kept {
                Some((template, _)) => Some(template.clone()),
                None => from_provider(group, seen, sight, options)
                    .map(|template| Template { made_in: self.loops, ..template }),
            };
            templates.extend(template.map(|template| (group.id, template)));
        }
        self.kept.retain(|group, _| seen.group(*group).is_some());
        for node in bad {
            if let Some(group) = new_group(node, &templates) {
                templates.insert(group, from_node(node, group, sight));
            }
        }
        templates
    }
}

fn new_group(node: &Node, known: &Templates) -> Option<PoolId> {
    node.group.filter(|group| !known.contains_key(group))
}

fn is_good(node: &Node, now: SimTime) -> bool {
    node.is_ready()
        && node.ready_since + STABLE_AFTER < now
        && !node.shape.unschedulable
        && !node.has_taint(TO_BE_DELETED)
}

fn from_node(
    node: &Node,
    group: PoolId,
    seen: &Observation,
    sight: &mut Sight,
    options: &Options,
) -> Template {
    let slot = sight.slot_of(node.id).expect("all nodes are in sight when templates are made");
    let pods = sight.pods_on(slot);
    make(group, &node.shape, &pods, options.force_ds, seen, sight, options)
}

fn from_provider(
    group: &Group,
    seen: &Observation,
    sight: &mut Sight,
    options: &Options,
) -> Option<Template> {
    let shape = group.template.as_ref()?;
    let mut template = make(group.id, shape, &[], true, seen, sight, options);
    let labels = &mut template.shape.labels;
    let copies = [
        ("node.kubernetes.io/instance-type", "beta.kubernetes.io/instance-type"),
        ("topology.kubernetes.io/region", "failure-domain.beta.kubernetes.io/region"),
        ("topology.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/zone"),
    ];
    for (stable, deprecated) in copies {
        if let Some(value) = labels.get(stable).map(Arc::clone) {
            labels.insert(Arc::from(deprecated), value);
        }
    }
    Some(template)
}

/// A fresh node after an example: passing taints removed, only pods that come with every node.
fn make(
    group: PoolId,
    example: &Shape,
    pods: &[Arc<Pod>],
    all_daemons: bool,
    seen: &Observation,
    sight: &mut Sight,
    options: &Options,
) -> Template {
    let mut shape = example.clone();
    shape.taints.retain(|taint| !is_passing(&taint.key, options));
    if options.scale_from_unschedulable {
        shape.unschedulable = false;
    }
    let name: Arc<str> = Arc::from(format!("template-node-for-{group}"));
    shape.labels.insert(Arc::from(HOSTNAME), Arc::clone(&name));
    let present = || pods.iter().filter(|pod| pod.deletion.is_none());
    let mut own: Vec<Arc<Pod>> =
        present().filter(|pod| pod.is_mirror() || pod.is_daemon()).map(Arc::clone).collect();
    let running: BTreeSet<_> = present()
        .filter_map(|pod| pod.owner)
        .filter(|owner| owner.kind == ControllerKind::DaemonSet)
        .map(|owner| owner.uid)
        .collect();
    let missing = seen.daemon_sets.iter().filter(|set| !running.contains(&set.uid));
    let wanted = missing.filter(|set| all_daemons || is_critical(&set.pod));
    for set in wanted {
        if suits(set, &name, &shape, sight) {
            own.push(Arc::clone(&set.pod));
        }
    }
    shape.labels.insert(Arc::from(TEMPLATE_NODE), Arc::from("true"));
    Template { group, made_in: 0, shape, pods: own }
}

fn is_passing(key: &str, options: &Options) -> bool {
    key == TO_BE_DELETED
        || key == DELETION_CANDIDATE
        || CONDITION_TAINTS.contains(&key)
        || is_startup_taint(key, options)
        || options.status_taint.iter().any(|taint| taint == key)
        || key.starts_with(STATUS_PREFIX)
}

/// A pod that may take the place of others on its node.
fn is_critical(pod: &Pod) -> bool {
    let spec = &pod.template.spec;
    spec.priority_class.as_deref() == Some("system-node-critical") && !spec.never_preempts
}

/// Whether a DaemonSet runs on such a node: labels and taints count, room does not
/// (pkg/controller/daemon `NodeShouldRunDaemonPod`).
fn suits(set: &DaemonSet, name: &Arc<str>, shape: &Shape, sight: &mut Sight) -> bool {
    sight.fork();
    let facts = NodeFacts { name: Arc::clone(name), group: None, shape: shape.clone(), node: None };
    let slot = sight.add_node(Arc::new(facts), &[]);
    let answer = sight.check(&set.pod, slot);
    sight.revert();
    let placement = [
        Plugin::NodeUnschedulable,
        Plugin::NodeName,
        Plugin::TaintToleration,
        Plugin::NodeAffinity,
    ];
    answer.err().is_none_or(|rejection| !placement.contains(&rejection.plugin()))
}
