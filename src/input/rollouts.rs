//! The events `rollout` and `upgrade`: objects that are written anew in mid-run.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::codes;
use super::decode::{Fields, Value};
use super::documents::Documents;
use super::kubernetes::Objects;
use super::releases::{find_hpa, find_workload, is_hook, is_same};
use crate::cluster::api::workload::WorkloadKind;
use crate::cluster::api::{PodDisruptionBudgetSpec, WorkloadSpec};
use crate::control::helm_wait::Rule;
use crate::model::id::{BudgetId, HpaId, WorkloadId};
use crate::scenario::alerts::RuleGroup;
use crate::scenario::{DisruptionTarget, HpaObject, Later, RolloutSpec, WaitSpec, WorkloadChange};
use crate::units::SimDuration;

/// How long a rollout is waited for when nobody says so.
const TIMEOUT: SimDuration = SimDuration::from_secs(15 * 60);

/// What rollouts refer to.
pub(super) struct Release<'a> {
    pub(super) objects: &'a Objects,
    pub(super) hpas: &'a [Arc<HpaObject>],
    /// The objects of each `upgrade`, by the position of its event.
    pub(super) upgrades: &'a BTreeMap<usize, Objects>,
    /// Whether the command line says what is deployed, so that the scenario need not.
    pub(super) stated: bool,
    /// A document of kind Load in place of the scenario's own load.
    pub(super) load: Option<&'a Documents>,
    /// Alert and recording rules.
    pub(super) rules: &'a [RuleGroup],
    /// Their autoscalers, with their targets found.
    pub(super) upgraded_hpas: &'a BTreeMap<usize, Vec<Arc<HpaObject>>>,
    /// Objects that only upgrades have.
    pub(super) later: &'a Later,
}

impl Release<'_> {
    /// `rollout: {workload: gateway, image: v2}`; several workloads as a list. Without an image the pods
    /// are made anew, as `kubectl rollout restart` does.
    pub(super) fn rollout(&self, body: &Value<'_>) -> Option<DisruptionTarget> {
        let fields = body.fields()?;
        let workloads = fields.required("workload").and_then(|value| self.workloads(&value));
        let image = fields.read("image", |image| image.non_empty().map(Arc::<str>::from));
        let container_value = fields.optional("container");
        let container = container_value.as_ref().map_or(Some(None), |it| it.shared().map(Some));
        let wait = wait(&fields);
        fields.finish("the event `rollout`");
        let (workloads, image, container) = (workloads?, image?, container?);
        let wait = wait?;
        if let (Some(name), Some(value)) = (&container, &container_value) {
            for id in &workloads {
                self.check_container(value, name, *id)?;
            }
        }
        let names: Vec<&str> = workloads.iter().map(|id| self.name(*id)).collect();
        let mut spec = RolloutSpec::new("rollout", wait);
        spec.what = Arc::from(match &image {
            Some(image) => format!("{} to {image}", names.join(", ")),
            None => format!("{}, restarted", names.join(", ")),
        });
        if let Some(value) = container_value.as_ref().filter(|_| image.is_none()) {
            let message = "says which container gets the `image`, which is missing";
            value.report(value.error(codes::MISSING_FIELD, message));
            return None;
        }
        let change = || match &image {
            Some(image) => {
                WorkloadChange::Image { container: container.clone(), image: Arc::clone(image) }
            }
            None => WorkloadChange::Restart,
        };
        spec.workloads = workloads.into_iter().map(|id| (id, change())).collect();
        Some(DisruptionTarget::Rollout(Arc::new(spec)))
    }

    fn name(&self, id: WorkloadId) -> &str {
        &self.objects.workloads[id.index()].meta.name
    }

    fn workloads(&self, value: &Value<'_>) -> Option<Vec<WorkloadId>> {
        if value.node().sequence().is_some() {
            let mut seen = BTreeSet::new();
            let found = value.list(|item| {
                let id = self.workload(item)?;
                if !seen.insert(id) {
                    let message = format!("names `{}` twice", self.name(id));
                    item.report(item.error(codes::DUPLICATE_NAME, &message));
                    return None;
                }
                Some(id)
            })?;
            if found.is_empty() {
                let message = "must name at least one workload";
                value.report(value.error(codes::INVALID_VALUE, message));
                return None;
            }
            return Some(found);
        }
        self.workload(value).map(|id| vec![id])
    }

    fn workload(&self, value: &Value<'_>) -> Option<WorkloadId> {
        let name = value.non_empty()?;
        let Some(found) = self.objects.named(name, None) else {
            if self.objects.is_broken(name) {
                return None;
            }
            let known = self.objects.workloads.iter().map(|workload| &*workload.meta.name);
            value.report(value.unknown_reference(name, "workload", known));
            return None;
        };
        if matches!(self.objects.workloads[found].kind, WorkloadKind::Job(_)) {
            let message = format!("names `{name}`, a Job: its pods are not replaced by a rollout");
            value.report(value.error(codes::UNSUPPORTED, &message));
            return None;
        }
        Some(WorkloadId::at(found))
    }

    fn check_container(&self, value: &Value<'_>, name: &str, id: WorkloadId) -> Option<()> {
        let spec = &self.objects.workloads[id.index()].template.spec;
        let containers = || spec.containers.iter().chain(&spec.init_containers);
        if containers().any(|container| *container.name == *name) {
            return Some(());
        }
        let known = containers().map(|container| &*container.name);
        value.report(value.unknown_reference(name, "container", known));
        None
    }

    /// `upgrade: {manifests: [next.yaml]}`: the event at `position` of the list.
    pub(super) fn upgrade(&self, body: &Value<'_>, position: usize) -> Option<DisruptionTarget> {
        let fields = body.fields()?;
        let source = fields.exactly_one(&["manifests", "values"]);
        let prune = fields.read_or("prune", true, Value::boolean);
        let wait = wait(&fields);
        fields.finish("the event `upgrade`");
        let (name, value) = source?;
        if name == "values" && !self.upgrades.contains_key(&position) {
            let message = "cannot be used: the release has neither chart nor values";
            value.report(value.error(codes::UNSUPPORTED, message).primary(value.key_span(), "").help(
                "name the chart in `inputs: {chart: DIR, values: [..]}`, or render the new release and write `manifests: [next.yaml]`",
            ));
            return None;
        }
        if value.list(Value::non_empty)?.is_empty() {
            value.report(value.error(codes::INVALID_VALUE, "must name at least one file"));
            return None;
        }
        let mut spec = self.release(&value, position, wait?)?;
        spec.keeps_others = !prune?;
        Some(DisruptionTarget::Rollout(Arc::new(spec)))
    }

    /// What the release of the event at `position` writes, wherever its objects come from.
    fn release(&self, value: &Value<'_>, position: usize, wait: WaitSpec) -> Option<RolloutSpec> {
        let next = self.upgrades.get(&position)?;
        let mut spec = RolloutSpec::new("upgrade", wait);
        spec.position = Some(position);
        let mut hooks = Vec::new();
        for workload in &next.workloads {
            // Every workload of an upgrade was registered; an error before may have kept one out.
            let id = WorkloadId::at(find_workload(self.objects, workload)?);
            let written = Arc::new(workload.clone());
            if is_hook(workload) {
                hooks.push((id, written));
                continue;
            }
            let stated = workload.replicas_origin.line > 0;
            let stated = stated.then_some(workload.replicas);
            // KEDA writes behind helm.
            let replicas = next.paused_replicas(workload).or(stated);
            let replicas = replicas.filter(|_| has_replicas(workload));
            spec.workloads.push((id, WorkloadChange::Written { spec: written, replicas }));
        }
        // Helm writes by kind (pkg/release/util/kind_sorter.go `InstallOrder`).
        spec.workloads.sort_by_key(|(id, _)| rank(&self.objects.workloads[id.index()]));
        spec.hooks = Some(hooks);
        for hpa in self.upgraded_hpas.get(&position).into_iter().flatten() {
            spec.hpas.push((HpaId::at(find_hpa(self.hpas, hpa)?), hpa.spec.clone()));
        }
        for budget in &next.budgets {
            let same = |old: &PodDisruptionBudgetSpec| is_same(&old.meta, &budget.meta);
            let found = self.objects.budgets.iter().position(same)?;
            spec.budgets.push((BudgetId::at(found), Arc::new(budget.clone())));
        }
        spec.claims = next.claims.iter().cloned().map(Arc::new).collect();
        spec.quotas = next.quotas.iter().cloned().map(Arc::new).collect();
        let empty = spec.workloads.is_empty()
            && spec.hpas.is_empty()
            && spec.budgets.is_empty()
            && spec.claims.is_empty()
            && spec.quotas.is_empty();
        if empty && spec.hooks.as_ref().is_none_or(Vec::is_empty) {
            let message = "has no object that is simulated";
            value.report(value.error(codes::INVALID_VALUE, message).help(
                "an upgrade writes the whole release, as `helm template` renders it: all its manifests",
            ));
            return None;
        }
        Some(spec)
    }
}

/// The place of a kind in helm's order.
fn rank(workload: &WorkloadSpec) -> u8 {
    match workload.kind {
        WorkloadKind::DaemonSet { .. } => 0,
        WorkloadKind::ReplicaSet => 1,
        WorkloadKind::Deployment { .. } => 2,
        WorkloadKind::StatefulSet { .. } => 3,
        WorkloadKind::Job(_) => 4,
    }
}

fn has_replicas(workload: &WorkloadSpec) -> bool {
    !matches!(workload.kind, WorkloadKind::DaemonSet { .. } | WorkloadKind::Job(_))
}

/// `wait` or `timeout`, `waitStrategy`, `waitForJobs`, and `rollbackOnFailure` or `atomic`.
fn wait(fields: &Fields<'_>) -> Option<WaitSpec> {
    let timeout = match fields.at_most_one(&["wait", "timeout"])? {
        Some((_, value)) => value.duration(),
        None => Some(TIMEOUT),
    };
    let rules = [("watcher", Rule::Watcher), ("legacy", Rule::Legacy)];
    let rule = fields.read_or("waitStrategy", Rule::Watcher, |value| value.word(&rules));
    let for_jobs = fields.read_or("waitForJobs", false, Value::boolean);
    let roll_back = match fields.at_most_one(&["rollbackOnFailure", "atomic"])? {
        Some((_, value)) => value.boolean(),
        None => Some(false),
    };
    Some(WaitSpec { timeout: timeout?, rule: rule?, for_jobs: for_jobs?, roll_back: roll_back? })
}
