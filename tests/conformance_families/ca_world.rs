//! The world of the Cluster Autoscaler's vectors, as the autoscaler observes it.

use std::collections::BTreeMap;
use std::sync::Arc;

use aurelius_sim::cluster::TemplateId;
use aurelius_sim::cluster::api::pod::PodTemplate;
use aurelius_sim::cluster::api::scheduling::{Taint, TaintEffect, Toleration};
use aurelius_sim::control::cluster_autoscaler::observation::{
    Budget, Controller, ControllerKind, ControllerUid, DaemonSet, Group, Instance, InstanceState,
    Node, Owner, Pod, Shape,
};
use aurelius_sim::control::cluster_autoscaler::options::GroupOptions;
use aurelius_sim::control::cluster_autoscaler::scale_up::expander::Pattern;
use aurelius_sim::control::cluster_autoscaler::{
    ClusterAutoscaler, Observation, Options, Priorities, TieBreak,
};
use aurelius_sim::control::scheduler::Surroundings;
use aurelius_sim::engine::{Stream, Streams};
use aurelius_sim::model::id::{BudgetId, NodeId, PodId, PoolId};
use aurelius_sim::units::{Resources, SimDuration, SimTime};
use rand::RngExt;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::scheduling::objects::{PodDoc, Words, labels, resource_list};

/// Second zero of a case; times before it are positive too.
const ZERO: i64 = 10_000_000;

/// A second of a case.
pub(crate) fn at(second: i64) -> SimTime {
    SimTime::from_secs(u64::try_from(ZERO + second).expect("cases look back less than that"))
}

/// The second of a case that an instant is.
pub(crate) fn second(at: SimTime) -> i64 {
    i64::try_from(at.as_nanos() / 1_000_000_000).expect("cases are short") - ZERO
}

/// Input of a case.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CaseDoc {
    pub(crate) id: String,
    #[serde(default)]
    options: Map<String, Value>,
    #[serde(default)]
    priorities: BTreeMap<String, Vec<String>>,
    node_groups: Vec<GroupDoc>,
    #[serde(default)]
    nodes: Vec<NodeDoc>,
    #[serde(default)]
    workloads: Vec<WorkloadDoc>,
    #[serde(default)]
    pods: Vec<CasePodDoc>,
    #[serde(default)]
    pdbs: Vec<PdbDoc>,
    pub(crate) expect: Value,
}

#[derive(Deserialize, Clone)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct GroupDoc {
    name: String,
    min: i64,
    max: i64,
    target: i64,
    template: ShapeDoc,
    #[serde(default)]
    options: Map<String, Value>,
    #[serde(default)]
    fail_increase: bool,
}

#[derive(Deserialize, Clone)]
#[serde(deny_unknown_fields)]
struct ShapeDoc {
    allocatable: BTreeMap<String, String>,
    capacity: Option<BTreeMap<String, String>>,
    #[serde(default)]
    labels: Words,
    #[serde(default)]
    taints: Vec<TaintDoc>,
}

#[derive(Deserialize, Clone)]
struct TaintDoc {
    key: String,
    #[serde(default)]
    value: String,
    effect: String,
}

/// A node of a case.
#[derive(Deserialize, Clone)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct NodeDoc {
    name: String,
    group: Option<String>,
    created: i64,
    ready: Option<bool>,
    ready_since: Option<i64>,
    labels: Option<Words>,
    allocatable: Option<BTreeMap<String, String>>,
    capacity: Option<BTreeMap<String, String>>,
    taints: Option<Vec<TaintDoc>>,
    #[serde(default)]
    annotations: Words,
    #[serde(default)]
    unschedulable: bool,
}

#[derive(Deserialize, Clone)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WorkloadDoc {
    name: String,
    namespace: Option<String>,
    kind: String,
    #[serde(default)]
    replicas: i32,
    #[serde(default)]
    labels: Words,
    #[serde(default)]
    annotations: Words,
    spec: Value,
    #[serde(default)]
    controller_missing: bool,
}

impl CasePodDoc {
    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

/// A pod of a case.
#[derive(Deserialize, Clone)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct CasePodDoc {
    name: String,
    workload: String,
    node: Option<String>,
    pub(crate) created: i64,
    deletion_timestamp: Option<i64>,
    #[serde(default)]
    annotations: Words,
    bound: Option<i64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PdbDoc {
    name: String,
    namespace: Option<String>,
    #[serde(default)]
    match_labels: Words,
    disruptions_allowed: i32,
}

/// A workload of a case and what its pods are made from.
struct Workload {
    name: String,
    namespace: Arc<str>,
    owner: Option<Owner>,
    template: Arc<PodTemplate>,
    template_id: TemplateId,
    requests: Arc<Resources>,
    priority: Option<i32>,
    local_volumes: Vec<Arc<str>>,
}

/// What exists in a case, by name.
pub(crate) struct World {
    pub(crate) seen: Observation,
    shapes: BTreeMap<String, ShapeDoc>,
    workloads: Vec<Workload>,
    nodes: BTreeMap<String, NodeId>,
    pub(crate) pods: BTreeMap<String, PodId>,
    /// Workload of each pod.
    pod_workload: Vec<usize>,
    pdbs: BTreeMap<String, usize>,
    uid_of: BTreeMap<String, ControllerUid>,
}

/// Flags of a case.
pub(crate) fn autoscaler(case: &CaseDoc) -> ClusterAutoscaler {
    let mut options = Options::default();
    for (flag, value) in &case.options {
        let all = value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
        for value in all {
            let text = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
            let seconds = format!("{text}s");
            let set = options.set(flag, &text).or_else(|_| options.set(flag, &seconds));
            set.unwrap_or_else(|error| panic!("{}: --{flag}={text}: {error}", case.id));
        }
    }
    let pattern = |text: &String| Pattern::new(text).expect("a vector holds valid patterns");
    let priorities: Priorities = case
        .priorities
        .iter()
        .map(|(number, patterns)| {
            let number = number.parse().expect("priorities are numbers");
            (number, patterns.iter().map(pattern).collect())
        })
        .collect();
    let namespaces = case.workloads.iter().map(|workload| {
        let name: Arc<str> = Arc::from(workload.namespace.as_deref().unwrap_or("default"));
        let key: Arc<str> = Arc::from("kubernetes.io/metadata.name");
        (Arc::clone(&name), [(key, name)].into())
    });
    let surroundings = Surroundings { namespaces: namespaces.collect(), ..Surroundings::default() };
    ClusterAutoscaler::new(options, priorities, surroundings, TieBreak::FirstByName)
}

impl World {
    pub(crate) fn new(case: &CaseDoc) -> Self {
        let mut world = Self {
            seen: Observation { now: at(0), ..Observation::default() },
            shapes: BTreeMap::new(),
            workloads: Vec::new(),
            nodes: BTreeMap::new(),
            pods: BTreeMap::new(),
            pod_workload: Vec::new(),
            pdbs: BTreeMap::new(),
            uid_of: BTreeMap::new(),
        };
        for (position, group) in case.node_groups.iter().enumerate() {
            world.add_group(position, group);
        }
        for workload in &case.workloads {
            world.add_workload(workload);
        }
        for node in &case.nodes {
            world.put_node(node);
            world.add_instance(node);
        }
        for pod in &case.pods {
            world.add_pod(pod);
        }
        for (position, pdb) in case.pdbs.iter().enumerate() {
            world.pdbs.insert(pdb.name.clone(), position);
            world.seen.budgets.push(Budget {
                id: BudgetId::at(position),
                namespace: Arc::from(pdb.namespace.as_deref().unwrap_or("default")),
                selector: Some(aurelius_sim::cluster::api::LabelSelector::of_labels(labels(
                    pdb.match_labels.clone(),
                ))),
                disruptions_allowed: pdb.disruptions_allowed,
            });
        }
        world
    }

    /// Lists nodes and pods in another order, as the real autoscaler lists them in any; order 0 is
    /// that of the case.
    pub(crate) fn shuffle(&mut self, number: u64) {
        if number == 0 {
            return;
        }
        let mut stream = Streams::new(number, 0).of("order");
        shuffled(&mut self.seen.nodes, &mut stream);
        shuffled(&mut self.seen.pods, &mut stream);
    }

    fn add_group(&mut self, position: usize, doc: &GroupDoc) {
        let flag = |name: &str| doc.options.get(name);
        let span = |name: &str| flag(name).and_then(Value::as_f64).map(SimDuration::from_secs_f64);
        let options = GroupOptions {
            scale_down_utilization_threshold: flag("scale-down-utilization-threshold")
                .and_then(Value::as_f64),
            scale_down_gpu_utilization_threshold: flag("scale-down-gpu-utilization-threshold")
                .and_then(Value::as_f64),
            scale_down_unneeded_time: span("scale-down-unneeded-time"),
            scale_down_unready_time: span("scale-down-unready-time"),
            max_node_provision_time: span("max-node-provision-time"),
            max_node_startup_time: span("max-node-startup-time"),
            ignore_daemonsets_utilization: flag("ignore-daemonsets-utilization")
                .and_then(Value::as_bool),
            zero_or_max_node_scaling: flag("zero-or-max-node-scaling")
                .and_then(Value::as_bool)
                .unwrap_or(false),
        };
        self.shapes.insert(doc.name.clone(), doc.template.clone());
        self.seen.groups.push(Group {
            id: PoolId::at(position),
            name: Arc::from(doc.name.as_str()),
            min: doc.min,
            max: doc.max,
            target: doc.target,
            template: Some(doc.template.read()),
            options,
            instances: Vec::new(),
            refuses_increase: doc.fail_increase.then(|| Arc::from("cloud refused")),
            price_per_hour: None,
        });
    }

    fn add_workload(&mut self, doc: &WorkloadDoc) {
        let position = self.workloads.len();
        let number = u32::try_from(position).expect("few workloads");
        let kind = match doc.kind.as_str() {
            "None" => None,
            "ReplicaSet" => Some(ControllerKind::ReplicaSet),
            "StatefulSet" => Some(ControllerKind::StatefulSet),
            "DaemonSet" => Some(ControllerKind::DaemonSet),
            "ReplicationController" => Some(ControllerKind::ReplicationController),
            "Job" => Some(ControllerKind::Job),
            _ => Some(ControllerKind::Custom),
        };
        let uid = ControllerUid(number);
        let owner = kind.map(|kind| Owner { kind, uid });
        let exists = kind.is_some_and(|kind| kind != ControllerKind::Custom);
        if exists && !doc.controller_missing {
            self.seen.controllers.insert(uid, Controller { replicas: doc.replicas });
        }
        self.uid_of.insert(doc.name.clone(), uid);
        let template = pod_template(doc);
        let daemon_set = kind == Some(ControllerKind::DaemonSet);
        self.workloads.push(Workload {
            name: doc.name.clone(),
            namespace: Arc::from(doc.namespace.as_deref().unwrap_or("default")),
            owner,
            requests: Arc::new(template.spec.requests()),
            template: Arc::new(template),
            template_id: TemplateId(number),
            priority: doc
                .spec
                .get("priority")
                .and_then(Value::as_i64)
                .map(|p| i32::try_from(p).expect("priorities are 32 bits")),
            local_volumes: local_volumes(&doc.spec),
        });
        if daemon_set && !doc.controller_missing {
            let mut pod = self.made_of(position, PodId(u32::MAX), "template");
            let mut template = PodTemplate::clone(&pod.template);
            template.spec.tolerations.extend(daemon_tolerations());
            pod.template = Arc::new(template);
            // Tolerations differ from those of the pods that exist.
            pod.template_id = TemplateId(1_000_000 + number);
            self.seen.daemon_sets.push(DaemonSet { uid, pod: Arc::new(pod) });
        }
    }

    fn made_of(&self, workload: usize, id: PodId, name: &str) -> Pod {
        let workload = &self.workloads[workload];
        Pod {
            id,
            name: Arc::from(name),
            namespace: Arc::clone(&workload.namespace),
            template: Arc::clone(&workload.template),
            template_id: workload.template_id,
            requests: Arc::clone(&workload.requests),
            owner: workload.owner,
            priority: workload.priority,
            local_volumes: workload.local_volumes.clone(),
            claims: None,
            created: at(0),
            deletion: None,
            node: None,
            nominated: None,
            unschedulable: true,
        }
    }

    /// Adds or replaces a node.
    pub(crate) fn put_node(&mut self, doc: &NodeDoc) {
        let next = NodeId::at(self.nodes.len());
        let id = *self.nodes.entry(doc.name.clone()).or_insert(next);
        let base = doc.group.as_ref().map(|group| self.shapes[group].clone());
        let base = base.unwrap_or(ShapeDoc {
            allocatable: BTreeMap::new(),
            capacity: None,
            labels: Words::new(),
            taints: Vec::new(),
        });
        let mut shape = ShapeDoc {
            allocatable: doc.allocatable.clone().unwrap_or(base.allocatable),
            capacity: doc.capacity.clone().or(match &doc.allocatable {
                Some(own) => base.capacity.or_else(|| Some(own.clone())),
                None => base.capacity,
            }),
            labels: doc.labels.clone().unwrap_or(base.labels),
            taints: doc.taints.clone().unwrap_or(base.taints),
        };
        shape.labels.insert("kubernetes.io/hostname".to_owned(), doc.name.clone());
        for taint in &mut shape.taints {
            if taint.key.ends_with("ClusterAutoscaler")
                && let Ok(value) = taint.value.parse::<i64>()
            {
                taint.value = (value + ZERO).to_string();
            }
        }
        let group = doc.group.as_ref().map(|name| self.group(name));
        let node = Node {
            id,
            name: Arc::from(doc.name.as_str()),
            group,
            shape: Shape { unschedulable: doc.unschedulable, ..shape.read() },
            annotations: labels(doc.annotations.clone()),
            volume_limits: BTreeMap::new(),
            created: at(doc.created),
            ready: doc.ready.unwrap_or(true),
            ready_since: at(doc.ready_since.unwrap_or(doc.created)),
        };
        match self.seen.nodes.iter_mut().find(|known| known.id == id) {
            Some(known) => *known = Arc::new(node),
            None => self.seen.nodes.push(Arc::new(node)),
        }
    }

    fn add_instance(&mut self, doc: &NodeDoc) {
        if let Some(group) = &doc.group {
            let id = self.group(group);
            let name = Arc::from(doc.name.as_str());
            self.seen.groups[id.index()].instances.push(Instance {
                name,
                state: InstanceState::Running,
                error: None,
            });
        }
    }

    pub(crate) fn group(&self, name: &str) -> PoolId {
        let found = self.seen.groups.iter().find(|group| &*group.name == name);
        found.unwrap_or_else(|| panic!("no group {name}")).id
    }

    pub(crate) fn group_name(&self, id: PoolId) -> String {
        self.seen.groups[id.index()].name.to_string()
    }

    pub(crate) fn node_name(&self, id: NodeId) -> String {
        let found = self.nodes.iter().find(|(_, known)| **known == id);
        found.map(|(name, _)| name.clone()).expect("nodes are never forgotten")
    }

    pub(crate) fn node(&self, name: &str) -> NodeId {
        self.nodes[name]
    }

    /// The name of the workload of a pod.
    pub(crate) fn workload_of(&self, pod: PodId) -> &str {
        &self.workloads[self.pod_workload[pod.index()]].name
    }

    pub(crate) fn pod_name(&self, id: PodId) -> String {
        let found = self.pods.iter().find(|(_, known)| **known == id);
        found.map(|(name, _)| name.clone()).expect("pods are never forgotten")
    }

    /// When a pod of the input was bound.
    pub(crate) fn bound_at(doc: &CasePodDoc) -> Option<(i64, &str)> {
        doc.node.as_deref().map(|node| (doc.bound.unwrap_or(doc.created), node))
    }

    pub(crate) fn add_pod(&mut self, doc: &CasePodDoc) {
        let workload = self.workloads.iter().position(|w| w.name == doc.workload);
        let workload = workload.expect("a pod's workload is listed");
        let id = PodId::at(self.pod_workload.len());
        self.pod_workload.push(workload);
        self.pods.insert(doc.name.clone(), id);
        let mut pod = self.made_of(workload, id, &doc.name);
        pod.created = at(doc.created);
        pod.deletion = doc.deletion_timestamp.map(at);
        pod.node = doc.node.as_ref().and_then(|node| self.nodes.get(node).copied());
        pod.unschedulable = pod.node.is_none();
        if !doc.annotations.is_empty() {
            let mut template = PodTemplate::clone(&pod.template);
            template.annotations.extend(labels(doc.annotations.clone()));
            pod.template = Arc::new(template);
        }
        self.seen.pods.push(Arc::new(pod));
    }

    /// Changes a pod.
    pub(crate) fn change_pod(&mut self, name: &str, change: impl FnOnce(&mut Pod)) {
        let id = self.pods[name];
        let found = self.seen.pods.iter_mut().find(|pod| pod.id == id);
        if let Some(pod) = found {
            change(Arc::make_mut(pod));
        }
    }

    /// Binds a pod, if its node exists.
    pub(crate) fn bind(&mut self, pod: &str, node: &str) {
        if let Some(node) = self.nodes.get(node).copied() {
            self.change_pod(pod, |pod| {
                pod.node = Some(node);
                pod.unschedulable = false;
            });
        }
    }

    /// Whether a pod exists.
    pub(crate) fn exists(&self, pod: PodId) -> bool {
        self.seen.pods.iter().any(|other| other.id == pod)
    }

    pub(crate) fn remove_pod(&mut self, name: &str) {
        let id = self.pods[name];
        self.seen.pods.retain(|pod| pod.id != id);
    }

    pub(crate) fn remove_node(&mut self, name: &str) {
        let id = self.nodes[name];
        self.seen.nodes.retain(|node| node.id != id);
    }

    pub(crate) fn set_allowed(&mut self, pdb: &str, allowed: i32) {
        self.seen.budgets[self.pdbs[pdb]].disruptions_allowed = allowed;
    }

    pub(crate) fn set_replicas(&mut self, workload: &str, replicas: i32) {
        if let Some(controller) = self.seen.controllers.get_mut(&self.uid_of[workload]) {
            controller.replicas = replicas;
        }
    }

    /// Pods counted per workload, as JSON.
    pub(crate) fn per_workload(&self, pods: impl IntoIterator<Item = PodId>) -> Value {
        let mut counts: BTreeMap<String, i64> = BTreeMap::new();
        for pod in pods {
            *counts.entry(self.workload_of(pod).to_owned()).or_default() += 1;
        }
        json!(counts)
    }
}

/// A field, what was recorded, what came out.
pub(crate) type Difference = (String, Value, Value);

/// Orders of nodes and pods that are tried: the vectors hold the outcomes seen in some runs of the
/// real autoscaler, each in a random order.
const ORDERS: u64 = 64;

/// The result nearest to the recorded ones over several orders.
pub(crate) fn nearest(try_order: impl Fn(u64) -> Vec<Difference>) -> Vec<Difference> {
    let mut nearest = try_order(0);
    for number in 1..ORDERS {
        if nearest.is_empty() {
            break;
        }
        let other = try_order(number);
        if other.len() < nearest.len() {
            nearest = other;
        }
    }
    nearest
}

fn shuffled<T>(items: &mut [T], stream: &mut Stream) {
    for last in (1..items.len()).rev() {
        items.swap(last, stream.random_range(0..=last));
    }
}

impl ShapeDoc {
    fn read(&self) -> Shape {
        let (allocatable, max_pods) = resources(&self.allocatable);
        let (capacity, _) = resources(self.capacity.as_ref().unwrap_or(&self.allocatable));
        let effect = |name: &str| match name {
            "NoSchedule" => TaintEffect::NoSchedule,
            "PreferNoSchedule" => TaintEffect::PreferNoSchedule,
            "NoExecute" => TaintEffect::NoExecute,
            other => panic!("unknown effect {other}"),
        };
        let taint = |doc: &TaintDoc| Taint {
            key: Arc::from(doc.key.as_str()),
            value: Arc::from(doc.value.as_str()),
            effect: effect(&doc.effect),
        };
        Shape {
            labels: labels(self.labels.clone()),
            taints: self.taints.iter().map(taint).collect(),
            unschedulable: false,
            capacity,
            allocatable,
            max_pods,
        }
    }
}

/// Amounts and, apart, the number of pods.
fn resources(amounts: &BTreeMap<String, String>) -> (Resources, i64) {
    let mut list = resource_list(amounts);
    let pods = list.extended.iter().position(|(name, _)| &**name == "pods");
    let pods = pods.map_or(0, |at| list.extended.remove(at).1);
    (Resources::from(&list), pods)
}

/// The template of a workload. What the reader of pods does not know is read here.
fn pod_template(doc: &WorkloadDoc) -> PodTemplate {
    let mut spec = doc.spec.clone();
    let fields = spec.as_object_mut().expect("a spec is an object");
    let grace = fields.remove("terminationGracePeriodSeconds").and_then(|v| v.as_u64());
    let priority = fields.remove("priority").and_then(|v| v.as_i64());
    fields.remove("volumes");
    for list in ["containers", "initContainers"] {
        for container in fields.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            let container = container.as_object_mut().expect("a container is an object");
            container.entry("image").or_insert_with(|| json!("image"));
        }
    }
    let metadata = json!({ "name": doc.name, "labels": doc.labels });
    let pod = json!({ "metadata": metadata, "spec": spec });
    let pod: PodDoc = serde_json::from_value(pod).unwrap_or_else(|error| {
        panic!("{}: {error}", doc.name);
    });
    let mut template = pod.template();
    template.annotations = labels(doc.annotations.clone());
    if let Some(grace) = grace {
        template.spec.termination_grace = SimDuration::from_secs(grace);
    }
    template.spec.priority = priority.map_or(0, |p| i32::try_from(p).expect("32 bits"));
    template
}

fn local_volumes(spec: &Value) -> Vec<Arc<str>> {
    let volumes = spec.get("volumes").and_then(Value::as_array).into_iter().flatten();
    let local = volumes.filter(|volume| {
        let memory = volume["emptyDir"].get("medium").and_then(Value::as_str) == Some("Memory");
        volume.get("hostPath").is_some() || (volume.get("emptyDir").is_some() && !memory)
    });
    local.map(|volume| Arc::from(volume["name"].as_str().expect("a volume has a name"))).collect()
}

/// What the DaemonSet controller adds to its pods.
fn daemon_tolerations() -> Vec<Toleration> {
    let keys = [
        ("not-ready", TaintEffect::NoExecute),
        ("unreachable", TaintEffect::NoExecute),
        ("disk-pressure", TaintEffect::NoSchedule),
        ("memory-pressure", TaintEffect::NoSchedule),
        ("pid-pressure", TaintEffect::NoSchedule),
        ("unschedulable", TaintEffect::NoSchedule),
    ];
    keys.into_iter()
        .map(|(key, effect)| Toleration {
            key: Some(Arc::from(format!("node.kubernetes.io/{key}"))),
            exists: true,
            effect: Some(effect),
            ..Toleration::default()
        })
        .collect()
}

/// Drops `seen` counters and empty containers, which the vectors leave out.
pub(crate) fn tidy(value: &Value) -> Value {
    match value {
        Value::Object(fields) => Value::Object(
            fields
                .iter()
                .filter(|(key, _)| *key != "seen")
                .map(|(key, value)| (key.clone(), tidy(value)))
                .filter(|(_, value)| {
                    !(value.is_null()
                        || value.as_object().is_some_and(Map::is_empty)
                        || value.as_array().is_some_and(Vec::is_empty))
                })
                .collect(),
        ),
        Value::Array(items) => Value::Array(items.iter().map(tidy).collect()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

/// Items in an order of their own.
pub(crate) fn sorted(value: &Value) -> Value {
    let mut items = value.as_array().cloned().unwrap_or_default();
    items.sort_by_key(ToString::to_string);
    Value::Array(items)
}
