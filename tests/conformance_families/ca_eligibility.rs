//! One loop of the Cluster Autoscaler: utilisation, which nodes are not needed, which are deleted.

use std::collections::{BTreeMap, BTreeSet};

use aurelius_sim::control::cluster_autoscaler::scale_down::{Alone, Fate, Unremovable};
use aurelius_sim::control::cluster_autoscaler::status::LoopStatus;

use aurelius_sim::model::id::NodeId;
use serde_json::{Value, json};

use super::ca_world::{CaseDoc, Difference, World, autoscaler, nearest, tidy};
use super::{Checks, Outcome, each_case};

/// Checks all cases.
pub(crate) fn check(cases: &[Value]) -> Result<Outcome, String> {
    each_case(cases, |case: CaseDoc| {
        let mut checks = Checks::default();
        checks.at(case.id.clone());
        let closest = nearest(|number| try_order(&case, number));
        for (field, expected, got) in closest {
            checks.compare(&field, &expected, &got);
        }
        checks
    })
}

fn try_order(case: &CaseDoc, number: u64) -> Vec<Difference> {
    let mut world = World::new(case);
    world.shuffle(number);
    let mut autoscaler = autoscaler(case);
    let status = autoscaler.run_once(&world.seen);
    let alone: BTreeMap<NodeId, Alone> =
        autoscaler.removal_of_each(&world.seen).into_iter().map(|a| (a.node, a)).collect();
    let mut differences = Vec::new();
    let nodes = case.expect["nodes"].as_object().expect("a case has nodes");
    for (name, expected) in nodes {
        let id = world.node(name);
        let mut one_of = |field: &str, allowed: &Value, got: Value| {
            let allowed = allowed.as_array().cloned().unwrap_or_default();
            let nothing = allowed.is_empty() && got.is_null();
            if !allowed.contains(&got) && !nothing {
                differences.push((format!("{name} {field}"), json!(allowed), got));
            }
        };
        one_of("utilization", &floats(&expected["utilization"]), utilization(&status, id));
        let outcome = outcome(&world, &status, id);
        let unneeded = outcome.as_str().is_some_and(|text| text.starts_with("unneeded"));
        one_of("outcome", &expected["outcome"], outcome);
        if unneeded && expected.get("selection").is_some() {
            one_of("selection", &expected["selection"], selection(&status, id));
        }
        if expected.get("solo").is_some() {
            let got = alone.get(&id).map_or(Value::Null, |alone| solo(&world, alone));
            one_of("solo", &expected["solo"], got);
        }
    }
    differences.extend(joint(&world, case, &status));
    differences
}

/// All numbers as floats: 0 and 0.0 are the same.
fn floats(value: &Value) -> Value {
    match value {
        Value::Number(number) => json!(number.as_f64()),
        Value::Array(items) => items.iter().map(floats).collect(),
        Value::Object(fields) => fields.iter().map(|(k, v)| (k.clone(), floats(v))).collect(),
        Value::Null | Value::Bool(_) | Value::String(_) => value.clone(),
    }
}

fn utilization(status: &LoopStatus, node: NodeId) -> Value {
    let Some(found) = status.scale_down.utilization.get(&node) else {
        return Value::Null;
    };
    tidy(&match found.cpu {
        Some(_) => json!({
            "resource": found.resource, "value": found.value, "cpu": found.cpu,
            "memory": found.memory,
        }),
        None => json!({ "resource": found.resource, "value": found.value, "gpu": found.value }),
    })
}

fn unremovable(world: &World, found: &Unremovable) -> String {
    match found.blocking {
        Some(blocking) => format!(
            "unremovable:BlockedByPod:{}:{}",
            blocking.reason.name(),
            world.workload_of(blocking.pod)
        ),
        None => format!("unremovable:{}", found.reason),
    }
}

fn outcome(world: &World, status: &LoopStatus, node: NodeId) -> Value {
    let down = &status.scale_down;
    if let Some(entry) = down.unneeded.iter().find(|entry| entry.node == node) {
        return json!(if entry.needs_drain { "unneeded:drain" } else { "unneeded:empty" });
    }
    match down.unremovable.get(&node) {
        Some(found) => json!(unremovable(world, found)),
        None => json!("notCandidate"),
    }
}

fn selection(status: &LoopStatus, node: NodeId) -> Value {
    let down = &status.scale_down;
    let deleted = down.delete_empty.iter().chain(&down.delete_drain).any(|other| *other == node);
    if deleted {
        return json!("deleted");
    }
    json!(down.unremovable.get(&node).map_or("notDeleted".to_owned(), |u| u.reason.to_string()))
}

fn solo(world: &World, alone: &Alone) -> Value {
    match &alone.fate {
        Fate::Unremovable(found) => json!(unremovable(world, found)),
        Fate::Removable { drain, on_completion, risky } => {
            let mut text = if *drain { "ok:drain" } else { "ok:empty" }.to_owned();
            if *on_completion {
                text += ":onCompletion";
            }
            if *risky {
                text += ":risky";
            }
            json!(text)
        }
    }
}

/// The joint outcome, compared with the recorded ones.
fn joint(world: &World, case: &CaseDoc, status: &LoopStatus) -> Option<Difference> {
    let down = &status.scale_down;
    let names = |nodes: &[NodeId]| -> BTreeSet<String> {
        nodes.iter().map(|node| world.node_name(*node)).collect()
    };
    let unneeded: Vec<NodeId> = down.unneeded.iter().map(|entry| entry.node).collect();
    let got = tidy(&json!({
        "unneeded": names(&unneeded),
        "deleteEmpty": names(&down.delete_empty),
        "deleteDrain": names(&down.delete_drain),
        "result": down.result.to_string(),
    }));
    let expected = tidy(&case.expect["joint"]);
    let observed = expected.as_array().cloned().unwrap_or_default();
    (!observed.is_empty() && !observed.contains(&got)).then(|| ("joint".to_owned(), expected, got))
}
