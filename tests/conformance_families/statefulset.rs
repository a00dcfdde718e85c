//! StatefulSets: each case is one set and a sequence of synchronisations on given pods.

use std::collections::BTreeMap;

use aurelius_sim::cluster::api::workload::StatefulSetUpdate;
use aurelius_sim::cluster::pod::PodPhase;
use aurelius_sim::control::stateful_set::{Observation, PodSeen, sync};
use aurelius_sim::model::id::PodId;
use serde::Deserialize;
use serde_json::Value;

use super::budgets::PhaseDoc;
use super::common::{At, Names, Span};
use super::{Checks, Outcome, each_case};

pub(crate) fn check(cases: &[Value]) -> Result<Outcome, String> {
    each_case(cases, check_case)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Case {
    name: String,
    #[serde(rename = "kind")]
    _kind: String,
    set: SetDoc,
    current_template: String,
    steps: Vec<Step>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SetDoc {
    replicas: i32,
    template: String,
    pod_management_policy: String,
    update_strategy: String,
    partition: Option<i32>,
    min_ready_seconds: Option<Span>,
    #[serde(default)]
    ordinals_start: i32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    replicas: Option<i32>,
    template: Option<String>,
    partition: Option<i32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    at: At,
    change: Option<Change>,
    #[serde(default)]
    pods: Vec<PodDoc>,
    expect: Expect,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PodDoc {
    ordinal: i32,
    template: String,
    phase: PhaseDoc,
    #[serde(default)]
    ready: bool,
    ready_since: Option<At>,
    #[serde(default)]
    deleting: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expect {
    #[serde(default)]
    created: Vec<CreatedDoc>,
    #[serde(default)]
    deleted: Vec<i32>,
    status: StatusDoc,
}

#[derive(Deserialize, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[serde(deny_unknown_fields)]
struct CreatedDoc {
    ordinal: i32,
    template: String,
}

#[derive(Deserialize, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct StatusDoc {
    replicas: i32,
    ready_replicas: i32,
    available_replicas: i32,
    current_replicas: i32,
    updated_replicas: i32,
    current_template: String,
    update_template: String,
}

fn check_case(case: Case) -> Checks {
    let mut checks = Checks::default();
    let mut templates = Names::default();
    let mut set = case.set;
    let mut current = templates.number(&case.current_template);
    for (index, step) in case.steps.into_iter().enumerate() {
        if let Some(change) = step.change {
            set.replicas = change.replicas.unwrap_or(set.replicas);
            set.template = change.template.unwrap_or(set.template);
            set.partition = change.partition.or(set.partition);
        }
        let pods: BTreeMap<i32, PodSeen> =
            step.pods.iter().map(|pod| (pod.ordinal, pod_seen(pod, &mut templates))).collect();
        let sync = sync(&Observation {
            now: step.at.0,
            replicas: set.replicas,
            start: set.ordinals_start,
            parallel: set.pod_management_policy == "Parallel",
            update: match set.update_strategy.as_str() {
                "OnDelete" => StatefulSetUpdate::OnDelete,
                _ => StatefulSetUpdate::RollingUpdate {
                    partition: set.partition.unwrap_or_default(),
                },
            },
            min_ready: set.min_ready_seconds.map(|span| span.0).unwrap_or_default(),
            current_revision: current,
            update_revision: templates.number(&set.template),
            pods: &pods,
        });
        current = sync.status.current_revision;
        let name = |revision: u32| templates.name(revision).to_owned();
        let mut created: Vec<CreatedDoc> = sync
            .create
            .iter()
            .map(|&(ordinal, revision)| CreatedDoc { ordinal, template: name(revision) })
            .collect();
        created.sort();
        let mut deleted: Vec<i32> = sync.delete.iter().map(|&(ordinal, _)| ordinal).collect();
        deleted.sort_unstable();
        let status = StatusDoc {
            replicas: sync.status.replicas,
            ready_replicas: sync.status.ready,
            available_replicas: sync.status.available,
            current_replicas: sync.status.current,
            updated_replicas: sync.status.updated,
            current_template: name(sync.status.current_revision),
            update_template: name(sync.status.update_revision),
        };
        checks.at(format!("{} step {index}", case.name));
        checks.compare("created", &step.expect.created, &created);
        // A failed pod of an old revision may be asked to go twice in one synchronisation.
        let mut wanted = step.expect.deleted;
        wanted.dedup();
        checks.compare("deleted", &wanted, &deleted);
        checks.compare("status", &step.expect.status, &status);
    }
    checks
}

fn pod_seen(pod: &PodDoc, templates: &mut Names) -> PodSeen {
    PodSeen {
        pod: PodId(0),
        revision: templates.number(&pod.template),
        phase: match pod.phase {
            PhaseDoc::Pending | PhaseDoc::Unknown => PodPhase::Pending,
            PhaseDoc::Running => PodPhase::Running,
            PhaseDoc::Succeeded => PodPhase::Succeeded,
            PhaseDoc::Failed => PodPhase::Failed,
        },
        ready_since: pod.ready_since.filter(|_| pod.ready).map(|at| at.0),
        terminating: pod.deleting,
    }
}
