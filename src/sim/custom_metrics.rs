//! Custom and external metrics: the adapter scrapes services, and HPAs ask it by name.

use std::sync::Arc;

use crate::control::hpa::{HpaSpec, MetricIdentifier, MetricSpec, PodValue, Reading};
use crate::control::metrics_adapter::Series;
use crate::model::id::{PodId, WorkloadId};
use crate::model::observer::Observer;
use crate::scenario::custom_metric::{CustomMetricSpec, Quantity};
use crate::service::Latencies;
use crate::sim::Run;
use crate::units::SimTime;
use crate::units::convert::f64_from_u64;

/// What an HPA was answered about one metric, until its sync is over.
#[derive(Debug)]
pub(super) enum Answer {
    None,
    PerPod(Vec<(Arc<str>, i64)>),
    One(i64),
}

impl<O: Observer> Run<'_, O> {
    /// The adapter's scrape, at the beat of metrics-server.
    pub(super) fn scrape_services(&mut self, now: SimTime) {
        let metrics = &self.scenario.custom_metrics;
        for (spec, series) in metrics.iter().zip(&mut self.custom_metrics) {
            let CustomMetricSpec { station, quantity, window, .. } = spec;
            let services = &self.services;
            let whole = match quantity {
                Quantity::RequestsPerSecond => f64_from_u64(services.served(*station)),
                Quantity::InFlight => f64::from(services.inside(*station)),
                Quantity::Waiting => f64::from(services.waiting(*station)),
                Quantity::MeanLatency | Quantity::Latency(_) => {
                    if let Some(counted) = services.latencies(*station) {
                        series.scrape_latencies(now, *window, *counted);
                    }
                    continue;
                }
            };
            let stations = &self.stations;
            let owners = &self.pod_owners;
            let mine = self
                .servers
                .iter()
                .filter(|(pod, _)| stations[owners[pod.index()].index()] == Some(*station));
            let pods = mine.map(|(pod, server)| {
                let value = match quantity {
                    Quantity::RequestsPerSecond => f64_from_u64(services.served_by(*server)),
                    Quantity::InFlight => f64::from(services.inside_server(*server)),
                    Quantity::Waiting => f64::from(services.waiting_at(*server)),
                    Quantity::MeanLatency | Quantity::Latency(_) => 0.0,
                };
                (*pod, value)
            });
            series.scrape(now, *window, whole, pods);
        }
    }

    /// What the adapter answers about each metric of an HPA.
    pub(super) fn answers(&self, spec: &HpaSpec, target: WorkloadId) -> Vec<Answer> {
        spec.metrics.iter().map(|metric| self.answer(metric, target)).collect()
    }

    fn answer(&self, metric: &MetricSpec, target: WorkloadId) -> Answer {
        match metric {
            MetricSpec::Resource { .. } | MetricSpec::ContainerResource { .. } => Answer::None,
            MetricSpec::Pods { metric, .. } => {
                let Some((series, quantity)) = self.series(metric) else {
                    return Answer::None;
                };
                let pods = self.cluster.pods_of(target);
                let value = |id: PodId| series.pod_milli(id, quantity.is_rate());
                let values = pods.filter_map(|pod| Some((Arc::clone(&pod.name), value(pod.id)?)));
                let values: Vec<_> = values.collect();
                if values.is_empty() { Answer::None } else { Answer::PerPod(values) }
            }
            MetricSpec::Object { metric, .. } | MetricSpec::External { metric, .. } => {
                if let Some(value) = self.keda_answer(&metric.name) {
                    return value.map_or(Answer::None, Answer::One);
                }
                let value = self.series(metric);
                let value = value.and_then(|(series, quantity)| whole_milli(series, quantity));
                value.map_or(Answer::None, Answer::One)
            }
        }
    }

    /// The series of a name that its selector chooses. One of which no labels are stated is any.
    fn series(&self, wanted: &MetricIdentifier) -> Option<(&Series, Quantity)> {
        let metrics = &self.scenario.custom_metrics;
        let position = metrics.iter().position(|spec| {
            *spec.name == *wanted.name
                && (spec.labels.is_empty()
                    || wanted.selector.as_ref().is_none_or(|it| it.matches(&spec.labels)))
        })?;
        Some((&self.custom_metrics[position], metrics[position].quantity))
    }
}

/// The value of a whole service, in thousandths; `None` without enough samples.
pub(super) fn whole_milli(series: &Series, quantity: Quantity) -> Option<i64> {
    match quantity {
        Quantity::MeanLatency => series.latency_milli(Latencies::mean_s),
        Quantity::Latency(share) => series.latency_milli(|counted| counted.quantile_s(share)),
        Quantity::RequestsPerSecond | Quantity::InFlight | Quantity::Waiting => {
            series.whole_milli(quantity.is_rate())
        }
    }
}

/// Answers in the form in which the controller reads them; `values` and `ones` lend their room.
pub(super) fn pod_values(answers: &[Answer]) -> Vec<Vec<PodValue<'_>>> {
    answers.iter().map(values_of).collect()
}

fn values_of(answer: &Answer) -> Vec<PodValue<'_>> {
    match answer {
        Answer::PerPod(values) => values
            .iter()
            .map(|(pod, value_milli)| PodValue { pod, value_milli: *value_milli })
            .collect(),
        Answer::None | Answer::One(_) => Vec::new(),
    }
}

/// One reading a metric, as its kind wants it.
pub(super) fn readings<'a>(
    spec: &HpaSpec,
    answers: &'a [Answer],
    pods: &'a [Vec<PodValue<'a>>],
) -> Vec<Reading<'a>> {
    let reading =
        |((metric, answer), pods): ((&MetricSpec, &'a Answer), &'a Vec<PodValue<'a>>)| match (
            metric, answer,
        ) {
            (MetricSpec::Pods { .. }, Answer::PerPod(_)) => Reading::PerPod(pods),
            (MetricSpec::Object { .. }, Answer::One(value)) => Reading::Single(*value),
            (MetricSpec::External { .. }, Answer::One(value)) => {
                Reading::Series(std::slice::from_ref(value))
            }
            _ => Reading::Failed,
        };
    spec.metrics.iter().zip(answers).zip(pods).map(reading).collect()
}
