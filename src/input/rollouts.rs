//! The events `rollout` and `upgrade`: objects that are written anew in mid-run.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::codes;
use super::decode::{Fields, Value};
use super::diagnostic::Diagnostic;
use super::kubernetes::Objects;
use crate::cluster::api::WorkloadSpec;
use crate::cluster::api::workload::WorkloadKind;
use crate::control::helm_wait::Rule;
use crate::model::id::{BudgetId, HpaId, WorkloadId};
use crate::scenario::{DisruptionTarget, HpaObject, RolloutSpec, WorkloadChange};
use crate::units::SimDuration;

/// How long a rollout is waited for when nobody says so.
const TIMEOUT: SimDuration = SimDuration::from_secs(15 * 60);

/// What rollouts refer to.
pub(super) struct Release<'a> {
    pub(super) objects: &'a Objects,
    pub(super) hpas: &'a [Arc<HpaObject>],
    /// The manifests of each `upgrade`, by the position of its event.
    pub(super) upgrades: &'a BTreeMap<usize, Objects>,
    /// Whether the command line says what is deployed, so that the scenario need not.
    pub(super) stated: bool,
}

impl Release<'_> {
    /// `rollout: {workload: gateway, image: v2}`; several workloads as a list.
    pub(super) fn rollout(&self, body: &Value<'_>) -> Option<DisruptionTarget> {
        let fields = body.fields()?;
        let workloads = fields.required("workload").and_then(|value| self.workloads(&value));
        let image = fields.required("image").and_then(|image| image.non_empty());
        let container_value = fields.optional("container");
        let container = container_value.as_ref().map_or(Some(None), |it| it.shared().map(Some));
        let wait = wait(&fields);
        fields.finish("the event `rollout`");
        let (workloads, image, container) = (workloads?, image?, container?);
        let (timeout, rule) = wait?;
        if let (Some(name), Some(value)) = (&container, &container_value) {
            for id in &workloads {
                self.check_container(value, name, *id)?;
            }
        }
        let names: Vec<&str> = workloads.iter().map(|id| self.name(*id)).collect();
        let what = Arc::from(format!("{} to {image}", names.join(", ")));
        let image: Arc<str> = Arc::from(image);
        let change =
            || WorkloadChange::Image { container: container.clone(), image: Arc::clone(&image) };
        Some(DisruptionTarget::Rollout(Arc::new(RolloutSpec {
            key: "rollout",
            what,
            workloads: workloads.into_iter().map(|id| (id, change())).collect(),
            hpas: Vec::new(),
            budgets: Vec::new(),
            timeout,
            rule,
        })))
    }

    fn name(&self, id: WorkloadId) -> &str {
        &self.objects.workloads[id.index()].meta.name
    }

    fn workloads(&self, value: &Value<'_>) -> Option<Vec<WorkloadId>> {
        if value.node().sequence().is_some() {
            return value.list(|item| self.workload(item));
        }
        self.workload(value).map(|id| vec![id])
    }

    fn workload(&self, value: &Value<'_>) -> Option<WorkloadId> {
        let name = value.non_empty()?;
        let Some(found) = self.objects.named(name, None) else {
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
        let (timeout, rule) = wait?;
        let next = self.upgrades.get(&position)?;
        let mut spec = RolloutSpec {
            key: "upgrade",
            what: Arc::from(""),
            workloads: Vec::new(),
            hpas: Vec::new(),
            budgets: Vec::new(),
            timeout,
            rule,
        };
        self.write_workloads(&value, next, &mut spec)?;
        self.write_hpas(&value, next, &mut spec)?;
        self.write_budgets(&value, next, &mut spec)?;
        let (workloads, hpas, budgets) =
            (spec.workloads.len(), spec.hpas.len(), spec.budgets.len());
        spec.what = Arc::from(format!(
            "the release: {workloads} workload(s), {hpas} HPA(s), {budgets} budget(s)"
        ));
        Some(DisruptionTarget::Rollout(Arc::new(spec)))
    }

    fn write_workloads(
        &self,
        value: &Value<'_>,
        next: &Objects,
        into: &mut RolloutSpec,
    ) -> Option<()> {
        let mut complete = Some(());
        for workload in &next.workloads {
            if matches!(workload.kind, WorkloadKind::Job(_)) {
                continue;
            }
            let wanted = workload.to_string();
            let namespace = &workload.meta.namespace;
            let Some(found) = self.objects.named(&wanted, Some(namespace)) else {
                new_object(value, &wanted);
                complete = None;
                continue;
            };
            let stated = workload.replicas_origin.line > 0;
            let replicas = stated.then_some(workload.replicas);
            let replicas = replicas.filter(|_| has_replicas(workload));
            let spec = Arc::new(workload.clone());
            let change = WorkloadChange::Written { spec, replicas };
            into.workloads.push((WorkloadId::at(found), change));
        }
        complete
    }

    fn write_hpas(&self, value: &Value<'_>, next: &Objects, into: &mut RolloutSpec) -> Option<()> {
        let mut complete = Some(());
        for hpa in &next.autoscalers {
            let same = |old: &&Arc<HpaObject>| {
                old.meta.name == hpa.meta.name && old.meta.namespace == hpa.meta.namespace
            };
            let Some(found) = self.hpas.iter().position(|old| same(&old)) else {
                new_object(value, &format!("HorizontalPodAutoscaler/{}", hpa.meta.name));
                complete = None;
                continue;
            };
            into.hpas.push((HpaId::at(found), hpa.spec.clone()));
        }
        complete
    }

    fn write_budgets(
        &self,
        value: &Value<'_>,
        next: &Objects,
        into: &mut RolloutSpec,
    ) -> Option<()> {
        let mut complete = Some(());
        for budget in &next.budgets {
            let found = self.objects.budgets.iter().position(|old| {
                old.meta.name == budget.meta.name && old.meta.namespace == budget.meta.namespace
            });
            let Some(found) = found else {
                new_object(value, &format!("PodDisruptionBudget/{}", budget.meta.name));
                complete = None;
                continue;
            };
            into.budgets.push((BudgetId::at(found), Arc::new(budget.clone())));
        }
        complete
    }
}

fn has_replicas(workload: &WorkloadSpec) -> bool {
    !matches!(workload.kind, WorkloadKind::DaemonSet { .. } | WorkloadKind::Job(_))
}

fn new_object(value: &Value<'_>, name: &str) {
    let message = format!("has {name}, which `inputs.manifests` do not have");
    let error: Diagnostic = value.error(codes::UNSUPPORTED, &message);
    value.report(error.note("an upgrade changes what is there; new objects are not simulated").help(
        "put it into `inputs.manifests` with `replicas: {NAME: 0}` and let the event `scale` bring it up",
    ));
}

/// `wait` or `timeout`, and `waitStrategy`.
fn wait(fields: &Fields<'_>) -> Option<(SimDuration, Rule)> {
    let timeout = match fields.at_most_one(&["wait", "timeout"])? {
        Some((_, value)) => value.duration(),
        None => Some(TIMEOUT),
    };
    let rules = [("watcher", Rule::Watcher), ("legacy", Rule::Legacy)];
    let rule = fields.read_or("waitStrategy", Rule::Watcher, |value| value.word(&rules));
    Some((timeout?, rule?))
}
