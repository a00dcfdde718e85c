//! NVIDIA's exporter: each GPU of a node, in use by a pod or by none.

use crate::cluster::Node;
use crate::cluster::api::{GPU, GpuSharing};
use crate::model::id::PodId;
use crate::model::observer::Observer;
use crate::sim::Run;
use crate::sim::exporters::Page;
use crate::units::SimTime;

const METRIC: &str = "DCGM_FI_DEV_GPU_UTIL";

impl<O: Observer> Run<'_, O> {
    /// Notes how long the GPU of each pod was busy so far.
    pub(super) fn mark_gpus(&mut self, now: SimTime) {
        if !self.scenario.alerts.wanted.contains(METRIC) {
            return;
        }
        let busy = self.servers.iter().filter_map(|(pod, server)| {
            let busy = self.services.gpu_busy(now, *server)?;
            Some((*pod, (now, busy.as_secs_f64())))
        });
        self.gpu_marks = busy.collect();
    }

    /// Per cent of the time since the mark in which a pod's GPU was busy, in whole numbers as NVML tells.
    fn gpu_utilisation(&self, now: SimTime, pod: PodId) -> f64 {
        let busy = self.servers.get(&pod).and_then(|server| self.services.gpu_busy(now, *server));
        let Some((busy, (since, before))) = busy.zip(self.gpu_marks.get(&pod)) else { return 0.0 };
        let span = now.since(*since).as_secs_f64();
        if span <= 0.0 {
            return 0.0;
        }
        let share = ((busy.as_secs_f64() - before) / span).clamp(0.0, 1.0);
        libm::round(share * 100.0)
    }

    pub(super) fn show_devices(&self, now: SimTime, page: &mut Page<'_>) {
        if !page.wants(&[METRIC]) {
            return;
        }
        for node in self.cluster.nodes().filter(|node| node.has_kubelet()) {
            let sharing = node.pool.and_then(|pool| self.cluster.pool(pool).spec.gpu_sharing);
            let name = sharing.map_or(GPU, GpuSharing::resource);
            if node.allocatable.get(name) > 0 {
                self.show_gpus(now, node, name, page);
            }
        }
    }

    /// Slices go round the GPUs: each of them is told once for each pod that has a part of it.
    fn show_gpus(&self, now: SimTime, node: &Node, name: &str, page: &mut Page<'_>) {
        let there = node.capacity.get(GPU).max(1);
        let mut next = 0_i64;
        let model = node.label("nvidia.com/gpu.product").unwrap_or("");
        let mut show = |number: i64, pod: (&str, &str, &str), utilisation: f64| {
            let (namespace, name, container) = pod;
            let gpu = number.to_string();
            let uuid = format!("GPU-{}-{gpu}", node.name);
            let device = format!("nvidia{gpu}");
            let labels = [
                ("gpu", &*gpu),
                ("UUID", &*uuid),
                ("device", &*device),
                ("modelName", model),
                ("Hostname", &*node.name),
                ("namespace", namespace),
                ("pod", name),
                ("container", container),
            ];
            page.put(METRIC, &labels, utilisation);
        };
        for pod in node.pods.iter().filter_map(|id| self.cluster.pod(*id)) {
            let holder = pod
                .template
                .spec
                .containers
                .iter()
                .find(|it| it.limits.extended.iter().any(|(held, _)| &**held == name));
            let container = holder.map_or("", |it| &*it.name);
            let utilisation = self.gpu_utilisation(now, pod.id);
            for _ in 0..pod.requests.get(name).min(there) {
                show(next % there, (&pod.namespace, &pod.name, container), utilisation);
                next += 1;
            }
        }
        for number in next..there {
            show(number, ("", "", ""), 0.0);
        }
    }
}
