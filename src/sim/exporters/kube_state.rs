//! kube-state-metrics about pods and their containers (internal/store/pod.go).

use crate::cluster::api::WorkloadKind;
use crate::cluster::{ConditionStatus, NodePhase, Pod, PodOwner, PodPhase};
use crate::model::observer::Observer;
use crate::model::record::Death;
use crate::sim::Run;
use crate::sim::containers::Life;
use crate::sim::exporters::{Page, flag, uid};
use crate::units::SimTime;
use crate::units::convert::f64_from_i64;

const ANY: [&str; 18] = [
    "kube_pod_info",
    "kube_pod_owner",
    "kube_pod_status_ready",
    "kube_pod_status_scheduled",
    "kube_pod_status_unschedulable",
    "kube_pod_status_phase",
    "kube_pod_status_reason",
    "kube_pod_created",
    "kube_pod_deletion_timestamp",
    "kube_pod_start_time",
    "kube_pod_container_status_restarts_total",
    "kube_pod_container_status_waiting",
    "kube_pod_container_status_waiting_reason",
    "kube_pod_container_status_last_terminated_reason",
    "kube_pod_container_status_running",
    "kube_pod_container_status_ready",
    "kube_pod_container_resource_requests",
    "kube_pod_container_resource_limits",
];

impl<O: Observer> Run<'_, O> {
    pub(super) fn show_pods(&self, now: SimTime, page: &mut Page<'_>) {
        if !page.wants(&ANY) {
            return;
        }
        for pod in self.cluster.pods() {
            let uid = uid(pod.id);
            let own = [("namespace", &*pod.namespace), ("pod", &*pod.name), ("uid", &*uid)];
            self.show_pod(now, pod, &own, page);
            if page.wants(&ANY[10..]) {
                self.show_containers(pod, &own, page);
            }
        }
    }

    fn show_pod(&self, now: SimTime, pod: &Pod, own: &[(&str, &str); 3], page: &mut Page<'_>) {
        let node = pod.node.and_then(|node| self.cluster.node(node));
        let node = node.map_or("", |node| &*node.name);
        let workload = &self.cluster.workload(pod.workload()).spec;
        // A Deployment's pods belong to a ReplicaSet.
        let kind = match workload.kind {
            WorkloadKind::Deployment { .. } => "ReplicaSet",
            WorkloadKind::ReplicaSet
            | WorkloadKind::StatefulSet { .. }
            | WorkloadKind::DaemonSet { .. }
            | WorkloadKind::Job(_) => workload.kind_name(),
        };
        let [namespace, name, uid] = *own;
        let owner = &*workload.meta.name;
        page.put(
            "kube_pod_info",
            &[
                namespace,
                name,
                uid,
                ("node", node),
                ("created_by_kind", kind),
                ("created_by_name", owner),
            ],
            1.0,
        );
        page.put(
            "kube_pod_owner",
            &[namespace, name, uid, ("owner_kind", kind), ("owner_name", owner)],
            1.0,
        );
        let conditions = [
            ("true", ConditionStatus::True),
            ("false", ConditionStatus::False),
            ("unknown", ConditionStatus::Unknown),
        ];
        for (word, status) in conditions {
            let labels = [namespace, name, uid, ("condition", word)];
            // A pod that no kubelet has taken has no Ready condition, and no series of it.
            if let Some(ready) = pod.ready {
                page.put("kube_pod_status_ready", &labels, flag(ready.status == status));
            }
            let scheduled =
                if pod.node.is_some() { ConditionStatus::True } else { ConditionStatus::False };
            page.put("kube_pod_status_scheduled", &labels, flag(scheduled == status));
        }
        if pod.unschedulable.is_some() && pod.node.is_none() {
            page.put("kube_pod_status_unschedulable", own, 1.0);
        }
        self.show_phase(pod, own, page);
        page.put("kube_pod_created", own, page.instant(pod.created));
        // A kubelet writes `status.startTime` when it takes the pod.
        if let Some(bound) = pod.bound {
            page.put("kube_pod_start_time", own, page.instant(bound));
        }
        if pod.is_terminating() {
            page.put("kube_pod_deletion_timestamp", own, page.instant(now));
        }
    }

    /// How far a pod is, and why it is no further.
    fn show_phase(&self, pod: &Pod, own: &[(&str, &str); 3], page: &mut Page<'_>) {
        let [namespace, name, uid] = *own;
        let phases = [
            ("Pending", pod.phase == PodPhase::Pending),
            ("Running", pod.phase == PodPhase::Running),
            ("Succeeded", pod.phase == PodPhase::Succeeded),
            ("Failed", pod.phase == PodPhase::Failed),
            ("Unknown", false),
        ];
        for (word, holds) in phases {
            page.put(
                "kube_pod_status_phase",
                &[namespace, name, uid, ("phase", word)],
                flag(holds),
            );
        }
        // A pod that is started again whenever it ends fails only by its kubelet: refused before it
        // began, or evicted. Of a Job's pods nobody can tell.
        let lost = pod.node.and_then(|node| self.cluster.node(node));
        let lost = lost.is_some_and(|node| node.phase == NodePhase::Lost) && pod.is_terminating();
        let mut reasons = vec![
            ("NodeLost", lost),
            ("SchedulingGated", pod.template.spec.gated && pod.node.is_none()),
        ];
        if !matches!(pod.owner, PodOwner::Job(..)) {
            let (failed, began) = (pod.phase == PodPhase::Failed, pod.started.is_some());
            reasons.push(("Evicted", failed && began));
            reasons.push(("UnexpectedAdmissionError", failed && !began));
        }
        for (reason, holds) in reasons {
            let labels = [namespace, name, uid, ("reason", reason)];
            page.put("kube_pod_status_reason", &labels, flag(holds));
        }
    }

    fn show_containers(&self, pod: &Pod, own: &[(&str, &str); 3], page: &mut Page<'_>) {
        let [namespace, name, uid] = *own;
        let node = pod.node.and_then(|node| self.cluster.node(node));
        let node = ("node", node.map_or("", |node| &*node.name));
        let spec = &pod.template.spec;
        for container in &spec.containers {
            let labelled = ("container", &*container.name);
            let lists = [
                ("kube_pod_container_resource_requests", &container.requests),
                ("kube_pod_container_resource_limits", &container.limits),
            ];
            for (metric, list) in lists {
                let mut show = |resource: &str, unit: &str, value: f64| {
                    let labels = [
                        namespace,
                        name,
                        uid,
                        labelled,
                        node,
                        ("resource", resource),
                        ("unit", unit),
                    ];
                    page.put(metric, &labels, value);
                };
                if let Some(cpu) = list.cpu {
                    show("cpu", "core", cpu.as_cores());
                }
                if let Some(memory) = list.memory {
                    show("memory", "byte", memory.as_f64());
                }
                for (resource, count) in &list.extended {
                    // Prometheus knows no dots and slashes (kube-state-metrics `SanitizeLabelName`).
                    let resource = resource.replace(['.', '/', '-'], "_");
                    show(&resource, "integer", f64_from_i64(*count));
                }
            }
        }
        // Before a kubelet has the pod, nobody tells of its containers.
        if pod.node.is_none() || pod.has_ended() {
            return;
        }
        // Init containers have metrics of their own, which nobody asks for here.
        let first = spec.init_containers.len();
        for (at, container) in spec.containers.iter().enumerate() {
            let life = u8::try_from(first + at).ok();
            let life = life.and_then(|position| self.containers.life(pod.id, position));
            let labels = [namespace, name, uid, ("container", &*container.name)];
            let restarts = life.map_or(0.0, |life| f64::from(life.restarts()));
            let running = life.is_some_and(|life| life.since.is_some());
            let waits = waiting(life, !running && first > 0);
            page.put("kube_pod_container_status_restarts_total", &labels, restarts);
            page.put("kube_pod_container_status_running", &labels, flag(running));
            page.put("kube_pod_container_status_waiting", &labels, flag(waits.is_some()));
            let ready = life.is_some_and(Life::is_ready);
            page.put("kube_pod_container_status_ready", &labels, flag(ready));
            let last = life.and_then(Life::last_death).map(|why| {
                let killed =
                    matches!(why, Death::OutOfMemory { .. } | Death::NodeOutOfMemory { .. });
                if killed { "OOMKilled" } else { "Error" }
            });
            let reasons = [
                ("kube_pod_container_status_waiting_reason", waits),
                ("kube_pod_container_status_last_terminated_reason", last),
            ];
            for (metric, reason) in reasons {
                let Some(reason) = reason else { continue };
                let [namespace, name, uid, container] = labels;
                let labels = [namespace, name, uid, container, ("reason", reason)];
                page.put(metric, &labels, 1.0);
            }
        }
    }
}

/// Why a container does not run yet, in the kubelet's words; `None` when it runs or has ended. After its
/// first death it is in its back-off, before that its pod is being made.
fn waiting(life: Option<&Life>, after_others: bool) -> Option<&'static str> {
    match life {
        Some(life) if life.since.is_some() || life.has_ended() => None,
        Some(life) if life.restarts() > 0 => Some("CrashLoopBackOff"),
        Some(_) | None => Some(if after_others { "PodInitializing" } else { "ContainerCreating" }),
    }
}
