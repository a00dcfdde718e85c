//! Deployments: each case is one Deployment and a sequence of synchronisations.

use std::collections::BTreeMap;

use aurelius_sim::cluster::api::workload::DeploymentStrategy;
use aurelius_sim::control::deployment::{
    Annotations, DeploymentSeen, Observation, SetSeen, Status, Sync, sync,
};
use serde::Deserialize;
use serde_json::Value;

use super::common::{At, Names, Share, Span};
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
    deployment: DeploymentDoc,
    #[serde(default)]
    replica_sets: Vec<SetDoc>,
    steps: Vec<Step>,
    #[serde(rename = "complete")]
    _complete: Option<bool>,
}

#[derive(Deserialize, Clone)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct DeploymentDoc {
    replicas: Option<i32>,
    template: Option<String>,
    strategy: Option<String>,
    max_surge: Option<Share>,
    max_unavailable: Option<Share>,
    // The statuses are given: what depends on it is in them.
    #[serde(rename = "minReadySeconds")]
    _min_ready_seconds: Option<Span>,
    progress_deadline_seconds: Option<Span>,
    revision_history_limit: Option<i32>,
    paused: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SetDoc {
    template: String,
    creation_timestamp: At,
    replicas: i32,
    #[serde(default)]
    revision: i64,
    desired_replicas: Option<i32>,
    max_replicas: Option<i32>,
    #[serde(rename = "status")]
    _status: SetStatusDoc,
}

#[derive(Deserialize, Clone, Copy, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SetStatusDoc {
    replicas: i32,
    ready_replicas: i32,
    available_replicas: i32,
    #[serde(default)]
    terminating_pods: i32,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Step {
    at: At,
    change: Option<DeploymentDoc>,
    #[serde(default)]
    set_status: BTreeMap<String, SetStatusDoc>,
    expect: Expect,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Expect {
    #[serde(default)]
    sets: BTreeMap<String, i32>,
    #[serde(default)]
    annotations: BTreeMap<String, AnnotationsDoc>,
    status: StatusDoc,
    requeue_after_seconds: Option<Span>,
}

#[derive(Deserialize, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct AnnotationsDoc {
    desired_replicas: String,
    max_replicas: String,
}

impl From<Annotations> for AnnotationsDoc {
    fn from(annotations: Annotations) -> Self {
        let text = |value: Option<i32>| value.map(|value| value.to_string()).unwrap_or_default();
        Self {
            desired_replicas: text(annotations.desired_replicas),
            max_replicas: text(annotations.max_replicas),
        }
    }
}

#[derive(Deserialize, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct StatusDoc {
    replicas: i32,
    updated_replicas: i32,
    ready_replicas: i32,
    available_replicas: i32,
    unavailable_replicas: i32,
    #[serde(default)]
    conditions: BTreeMap<String, String>,
}

impl From<&Status> for StatusDoc {
    fn from(status: &Status) -> Self {
        let words = |(status, reason)| format!("{status}/{reason}");
        let available = status.conditions.available.map(|it| words(it.words()));
        let progressing = status.conditions.progressing.map(|it| words(it.reason.words()));
        let conditions = [("Available", available), ("Progressing", progressing)];
        Self {
            replicas: status.replicas,
            updated_replicas: status.updated,
            ready_replicas: status.ready,
            available_replicas: status.available,
            unavailable_replicas: status.unavailable,
            conditions: conditions
                .into_iter()
                .filter_map(|(kind, words)| words.map(|words| (kind.to_owned(), words)))
                .collect(),
        }
    }
}

/// The Deployment as changed so far.
struct Live {
    doc: DeploymentDoc,
    generation: i64,
    sets: Vec<SetSeen>,
    status: Status,
    templates: Names,
}

impl Live {
    fn new(case: &mut Case) -> Self {
        let mut templates = Names::default();
        let mut sets = Vec::new();
        for set in &case.replica_sets {
            sets.push(SetSeen {
                template: templates.number(&set.template),
                created: set.creation_timestamp.0,
                replicas: set.replicas,
                annotations: Annotations {
                    revision: set.revision,
                    desired_replicas: set.desired_replicas,
                    max_replicas: set.max_replicas,
                },
                active: 0,
                ready: 0,
                available: 0,
                has_living_pods: false,
            });
        }
        let doc = case.deployment.clone();
        Self { doc, generation: 1, sets, status: Status::default(), templates }
    }

    fn change(&mut self, change: DeploymentDoc) {
        self.generation += 1;
        let doc = &mut self.doc;
        doc.replicas = change.replicas.or(doc.replicas);
        doc.template = change.template.or(doc.template.take());
        doc.strategy = change.strategy.or(doc.strategy.take());
        doc.max_surge = change.max_surge.or(doc.max_surge);
        doc.max_unavailable = change.max_unavailable.or(doc.max_unavailable);
        let deadline = change.progress_deadline_seconds;
        doc.progress_deadline_seconds = deadline.or(doc.progress_deadline_seconds);
        let limit = change.revision_history_limit;
        doc.revision_history_limit = limit.or(doc.revision_history_limit);
        doc.paused = change.paused.or(doc.paused);
    }

    fn spec(&self) -> DeploymentSeen {
        let pods = |share: Option<Share>| share.expect("a rolling update states its limits").0;
        let strategy = match self.doc.strategy.as_deref() {
            Some("Recreate") => DeploymentStrategy::Recreate,
            _ => DeploymentStrategy::RollingUpdate {
                max_surge: pods(self.doc.max_surge),
                max_unavailable: pods(self.doc.max_unavailable),
            },
        };
        DeploymentSeen {
            replicas: self.doc.replicas.expect("a Deployment has a size"),
            strategy,
            progress_deadline: self.doc.progress_deadline_seconds.map(|span| span.0),
            revision_history_limit: self.doc.revision_history_limit.unwrap_or(10),
            paused: self.doc.paused.unwrap_or_default(),
            generation: self.generation,
        }
    }

    fn observe_statuses(&mut self, statuses: &BTreeMap<String, SetStatusDoc>) {
        for set in &mut self.sets {
            let status = statuses.get(self.templates.name(set.template));
            let status = status.copied().unwrap_or_default();
            set.active = status.replicas;
            set.ready = status.ready_replicas;
            set.available = status.available_replicas;
            set.has_living_pods = status.replicas + status.terminating_pods > 0;
        }
    }

    fn sync(&mut self, at: At) -> Sync {
        let template = self.doc.template.clone().expect("a Deployment has a template");
        let wanted = self.templates.number(&template);
        let deployment = self.spec();
        let sync = sync(&Observation {
            now: at.0,
            deployment,
            wanted,
            status: &self.status,
            sets: &self.sets,
        });
        self.status = sync.status.clone();
        self.sets.retain(|set| !sync.delete.contains(&set.template));
        for update in &sync.updates {
            let set = self.sets.iter_mut().find(|set| set.template == update.template);
            let set = set.expect("an update names a set that exists");
            set.replicas = update.replicas;
            set.annotations = update.annotations;
        }
        if let Some(new) = sync.create {
            self.sets.push(SetSeen {
                template: wanted,
                created: at.0.floor_to_second(),
                replicas: new.replicas,
                annotations: new.annotations,
                active: 0,
                ready: 0,
                available: 0,
                has_living_pods: false,
            });
        }
        sync
    }
}

fn check_case(mut case: Case) -> Checks {
    let mut checks = Checks::default();
    let mut live = Live::new(&mut case);
    for (index, step) in case.steps.into_iter().enumerate() {
        if let Some(change) = step.change {
            live.change(change);
        }
        live.observe_statuses(&step.set_status);
        let before: BTreeMap<u32, Annotations> =
            live.sets.iter().map(|set| (set.template, set.annotations)).collect();
        let sync = live.sync(step.at);
        checks.at(format!("{} step {index}", case.name));
        let name = |template: u32| live.templates.name(template).to_owned();
        let sets: BTreeMap<String, i32> =
            live.sets.iter().map(|set| (name(set.template), set.replicas)).collect();
        checks.compare("sets", &step.expect.sets, &sets);
        checks.compare("status", &step.expect.status, &StatusDoc::from(&live.status));
        let requeue = step.expect.requeue_after_seconds.map(|span| span.0);
        checks.compare("requeueAfterSeconds", &requeue, &sync.requeue);
        let shown = |annotations: Annotations| Annotations { revision: 0, ..annotations };
        let known = |template: u32| {
            before.get(&template).filter(|_| index > 0).copied().unwrap_or_default()
        };
        let changed: BTreeMap<String, AnnotationsDoc> = live
            .sets
            .iter()
            .filter(|set| shown(known(set.template)) != shown(set.annotations))
            .map(|set| (name(set.template), AnnotationsDoc::from(set.annotations)))
            .collect();
        checks.compare("annotations", &step.expect.annotations, &changed);
    }
    checks
}
