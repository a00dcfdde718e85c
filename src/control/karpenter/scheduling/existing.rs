//! Nodes that exist or are on their way, as places for pods.
//!
//! sigs.k8s.io/karpenter, pkg/controllers/provisioning/scheduling/existingnode.go;
//! pkg/controllers/state/statenode.go `Available`, `Taints`, `Allocatable`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::pods::requirements;
use super::template::Load;
use super::topology::tolerates;
use crate::cluster::api::pod::HostPort;
use crate::cluster::api::{Taint, TaintEffect};
use crate::control::karpenter::observation::{Node, Pod};
use crate::control::karpenter::pool::NodePool;
use crate::control::karpenter::requirement::{HOSTNAME, Requirement, Requirements, Undefined};
use crate::control::scheduler::volumes::Claim;
use crate::units::{Bytes, MilliCpu, Resources};

/// Volumes of a node by driver.
pub(super) type Volumes = BTreeMap<Arc<str>, BTreeSet<Arc<str>>>;

/// A node before anything is planned on it.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) node: Arc<Node>,
    pub(crate) initialized: bool,
    pub(crate) requirements: Requirements,
    pub(crate) taints: Vec<Taint>,
    pub(crate) free: Resources,
    pub(crate) free_pods: i64,
    pub(super) ports: Vec<HostPort>,
    pub(super) volumes: Volumes,
    /// It changed less than `consolidateAfter` ago: pods of nodes that are consolidated stay away.
    pub(crate) settling: bool,
}

impl Place {
    /// A node with the pods on it, and room left for the DaemonSet pods that will still come.
    pub(crate) fn new(
        node: &Arc<Node>,
        pool: Option<&NodePool>,
        initialized: bool,
        pods: &[&Arc<Pod>],
        daemons: &[Arc<Pod>],
        settling: bool,
    ) -> Self {
        let taints = taints(node, pool, initialized);
        let mut labels = Requirements::of_labels(&node.labels);
        let mut coming = Load::default();
        for daemon in daemons {
            let wanted = requirements(&daemon.template, false);
            if tolerates(&daemon.template.spec.tolerations, &taints)
                && labels.compatible(&wanted, Undefined::Denied).is_ok()
            {
                coming.add(daemon);
            }
        }
        let (mut free, mut free_pods) = (allocatable(node, pool, initialized), node.max_pods);
        let (mut ports, mut volumes) = (Vec::new(), Volumes::new());
        for pod in pods {
            free -= &pod.requests;
            free_pods -= 1;
            if pod.is_daemon() {
                coming.requests -= &pod.requests;
                coming.pods -= 1;
            }
            let spec = &pod.template.spec;
            let containers = spec.containers.iter().chain(&spec.init_containers);
            ports.extend(containers.flat_map(|it| it.host_ports.iter().cloned()));
            add_volumes(&mut volumes, pod.claims.as_deref());
        }
        free -= &at_least_zero(&coming.requests);
        free_pods -= coming.pods.max(0);
        labels.add(HOSTNAME, Requirement::one_of([hostname(node)]));
        Self {
            node: Arc::clone(node),
            initialized,
            requirements: labels,
            taints,
            free,
            free_pods,
            ports,
            volumes,
            settling,
        }
    }

    /// Whether further volumes can be attached.
    pub(super) fn attaches(&self, volumes: &Volumes, more: Option<&[Claim]>) -> bool {
        let (Some(most), Some(more)) = (self.node.max_volumes, more) else { return true };
        let mut all = volumes.clone();
        add_volumes(&mut all, Some(more));
        let count = |names: &BTreeSet<Arc<str>>| i64::try_from(names.len()).unwrap_or(i64::MAX);
        all.values().all(|names| count(names) <= most)
    }
}

pub(super) fn add_volumes(volumes: &mut Volumes, claims: Option<&[Claim]>) {
    for claim in claims.into_iter().flatten() {
        if let Some(driver) = &claim.driver {
            volumes.entry(Arc::clone(driver)).or_default().insert(Arc::clone(&claim.name));
        }
    }
}

fn hostname(node: &Node) -> Arc<str> {
    node.labels.get(HOSTNAME).map_or_else(|| Arc::clone(&node.name), Arc::clone)
}

fn at_least_zero(of: &Resources) -> Resources {
    let mut clipped = Resources::new(of.cpu.max(MilliCpu(0)), of.memory.max(Bytes(0)));
    clipped.ephemeral_storage = of.ephemeral_storage.max(Bytes(0));
    for (name, amount) in of.extended() {
        clipped.set(name, amount.max(0));
    }
    clipped
}

/// What a node offers to pods. Of a node that is not initialized what it will offer counts where it
/// still says zero: its GPUs, above all.
fn allocatable(node: &Node, pool: Option<&NodePool>, initialized: bool) -> Resources {
    let mut all = node.allocatable.clone();
    let option = node.claim.and_then(|claim| pool.map(|pool| &pool.options[claim.option]));
    if let Some(option) = option.filter(|_| !initialized) {
        let expected = &option.machine.allocatable;
        for (name, amount) in expected.extended() {
            if all.get(name) == 0 {
                all.set(name, amount);
            }
        }
    }
    all
}

/// The taints that count: not those that a node which is not initialized will lose.
pub(crate) fn taints(node: &Node, pool: Option<&NodePool>, initialized: bool) -> Vec<Taint> {
    if initialized || node.claim.is_none() {
        return node.taints.clone();
    }
    let startup = pool.map_or(&[][..], |pool| &pool.startup_taints);
    let passes = |taint: &&Taint| {
        is_ephemeral(taint)
            || startup.iter().any(|it| it.key == taint.key && it.effect == taint.effect)
    };
    node.taints.iter().filter(|taint| !passes(taint)).cloned().collect()
}

/// Taints that every node loses soon (pkg/scheduling/taints.go `IsKnownEphemeralTaint`).
pub(crate) fn is_ephemeral(taint: &Taint) -> bool {
    use TaintEffect::{NoExecute, NoSchedule};
    let known = match &*taint.key {
        "node.kubernetes.io/not-ready" => matches!(taint.effect, NoSchedule | NoExecute),
        "node.kubernetes.io/unreachable" | "node.cloudprovider.kubernetes.io/uninitialized" => {
            taint.effect == NoSchedule
        }
        "karpenter.sh/unregistered" => taint.effect == NoExecute,
        _ => false,
    };
    known || taint.key.starts_with("readiness.k8s.io/")
}
