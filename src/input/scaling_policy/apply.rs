//! A policy laid over the documents of a scenario that were read.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value as Json, json};

use super::{Count, Headroom, Scale, ScalingPolicy, Variables, filled, merge};
use crate::input::codes;
use crate::input::diagnostic::{Diagnostic, Diagnostics};
use crate::input::documents::Documents;
use crate::input::loader::Files;
use crate::input::patch::{Patch, to_objects};
use crate::input::source::Sources;
use crate::input::yaml::{Dialect, Kind, Node, parse};

/// How sources are named that a policy writes.
pub(super) const GENERATED: &str = "policy ";

/// A workload that a policy is applied to.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Chosen {
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) namespace: String,
    pub(super) variables: Variables,
}

/// What an object is about.
fn text<'n>(node: &'n Node, path: &[&str]) -> Option<&'n str> {
    path.iter().try_fold(node, |node, key| node.get(key)).and_then(Node::text)
}

fn is_autoscaler(node: &Node) -> bool {
    matches!(text(node, &["kind"]), Some("HorizontalPodAutoscaler" | "ScaledObject"))
}

fn namespace(node: &Node) -> String {
    text(node, &["metadata", "namespace"]).unwrap_or("default").to_owned()
}

fn scales(node: &Node, chosen: &Chosen) -> bool {
    is_autoscaler(node)
        && namespace(node) == chosen.namespace
        && text(node, &["spec", "scaleTargetRef", "name"]) == Some(&chosen.name)
        && target_kind(node) == chosen.kind
}

fn target_kind(node: &Node) -> &str {
    text(node, &["spec", "scaleTargetRef", "kind"]).unwrap_or("Deployment")
}

/// Lays a policy over documents; answers the workloads it found.
pub(super) fn apply(
    policy: &ScalingPolicy,
    files: &mut Files,
    sources: &mut Sources,
    diagnostics: &Diagnostics,
) -> Vec<Chosen> {
    files.manifests.iter_mut().for_each(spread_lists);
    let chosen = choose(policy, files, diagnostics);
    let mut writer = Writer { policy, sources, diagnostics };
    if let Some(scale) = &policy.scale {
        for one in &chosen {
            writer.scale(scale, one, files);
        }
    }
    to_upgrades(policy, files, &mut writer);
    if let Some(metrics) = &policy.metrics {
        writer.metrics(metrics, &chosen, files);
    }
    if let Some(budget) = &policy.budget {
        for one in &chosen {
            writer.budget(budget, one, files);
        }
    }
    if let Some(headroom) = &policy.headroom {
        writer.headroom(headroom, files);
    }
    if let Some(flags) = &policy.autoscaler {
        writer.over(&mut files.profile, &json!({"clusterAutoscaler": flags}));
    }
    if let Some(pools) = &policy.pools {
        writer.over(&mut files.scenario, &json!({"overrides": {"nodePools": pools}}));
    }
    chosen
}

/// An upgrade brings objects as its chart has them, and who runs the policy writes over them again.
/// Workloads that an upgrade does not have are none of its business; what is no object (flags, pools)
/// and what no release has (headroom) stays as it is.
fn to_upgrades(policy: &ScalingPolicy, files: &mut Files, writer: &mut Writer<'_>) {
    let upgrades = std::mem::take(&mut files.upgrades);
    let positions: BTreeSet<usize> = upgrades.iter().map(|(position, _)| *position).collect();
    let mut upgrades = upgrades.into_iter().peekable();
    for position in positions {
        let mut next = Files::with_services(files.services.clone());
        while let Some((_, documents)) = upgrades.next_if(|(at, _)| *at == position) {
            next.manifests.push(documents);
        }
        next.manifests.iter_mut().for_each(spread_lists);
        let chosen = choose(policy, &next, &Diagnostics::new());
        for one in &chosen {
            if let Some(scale) = &policy.scale {
                writer.scale(scale, one, &mut next);
            }
            if let Some(budget) = &policy.budget {
                writer.budget(budget, one, &mut next);
            }
        }
        files.upgrades.extend(next.manifests.into_iter().map(|documents| (position, documents)));
    }
}

/// Lists of objects become objects, so that each can be changed by itself.
fn spread_lists(documents: &mut Documents) {
    let mut spread = Vec::with_capacity(documents.nodes.len());
    for node in documents.nodes.drain(..) {
        let is_list = text(&node, &["kind"]).is_some_and(|kind| kind.ends_with("List"));
        match node.get("items").and_then(Node::sequence).filter(|_| is_list) {
            Some(items) => spread.extend(items.iter().cloned()),
            None => spread.push(node),
        }
    }
    documents.nodes = spread;
}

fn objects(files: &Files) -> impl Iterator<Item = &Node> {
    files.manifests.iter().flat_map(|documents| &documents.nodes)
}

/// The workloads of a policy: those it names, else all that an autoscaler scales.
fn choose(policy: &ScalingPolicy, files: &Files, diagnostics: &Diagnostics) -> Vec<Chosen> {
    let services = services(files);
    let mut all: BTreeMap<(String, String, String), Chosen> = BTreeMap::new();
    let mut add = |kind: &str, name: &str, namespace: String, own: &Variables| {
        let mut variables = own.clone();
        variables.insert("WORKLOAD".to_owned(), name.to_owned());
        if let Some(service) = services.get(&format!("{kind}/{name}")).or(services.get(name)) {
            variables.insert("SERVICE".to_owned(), service.clone());
        }
        let key = (namespace.clone(), kind.to_owned(), name.to_owned());
        let (kind, name) = (kind.to_owned(), name.to_owned());
        all.entry(key).or_insert(Chosen { kind, name, namespace, variables });
    };
    match &policy.workloads {
        None => {
            for node in objects(files).filter(|node| is_autoscaler(node)) {
                if let Some(name) = text(node, &["spec", "scaleTargetRef", "name"]) {
                    add(target_kind(node), name, namespace(node), &Variables::new());
                }
            }
        }
        Some(named) => {
            for (wanted, variables) in named {
                let (kind, name) = match wanted.split_once('/') {
                    Some((kind, name)) => (Some(kind), name),
                    None => (None, wanted.as_str()),
                };
                for node in objects(files) {
                    let of = text(node, &["kind"]).unwrap_or_default();
                    let scalable = matches!(of, "Deployment" | "StatefulSet");
                    let named = text(node, &["metadata", "name"]) == Some(name);
                    if scalable && named && kind.is_none_or(|kind| kind == of) {
                        add(of, name, namespace(node), variables);
                    }
                }
            }
        }
    }
    let needs_workloads = policy.scale.is_some()
        || policy.budget.is_some()
        || policy.metrics.is_some()
        || !policy.schedule.is_empty();
    if all.is_empty() && needs_workloads {
        let message =
            format!("the policy `{}` finds none of its workloads in this scenario", policy.name);
        diagnostics.push(Diagnostic::error(codes::UNKNOWN_REFERENCE, message));
    }
    all.into_values().collect()
}

/// Names of services by the workload they run in, as it is written.
fn services(files: &Files) -> BTreeMap<String, String> {
    let documents = files.services.iter().flat_map(|documents| &documents.nodes);
    let services = documents.filter_map(|node| node.get("services")?.mapping()).flatten();
    let named = services.filter_map(|entry| {
        let workload = text(&entry.value, &["workload"])?;
        Some((workload.to_owned(), entry.key.to_string()))
    });
    named.collect()
}

struct Writer<'a> {
    policy: &'a ScalingPolicy,
    sources: &'a mut Sources,
    diagnostics: &'a Diagnostics,
}

impl Writer<'_> {
    /// A document that the policy writes, as if it had been read.
    fn document(&mut self, json: &Json, dialect: Dialect) -> Documents {
        let name = format!("{GENERATED}{}", self.policy.name);
        let text = serde_json::to_string_pretty(json).expect("plain values are JSON");
        let file = self.sources.add(&name, &text);
        Documents::written(file, parse(self.sources, file, dialect, self.diagnostics))
    }

    fn add(&mut self, json: &Json, files: &mut Files) {
        let document = self.document(json, Dialect::Yaml11);
        files.manifests.push(document);
    }

    /// Writes over one of our own documents, key by key; what it keeps keeps its place.
    fn over(&mut self, documents: &mut Option<Documents>, json: &Json) {
        let Some(documents) = documents else { return };
        let over = self.document(json, Dialect::Core);
        if let (Some(node), Some(over)) = (documents.nodes.first_mut(), over.nodes.first()) {
            *node = laid_over(node, over);
        }
    }

    fn scale(&mut self, scale: &Scale, chosen: &Chosen, files: &mut Files) {
        let there: Vec<Json> =
            objects(files).filter(|node| scales(node, chosen)).map(Node::to_json_value).collect();
        let bound = |names: [&str; 2]| {
            let mut found = there.iter().filter_map(|object| {
                names.iter().find_map(|name| object.get("spec")?.get(name)?.as_i64())
            });
            found.next()
        };
        let least = bound(["minReplicas", "minReplicaCount"]);
        let most = bound(["maxReplicas", "maxReplicaCount"]);
        for documents in &mut files.manifests {
            documents.nodes.retain(|node| !scales(node, chosen));
        }
        match scale {
            Scale::Replicas(count) => {
                let count = match count {
                    Count::Exactly(count) => Some(*count),
                    Count::Minimum => least.or(there.first().map(|_| 1)),
                    Count::Maximum => most,
                };
                match count {
                    Some(count) => self.replicas(count, chosen, files),
                    None => self.refuse(chosen, "nothing scales it, so it has no such bound"),
                }
            }
            Scale::Hpa(spec) => {
                let object = self.hpa(spec, chosen, &there);
                self.add(&object, files);
            }
            Scale::Keda(spec) => {
                let mut whole = json!({
                    "scaleTargetRef": {"kind": chosen.kind, "name": chosen.name},
                });
                if let Some(least) = least {
                    whole["minReplicaCount"] = json!(least);
                }
                if let Some(most) = most {
                    whole["maxReplicaCount"] = json!(most);
                }
                merge(&mut whole, &filled(spec, &chosen.variables));
                let object = json!({
                    "apiVersion": "keda.sh/v1alpha1",
                    "kind": "ScaledObject",
                    "metadata": {"name": chosen.name, "namespace": chosen.namespace},
                    "spec": whole,
                });
                self.add(&object, files);
            }
        }
    }

    fn hpa(&self, spec: &Json, chosen: &Chosen, there: &[Json]) -> Json {
        let mut object = there
            .iter()
            .find(|object| object["kind"] == "HorizontalPodAutoscaler")
            .cloned()
            .unwrap_or_else(|| {
                json!({
                    "metadata": {"name": chosen.name, "namespace": chosen.namespace},
                    "spec": {
                        "scaleTargetRef": {
                            "apiVersion": "apps/v1", "kind": chosen.kind, "name": chosen.name,
                        },
                    },
                })
            });
        object["apiVersion"] = json!("autoscaling/v2");
        object["kind"] = json!("HorizontalPodAutoscaler");
        let mut whole = object["spec"].take();
        merge(&mut whole, &filled(spec, &chosen.variables));
        whole_bounds(&mut whole);
        object["spec"] = whole;
        object
    }

    /// Sets a size for good: nothing else may state another one at the start.
    fn replicas(&mut self, count: i64, chosen: &Chosen, files: &mut Files) {
        let Chosen { kind, name, namespace, .. } = chosen;
        let place = format!("{kind}/{namespace}/{name}:spec.replicas");
        match Patch::new(&place, &count.to_string()) {
            Ok(patch) => {
                let patches = std::slice::from_ref(&patch);
                to_objects(patches, &mut files.manifests, self.sources, self.diagnostics);
            }
            Err(error) => self.refuse(chosen, &error.to_string()),
        }
        let stated = files.scenario.as_ref().and_then(|it| it.nodes.first()?.get("replicas"));
        let full = format!("{kind}/{name}");
        let stated = stated.and_then(Node::mapping).unwrap_or_default().iter();
        let keys: Vec<String> = stated
            .map(|entry| entry.key.to_string())
            .filter(|key| key == name || *key == full)
            .collect();
        for key in keys {
            let over = json!({"replicas": {key: count}});
            self.over(&mut files.scenario, &over);
        }
    }

    /// Metrics under names of their own, beside those of service profiles.
    fn metrics(&mut self, metrics: &Json, chosen: &[Chosen], files: &mut Files) {
        let mut all = json!({});
        for one in chosen {
            if one.variables.contains_key("SERVICE") {
                merge(&mut all, &filled(metrics, &one.variables));
            } else {
                self.refuse(one, "no service runs in it, so nothing is measured there");
            }
        }
        let document = json!({
            "apiVersion": "aurelius.dev/v1",
            "kind": "ServiceProfiles",
            "metadata": {"name": &*self.policy.name},
            "metrics": all,
        });
        let document = self.document(&document, Dialect::Core);
        files.services.push(document);
    }

    /// The budget of a workload: the one that selects its pods is written anew, else there is a new
    /// one.
    fn budget(&mut self, budget: &Json, chosen: &Chosen, files: &mut Files) {
        let workload = objects(files).find(|node| {
            text(node, &["kind"]) == Some(&chosen.kind)
                && text(node, &["metadata", "name"]) == Some(&chosen.name)
                && namespace(node) == chosen.namespace
        });
        let Some(workload) = workload.map(Node::to_json_value) else { return };
        let labels = workload["spec"]["template"]["metadata"]["labels"].clone();
        let selects = |node: &Node| {
            let wanted = node.get("spec").and_then(|spec| spec.get("selector")?.get("matchLabels"));
            let wanted = wanted.map(Node::to_json_value);
            let wanted = wanted.as_ref().and_then(Json::as_object);
            text(node, &["kind"]) == Some("PodDisruptionBudget")
                && namespace(node) == chosen.namespace
                && wanted.is_some_and(|wanted| {
                    wanted.iter().all(|(key, value)| labels.get(key) == Some(value))
                })
        };
        let there = objects(files).find(|node| selects(node)).map(Node::to_json_value);
        for documents in &mut files.manifests {
            documents.nodes.retain(|node| !selects(node));
        }
        let mut object = there.unwrap_or_else(|| {
            json!({
                "apiVersion": "policy/v1",
                "kind": "PodDisruptionBudget",
                "metadata": {"name": chosen.name, "namespace": chosen.namespace},
                "spec": {"selector": workload["spec"]["selector"]},
            })
        });
        let selector = object["spec"]["selector"].clone();
        let mut spec = filled(budget, &chosen.variables);
        spec["selector"] = selector;
        object["spec"] = spec;
        self.add(&object, files);
    }

    /// Pods that do nothing, of a priority below all others: the scheduler takes their room for
    /// pods that need it, and they ask for a new node in their stead (Cluster Autoscaler FAQ, "How can
    /// I configure overprovisioning").
    fn headroom(&mut self, headroom: &Headroom, files: &mut Files) {
        let class = json!({
            "apiVersion": "scheduling.k8s.io/v1",
            "kind": "PriorityClass",
            "metadata": {"name": "headroom"},
            "value": -10,
            "globalDefault": false,
        });
        self.add(&class, files);
        let mut pod = json!({
            "priorityClassName": "headroom",
            "terminationGracePeriodSeconds": 0,
            "containers": [{
                "name": "pause",
                "image": "registry.k8s.io/pause:3.10",
                "resources": {"requests": headroom.requests},
            }],
        });
        if let Some(selector) = &headroom.node_selector {
            pod["nodeSelector"] = selector.clone();
        }
        if let Some(tolerations) = &headroom.tolerations {
            pod["tolerations"] = tolerations.clone();
        }
        let deployment = json!({
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "headroom", "namespace": "default"},
            "spec": {
                "replicas": headroom.pods,
                "selector": {"matchLabels": {"app": "headroom"}},
                "template": {"metadata": {"labels": {"app": "headroom"}}, "spec": pod},
            },
        });
        self.add(&deployment, files);
    }

    fn refuse(&self, chosen: &Chosen, cause: &str) {
        let message = format!(
            "the policy `{}` cannot be applied to {}/{}: {cause}",
            self.policy.name, chosen.kind, chosen.name
        );
        self.diagnostics.push(Diagnostic::error(codes::UNKNOWN_REFERENCE, message));
    }
}

/// Bounds that came out of variables are numbers.
fn whole_bounds(spec: &mut Json) {
    for name in ["minReplicas", "maxReplicas"] {
        let number = spec.get(name).and_then(Json::as_str).and_then(|text| text.parse().ok());
        if let Some(number) = number.map(|number: i64| json!(number)) {
            spec[name] = number;
        }
    }
}

/// A tree written over another one: mappings key by key, `null` takes a key away.
fn laid_over(under: &Node, over: &Node) -> Node {
    let (Some(below), Some(above)) = (under.mapping(), over.mapping()) else { return over.clone() };
    let mut entries = below.to_vec();
    for entry in above {
        let there = entries.iter().position(|known| known.key == entry.key);
        match there {
            Some(at) if entry.value.is_null() => {
                entries.remove(at);
            }
            Some(at) => entries[at].value = laid_over(&entries[at].value, &entry.value),
            None if entry.value.is_null() => {}
            None => entries.push(entry.clone()),
        }
    }
    Node { kind: Kind::Mapping(entries.into()), ..under.clone() }
}
