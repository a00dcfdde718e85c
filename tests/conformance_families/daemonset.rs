//! DaemonSets: each case is one synchronisation.

use std::collections::{BTreeMap, BTreeSet};

use aurelius_sim::cluster::admission::daemon_tolerations;
use aurelius_sim::cluster::api::Labels;
use aurelius_sim::cluster::api::pod::PodSpec;
use aurelius_sim::cluster::api::scheduling::{Taint, Toleration};
use aurelius_sim::cluster::api::workload::DaemonSetRollingUpdate;
use aurelius_sim::cluster::pod::PodPhase;
use aurelius_sim::control::daemon_set::{Choice, NodeSeen, Observation, PodSeen, Sync, fit, sync};
use aurelius_sim::model::id::{NodeId, PodId};
use serde::Deserialize;
use serde_json::Value;

use super::budgets::PhaseDoc;
use super::common::{At, LabelsDoc, Names, Share, Span, TaintDoc, TolerationDoc, labels};
use super::{Checks, Outcome, each_case};

pub(crate) fn check(cases: &[Value]) -> Result<Outcome, String> {
    each_case(cases, check_case)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Case {
    name: String,
    at: At,
    daemon_set: SetDoc,
    #[serde(default)]
    nodes: Vec<NodeDoc>,
    #[serde(default)]
    pods: Vec<PodDoc>,
    expect: Expect,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SetDoc {
    update_strategy: String,
    max_surge: Option<Share>,
    max_unavailable: Option<Share>,
    min_ready_seconds: Option<Span>,
    #[serde(default)]
    node_selector: LabelsDoc,
    #[serde(default)]
    tolerations: Vec<TolerationDoc>,
    #[serde(default)]
    host_network: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NodeDoc {
    name: String,
    #[serde(default)]
    labels: LabelsDoc,
    #[serde(default)]
    taints: Vec<TaintDoc>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PodDoc {
    name: String,
    node_name: String,
    #[serde(default)]
    unscheduled: bool,
    #[serde(default)]
    updated: bool,
    phase: PhaseDoc,
    #[serde(default)]
    ready: bool,
    ready_since: Option<At>,
    creation_timestamp: At,
    #[serde(default)]
    deleting: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Expect {
    #[serde(default)]
    nodes: BTreeMap<String, FitDoc>,
    desired_number_scheduled: i32,
    max_surge: i32,
    max_unavailable: i32,
    #[serde(default)]
    manage: Actions,
    rolling_update: Option<Actions>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct FitDoc {
    should_run: bool,
    should_continue_running: bool,
}

#[derive(Deserialize, Default, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Actions {
    create: BTreeSet<String>,
    delete: BTreeSet<String>,
    create_from: BTreeSet<String>,
    create_choose: usize,
    delete_from: BTreeSet<String>,
    delete_choose: usize,
}

fn check_case(case: Case) -> Checks {
    let mut names = Names::default();
    let node_parts: Vec<(NodeId, Labels, Vec<Taint>)> = case
        .nodes
        .iter()
        .map(|node| {
            let taints = node.taints.iter().map(TaintDoc::taint).collect();
            (NodeId(names.number(&node.name)), labels(&node.labels), taints)
        })
        .collect();
    let nodes: Vec<NodeSeen<'_>> = case
        .nodes
        .iter()
        .zip(&node_parts)
        .map(|(doc, (node, labels, taints))| NodeSeen {
            node: *node,
            name: &doc.name,
            labels,
            taints,
        })
        .collect();
    let pods: Vec<PodSeen<'_>> =
        case.pods.iter().enumerate().map(|(at, pod)| pod_seen(at, pod, &mut names)).collect();
    let set = &case.daemon_set;
    let template = PodSpec {
        node_selector: labels(&set.node_selector),
        tolerations: set.tolerations.iter().map(TolerationDoc::toleration).collect(),
        host_network: set.host_network,
        ..PodSpec::default()
    };
    let rolling_update = match (set.update_strategy.as_str(), set.max_surge, set.max_unavailable) {
        ("RollingUpdate", Some(surge), Some(unavailable)) => {
            Some(DaemonSetRollingUpdate { max_surge: surge.0, max_unavailable: unavailable.0 })
        }
        _ => None,
    };
    let got = sync(&Observation {
        now: case.at.0,
        template: &template,
        min_ready: set.min_ready_seconds.map(|span| span.0).unwrap_or_default(),
        rolling_update,
        nodes: &nodes,
        pods: &pods,
    });
    let mut checks = Checks::default();
    checks.at(case.name.clone());
    compare_fits(&case.expect, &template, &daemon_tolerations(&template), &nodes, &mut checks);
    let expect = &case.expect;
    checks.compare("desiredNumberScheduled", &expect.desired_number_scheduled, &got.desired);
    checks.compare("maxSurge", &expect.max_surge, &got.max_surge);
    checks.compare("maxUnavailable", &expect.max_unavailable, &got.max_unavailable);
    let acts = actions(
        &got,
        |node| names.name(node.0).to_owned(),
        |pod| case.pods[pod.index()].name.clone(),
    );
    if got.by_update {
        checks.compare("manage", &expect.manage, &Actions::default());
        checks.compare("rollingUpdate", &expect.rolling_update, &Some(acts));
    } else {
        checks.compare("manage", &expect.manage, &acts);
        checks.compare("rollingUpdate", &expect.rolling_update, &None);
    }
    checks
}

fn compare_fits(
    expect: &Expect,
    template: &PodSpec,
    tolerations: &[Toleration],
    nodes: &[NodeSeen<'_>],
    checks: &mut Checks,
) {
    for node in nodes {
        let got = fit(template, tolerations, node);
        let wanted = &expect.nodes[node.name];
        checks.compare("shouldRun", &wanted.should_run, &got.should_run);
        let continues = wanted.should_continue_running;
        checks.compare("shouldContinueRunning", &continues, &got.should_continue);
    }
}

fn actions(sync: &Sync, node: impl Fn(NodeId) -> String, pod: impl Fn(PodId) -> String) -> Actions {
    let Choice { count: create_choose, from: create_from } = &sync.create_some;
    let Choice { count: delete_choose, from: delete_from } = &sync.delete_some;
    Actions {
        create: sync.create.iter().map(|&id| node(id)).collect(),
        delete: sync.delete.iter().map(|&id| pod(id)).collect(),
        create_from: create_from.iter().map(|&id| node(id)).collect(),
        create_choose: *create_choose,
        delete_from: delete_from.iter().map(|&id| pod(id)).collect(),
        delete_choose: *delete_choose,
    }
}

fn pod_seen<'a>(at: usize, pod: &'a PodDoc, names: &mut Names) -> PodSeen<'a> {
    PodSeen {
        pod: PodId::at(at),
        name: &pod.name,
        node: NodeId(names.number(&pod.node_name)),
        scheduled: !pod.unscheduled,
        updated: pod.updated,
        phase: match pod.phase {
            PhaseDoc::Pending => PodPhase::Pending,
            PhaseDoc::Running | PhaseDoc::Unknown => PodPhase::Running,
            PhaseDoc::Succeeded => PodPhase::Succeeded,
            PhaseDoc::Failed => PodPhase::Failed,
        },
        ready_since: pod.ready_since.filter(|_| pod.ready).map(|at| at.0),
        created: pod.creation_timestamp.0,
        terminating: pod.deleting,
        in_backoff: false,
    }
}
