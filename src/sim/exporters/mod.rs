//! What the exporters of a cluster show when Prometheus scrapes them: kube-state-metrics, the kubelets'
//! cAdvisor, NVIDIA's exporter, and what services tell of their pools and queues.
//!
//! Only what rules ask for is made. Requests are not told here: whoever evaluates rules hears each of
//! them and counts, as the processes would.

mod batch;
mod devices;
mod kube_state;
mod objects;
mod usage;

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::model::Event;
use crate::model::event::ExporterStep;
use crate::model::id::PodId;
use crate::model::observer::Observer;
use crate::promql::{Labels, NAME};
use crate::scenario::ServiceModel;
use crate::scenario::alerts::catalogue;
use crate::service::spec::StationKind;
use crate::sim::Run;
use crate::units::{SimDuration, SimTime};

/// The span over which NVIDIA's driver takes a GPU's utilisation (NVML `nvmlUtilization_t`: between a
/// sixth of a second and a second).
const GPU_SPAN: SimDuration = SimDuration::from_secs(1);

/// What is shown at one scrape.
pub(super) struct Page<'a> {
    wanted: &'a BTreeSet<Arc<str>>,
    series: Vec<(Labels, f64)>,
    /// The labels of the last page: what stands at the same place has mostly the same ones.
    before: &'a [Labels],
    /// What the clock shows at the beginning of the run (s).
    epoch_s: f64,
}

impl Page<'_> {
    /// An instant as exporters tell it (s).
    fn instant(&self, at: SimTime) -> f64 {
        self.epoch_s + at.since(SimTime::ZERO).as_secs_f64()
    }

    /// Whether any rule asks for any of these metrics.
    fn wants(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.wanted.contains(*name))
    }

    /// Shows a value under its labels and the job of its exporter, when a rule asks for it.
    fn put(&mut self, name: &'static str, labels: &[(&str, &str)], value: f64) {
        if !self.wanted.contains(name) {
            return;
        }
        // The exporter's job, or where it has none that of whoever shows the value.
        let job = catalogue::find(name).map(|metric| metric.job).filter(|job| !job.is_empty());
        let own = labels.iter().copied().filter(|(name, _)| job.is_none() || *name != "job");
        let job = job.map(|job| ("job", job));
        let all: Vec<(&str, &str)> = own.chain([(NAME, name)]).chain(job).collect();
        let known = self.before.get(self.series.len()).filter(|known| known.are(&all));
        let all = known.map_or_else(|| Labels::of(all), Labels::clone);
        self.series.push((all, value));
    }
}

/// A truth as exporters tell it.
fn flag(holds: bool) -> f64 {
    if holds { 1.0 } else { 0.0 }
}

/// A stable stand-in for `metadata.uid`.
fn uid(pod: PodId) -> String {
    format!("00000000-0000-4000-8000-{:012x}", pod.index())
}

impl<O: Observer> Run<'_, O> {
    /// Scrapes lie so that one falls on the start of measuring.
    pub(super) fn start_exporters(&mut self) {
        if !self.scenario.alerts.is_watched() {
            return;
        }
        let interval = self.scenario.alerts.scrape_interval.as_nanos();
        let warm_up = self.measured_from.since(SimTime::ZERO).as_nanos();
        let first = SimDuration::from_nanos(warm_up % interval);
        self.schedule(first, Event::Exporters(ExporterStep::Scrape));
    }

    pub(super) fn look_at_exporters(&mut self, now: SimTime, step: ExporterStep) {
        match step {
            ExporterStep::Mark => self.mark_gpus(now),
            ExporterStep::Scrape => {
                let scenario = self.scenario;
                let before = std::mem::take(&mut self.exported);
                let mut page = Page {
                    wanted: &scenario.alerts.wanted,
                    series: Vec::with_capacity(before.len()),
                    before: &before,
                    epoch_s: scenario.alerts.epoch_s(),
                };
                self.show_pods(now, &mut page);
                self.show_workloads(&mut page);
                self.show_objects(&mut page);
                self.show_jobs(&mut page);
                self.show_quotas(now, &mut page);
                self.show_nodes(&mut page);
                self.show_usage(now, &mut page);
                self.show_devices(now, &mut page);
                self.show_services(&mut page);
                self.exported = page.series.iter().map(|(labels, _)| labels.clone()).collect();
                self.observer.scraped(now, page.series);
                self.schedule_scrape();
            }
        }
    }

    fn schedule_scrape(&mut self) {
        let interval = self.scenario.alerts.scrape_interval;
        self.schedule(interval, Event::Exporters(ExporterStep::Scrape));
        // The fluid model knows no moments within a tick, so that the whole interval must do.
        let requests = self.scenario.model == ServiceModel::Requests;
        let gpus = self.scenario.alerts.wanted.contains("DCGM_FI_DEV_GPU_UTIL");
        if requests && gpus && interval > GPU_SPAN {
            let mark = interval.saturating_sub(GPU_SPAN);
            self.schedule(mark, Event::Exporters(ExporterStep::Mark));
        } else {
            let now = self.queue.now();
            self.mark_gpus(now);
        }
    }

    /// What services tell of their queues and pools.
    fn show_services(&self, page: &mut Page<'_>) {
        const QUEUES: [&str; 2] = ["celery_queue_length", "http_requests_in_flight"];
        const POOLS: [&str; 2] = ["db_connection_pool_in_use", "db_connection_pool_size"];
        let stations = &self.scenario.services.stations;
        let namespace = |workload| match workload {
            Some(id) => &*self.cluster.workload(id).spec.meta.namespace,
            None => "",
        };
        if page.wants(&QUEUES) {
            for (position, station) in stations.iter().enumerate() {
                let id = crate::model::id::StationId::at(position);
                let own = [("namespace", namespace(station.workload)), ("service", &*station.name)];
                let labels = [own[0], own[1], ("job", &*station.name)];
                let inside = f64::from(self.services.inside(id));
                page.put("http_requests_in_flight", &labels, inside);
                if matches!(station.kind, StationKind::Worker(_)) {
                    let labels = [own[0], own[1], labels[2], ("queue_name", &*station.name)];
                    let waiting = f64::from(self.services.waiting(id));
                    page.put("celery_queue_length", &labels, waiting);
                }
            }
        }
        if !page.wants(&POOLS) {
            return;
        }
        for (pod, server) in &self.servers {
            let Some(pod) = self.cluster.pod(*pod) else { continue };
            let Some(station) = self.stations[pod.workload().index()] else { continue };
            let service = &*stations[station.index()].name;
            for pool in self.services.pools_of(*server) {
                let labels = [
                    ("namespace", &*pod.namespace),
                    ("service", service),
                    ("job", service),
                    ("pod", &*pod.name),
                    ("store", &*stations[pool.to.index()].name),
                ];
                page.put("db_connection_pool_in_use", &labels, f64::from(pool.in_use));
                page.put("db_connection_pool_size", &labels, f64::from(pool.size));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_has_the_job_of_its_exporter_or_its_own() {
        let names = ["db_connection_pool_in_use", "kube_pod_status_ready"];
        let wanted: BTreeSet<Arc<str>> = names.map(Arc::from).into();
        let mut before = Vec::new();
        // The second time by the labels of the first.
        for _ in 0..2 {
            let mut page =
                Page { wanted: &wanted, series: Vec::new(), before: &before, epoch_s: 0.0 };
            for name in names {
                page.put(name, &[("job", "api"), ("pod", "api-1")], 1.0);
            }
            let jobs: Vec<&str> = page.series.iter().map(|(labels, _)| labels.get("job")).collect();
            assert_eq!(jobs, ["api", "kube-state-metrics"]);
            before = page.series.into_iter().map(|(labels, _)| labels).collect();
        }
    }
}
