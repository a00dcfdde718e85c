//! cAdvisor in the kubelets: what containers and pods use, and what they may use.
//!
//! Each pod has a series of its own beside those of its containers, without the label `container`; a
//! container without a limit has the limit 0 (google/cadvisor, metrics/prometheus.go).

use std::sync::Arc;

use crate::model::id::PodId;
use crate::model::observer::Observer;
use crate::service::Throttling;
use crate::sim::Run;
use crate::sim::exporters::{Page, uid};
use crate::units::SimTime;

const ANY: [&str; 11] = [
    "container_cpu_cfs_periods_total",
    "container_cpu_cfs_throttled_periods_total",
    "container_cpu_cfs_throttled_seconds_total",
    "container_cpu_usage_seconds_total",
    "container_memory_working_set_bytes",
    "container_memory_usage_bytes",
    "container_memory_rss",
    "container_spec_memory_limit_bytes",
    "container_spec_cpu_quota",
    "container_spec_cpu_period",
    "container_start_time_seconds",
];

/// The period of CFS (µs).
const PERIOD: f64 = 100_000.0;

/// A control group and what it says.
struct Group<'a> {
    namespace: &'a str,
    pod: &'a str,
    container: &'a str,
    image: &'a str,
    id: String,
    node: &'a str,
    cpu_core_s: f64,
    memory_bytes: f64,
    memory_limit: f64,
    cpu_limit: f64,
    since: SimTime,
    throttling: Option<Throttling>,
}

impl Group<'_> {
    fn show(&self, page: &mut Page<'_>) {
        let labels = [
            ("namespace", self.namespace),
            ("pod", self.pod),
            ("container", self.container),
            ("image", self.image),
            ("id", &*self.id),
            ("node", self.node),
            ("metrics_path", "/metrics/cadvisor"),
        ];
        page.put("container_cpu_usage_seconds_total", &labels, self.cpu_core_s);
        page.put("container_memory_working_set_bytes", &labels, self.memory_bytes);
        page.put("container_memory_usage_bytes", &labels, self.memory_bytes);
        page.put("container_memory_rss", &labels, self.memory_bytes);
        page.put("container_spec_memory_limit_bytes", &labels, self.memory_limit);
        if self.cpu_limit > 0.0 {
            page.put("container_spec_cpu_quota", &labels, self.cpu_limit * PERIOD);
        }
        page.put("container_spec_cpu_period", &labels, PERIOD);
        if let Some(counted) = self.throttling {
            page.put("container_cpu_cfs_periods_total", &labels, counted.periods);
            let (periods, seconds) = (counted.throttled_periods, counted.throttled_s);
            page.put("container_cpu_cfs_throttled_periods_total", &labels, periods);
            page.put("container_cpu_cfs_throttled_seconds_total", &labels, seconds);
        }
        let since = page.instant(self.since);
        page.put("container_start_time_seconds", &labels, since);
    }
}

impl<O: Observer> Run<'_, O> {
    pub(super) fn show_usage(&mut self, now: SimTime, page: &mut Page<'_>) {
        if !page.wants(&ANY) {
            return;
        }
        let pods: Vec<PodId> = self.cluster.pod_ids().collect();
        for id in pods {
            // A kubelet that does not answer is not scraped.
            let Some(pod) = self.cluster.pod(id) else { continue };
            let node = pod.node.and_then(|node| self.cluster.node(node));
            let Some(node) = node.filter(|node| node.has_kubelet()) else { continue };
            let node = Arc::clone(&node.name);
            let usages = self.usage_of(now, id);
            let Some(pod) = self.cluster.pod(id) else { continue };
            let uid = uid(id);
            let mut whole = Group {
                namespace: &pod.namespace,
                pod: &pod.name,
                container: "",
                image: "",
                id: format!("/kubepods/pod{uid}"),
                node: &node,
                cpu_core_s: 0.0,
                memory_bytes: 0.0,
                memory_limit: 0.0,
                cpu_limit: 0.0,
                since: now,
                throttling: None,
            };
            let (mut memory_bound, mut cpu_bound) = (true, true);
            for usage in &usages {
                let Some(container) = pod.template.spec.container_at(usage.position) else {
                    continue;
                };
                let memory = container.limits.memory.map_or(0.0, |memory| memory.as_f64());
                let cpu = container.limits.cpu.map_or(0.0, |cpu| cpu.as_cores());
                whole.cpu_core_s += usage.cpu_core_s;
                whole.memory_bytes += usage.memory_bytes;
                whole.memory_limit += memory;
                whole.cpu_limit += cpu;
                whole.since = whole.since.min(usage.since);
                memory_bound &= memory > 0.0;
                cpu_bound &= cpu > 0.0;
                let group = Group {
                    container: &container.name,
                    image: &container.image,
                    id: format!("/kubepods/pod{uid}/{}", container.name),
                    cpu_core_s: usage.cpu_core_s,
                    memory_bytes: usage.memory_bytes,
                    memory_limit: memory,
                    cpu_limit: cpu,
                    since: usage.since,
                    throttling: usage.throttling,
                    ..whole
                };
                group.show(page);
            }
            // A pod is bounded when all of its containers are.
            whole.memory_limit = if memory_bound { whole.memory_limit } else { 0.0 };
            whole.cpu_limit = if cpu_bound { whole.cpu_limit } else { 0.0 };
            if !usages.is_empty() {
                whole.show(page);
            }
        }
    }
}
