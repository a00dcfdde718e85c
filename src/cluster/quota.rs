//! ResourceQuotas: what the API server answers when a pod is to be made.
//!
//! plugin/pkg/admission/resourcequota `checkRequest`, pkg/quota/v1/evaluator/core/pods.go
//! `PodUsageFunc` and `Constraints`.

use std::sync::Arc;

use crate::cluster::api::limit::{QuotaResource, ResourceQuotaSpec};
use crate::cluster::api::pod::{Container, PodSpec};
use crate::cluster::pod::{Pod, PodPhase};
use crate::cluster::state::Cluster;
use crate::cluster::workload::Revision;
use crate::model::id::WorkloadId;
use crate::units::{Bytes, MilliCpu, SimTime};

impl Cluster {
    /// Sets the quotas before the run begins.
    pub fn set_quotas(&mut self, quotas: &[Arc<ResourceQuotaSpec>]) {
        self.quotas = quotas.to_vec();
    }

    /// The quotas of all namespaces.
    #[must_use]
    pub fn quotas(&self) -> &[Arc<ResourceQuotaSpec>] {
        &self.quotas
    }

    /// The sentence with which a pod is refused; `None` when it may be made.
    pub(super) fn forbidden_by_quota(
        &self,
        now: SimTime,
        owner: WorkloadId,
        name: &str,
        revision: &Revision,
    ) -> Option<Arc<str>> {
        let namespace = &self.workload(owner).spec.meta.namespace;
        let quotas = self.quotas.iter().filter(|quota| quota.meta.namespace == *namespace);
        for quota in quotas {
            let spec = &revision.template.spec;
            if !quota.scopes.iter().all(|scope| scope.matches(spec)) {
                continue;
            }
            let said = unstated(quota, spec).or_else(|| self.exceeded(now, quota, revision));
            if let Some(said) = said {
                return Some(Arc::from(format!("pods \"{name}\" is forbidden: {said}")));
            }
        }
        None
    }

    /// What the pods that a quota charges use of a resource, in the units of its amounts.
    #[must_use]
    pub fn quota_used(
        &self,
        now: SimTime,
        quota: &ResourceQuotaSpec,
        resource: &QuotaResource,
    ) -> i64 {
        let pods = self.pods().filter(|pod| pod.namespace == quota.meta.namespace);
        let charged =
            |pod: &&Pod| quota.scopes.iter().all(|scope| scope.matches(&pod.template.spec));
        let counted = pods.filter(|pod| counts(now, pod)).filter(charged);
        counted.map(|pod| usage(resource, &pod.template.spec)).sum()
    }

    /// The status of every quota, by `namespace/name`: `pods 3 of 10, requests.cpu 600m of 4`.
    #[must_use]
    pub fn quota_statuses(&self, now: SimTime) -> Vec<(Arc<str>, String)> {
        let status = |quota: &Arc<ResourceQuotaSpec>| {
            let each = quota.hard.iter().map(|(resource, hard)| {
                let used = shown(resource, self.quota_used(now, quota, resource));
                format!("{resource} {used} of {}", shown(resource, *hard))
            });
            let name = Arc::from(format!("{}/{}", quota.meta.namespace, quota.meta.name));
            (name, each.collect::<Vec<_>>().join(", "))
        };
        self.quotas.iter().map(status).collect()
    }

    fn exceeded(
        &self,
        now: SimTime,
        quota: &ResourceQuotaSpec,
        revision: &Revision,
    ) -> Option<String> {
        let mut over = Vec::new();
        for (resource, hard) in &quota.hard {
            let used = self.quota_used(now, quota, resource);
            let asked = usage(resource, &revision.template.spec);
            if asked > 0 && used + asked > *hard {
                over.push((resource, asked, used, *hard));
            }
        }
        if over.is_empty() {
            return None;
        }
        over.sort();
        let list = |amount: fn(&(&QuotaResource, i64, i64, i64)) -> i64| {
            let each = over.iter().map(|it| format!("{}={}", it.0, shown(it.0, amount(it))));
            each.collect::<Vec<_>>().join(",")
        };
        let (asked, used, hard) = (list(|it| it.1), list(|it| it.2), list(|it| it.3));
        let name = &quota.meta.name;
        Some(format!("exceeded quota: {name}, requested: {asked}, used: {used}, limited: {hard}"))
    }
}

/// Whether a pod is charged: not once it ended, nor when it terminates for longer than its grace
/// beyond its deadline (`QuotaV1Pod`).
fn counts(now: SimTime, pod: &Pod) -> bool {
    if matches!(pod.phase, PodPhase::Succeeded | PodPhase::Failed) {
        return false;
    }
    pod.deletion.is_none_or(|deletion| {
        let grace = deletion.deadline.since(deletion.began);
        now <= deletion.deadline + grace
    })
}

/// What a pod uses of a resource.
fn usage(resource: &QuotaResource, spec: &PodSpec) -> i64 {
    match resource {
        QuotaResource::Pods => 1,
        QuotaResource::RequestsCpu => spec.requests().cpu.0,
        QuotaResource::RequestsMemory => spec.requests().memory.0,
        QuotaResource::RequestsEphemeralStorage => spec.requests().ephemeral_storage.0,
        QuotaResource::RequestsExtended(name) => spec.requests().get(name),
        QuotaResource::LimitsCpu => limit_of(spec, |c| c.limits.cpu.map_or(0, |cpu| cpu.0)),
        QuotaResource::LimitsMemory => {
            limit_of(spec, |c| c.limits.memory.map_or(0, |memory| memory.0))
        }
    }
}

/// The limits of a pod: its containers' and sidecars' together, or its largest init step.
fn limit_of(spec: &PodSpec, of: impl Fn(&Container) -> i64) -> i64 {
    let sidecars = || spec.init_containers.iter().filter(|container| container.sidecar);
    let running: i64 = spec.containers.iter().chain(sidecars()).map(&of).sum();
    let steps = spec.init_containers.iter().filter(|container| !container.sidecar);
    steps.map(&of).max().unwrap_or_default().max(running)
}

/// A quota on cpu or memory wants every container to state its own (`Constraints`).
fn unstated(quota: &ResourceQuotaSpec, spec: &PodSpec) -> Option<String> {
    let mut missing = Vec::new();
    for container in spec.init_containers.iter().chain(&spec.containers) {
        let mut of: Vec<String> = quota
            .hard
            .iter()
            .filter(|(it, _)| lacks(it, container))
            .map(|it| it.0.to_string())
            .collect();
        if !of.is_empty() {
            of.sort();
            missing.push(format!("{} for: {}", of.join(","), container.name));
        }
    }
    let name = &quota.meta.name;
    let missing = missing.join("; ");
    (!missing.is_empty()).then(|| format!("failed quota: {name}: must specify {missing}"))
}

fn lacks(resource: &QuotaResource, container: &Container) -> bool {
    let Container { requests, limits, .. } = container;
    match resource {
        QuotaResource::RequestsCpu => requests.cpu.is_none(),
        QuotaResource::RequestsMemory => requests.memory.is_none(),
        QuotaResource::LimitsCpu => limits.cpu.is_none(),
        QuotaResource::LimitsMemory => limits.memory.is_none(),
        QuotaResource::Pods
        | QuotaResource::RequestsEphemeralStorage
        | QuotaResource::RequestsExtended(_) => false,
    }
}

fn shown(resource: &QuotaResource, amount: i64) -> String {
    match resource {
        QuotaResource::RequestsCpu | QuotaResource::LimitsCpu => MilliCpu(amount).to_string(),
        QuotaResource::RequestsMemory
        | QuotaResource::LimitsMemory
        | QuotaResource::RequestsEphemeralStorage => Bytes(amount).to_string(),
        QuotaResource::Pods | QuotaResource::RequestsExtended(_) => amount.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::Cluster;
    use crate::cluster::api::{LabelSelector, ObjectMeta};

    use crate::cluster::api::workload::{WorkloadKind, WorkloadSpec};
    use crate::cluster::pod::Deletion;
    use crate::model::Action;
    use crate::model::action::PodDeletion;
    use crate::model::id::{PodId, ReplicaSetId, WorkloadId};
    use crate::units::{Origin, SimDuration};

    /// E46 of the worked cases: a pod on a dead node, deleted at 0 with 30 s of grace, is charged until
    /// its deadline has passed by another 30 s.
    #[test]
    fn a_pod_stuck_in_its_deletion_is_charged_for_its_grace_once_more() {
        let spec = WorkloadSpec {
            meta: ObjectMeta::default(),
            selector: LabelSelector::default(),
            replicas: 1,
            replicas_origin: Origin::default(),
            min_ready: SimDuration::ZERO,
            template: std::sync::Arc::default(),
            kind: WorkloadKind::ReplicaSet,
        };
        let mut cluster = Cluster::new(&[], &[std::sync::Arc::new(spec)], &[]);
        let (now, records) = (SimTime::ZERO, &mut Vec::new());
        let create = Action::CreateReplicaSet { workload: WorkloadId(0), replicas: 1 };
        cluster.apply(now, &create, records);
        cluster.apply(now, &Action::CreateReplica(ReplicaSetId(0)), records);
        let mut pod = cluster.pod(PodId(0)).expect("it was just made").clone();
        assert!(counts(SimTime::from_secs(1_000), &pod));
        let (began, deadline) = (SimTime::ZERO, SimTime::from_secs(30));
        pod.deletion = Some(Deletion { began, deadline, because: PodDeletion::NodeLost });
        let rows = [(0, true), (30, true), (60, true), (61, false)];
        for (second, charged) in rows {
            assert_eq!(counts(SimTime::from_secs(second), &pod), charged, "at {second} s");
        }
    }
}
