//! The eviction subresource: each case is a few budgets and a sequence of requests.

use std::collections::BTreeMap;

use aurelius_sim::cluster::pod::PodPhase;
use aurelius_sim::control::disruption::StoredStatus;
use aurelius_sim::control::eviction::{
    BudgetSeen, Effect, Granted, PendingDeletion, PodSeen, Refusal, Request, evict,
};
use aurelius_sim::model::id::{BudgetId, PodId};
use aurelius_sim::units::SimDuration;
use serde::Deserialize;
use serde_json::Value;

use super::budgets::{OwnerDoc, Pdb, PdbDoc, PdbSpecDoc, PhaseDoc, PodDoc, StatusDoc, World};
use super::common::{At, Span};
use super::{Checks, Outcome, each_case};

pub(crate) fn check(cases: &[Value]) -> Result<Outcome, String> {
    each_case(cases, check_case)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    #[serde(default)]
    pdbs: Vec<PdbDoc>,
    #[serde(default)]
    owners: Vec<OwnerDoc>,
    pods: Vec<PodDoc>,
    steps: Vec<Step>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Step {
    at: At,
    op: String,
    pod: Option<String>,
    pdb: Option<String>,
    #[serde(default)]
    dry_run: bool,
    grace_period_seconds: Option<u64>,
    set: Option<PodDoc>,
    spec: Option<PdbSpecDoc>,
    scale: Option<OwnerDoc>,
    expect: Option<Expect>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Expect {
    code: Option<u16>,
    reason: Option<String>,
    message: Option<String>,
    cause: Option<String>,
    retry_after_seconds: Option<Span>,
    pod_state: Option<String>,
    deletion_timestamp: Option<At>,
    deletion_grace_period_seconds: Option<u64>,
    #[serde(default)]
    disruption_target: bool,
    #[serde(default)]
    changed_pdbs: BTreeMap<String, StatusDoc>,
    written: Option<bool>,
    recheck_after_seconds: Option<Span>,
}

struct State {
    world: World,
    pdbs: Vec<Pdb>,
    /// Pods that carry the condition DisruptionTarget.
    targets: BTreeMap<String, bool>,
}

fn check_case(case: Case) -> Checks {
    let mut checks = Checks::default();
    let mut world = World { owners: case.owners, ..World::default() };
    let pdbs = case.pdbs.into_iter().map(|pdb| Pdb::new(pdb, &mut world.pod_names)).collect();
    world.pods = case.pods.into_iter().map(|pod| (pod.name.clone(), pod)).collect();
    let mut state = State { world, pdbs, targets: BTreeMap::new() };
    for (index, step) in case.steps.into_iter().enumerate() {
        let before: Vec<StoredStatus> = state.pdbs.iter().map(|pdb| pdb.status.clone()).collect();
        let place = format!("{} step {index} {}", case.name, step.op);
        let expect = match step.op.as_str() {
            "evict" => check_eviction(&mut state, &step, checks.at(place)),
            "sync" => check_sync(&mut state, &step, checks.at(place)),
            _ => change(&mut state, &step),
        };
        if let Some(expect) = expect {
            compare_budgets(&mut state, &before, expect, &mut checks);
        }
    }
    checks
}

/// Applies a step that is no question.
fn change<'a>(state: &mut State, step: &Step) -> Option<&'a Expect> {
    if let Some(pod) = &step.set {
        state.targets.remove(&pod.name);
        state.world.pods.insert(pod.name.clone(), pod.clone());
    } else if let Some(pod) = &step.pod {
        state.targets.remove(pod);
        state.world.pods.remove(pod);
    } else if let (Some(name), Some(spec)) = (&step.pdb, &step.spec) {
        for pdb in state.pdbs.iter_mut().filter(|pdb| pdb.name == *name) {
            pdb.spec = spec.clone();
            pdb.generation += 1;
        }
    } else if let Some(owner) = &step.scale {
        state.world.scale(&owner.kind, &owner.name, owner.replicas);
    }
    None
}

fn check_sync<'a>(state: &mut State, step: &'a Step, checks: &mut Checks) -> Option<&'a Expect> {
    let expect = step.expect.as_ref().expect("a sync has an expectation");
    let pdb = state.pdbs.iter_mut().find(|pdb| Some(&pdb.name) == step.pdb.as_ref());
    let sync = pdb.expect("the budget exists").sync(step.at.0, &mut state.world);
    checks.compare("written", &expect.written, &Some(sync.write.is_some()));
    let recheck = expect.recheck_after_seconds.map(|span| span.0);
    checks.compare("recheckAfterSeconds", &recheck, &sync.recheck);
    Some(expect)
}

fn check_eviction<'a>(
    state: &mut State,
    step: &'a Step,
    checks: &mut Checks,
) -> Option<&'a Expect> {
    let expect = step.expect.as_ref().expect("an eviction has an expectation");
    let name = step.pod.as_ref().expect("an eviction names its pod");
    let answer = ask(state, step, name);
    let (code, reason, message, cause, retry) = match &answer {
        Ok(_) => (201, None, None, None, None),
        Err(refusal) => (
            refusal.code(),
            refusal.status_reason().map(str::to_owned),
            Some(refusal.message().as_ref().to_owned()),
            refusal.cause().map(str::to_owned),
            refusal.retry_after(),
        ),
    };
    checks.compare("code", &expect.code, &Some(code));
    checks.compare("reason", &expect.reason, &reason);
    checks.compare("message", &expect.message, &message);
    checks.compare("cause", &expect.cause, &cause);
    checks.compare("retryAfterSeconds", &expect.retry_after_seconds.map(|span| span.0), &retry);
    let pod_state = apply(state, name, answer);
    let pod = state.world.pods.get(name);
    checks.compare("podState", expect.pod_state.as_deref().unwrap_or_default(), pod_state);
    if pod_state == "terminating" {
        let deadline = pod.and_then(|pod| pod.deletion_timestamp);
        checks.compare("deletionTimestamp", &expect.deletion_timestamp, &deadline);
        let grace = pod.and_then(|pod| pod.deletion_grace_period_seconds);
        checks.compare("grace", &expect.deletion_grace_period_seconds, &grace);
    }
    let target = state.targets.get(name).copied().unwrap_or_default();
    checks.compare("disruptionTarget", &expect.disruption_target, &target);
    Some(expect)
}

fn ask(state: &mut State, step: &Step, name: &str) -> Result<Granted, Refusal> {
    let Some(pod) = state.world.pods.get(name) else {
        return Err(Refusal::NotFound { name: name.into() });
    };
    let grace = |seconds: Option<u64>| seconds.map(SimDuration::from_secs);
    let deletion = pod.deletion_timestamp.filter(|_| pod.deleting).map(|at| PendingDeletion {
        deadline: at.0,
        grace: grace(pod.deletion_grace_period_seconds).unwrap_or_default(),
    });
    let seen = PodSeen {
        pod: PodId(state.world.pod_names.number(name)),
        phase: match pod.phase {
            PhaseDoc::Pending => PodPhase::Pending,
            PhaseDoc::Running | PhaseDoc::Unknown => PodPhase::Running,
            PhaseDoc::Succeeded => PodPhase::Succeeded,
            PhaseDoc::Failed => PodPhase::Failed,
        },
        ready: pod.is_ready(),
        scheduled: pod.node_name.is_some(),
        grace: grace(pod.termination_grace_period_seconds).unwrap_or(SimDuration::from_secs(30)),
        deletion,
    };
    let budgets: Vec<BudgetSeen<'_>> = state
        .pdbs
        .iter()
        .enumerate()
        .filter(|(_, pdb)| pdb.selects(pod))
        .map(|(index, pdb)| BudgetSeen {
            budget: BudgetId::at(index),
            name: &pdb.name,
            generation: pdb.generation,
            always_allow_unhealthy: pdb.spec.always_allow_unhealthy(),
            status: &pdb.status,
        })
        .collect();
    let request = Request { dry_run: step.dry_run, grace: grace(step.grace_period_seconds) };
    evict(step.at.0, request, &seen, &budgets)
}

/// Does what was granted; says what became of the pod.
fn apply(state: &mut State, name: &str, answer: Result<Granted, Refusal>) -> &'static str {
    let Ok(granted) = answer else {
        return if state.world.pods.contains_key(name) { "unchanged" } else { "absent" };
    };
    if let Some((budget, status)) = granted.spent {
        state.pdbs[budget.index()].status = status;
    }
    match granted.effect {
        Effect::DryRun => "unchanged",
        Effect::Gone => {
            state.world.pods.remove(name);
            state.targets.remove(name);
            "deleted"
        }
        Effect::Unchanged => {
            state.targets.insert(name.to_owned(), true);
            "unchanged"
        }
        Effect::Terminates(pending) => {
            state.targets.insert(name.to_owned(), true);
            let pod = state.world.pods.get_mut(name).expect("the pod was just seen");
            pod.deleting = true;
            pod.deletion_timestamp = Some(At(pending.deadline));
            pod.deletion_grace_period_seconds = Some(pending.grace.as_secs());
            "terminating"
        }
    }
}

/// Budgets that are named must have the new status, all others the old one.
fn compare_budgets(
    state: &mut State,
    before: &[StoredStatus],
    expect: &Expect,
    checks: &mut Checks,
) {
    for (pdb, before) in state.pdbs.iter().zip(before) {
        match expect.changed_pdbs.get(&pdb.name) {
            Some(status) => {
                // One case fills the map with two thousand names that the answer leaves out.
                let filled = before.disrupted.len() >= 2000 && pdb.status.disrupted.len() > 100;
                let mut shown = pdb.status.clone();
                if filled {
                    shown.disrupted.clear();
                }
                status.compare(&shown, &mut state.world.pod_names, checks);
            }
            None => checks.compare("unchanged budget", before, &pdb.status),
        }
    }
}
