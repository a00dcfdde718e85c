//! Taint eviction: each case is a sequence of changes of nodes and pods.

use std::collections::BTreeMap;

use aurelius_sim::cluster::api::scheduling::{Taint, Toleration};
use aurelius_sim::control::taint_eviction::TaintEviction;
use aurelius_sim::model::id::{NodeId, PodId};
use serde::Deserialize;
use serde_json::Value;

use super::common::{At, Names, TaintDoc, TolerationDoc};
use super::{Checks, Outcome, each_case};

pub(crate) fn check(cases: &[Value]) -> Result<Outcome, String> {
    each_case(cases, check_case)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Case {
    name: String,
    nodes: Vec<NodeDoc>,
    pods: Vec<PodDoc>,
    #[serde(default)]
    events: Vec<EventDoc>,
    until: At,
    deleted_at: BTreeMap<String, At>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NodeDoc {
    name: String,
    #[serde(default)]
    taints: Vec<TaintDoc>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PodDoc {
    name: String,
    node_name: Option<String>,
    #[serde(default)]
    tolerations: Vec<TolerationDoc>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EventDoc {
    at: At,
    op: String,
    node: Option<String>,
    #[serde(default)]
    taints: Vec<TaintDoc>,
    pod: Option<PodDoc>,
}

#[derive(Default)]
struct World {
    controller: TaintEviction,
    names: Names,
    /// Pods that exist: where they are and what they tolerate.
    pods: BTreeMap<PodId, (Option<NodeId>, Vec<Toleration>)>,
    deleted: BTreeMap<String, At>,
}

impl World {
    fn delete(&mut self, at: At, pods: Vec<PodId>) {
        for pod in pods {
            if self.pods.remove(&pod).is_some() {
                self.controller.pod_deleted(pod);
                self.deleted.insert(self.names.name(pod.0).to_owned(), at);
            }
        }
    }

    fn run_until(&mut self, at: At) {
        while let Some(fires) = self.controller.next().filter(|&fires| fires <= at.0) {
            let due = self.controller.due(fires);
            self.delete(At(fires), due);
        }
    }

    fn taint(&mut self, at: At, node: &str, taints: &[TaintDoc]) {
        let node = NodeId(self.names.number(node));
        let taints: Vec<Taint> = taints.iter().map(TaintDoc::taint).collect();
        let here = self.pods.iter().filter(|(_, (place, _))| *place == Some(node));
        let here = here.map(|(&pod, (_, tolerations))| (pod, tolerations.as_slice()));
        let goes = self.controller.node_updated(at.0, node, &taints, here);
        self.delete(at, goes);
    }

    fn write_pod(&mut self, at: At, doc: &PodDoc) {
        if self.deleted.contains_key(&doc.name) {
            return;
        }
        let pod = PodId(self.names.number(&doc.name));
        let node = doc.node_name.as_ref().map(|name| NodeId(self.names.number(name)));
        let tolerations = doc.tolerations.iter().map(TolerationDoc::toleration).collect();
        let after = (node, tolerations);
        let before = self.pods.insert(pod, after.clone());
        if before.as_ref() == Some(&after) {
            return;
        }
        if let (Some(node), tolerations) = after
            && self.controller.pod_updated(at.0, pod, node, &tolerations)
        {
            self.delete(at, vec![pod]);
        }
    }
}

fn check_case(case: Case) -> Checks {
    let mut world = World::default();
    let start = At::from(0.0);
    for node in &case.nodes {
        world.taint(start, &node.name, &node.taints);
    }
    for pod in &case.pods {
        world.write_pod(start, pod);
    }
    for event in &case.events {
        world.run_until(event.at);
        let node = event.node.as_deref().unwrap_or_default();
        match event.op.as_str() {
            "taints" => world.taint(event.at, node, &event.taints),
            "deleteNode" => {
                let node = NodeId(world.names.number(node));
                world.controller.node_deleted(node);
            }
            "pod" => {
                world.write_pod(event.at, event.pod.as_ref().expect("the event has a pod"));
            }
            "removePod" => {
                let name = &event.pod.as_ref().expect("the event has a pod").name;
                let pod = PodId(world.names.number(name));
                world.pods.remove(&pod);
                world.controller.pod_deleted(pod);
            }
            other => panic!("{}: unknown event {other}", case.name),
        }
    }
    world.run_until(case.until);
    let mut checks = Checks::default();
    checks.at(case.name);
    checks.compare("deletedAt", &case.deleted_at, &world.deleted);
    checks
}
