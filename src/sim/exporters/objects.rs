//! kube-state-metrics about workloads, autoscalers, budgets and nodes (internal/store).

use crate::cluster::api::WorkloadKind;
use crate::cluster::{ConditionStatus, Node, NodePhase, Workload};
use crate::control::deployment::Available;
use crate::control::{daemon_set, hpa};
use crate::model::id::WorkloadId;
use crate::model::observer::Observer;
use crate::sim::Run;
use crate::sim::exporters::{Page, flag};
use crate::units::Resources;
use crate::units::convert::{count_u32, f64_from_i64};

/// Pods of a workload by how far they are.
struct Pods {
    all: f64,
    ready: f64,
    available: f64,
    /// Of the template that is wanted.
    updated: f64,
    /// Of the revision that a StatefulSet comes from.
    current: f64,
}

impl<O: Observer> Run<'_, O> {
    pub(super) fn show_workloads(&self, page: &mut Page<'_>) {
        let any =
            |page: &Page<'_>, family: &str| page.wanted.iter().any(|name| name.starts_with(family));
        let families = ["kube_deployment_", "kube_statefulset_", "kube_daemonset_"];
        if !families.iter().any(|family| any(page, family)) {
            return;
        }
        for workload in self.cluster.workloads().iter().filter(|workload| workload.exists) {
            let pods = self.count_pods(workload);
            let meta = &workload.spec.meta;
            let namespace = ("namespace", &*meta.namespace);
            let wanted = f64::from(workload.replicas);
            match workload.spec.kind {
                WorkloadKind::Deployment { .. } => {
                    let own = [namespace, ("deployment", &*meta.name)];
                    page.put("kube_deployment_spec_replicas", &own, wanted);
                    page.put("kube_deployment_status_replicas", &own, pods.all);
                    page.put("kube_deployment_status_replicas_ready", &own, pods.ready);
                    page.put("kube_deployment_status_replicas_available", &own, pods.available);
                    let missing = (pods.all - pods.available).max(0.0);
                    page.put("kube_deployment_status_replicas_unavailable", &own, missing);
                    page.put("kube_deployment_status_replicas_updated", &own, pods.updated);
                    self.show_deployment_status(workload.id, &own, page);
                }
                WorkloadKind::StatefulSet { .. } => {
                    let own = [namespace, ("statefulset", &*meta.name)];
                    page.put("kube_statefulset_replicas", &own, wanted);
                    page.put("kube_statefulset_status_replicas", &own, pods.all);
                    page.put("kube_statefulset_status_replicas_ready", &own, pods.ready);
                    page.put("kube_statefulset_status_replicas_available", &own, pods.available);
                    page.put("kube_statefulset_status_replicas_updated", &own, pods.updated);
                    page.put("kube_statefulset_status_replicas_current", &own, pods.current);
                    self.show_revisions(workload, &own, page);
                }
                WorkloadKind::DaemonSet { .. } => {
                    let own = [namespace, ("daemonset", &*meta.name)];
                    page.put("kube_daemonset_status_number_ready", &own, pods.ready);
                    self.show_daemons(workload, &own, page);
                }
                WorkloadKind::ReplicaSet | WorkloadKind::Job(_) => {}
            }
        }
    }

    fn count_pods(&self, workload: &Workload) -> Pods {
        let now = self.queue.now();
        let (mut all, mut ready, mut available) = (0_u32, 0_u32, 0_u32);
        let (mut updated, mut current) = (0_u32, 0_u32);
        let wanted = workload.wanted().template_id;
        let from = self.workloads.controllers.current_revision(workload.id).unwrap_or(wanted);
        for pod in self.cluster.pods_of(workload.id).filter(|pod| pod.is_active()) {
            all += 1;
            updated += u32::from(pod.template_id == wanted);
            current += u32::from(pod.template_id == from);
            let Some(condition) = pod.ready.filter(|_| pod.is_ready()) else { continue };
            ready += 1;
            let lasted = now.since(condition.since) >= workload.spec.min_ready;
            available += u32::from(lasted);
        }
        Pods {
            all: all.into(),
            ready: ready.into(),
            available: available.into(),
            updated: updated.into(),
            current: current.into(),
        }
    }

    /// What a Deployment's controller has written. It looks within its reaction of a change, so that at a
    /// scrape what is written has been observed.
    fn show_deployment_status(&self, id: WorkloadId, own: &[(&str, &str); 2], page: &mut Page<'_>) {
        let Some(status) = self.workloads.controllers.deployment_status(id) else { return };
        let generation = f64_from_i64(status.observed_generation);
        page.put("kube_deployment_status_observed_generation", own, generation);
        page.put("kube_deployment_metadata_generation", own, generation);
        let conditions = [
            ("Available", status.conditions.available.map(Available::words)),
            ("Progressing", status.conditions.progressing.map(|it| it.reason.words())),
        ];
        for (kind, words) in conditions {
            let Some((is, reason)) = words else { continue };
            for word in ["true", "false", "unknown"] {
                let labels =
                    [own[0], own[1], ("condition", kind), ("status", word), ("reason", reason)];
                let holds = flag(is.eq_ignore_ascii_case(word));
                page.put("kube_deployment_status_condition", &labels, holds);
            }
        }
    }

    /// The revision that a StatefulSet comes from, and the one it goes to.
    fn show_revisions(&self, workload: &Workload, own: &[(&str, &str); 2], page: &mut Page<'_>) {
        let wanted = workload.wanted().template_id;
        let current = self.workloads.controllers.current_revision(workload.id).unwrap_or(wanted);
        let both = [
            ("kube_statefulset_status_current_revision", current),
            ("kube_statefulset_status_update_revision", wanted),
        ];
        for (metric, revision) in both {
            let revision = format!("{}-{}", workload.spec.meta.name, revision.0);
            page.put(metric, &[own[0], own[1], ("revision", &revision)], 1.0);
        }
    }

    /// A DaemonSet by nodes (daemon_controller.go `updateDaemonSetStatus`).
    fn show_daemons(&self, workload: &Workload, own: &[(&str, &str); 2], page: &mut Page<'_>) {
        let now = self.queue.now();
        let status = daemon_set::status(now, &self.cluster, workload.id);
        let figures = [
            ("kube_daemonset_status_desired_number_scheduled", status.desired),
            ("kube_daemonset_status_current_number_scheduled", status.current),
            ("kube_daemonset_status_number_misscheduled", status.misscheduled),
            ("kube_daemonset_status_updated_number_scheduled", status.updated),
            ("kube_daemonset_status_number_available", status.available),
            ("kube_daemonset_status_number_unavailable", status.desired - status.available),
        ];
        for (metric, count) in figures {
            page.put(metric, own, f64::from(count));
        }
    }

    pub(super) fn show_objects(&self, page: &mut Page<'_>) {
        let any =
            |page: &Page<'_>, family: &str| page.wanted.iter().any(|name| name.starts_with(family));
        if any(page, "kube_horizontalpodautoscaler_") {
            self.show_hpas(page);
        }
        if !any(page, "kube_poddisruptionbudget_") {
            return;
        }
        for budget in self.cluster.budgets().iter().filter(|budget| budget.exists) {
            let meta = &budget.spec.meta;
            let own = [("namespace", &*meta.namespace), ("poddisruptionbudget", &*meta.name)];
            let status = &budget.status;
            let figures = [
                ("kube_poddisruptionbudget_status_current_healthy", status.current_healthy),
                ("kube_poddisruptionbudget_status_desired_healthy", status.desired_healthy),
                (
                    "kube_poddisruptionbudget_status_pod_disruptions_allowed",
                    status.disruptions_allowed,
                ),
                ("kube_poddisruptionbudget_status_expected_pods", status.expected_pods),
            ];
            for (name, value) in figures {
                page.put(name, &own, f64::from(value));
            }
        }
    }

    fn show_hpas(&self, page: &mut Page<'_>) {
        let there = self.hpas.iter().zip(&self.scenario.hpas).zip(&self.hpa_due);
        for ((alive, object), _) in there.filter(|(_, due)| due.is_some()) {
            let meta = &object.meta;
            let own = [("namespace", &*meta.namespace), ("horizontalpodautoscaler", &*meta.name)];
            let spec = alive.spec();
            let status = alive.status();
            let figures = [
                ("spec_min_replicas", spec.min_replicas.unwrap_or(1)),
                ("spec_max_replicas", spec.max_replicas),
                ("status_current_replicas", status.current_replicas),
                ("status_desired_replicas", status.desired_replicas),
            ];
            for (figure, value) in figures {
                let name = match figure {
                    "spec_min_replicas" => "kube_horizontalpodautoscaler_spec_min_replicas",
                    "spec_max_replicas" => "kube_horizontalpodautoscaler_spec_max_replicas",
                    "status_current_replicas" => {
                        "kube_horizontalpodautoscaler_status_current_replicas"
                    }
                    _ => "kube_horizontalpodautoscaler_status_desired_replicas",
                };
                page.put(name, &own, f64::from(value));
            }
            for condition in alive.conditions() {
                let kind = condition.kind.to_string();
                let words = [
                    ("true", hpa::ConditionStatus::True),
                    ("false", hpa::ConditionStatus::False),
                    ("unknown", hpa::ConditionStatus::Unknown),
                ];
                for (word, status) in words {
                    let labels = [own[0], own[1], ("condition", &*kind), ("status", word)];
                    page.put(
                        "kube_horizontalpodautoscaler_status_condition",
                        &labels,
                        flag(condition.status == status),
                    );
                }
            }
        }
    }

    pub(super) fn show_nodes(&self, page: &mut Page<'_>) {
        if !page.wanted.iter().any(|name| name.starts_with("kube_node_")) {
            return;
        }
        for node in self.cluster.nodes().filter(|node| node.has_joined()) {
            show_node(node, page);
        }
    }
}

fn show_node(node: &Node, page: &mut Page<'_>) {
    let name = ("node", &*node.name);
    page.put("kube_node_info", &[name], 1.0);
    page.put("kube_node_created", &[name], page.instant(node.created));
    for (key, _) in node.labels.iter() {
        if let Some(role) = key.strip_prefix("node-role.kubernetes.io/") {
            page.put("kube_node_role", &[name, ("role", role)], 1.0);
        }
    }
    for taint in &node.taints {
        let effect = taint.effect.to_string();
        let labels = [name, ("key", &*taint.key), ("value", &*taint.value), ("effect", &*effect)];
        page.put("kube_node_spec_taint", &labels, 1.0);
    }
    page.put("kube_node_spec_unschedulable", &[name], flag(node.unschedulable));
    let ready = match node.phase {
        NodePhase::Ready => ConditionStatus::True,
        NodePhase::Lost => ConditionStatus::Unknown,
        NodePhase::Requested
        | NodePhase::Failed(_)
        | NodePhase::Registered
        | NodePhase::Removing => ConditionStatus::False,
    };
    // A kubelet that is not heard of any more says nothing of its memory either.
    let pressed =
        node.taints.iter().any(|taint| &*taint.key == crate::control::node_pressure::TAINT);
    let memory = match (node.phase, pressed) {
        (NodePhase::Lost, _) => ConditionStatus::Unknown,
        (_, true) => ConditionStatus::True,
        (_, false) => ConditionStatus::False,
    };
    let words = [
        ("true", ConditionStatus::True),
        ("false", ConditionStatus::False),
        ("unknown", ConditionStatus::Unknown),
    ];
    for (condition, is) in [("Ready", ready), ("MemoryPressure", memory)] {
        for (word, status) in words {
            let labels = [name, ("condition", condition), ("status", word)];
            page.put("kube_node_status_condition", &labels, flag(is == status));
        }
    }
    let lists: [(&'static str, &Resources); 2] = [
        ("kube_node_status_allocatable", &node.allocatable),
        ("kube_node_status_capacity", &node.capacity),
    ];
    for (metric, list) in lists {
        let mut show = |resource: &str, unit: &str, value: f64| {
            page.put(metric, &[name, ("resource", resource), ("unit", unit)], value);
        };
        show("cpu", "core", list.cpu.as_cores());
        show("memory", "byte", list.memory.as_f64());
        show("nvidia_com_gpu", "integer", f64_from_i64(list.get("nvidia.com/gpu")));
        show("pods", "integer", f64::from(count_u32(usize::try_from(node.max_pods).unwrap_or(0))));
    }
}
