//! Edge cases with worked figures, in small made-up clusters.

mod branches;
mod chains;
mod scale_down;
mod scale_up;
mod state;
mod worked;

use std::sync::Arc;

use super::observation::{
    Budget, Controller, ControllerKind, ControllerUid, Group, Instance, InstanceState, Node,
    Observation, Owner, Pod, Shape,
};
use super::options::GroupOptions;
use super::{ClusterAutoscaler, LoopStatus, Options, TieBreak};
use crate::cluster::api::meta::Labels;
use crate::cluster::api::pod::PodTemplate;
use crate::cluster::api::selector::LabelSelector;
use crate::cluster::pod::TemplateId;
use crate::control::scheduler::Surroundings;
use crate::model::id::{BudgetId, NodeId, PodId, PoolId};
use crate::units::{Bytes, MilliCpu, Resources, SimDuration, SimTime};

/// Second zero of the tests; nodes and pods exist since long before.
const ZERO: u64 = 1_000_000;
/// How old nodes and pods are at second zero (s).
const OLD: u64 = 7_200;

fn at(second: u64) -> SimTime {
    SimTime::from_secs(ZERO + second)
}

fn text(text: &str) -> Arc<str> {
    Arc::from(text)
}

/// A cluster and its autoscaler. Nodes have 1 GiB of memory and pods ask for none, so that cores
/// decide.
struct Scene {
    seen: Observation,
    autoscaler: ClusterAutoscaler,
    templates: u32,
}

impl Scene {
    fn new(flags: &[(&str, &str)]) -> Self {
        let mut options = Options::default();
        for (flag, value) in flags {
            options.set(flag, value).expect("tests set flags that exist");
        }
        let tie = TieBreak::FirstByName;
        let autoscaler =
            ClusterAutoscaler::new(options, super::Priorities::new(), Surroundings::default(), tie);
        Self { seen: Observation::default(), autoscaler, templates: 0 }
    }

    /// Adds a group of nodes with so many millicores each, and `target` nodes of it.
    fn group(&mut self, min: i64, max: i64, target: usize, cpu: i64) -> PoolId {
        let id = PoolId::at(self.seen.groups.len());
        self.seen.groups.push(Group {
            id,
            name: text(&format!("group-{id}")),
            min,
            max,
            target: i64::try_from(target).expect("small"),
            template: Some(shape(cpu)),
            options: GroupOptions::default(),
            instances: Vec::new(),
            refuses_increase: None,
            price_per_hour: None,
        });
        for _ in 0..target {
            self.node(Some(id), cpu);
        }
        id
    }

    fn group_mut(&mut self, id: PoolId) -> &mut Group {
        &mut self.seen.groups[id.index()]
    }

    /// Adds a node, ready since long.
    fn node(&mut self, group: Option<PoolId>, cpu: i64) -> NodeId {
        let id = NodeId(self.seen.nodes.iter().map(|node| node.id.0 + 1).max().unwrap_or(0));
        let name = text(&format!("node-{id}"));
        let mut shape = shape(cpu);
        shape.labels.insert(text("kubernetes.io/hostname"), Arc::clone(&name));
        if let Some(group) = group {
            let name = Arc::clone(&name);
            let instance = Instance { name, state: InstanceState::Running, error: None };
            self.group_mut(group).instances.push(instance);
        }
        self.seen.nodes.push(Arc::new(Node {
            id,
            name,
            group,
            shape,
            annotations: Labels::new(),
            volume_limits: std::collections::BTreeMap::new(),
            created: SimTime::from_secs(ZERO - OLD),
            ready: true,
            ready_since: SimTime::from_secs(ZERO - OLD),
        }));
        id
    }

    fn node_mut(&mut self, id: NodeId) -> &mut Node {
        let node = self.seen.nodes.iter_mut().find(|node| node.id == id);
        Arc::make_mut(node.expect("the node exists"))
    }

    /// Adds a pod of a ReplicaSet of its own; pending without a node.
    fn pod(&mut self, cpu: i64, node: Option<NodeId>) -> PodId {
        self.pods(1, cpu, node)[0]
    }

    /// Adds pods of one ReplicaSet.
    fn pods(&mut self, count: usize, cpu: i64, node: Option<NodeId>) -> Vec<PodId> {
        self.pods_of(count, cpu, node, PodTemplate::default())
    }

    fn pods_of(
        &mut self,
        count: usize,
        cpu: i64,
        node: Option<NodeId>,
        mut template: PodTemplate,
    ) -> Vec<PodId> {
        self.templates += 1;
        let number = self.templates;
        let uid = ControllerUid(number);
        self.seen.controllers.insert(uid, Controller { replicas: 1 });
        template.spec.containers.push(crate::cluster::api::pod::Container {
            requests: crate::units::ResourceList {
                cpu: Some(MilliCpu(cpu)),
                ..crate::units::ResourceList::default()
            },
            ..crate::cluster::api::pod::Container::default()
        });
        let template = Arc::new(template);
        (0..count)
            .map(|_| {
                let id = PodId::at(self.seen.pods.len());
                self.seen.pods.push(Arc::new(Pod {
                    id,
                    name: text(&format!("pod-{id}")),
                    namespace: text("default"),
                    requests: Arc::new(template.spec.requests()),
                    template: Arc::clone(&template),
                    template_id: TemplateId(number),
                    owner: Some(Owner { kind: ControllerKind::ReplicaSet, uid }),
                    priority: None,
                    local_volumes: Vec::new(),
                    claims: None,
                    created: SimTime::from_secs(ZERO - OLD),
                    deletion: None,
                    node,
                    nominated: None,
                    unschedulable: node.is_none(),
                }));
                id
            })
            .collect()
    }

    fn pod_mut(&mut self, id: PodId) -> &mut Pod {
        Arc::make_mut(&mut self.seen.pods[id.index()])
    }

    fn annotate(&mut self, pod: PodId, key: &str, value: &str) {
        let template = Arc::make_mut(&mut self.pod_mut(pod).template);
        template.annotations.insert(text(key), text(value));
    }

    fn make_daemon(&mut self, pod: PodId) {
        let owner = self.pod_mut(pod).owner.as_mut().expect("pods have owners");
        owner.kind = ControllerKind::DaemonSet;
    }

    /// A budget for the pods of a ReplicaSet, by a label of their own.
    fn budget(&mut self, pods: &[PodId], allowed: i32) {
        let id = BudgetId::at(self.seen.budgets.len());
        let labels = Labels::from([(text("budget"), text(&id.to_string()))]);
        for pod in pods {
            let template = Arc::make_mut(&mut self.pod_mut(*pod).template);
            template.labels.extend(labels.clone());
        }
        let selector = Some(LabelSelector::of_labels(labels));
        let namespace = text("default");
        self.seen.budgets.push(Budget { id, namespace, selector, disruptions_allowed: allowed });
    }

    fn run(&mut self, second: u64) -> LoopStatus {
        self.seen.now = at(second);
        self.autoscaler.run_once(&self.seen)
    }

    /// Runs loops ten seconds apart and returns the last status.
    fn run_through(&mut self, from: u64, to: u64) -> LoopStatus {
        let mut status = LoopStatus::default();
        for second in (from..=to).step_by(10) {
            status = self.run(second);
        }
        status
    }
}

fn shape(cpu: i64) -> Shape {
    let resources = Resources::new(MilliCpu(cpu), Bytes(1 << 30));
    Shape { capacity: resources.clone(), allocatable: resources, max_pods: 110, ..Shape::default() }
}

/// The nodes that are not needed.
fn unneeded(status: &LoopStatus) -> Vec<NodeId> {
    status.scale_down.unneeded.iter().map(|entry| entry.node).collect()
}

/// The nodes whose removal began.
fn deleted(status: &LoopStatus) -> Vec<NodeId> {
    let down = &status.scale_down;
    down.delete_empty.iter().chain(&down.delete_drain).copied().collect()
}

fn seconds(count: u64) -> SimDuration {
    SimDuration::from_secs(count)
}
