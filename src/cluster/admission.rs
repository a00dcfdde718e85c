//! What the API server adds to a pod before anyone sees it.

use std::sync::Arc;

use crate::cluster::api::job::{JobSpec, JobTrigger};
use crate::cluster::api::limit::LimitRangeItem;
use crate::cluster::api::pod::{Container, PodSpec, PodTemplate};
use crate::cluster::api::scheduling::{Taint, TaintEffect, Toleration};
use crate::cluster::api::storage::PersistentVolumeClaimSpec;
use crate::cluster::api::workload::{WorkloadKind, WorkloadSpec};
use crate::units::ResourceList;

/// How long a pod stays on a node that is not ready or unreachable, by default
/// (plugin/pkg/admission/defaulttolerationseconds).
const DEFAULT_TOLERATION_SECONDS: i64 = 300;

/// A template with admission applied: requests from limits (pkg/apis/core/v1/defaults.go
/// `SetDefaults_Pod`) and the default `NoExecute` tolerations (defaulttolerationseconds `Admit`).
#[must_use]
pub fn admit(template: &PodTemplate) -> PodTemplate {
    let mut admitted = template.clone();
    let spec = &mut admitted.spec;
    for container in spec.containers.iter_mut().chain(&mut spec.init_containers) {
        request_from_limit(container);
    }
    for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
        let taint =
            Taint { key: Arc::from(key), value: Arc::from(""), effect: TaintEffect::NoExecute };
        if !spec.tolerations.iter().any(|toleration| toleration.tolerates(&taint)) {
            spec.tolerations.push(Toleration {
                key: Some(taint.key),
                exists: true,
                effect: Some(TaintEffect::NoExecute),
                toleration_seconds: Some(DEFAULT_TOLERATION_SECONDS),
                ..Toleration::default()
            });
        }
    }
    admitted
}

/// Why the API server refuses to write `new` over `old`, in its own words; `None` when it does not
/// (pkg/apis/apps/validation `ValidateDeploymentUpdate`, `ValidateStatefulSetUpdate`,
/// `ValidateDaemonSetUpdate`; pkg/apis/batch/validation `ValidateJobUpdate`).
#[must_use]
pub fn forbidden_update(old: &WorkloadSpec, new: &WorkloadSpec) -> Option<String> {
    let name = &new.meta.name;
    let kind = new.kind_name();
    let immutable = |field: &str| {
        format!("{kind}.{} \"{name}\" is invalid: {field}: field is immutable", group(kind))
    };
    match (&old.kind, &new.kind) {
        (
            WorkloadKind::StatefulSet { parallel, claims, .. },
            WorkloadKind::StatefulSet { parallel: new_parallel, claims: new_claims, .. },
        ) => {
            let same_claims = claims.len() == new_claims.len()
                && claims.iter().zip(new_claims).all(|(old, new)| same_claim(old, new));
            let same = old.selector == new.selector && parallel == new_parallel && same_claims;
            (!same).then(|| {
                format!(
                    "StatefulSet.apps \"{name}\" is invalid: spec: Forbidden: updates to statefulset \
                     spec for fields other than 'replicas', 'ordinals', 'template', \
                     'updateStrategy', 'revisionHistoryLimit', \
                     'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden"
                )
            })
        }
        // What a CronJob makes may change as one likes.
        (
            WorkloadKind::Job(_),
            WorkloadKind::Job(JobSpec { trigger: JobTrigger::Schedule(_), .. }),
        ) => None,
        (WorkloadKind::Job(was), WorkloadKind::Job(is)) => {
            let (before, after) =
                (admit(&old.template).without_origins(), admit(&new.template).without_origins());
            if was.completions != is.completions {
                Some(immutable("spec.completions"))
            } else {
                (before != after).then(|| immutable("spec.template"))
            }
        }
        _ => (old.selector != new.selector).then(|| immutable("spec.selector")),
    }
}

fn group(kind: &str) -> &'static str {
    if kind == "Job" { "batch" } else { "apps" }
}

/// Whether two templates of claims ask for the same, wherever they are written.
fn same_claim(old: &PersistentVolumeClaimSpec, new: &PersistentVolumeClaimSpec) -> bool {
    let facts = |claim: &PersistentVolumeClaimSpec| {
        let PersistentVolumeClaimSpec { meta, access_modes, storage, storage_class, volume_name } =
            claim.clone();
        (meta.name, access_modes, storage, storage_class, volume_name)
    };
    facts(old) == facts(new)
}

/// Applies a LimitRange to a template: limits and requests that containers lack
/// (plugin/pkg/admission/limitranger `mergeContainerResources`), after requests were taken from
/// limits as for every pod. Answers what the API server would refuse its pods for.
pub fn limit_range(template: &mut PodTemplate, item: &LimitRangeItem) -> Option<String> {
    let spec = &mut template.spec;
    for container in spec.containers.iter_mut().chain(&mut spec.init_containers) {
        request_from_limit(container);
        fill(&mut container.limits, &item.default);
        fill(&mut container.requests, &item.default_request);
        let Container { name, requests, limits, .. } = container;
        let checks = [
            (requests.cpu.map(|it| it.0), item.min.cpu.map(|it| it.0), true, "minimum cpu usage"),
            (limits.cpu.map(|it| it.0), item.max.cpu.map(|it| it.0), false, "maximum cpu usage"),
            (
                requests.memory.map(|it| it.0),
                item.min.memory.map(|it| it.0),
                true,
                "minimum memory usage",
            ),
            (
                limits.memory.map(|it| it.0),
                item.max.memory.map(|it| it.0),
                false,
                "maximum memory usage",
            ),
        ];
        for (stated, bound, at_least, what) in checks {
            let Some(bound) = bound else { continue };
            let holds = stated.is_some_and(|it| if at_least { it >= bound } else { it <= bound });
            if !holds {
                return Some(format!("{what} per Container: container {name} is outside it"));
            }
        }
        let over = |request: Option<i64>, limit: Option<i64>| {
            request.zip(limit).is_some_and(|(request, limit)| request > limit)
        };
        if over(requests.cpu.map(|it| it.0), limits.cpu.map(|it| it.0))
            || over(requests.memory.map(|it| it.0), limits.memory.map(|it| it.0))
        {
            return Some(format!("container {name} requests more than the limit it is given"));
        }
    }
    None
}

/// Fills in what a list leaves out.
fn fill(list: &mut ResourceList, from: &ResourceList) {
    list.cpu = list.cpu.or(from.cpu);
    list.memory = list.memory.or(from.memory);
    list.ephemeral_storage = list.ephemeral_storage.or(from.ephemeral_storage);
    for (name, amount) in &from.extended {
        if list.extended(name).is_none() {
            list.extended.push((Arc::clone(name), *amount));
        }
    }
    list.extended.sort();
}

/// The tolerations of a daemon pod: those of the template and those that every daemon pod gets
/// (daemon/util/daemonset_util.go `AddOrUpdateDaemonPodTolerations`). Those it has are not added twice.
#[must_use]
pub fn daemon_tolerations(template: &PodSpec) -> Vec<Toleration> {
    let added = [
        ("node.kubernetes.io/not-ready", TaintEffect::NoExecute),
        ("node.kubernetes.io/unreachable", TaintEffect::NoExecute),
        ("node.kubernetes.io/disk-pressure", TaintEffect::NoSchedule),
        ("node.kubernetes.io/memory-pressure", TaintEffect::NoSchedule),
        ("node.kubernetes.io/pid-pressure", TaintEffect::NoSchedule),
        ("node.kubernetes.io/unschedulable", TaintEffect::NoSchedule),
    ];
    let host = ("node.kubernetes.io/network-unavailable", TaintEffect::NoSchedule);
    let added = added.into_iter().chain(template.host_network.then_some(host));
    let added = added.map(|(key, effect)| Toleration {
        key: Some(Arc::from(key)),
        exists: true,
        effect: Some(effect),
        ..Toleration::default()
    });
    let mut all = template.tolerations.clone();
    for toleration in added {
        if !all.contains(&toleration) {
            all.push(toleration);
        }
    }
    all
}

fn request_from_limit(container: &mut Container) {
    let Container { requests, limits, .. } = container;
    requests.cpu = requests.cpu.or(limits.cpu);
    requests.memory = requests.memory.or(limits.memory);
    requests.ephemeral_storage = requests.ephemeral_storage.or(limits.ephemeral_storage);
    for (name, amount) in &limits.extended {
        if requests.extended(name).is_none() {
            requests.extended.push((Arc::clone(name), *amount));
        }
    }
    requests.extended.sort();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::api::pod::PodSpec;
    use crate::units::{Bytes, MilliCpu, ResourceList};

    #[test]
    fn limits_become_requests_and_tolerations_are_added_once() {
        let limits = ResourceList {
            cpu: Some(MilliCpu(500)),
            memory: Some(Bytes(100)),
            ephemeral_storage: None,
            extended: vec![(Arc::from("nvidia.com/gpu"), 1)],
        };
        let requests = ResourceList { cpu: Some(MilliCpu(200)), ..ResourceList::default() };
        let container = Container { requests, limits, ..Container::default() };
        let spec = PodSpec { containers: vec![container], ..PodSpec::default() };
        let template = PodTemplate { spec, ..PodTemplate::default() };
        let once = admit(&template);
        let requests = &once.spec.containers[0].requests;
        assert_eq!((requests.cpu, requests.memory), (Some(MilliCpu(200)), Some(Bytes(100))));
        assert_eq!(requests.extended("nvidia.com/gpu"), Some(1));
        assert_eq!(once.spec.tolerations.len(), 2);
        assert_eq!(admit(&once), once);
    }

    #[test]
    fn a_limit_range_fills_gaps_after_limits_became_requests() {
        let cpu = |milli| ResourceList { cpu: Some(MilliCpu(milli)), ..ResourceList::default() };
        let item = LimitRangeItem {
            default: cpu(500),
            default_request: cpu(100),
            ..LimitRangeItem::default()
        };
        let template = |requests, limits| PodTemplate {
            spec: PodSpec {
                containers: vec![Container { requests, limits, ..Container::default() }],
                ..PodSpec::default()
            },
            ..PodTemplate::default()
        };
        let of = |template: &PodTemplate| {
            let container = &template.spec.containers[0];
            (container.requests.cpu.map(|it| it.0), container.limits.cpu.map(|it| it.0))
        };
        let mut bare = template(ResourceList::default(), ResourceList::default());
        assert_eq!(limit_range(&mut bare, &item), None);
        assert_eq!(of(&bare), (Some(100), Some(500)));
        // A limit of its own becomes the request: the default request is for none.
        let mut limited = template(ResourceList::default(), cpu(800));
        assert_eq!(limit_range(&mut limited, &item), None);
        assert_eq!(of(&limited), (Some(800), Some(800)));
        // The trap: a request above the default limit is refused.
        let mut trapped = template(cpu(1_000), ResourceList::default());
        assert!(limit_range(&mut trapped, &item).is_some_and(|said| said.contains("limit")));
    }
}
