//! One loop of the Cluster Autoscaler: which group grows for the pods that wait.

use std::collections::BTreeMap;

use aurelius_sim::control::cluster_autoscaler::status::{LoopStatus, ScaleUpResult, SkipReason};
use serde_json::{Map, Value, json};

use super::ca_world::{CaseDoc, Difference, World, autoscaler, nearest, sorted, tidy};
use super::{Checks, Outcome, each_case};

/// Checks all cases.
pub(crate) fn check(cases: &[Value]) -> Result<Outcome, String> {
    each_case(cases, |case: CaseDoc| {
        let mut checks = Checks::default();
        checks.at(case.id.clone());
        let variants = case.expect["variants"].as_array().expect("a case has variants");
        let expected: Vec<Map<String, Value>> = variants.iter().flat_map(outcomes).collect();
        let closest = nearest(|number| try_order(&case, &expected, number));
        for (field, expected, got) in closest {
            checks.compare(&field, &expected, &got);
        }
        checks
    })
}

/// Runs a case with nodes and pods as listed, or in another order, and returns how it differs from
/// the nearest outcome.
fn try_order(case: &CaseDoc, expected: &[Map<String, Value>], number: u64) -> Vec<Difference> {
    let mut world = World::new(case);
    world.shuffle(number);
    let status = autoscaler(case).run_once(&world.seen);
    let got = answer(&world, &status);
    let differences = expected.iter().map(|expected| differences(expected, &got));
    differences.min_by_key(Vec::len).expect("a variant has choices")
}

/// The outcomes a variant allows, one object each.
fn outcomes(variant: &Value) -> Vec<Map<String, Value>> {
    let common = |variant: &Value| {
        let mut fields = tidy(variant).as_object().cloned().expect("a variant is an object");
        fields.remove("choices");
        fields.remove("result");
        fields
    };
    let choices = variant["choices"].as_array().expect("a variant has choices");
    choices
        .iter()
        .map(|choice| {
            let mut fields = common(variant);
            fields.extend(tidy(choice).as_object().cloned().expect("a choice is an object"));
            if let Some(remain) = fields.get_mut("remainUnschedulable") {
                *remain = sorted(remain);
            }
            fields
        })
        .collect()
}

fn differences(expected: &Map<String, Value>, got: &Map<String, Value>) -> Vec<Difference> {
    let keys: std::collections::BTreeSet<&String> = expected.keys().chain(got.keys()).collect();
    keys.into_iter()
        .map(|key| {
            let of = |fields: &Map<String, Value>| fields.get(key).cloned().unwrap_or_default();
            (key.clone(), of(expected), of(got))
        })
        .filter(|(_, expected, got)| expected != got)
        .collect()
}

fn answer(world: &World, status: &LoopStatus) -> Map<String, Value> {
    let up = &status.scale_up;
    let name = |group| world.group_name(group);
    let mut options: Vec<Value> = up
        .options
        .iter()
        .map(|option| {
            let mut similar: Vec<String> = option.similar.iter().copied().map(name).collect();
            similar.sort();
            json!({
                "group": name(option.group),
                "nodes": option.nodes,
                "pods": world.per_workload(option.pods.iter().copied()),
                "similar": similar,
            })
        })
        .collect();
    options.sort_by_key(|option| option["group"].to_string());
    let mut best: Vec<String> = up.best.iter().copied().map(name).collect();
    best.sort();
    let mut plan: Vec<Value> = up
        .plan
        .iter()
        .map(|part| json!({ "group": name(part.group), "from": part.from, "to": part.to }))
        .collect();
    plan.sort_by_key(|part| part["group"].to_string());
    let mut remain: BTreeMap<String, (String, Value, i64)> = BTreeMap::new();
    for stuck in &up.remain_unschedulable {
        let rejected: BTreeMap<String, String> =
            stuck.rejected.iter().map(|(group, why)| (name(*group), why.to_string())).collect();
        let workload = world.workload_of(stuck.pod).to_owned();
        let entry = remain.entry(format!("{workload} {rejected:?}"));
        entry.or_insert((workload, json!(rejected), 0)).2 += 1;
    }
    let remain: Vec<Value> = remain
        .into_values()
        .map(|(workload, rejected, count)| {
            json!({ "workload": workload, "count": count, "rejected": rejected })
        })
        .collect();
    let skipped: BTreeMap<String, String> = up
        .skipped
        .iter()
        .filter(|_| up.options.is_empty() && !up.remain_unschedulable.is_empty())
        .map(|(group, why)| (name(*group), skip_text(why)))
        .collect();
    let failed = up.result == ScaleUpResult::Error;
    let got = json!({
        "fitOnExisting": world.per_workload(up.fit_on_existing.iter().copied()),
        "toHelp": world.per_workload(up.to_help.iter().copied()),
        "options": options,
        "best": best,
        "group": up.chosen.map(name),
        "result": up.result.to_string(),
        "plan": if failed { Vec::new() } else { plan },
        "error": up.error,
        "skippedGroups": skipped,
        "remainUnschedulable": sorted(&tidy(&json!(remain))),
        "awaitEvaluation": world.per_workload(up.await_evaluation.iter().copied()),
    });
    tidy(&got).as_object().cloned().expect("it is an object")
}

fn skip_text(reason: &SkipReason) -> String {
    match reason {
        SkipReason::Limits(resources) => {
            let names: Vec<&str> = resources.iter().map(|name| &**name).collect();
            format!("limit:{}", names.join(","))
        }
        SkipReason::Backoff
        | SkipReason::MaxSizeReached
        | SkipReason::NotReady
        | SkipReason::AtomicExceedsNodeCount => reason.to_string(),
    }
}
