//! kube-scheduler: each case is one pod, the nodes, and the pods that are there.

use std::collections::BTreeMap;
use std::sync::Arc;

use aurelius_sim::cluster::api::LabelSelector;
use aurelius_sim::control::scheduler::{
    Filtered, Framework, NodeInfo, NodeSlot, PluginScores, PodDescription, PodInfo, Search,
    ServiceSelector, Snapshot, Surroundings,
};
use aurelius_sim::model::PodId;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::{Checks, Outcome, each_case};

pub(crate) mod objects;

use objects::{Metadata, NodeDoc, PodDoc, SelectorDoc, Words, labels, selector};

pub(crate) fn check(cases: &[Value]) -> Result<Outcome, String> {
    each_case(cases, check_case)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Case {
    name: String,
    nodes: Vec<NodeDoc>,
    #[serde(default)]
    pods: Vec<PodDoc>,
    #[serde(default)]
    services: Vec<ServiceDoc>,
    #[serde(default)]
    replica_sets: Vec<ReplicaSetDoc>,
    pod: PodDoc,
    expect: Answer,
}

#[derive(Deserialize)]
struct ServiceDoc {
    metadata: Metadata,
    spec: ServiceSpecDoc,
}

#[derive(Deserialize)]
struct ServiceSpecDoc {
    selector: Option<Words>,
}

#[derive(Deserialize)]
struct ReplicaSetDoc {
    metadata: Metadata,
    spec: ReplicaSetSpecDoc,
}

#[derive(Deserialize)]
struct ReplicaSetSpecDoc {
    selector: SelectorDoc,
}

/// What kube-scheduler answered, or what we do.
#[derive(Deserialize, Default, Debug, PartialEq)]
#[serde(deny_unknown_fields, default)]
struct Answer {
    filtered: BTreeMap<String, String>,
    /// A node without reasons may stand here with an empty list or not at all.
    #[serde(deserialize_with = "given_reasons")]
    reasons: BTreeMap<String, Vec<String>>,
    scores: BTreeMap<String, BTreeMap<String, i64>>,
    total: BTreeMap<String, i64>,
    best: Vec<String>,
}

/// Empty lists are left out of the files: a node that a PreFilter narrowed out has no reasons.
fn given_reasons<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, Vec<String>>, D::Error> {
    let written: BTreeMap<String, Option<Vec<String>>> = Deserialize::deserialize(deserializer)?;
    let given = written.into_iter().map(|(node, reasons)| (node, reasons.unwrap_or_default()));
    Ok(given.filter(|(_, reasons)| !reasons.is_empty()).collect())
}

fn check_case(case: Case) -> Checks {
    let mut checks = Checks::default();
    let Case { name, nodes, pods, services, replica_sets, pod, expect } = case;
    let selectors: BTreeMap<(String, String), LabelSelector> = replica_sets
        .into_iter()
        .map(|set| {
            let key = (set.metadata.namespace, set.metadata.name);
            (key, selector(set.spec.selector))
        })
        .collect();
    let services = services.into_iter().filter_map(|service| {
        let selector = labels(service.spec.selector?);
        Some(ServiceSelector { namespace: Arc::from(service.metadata.namespace), selector })
    });
    let around = Surroundings { services: services.collect(), ..Surroundings::default() };
    let mut snapshot = Snapshot::new(around);
    let slots: BTreeMap<Arc<str>, NodeSlot> = nodes
        .into_iter()
        .map(NodeDoc::read)
        .map(|node| (Arc::clone(&node.name), snapshot.add_node(node)))
        .collect();
    let mut next = 0;
    let mut info = |snapshot: &mut Snapshot, pod: PodDoc| {
        next += 1;
        let terminating = pod.metadata.deletion_timestamp.is_some();
        let shape = snapshot.add_shape(describe(pod, &selectors));
        PodInfo { terminating, ..PodInfo::new(PodId(next), shape) }
    };
    let wanted = info(&mut snapshot, pod);
    // A look before the others arrive, so that the answer comes from memory kept in step.
    let mut framework = Framework::new();
    answer(&mut framework, &mut snapshot, &wanted);
    for pod in pods {
        let node = pod.spec.node_name.clone().expect("the pods of a case are bound");
        let info = info(&mut snapshot, pod);
        snapshot.add_pod(slots[node.as_str()], info);
    }
    let kept = answer(&mut framework, &mut snapshot, &wanted);
    let plain = answer(&mut Framework::new(), &mut snapshot, &wanted);
    let answers = checks.at(name);
    answers.compare("filtered", &expect.filtered, &kept.filtered);
    answers.compare("reasons", &expect.reasons, &kept.reasons);
    answers.compare("scores", &expect.scores, &kept.scores);
    answers.compare("total", &expect.total, &kept.total);
    answers.compare("best", &expect.best, &kept.best);
    answers.compare("without memory", &plain, &kept);
    checks
}

fn describe(pod: PodDoc, selectors: &BTreeMap<(String, String), LabelSelector>) -> PodDescription {
    let namespace = pod.metadata.namespace.clone();
    let owner = pod.metadata.owner_references.iter().find(|owner| owner.kind == "ReplicaSet");
    let owner_selector =
        owner.and_then(|owner| selectors.get(&(namespace.clone(), owner.name.clone()))).cloned();
    let template = pod.template();
    PodDescription {
        namespace: Arc::from(namespace),
        labels: template.labels.clone(),
        template: Arc::new(template),
        owner_selector,
    }
}

fn answer(framework: &mut Framework, snapshot: &mut Snapshot, pod: &PodInfo) -> Answer {
    let mut found = Filtered::default();
    framework.find(snapshot, pod, Search::ALL, &[], &mut found);
    let mut answer = Answer::default();
    let everyone: Vec<NodeSlot> = snapshot.nodes().to_vec();
    if let Some(refusal) = &found.refusal {
        for slot in &everyone {
            let name = snapshot.node(*slot).name.to_string();
            let plugin = refusal.rejection.plugin();
            answer.filtered.insert(name.clone(), format!("PreFilter/{plugin}"));
            answer.reasons.insert(name, vec![refusal.message.clone()]);
        }
        return answer;
    }
    for (slot, rejection) in &found.rejected {
        let name = snapshot.node(*slot).name.to_string();
        answer.filtered.insert(name.clone(), rejection.plugin().to_string());
        answer.reasons.insert(name, rejection.reasons(snapshot.shape(pod.shape)));
    }
    let met = |slot: &NodeSlot| {
        found.feasible.contains(slot) || found.rejected.iter().any(|(other, _)| other == slot)
    };
    for slot in everyone.iter().filter(|slot| !met(slot)) {
        let name = snapshot.node(*slot).name.to_string();
        answer.filtered.insert(name, "PreFilterResult".to_owned());
    }
    if !found.feasible.is_empty() {
        add_scores(framework, snapshot, pod, &found, &mut answer);
    }
    answer
}

fn add_scores(
    framework: &mut Framework,
    snapshot: &Snapshot,
    pod: &PodInfo,
    found: &Filtered,
    answer: &mut Answer,
) {
    let (mut totals, mut detail): (Vec<i64>, Vec<PluginScores>) = (Vec::new(), Vec::new());
    framework.score(snapshot, pod, &found.feasible, &mut totals, Some(&mut detail));
    let highest = totals.iter().copied().max();
    for (at, slot) in found.feasible.iter().enumerate() {
        let node: &NodeInfo = snapshot.node(*slot);
        let parts = detail.iter().map(|(plugin, scores)| (plugin.to_string(), scores[at]));
        answer.scores.insert(node.name.to_string(), parts.collect());
        answer.total.insert(node.name.to_string(), totals[at]);
        if Some(totals[at]) == highest {
            answer.best.push(node.name.to_string());
        }
    }
    answer.best.sort();
}
