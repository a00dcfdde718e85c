//! Budgets, owners and pods as the families pdb-status and eviction describe them, and the world
//! in which the disruption controller looks at them.

use std::collections::BTreeMap;
use std::sync::Arc;

use aurelius_sim::cluster::api::budget::Allowance;
use aurelius_sim::control::disruption::{
    self, DisruptionAllowed, Observation, Owner, OwnerKind, Owners, PodSeen, StoredStatus, Sync,
};
use aurelius_sim::model::action::BudgetStatus;
use aurelius_sim::model::id::PodId;
use aurelius_sim::units::SimTime;
use serde::Deserialize;

use super::Checks;
use super::common::{At, LabelsDoc, Names, SelectorDoc, Share, labels};

#[derive(Deserialize, Debug, Clone)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct PdbDoc {
    pub(crate) name: String,
    pub(crate) generation: i64,
    pub(crate) spec: PdbSpecDoc,
    pub(crate) status: Option<StatusDoc>,
    pub(crate) disrupted_pods_fill: Option<FillDoc>,
}

#[derive(Deserialize, Debug, Clone)]
#[serde(deny_unknown_fields)]
pub(crate) struct FillDoc {
    prefix: String,
    count: u32,
    at: At,
}

#[derive(Deserialize, Debug, Clone)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct PdbSpecDoc {
    min_available: Option<Share>,
    max_unavailable: Option<Share>,
    selector: Option<SelectorDoc>,
    unhealthy_pod_eviction_policy: Option<String>,
}

impl PdbSpecDoc {
    fn allowance(&self) -> Option<Allowance> {
        let at_most = self.max_unavailable.map(|share| Allowance::MaxUnavailable(share.0));
        at_most.or(self.min_available.map(|share| Allowance::MinAvailable(share.0)))
    }

    pub(crate) fn always_allow_unhealthy(&self) -> bool {
        self.unhealthy_pod_eviction_policy.as_deref() == Some("AlwaysAllow")
    }
}

#[derive(Deserialize, Debug, Clone, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct StatusDoc {
    observed_generation: i64,
    expected_pods: i32,
    current_healthy: i32,
    desired_healthy: i32,
    disruptions_allowed: i32,
    #[serde(default)]
    disrupted_pods: BTreeMap<String, At>,
    disruption_allowed: Option<ConditionDoc>,
}

#[derive(Deserialize, Debug, Clone)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ConditionDoc {
    status: String,
    reason: String,
    #[serde(default)]
    message: String,
    #[serde(default)]
    message_any_of: Vec<String>,
}

impl StatusDoc {
    pub(crate) fn stored(&self, pods: &mut Names) -> StoredStatus {
        StoredStatus {
            observed_generation: self.observed_generation,
            figures: BudgetStatus {
                expected_pods: self.expected_pods,
                current_healthy: self.current_healthy,
                desired_healthy: self.desired_healthy,
                disruptions_allowed: self.disruptions_allowed,
            },
            disrupted: self
                .disrupted_pods
                .iter()
                .map(|(pod, at)| (PodId(pods.number(pod)), at.0))
                .collect(),
            condition: self.disruption_allowed.as_ref().map(|it| match it.reason.as_str() {
                "SufficientPods" => DisruptionAllowed::SufficientPods,
                "InsufficientPods" => DisruptionAllowed::InsufficientPods,
                _ => DisruptionAllowed::SyncFailed { message: Arc::from(it.message.as_str()) },
            }),
        }
    }

    /// Compares a stored status with this one; the disrupted pods may stand for many.
    pub(crate) fn compare(&self, got: &StoredStatus, pods: &mut Names, checks: &mut Checks) {
        let wanted = self.stored(pods);
        checks.compare("observedGeneration", &wanted.observed_generation, &got.observed_generation);
        checks.compare("figures", &wanted.figures, &got.figures);
        checks.compare("disruptedPods", &wanted.disrupted, &got.disrupted);
        let said = got.condition.as_ref().map(|it| {
            (if it.status() { "True" } else { "False" }, it.reason(), it.message().to_owned())
        });
        let Some(condition) = &self.disruption_allowed else {
            checks.compare("disruptionAllowed", &None, &said);
            return;
        };
        let (status, reason, message) = said.unwrap_or_default();
        checks.compare("status", condition.status.as_str(), status);
        checks.compare("reason", condition.reason.as_str(), reason);
        if !condition.message_any_of.contains(&message) {
            checks.compare("message", &condition.message, &message);
        }
    }
}

#[derive(Deserialize, Debug, Clone)]
#[serde(deny_unknown_fields)]
pub(crate) struct OwnerDoc {
    pub(crate) kind: String,
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) replicas: i32,
    owner: Option<ReferenceDoc>,
}

#[derive(Deserialize, Debug, Clone)]
#[serde(deny_unknown_fields)]
struct ReferenceDoc {
    kind: String,
    name: String,
    uid: Option<String>,
    controller: Option<bool>,
}

#[derive(Deserialize, Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PhaseDoc {
    Pending,
    Running,
    Succeeded,
    Failed,
    Unknown,
}

#[derive(Deserialize, Debug, Clone)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct PodDoc {
    pub(crate) name: String,
    namespace: Option<String>,
    #[serde(default)]
    labels: LabelsDoc,
    pub(crate) phase: PhaseDoc,
    ready: Option<String>,
    #[serde(default)]
    pub(crate) deleting: bool,
    owner: Option<ReferenceDoc>,
    pub(crate) node_name: Option<String>,
    pub(crate) termination_grace_period_seconds: Option<u64>,
    pub(crate) deletion_timestamp: Option<At>,
    pub(crate) deletion_grace_period_seconds: Option<u64>,
}

impl PodDoc {
    pub(crate) fn is_ready(&self) -> bool {
        self.ready.as_deref() == Some("True")
    }
}

/// Everything the disruption controller can see in a case.
#[derive(Default)]
pub(crate) struct World {
    pub(crate) pods: BTreeMap<String, PodDoc>,
    pub(crate) owners: Vec<OwnerDoc>,
    pub(crate) pod_names: Names,
}

/// A budget of a case as it is now.
pub(crate) struct Pdb {
    pub(crate) name: String,
    pub(crate) generation: i64,
    pub(crate) spec: PdbSpecDoc,
    pub(crate) status: StoredStatus,
}

impl Pdb {
    pub(crate) fn new(doc: PdbDoc, pods: &mut Names) -> Self {
        let mut status = doc.status.unwrap_or_default().stored(pods);
        if let Some(fill) = doc.disrupted_pods_fill {
            for index in 0..fill.count {
                let pod = PodId(pods.number(&format!("{}{index}", fill.prefix)));
                status.disrupted.insert(pod, fill.at.0);
            }
        }
        Self { name: doc.name, generation: doc.generation, spec: doc.spec, status }
    }

    pub(crate) fn selects(&self, pod: &PodDoc) -> bool {
        let selector = self.spec.selector.as_ref().map(SelectorDoc::selector);
        pod.namespace.as_deref().unwrap_or("ns") == "ns"
            && selector.is_some_and(|selector| selector.matches(&labels(&pod.labels)))
    }

    /// One synchronisation; the status is carried on.
    pub(crate) fn sync(&mut self, now: SimTime, world: &mut World) -> Sync {
        let mut references = References { owners: &world.owners, known: Vec::new() };
        let mut seen = Vec::new();
        for pod in world.pods.values().filter(|pod| self.selects(pod)) {
            let owner = pod.owner.as_ref().filter(|owner| owner.controller != Some(false));
            seen.push(PodSeen {
                pod: PodId(world.pod_names.number(&pod.name)),
                name: &pod.name,
                ready: pod.is_ready(),
                terminating: pod.deleting,
                owner: owner.map(|owner| references.number(owner)),
            });
        }
        let sync = disruption::sync(&Observation {
            now,
            allowance: self.spec.allowance(),
            generation: self.generation,
            status: &self.status,
            pods: &seen,
            owners: &references,
        });
        if let Some(status) = &sync.write {
            self.status = status.clone();
        }
        sync
    }
}

impl World {
    pub(crate) fn scale(&mut self, kind: &str, name: &str, replicas: i32) {
        for owner in self.owners.iter_mut().filter(|it| it.kind == kind && it.name == name) {
            owner.replicas = replicas;
        }
    }
}

/// The distinct references of a case, and what they lead to.
struct References<'a> {
    owners: &'a [OwnerDoc],
    known: Vec<(String, String, Option<String>)>,
}

impl References<'_> {
    /// References to references are numbered as well, so that looking up needs no change.
    fn number(&mut self, reference: &ReferenceDoc) -> usize {
        let key = (reference.kind.clone(), reference.name.clone(), reference.uid.clone());
        if let Some(index) = self.known.iter().position(|known| *known == key) {
            return index;
        }
        let index = self.known.len();
        self.known.push(key);
        let owners = self.owners;
        let object =
            owners.iter().find(|it| it.kind == reference.kind && it.name == reference.name);
        if let Some(controller) = object.and_then(|object| object.owner.as_ref()) {
            self.number(controller);
        }
        index
    }
}

impl Owners for References<'_> {
    type Ref = usize;

    fn kind(&self, reference: usize) -> OwnerKind {
        match self.known[reference].0.as_str() {
            "Deployment" => OwnerKind::Deployment,
            "ReplicaSet" => OwnerKind::ReplicaSet,
            "StatefulSet" | "ReplicationController" | "Rollout" => OwnerKind::Scalable,
            "Node" => OwnerKind::Unscalable { resource: "nodes" },
            "Job" => OwnerKind::Unscalable { resource: "jobs.batch" },
            "DaemonSet" => OwnerKind::Unscalable { resource: "daemonsets.apps" },
            "Widget" => OwnerKind::Unscalable { resource: "widgets.example.com" },
            other => panic!("an owner of unknown kind {other}"),
        }
    }

    fn find(&self, reference: usize) -> Option<Owner<usize>> {
        let (kind, name, stale_uid) = &self.known[reference];
        if stale_uid.is_some() {
            return None;
        }
        let object = self.owners.iter().find(|it| it.kind == *kind && it.name == *name)?;
        let controller = object.owner.as_ref().filter(|it| it.controller != Some(false));
        let controller = controller.and_then(|it| {
            let key = (it.kind.clone(), it.name.clone(), it.uid.clone());
            self.known.iter().position(|known| *known == key)
        });
        Some(Owner { replicas: object.replicas, controller })
    }
}
