//! What the API server adds to a pod before anyone sees it.

use std::sync::Arc;

use crate::cluster::api::pod::{Container, PodSpec, PodTemplate};
use crate::cluster::api::scheduling::{Taint, TaintEffect, Toleration};

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
}
