//! Hand-made clusters for tests of Karpenter.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::disruption::Sight;
use super::instance::{InstanceOption, Unavailable};
use super::observation::{ClaimSeen, Node, Observation, OwnerKind, Pod};
use super::pool::{KarpenterSpec, NodePool, Options};
use super::requirement::{CAPACITY_TYPE, INSTANCE_TYPE, NODE_POOL, ZONE};
use super::scheduling::topology::DomainGroups;
use super::state::{NodeState, NodeStates, world};
use crate::cluster::api::{Labels, PodTemplate};
use crate::model::id::{NodeId, PodId};
use crate::units::{Bytes, MilliCpu, Resources, SimDuration, SimTime};

pub(super) const MIB: i64 = 1 << 20;

/// A cluster with what Karpenter knows of it.
#[derive(Debug)]
pub(super) struct Scene {
    pub(super) spec: KarpenterSpec,
    pub(super) seen: Observation,
    pub(super) states: NodeStates,
    pub(super) unavailable: Unavailable,
    groups: DomainGroups,
    next_shape: u32,
}

pub(super) fn at(secs: u64) -> SimTime {
    SimTime::from_secs(secs)
}

impl Scene {
    /// An empty cluster an hour after the start.
    pub(super) fn new(pools: Vec<NodePool>) -> Self {
        let spec =
            KarpenterSpec::new(pools.into_iter().map(Arc::new).collect(), Options::default());
        let groups = DomainGroups::of(&spec.pools);
        let seen = Observation { now: at(3600), ..Observation::default() };
        Self {
            spec,
            seen,
            states: NodeStates::new(),
            unavailable: Unavailable::new(),
            groups,
            next_shape: 0,
        }
    }

    pub(super) fn pool(&mut self, at: usize) -> &mut NodePool {
        Arc::make_mut(&mut self.spec.pools[at])
    }

    /// A number for pods that differ from all others.
    pub(super) fn shape(&mut self) -> u32 {
        self.next_shape += 1;
        self.next_shape
    }

    /// A pod that waits, of so many cores and MiB, changed as told.
    pub(super) fn waits(
        &mut self,
        name: &str,
        milli: i64,
        mib: i64,
        change: impl FnOnce(&mut PodTemplate),
    ) -> PodId {
        let shape = self.shape();
        let mut template = PodTemplate::default();
        change(&mut template);
        self.of_template(name, milli, mib, &Arc::new(template), shape)
    }

    /// A pod that waits, of a template that others share.
    pub(super) fn of_template(
        &mut self,
        name: &str,
        milli: i64,
        mib: i64,
        template: &Arc<PodTemplate>,
        shape: u32,
    ) -> PodId {
        let id = PodId::at(self.seen.pods.len());
        self.seen.pods.push(Arc::new(Pod {
            id,
            name: Arc::from(name),
            namespace: Arc::from("default"),
            labels: Arc::new(template.labels.clone()),
            template: Arc::clone(template),
            shape,
            requests: Arc::new(Resources::new(MilliCpu(milli), Bytes(mib * MIB))),
            owner: OwnerKind::Other,
            created: SimTime::ZERO,
            node: None,
            running: false,
            started: None,
            unready: false,
            deletion: None,
            unschedulable: true,
            preempting: false,
            claims: None,
        }));
        id
    }

    /// Changes a pod.
    pub(super) fn pod(&mut self, id: PodId) -> &mut Pod {
        Arc::make_mut(&mut self.seen.pods[id.index()])
    }

    /// Puts a pod on a node, where it has been running.
    pub(super) fn put(&mut self, pod: PodId, node: NodeId) {
        let pod = self.pod(pod);
        pod.node = Some(node);
        pod.running = true;
        pod.unschedulable = false;
        pod.started = Some(SimTime::ZERO);
    }

    /// A node of a pool that has been initialized since the start: the machine of that name, in the
    /// zone, with the capacity.
    pub(super) fn node(
        &mut self,
        name: &str,
        pool: usize,
        machine: &str,
        offer: (&str, &str),
    ) -> NodeId {
        let id = NodeId::at(self.seen.nodes.len());
        let spec = &self.spec.pools[pool];
        let found = |option: &Arc<InstanceOption>| *option.machine.name == *machine;
        let option = spec.options.iter().position(found).expect("the pool has the machine");
        let machine_of = &spec.options[option];
        let suits =
            |it: &super::instance::Offering| *it.zone == *offer.0 && it.capacity.name() == offer.1;
        let offering = machine_of.offerings.iter().position(suits).expect("it is offered");
        let mut labels = spec.labels.clone();
        for (key, value) in [
            ("kubernetes.io/hostname", name),
            (INSTANCE_TYPE, machine),
            (ZONE, offer.0),
            (CAPACITY_TYPE, offer.1),
            (NODE_POOL, &*spec.name),
        ] {
            labels.insert(Arc::from(key), Arc::from(value));
        }
        let machine = &machine_of.machine;
        self.seen.nodes.push(Arc::new(Node {
            id,
            name: Arc::from(name),
            claim: Some(ClaimSeen { pool, option, offering }),
            labels,
            annotations: Labels::new(),
            taints: spec.taints.clone(),
            capacity: machine.capacity.clone(),
            allocatable: machine.allocatable.clone(),
            max_pods: machine.max_pods,
            max_volumes: machine.max_volumes,
            created: SimTime::ZERO,
            registered: true,
            ready: true,
            leaving: false,
            volumes_attached: false,
        }));
        let state = NodeState {
            pool,
            registered: true,
            initialized: Some(SimTime::ZERO),
            ..NodeState::default()
        };
        self.states.insert(id, state);
        id
    }

    pub(super) fn state(&mut self, node: NodeId) -> &mut NodeState {
        self.states.get_mut(&node).expect("the node was made here")
    }

    pub(super) fn node_mut(&mut self, node: NodeId) -> &mut Node {
        Arc::make_mut(&mut self.seen.nodes[node.index()])
    }

    /// Looks at the scene as a pass does.
    pub(super) fn with<T>(&self, look: impl FnOnce(&Sight<'_>) -> T) -> T {
        let world = world(&self.spec, &self.seen, &self.states, &self.unavailable, &self.groups);
        look(&Sight { world, states: &self.states, in_command: &BTreeSet::new() })
    }

    /// The plan for all pods that wait, in words: `node or pool: pods` each, then pods without a
    /// place.
    pub(super) fn planned(&self) -> Vec<String> {
        self.with(|sight| {
            let pods = super::disruption::pending(&sight.world);
            let results = sight.world.plan(&pods, &BTreeSet::new(), false);
            let names = |pods: &[Arc<Pod>]| {
                let mut names: Vec<&str> = pods.iter().map(|pod| &*pod.name).collect();
                names.sort_unstable();
                names.join(" ")
            };
            let nodes: BTreeMap<NodeId, &str> =
                self.seen.nodes.iter().map(|node| (node.id, &*node.name)).collect();
            let mut words: Vec<String> = results
                .existing
                .iter()
                .map(|(node, pods)| format!("{}: {}", nodes[node], names(pods)))
                .collect();
            for claim in &results.claims {
                let pool = &self.spec.pools[claim.pool].name;
                let types: Vec<&str> = claim.choices.iter().map(|it| &**it.name()).collect();
                words.push(format!("{pool} [{}]: {}", types.join(" "), names(&claim.pods)));
            }
            for (pod, error) in results.errors.values() {
                words.push(format!("nowhere: {} ({error})", pod.name));
            }
            words
        })
    }
}

/// A minute, for readability.
pub(super) const MINUTE: SimDuration = SimDuration::from_secs(60);
