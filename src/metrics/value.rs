//! Any metric of the threshold catalogue, with its tags, as a figure.
//!
//! What is not modelled has no samples: `http_req_blocked`, `http_req_connecting`,
//! `http_req_tls_handshaking`, `http_req_sending`, `http_req_receiving`, `group_duration`,
//! `data_sent`, gRPC, WebSockets and `oom_kills`. A threshold on one of them is told as unmeasured,
//! never as met by a zero.

use rust_decimal::prelude::ToPrimitive;

use crate::metrics::calls::CallFigures;
use crate::metrics::cost;
use crate::metrics::course::{CoursePoint, trend_value, workload_matches};
use crate::metrics::measurements::Measurements;
use crate::metrics::tally::{Precision, Tally};
use crate::model::id::{PoolId, StationId, WorkloadId};
use crate::scenario::Scenario;
use crate::scenario::threshold::{Method, MetricSelector, MetricValue};
use crate::units::SimDuration;
use crate::units::convert::f64_from_u64;

/// A metric of a run with the tags of a selector.
#[derive(Debug, Clone, Copy)]
pub struct MetricView<'a> {
    scenario: &'a Scenario,
    measured: &'a Measurements,
    selector: &'a MetricSelector,
}

impl<'a> MetricView<'a> {
    /// The view of a selector on a run.
    #[must_use]
    pub const fn new(
        scenario: &'a Scenario,
        measured: &'a Measurements,
        selector: &'a MetricSelector,
    ) -> Self {
        Self { scenario, measured, selector }
    }

    /// Of a rate: how many samples were true, and how many there were. `None` for another metric.
    #[must_use]
    pub fn share_counts(&self) -> Option<(u64, u64)> {
        let failed = match self.selector.name() {
            "http_req_failed" => true,
            "checks" => false,
            _ => return None,
        };
        let ends = self.calls().ends;
        Some((if failed { ends.failures() } else { ends.completed }, ends.total()))
    }

    /// A gauge over time, for thresholds: each state lasts from its instant to the next. With a
    /// window, the figure of a method over the window that ends there. Empty for what is no gauge.
    #[must_use]
    pub fn gauge_course(&self, method: Method, window: Option<SimDuration>) -> Vec<CoursePoint> {
        let Some(values) = self.gauge() else { return Vec::new() };
        let series = self.measured.series();
        let spans: Vec<SimDuration> = series.spans(self.measured.measured()).collect();
        let mut points = Vec::with_capacity(values.len());
        for position in 0..values.len() {
            let from = series.times[position];
            let first = match window {
                None => position,
                Some(window) => {
                    let begins = (from + spans[position]).saturating_sub(window);
                    series.times[..=position].partition_point(|time| *time <= begins).max(1) - 1
                }
            };
            let until = position + 1;
            points.push(CoursePoint {
                from,
                to: from + spans[position],
                total: gauge_value(&values[..until], &spans[..until], method),
                current: gauge_value(&values[first..until], &spans[first..until], method),
            });
        }
        points
    }

    fn calls(&self) -> CallFigures {
        self.measured.calls_of(self.scenario, self.selector)
    }

    fn matching_workloads(&self) -> Vec<WorkloadId> {
        let all = (0..self.scenario.workloads.len()).map(WorkloadId::at);
        all.filter(|id| workload_matches(self.scenario, self.selector, *id)).collect()
    }

    fn matching_stations(&self) -> Vec<StationId> {
        let stations = &self.scenario.services.stations;
        let matches = |id: &StationId| {
            let station = &stations[id.index()];
            self.selector.tags().all(|(key, value)| match key {
                "service" => &*station.name == value,
                "workload" => station.workload.is_some_and(|workload| {
                    let spec = &self.scenario.workloads[workload.index()];
                    &*spec.meta.name == value || spec.to_string() == value
                }),
                _ => false,
            })
        };
        (0..stations.len()).map(StationId::at).filter(matches).collect()
    }

    fn matching_pools(&self) -> Vec<PoolId> {
        let pools = &self.scenario.pools;
        let matches = |id: &PoolId| {
            let spec = &pools[id.index()];
            let named = |name: &str| self.selector.matches(|key| (key == "pool").then_some(name));
            named(&spec.name) || spec.node_pool.as_deref().is_some_and(named)
        };
        (0..pools.len()).map(PoolId::at).filter(matches).collect()
    }

    /// A gauge at every instant of the series; `None` for a metric that is no gauge of the series.
    fn gauge(&self) -> Option<Vec<Option<f64>>> {
        let series = self.measured.series();
        let instants = 0..series.times.len();
        let values = match self.selector.name() {
            "vus" | "vus_max" if self.selector.tags().next().is_some() => {
                instants.map(|_| None).collect()
            }
            "vus" => {
                series.traffic.iter().map(|point| Some(f64::from(point.virtual_users))).collect()
            }
            "vus_max" => {
                let most = f64::from(self.measured.vus_max());
                instants.map(|_| Some(most)).collect()
            }
            "replicas" => self.workload_sum(|sample| f64::from(sample.ready)),
            "pods_pending" if self.selector.tags().next().is_none() => {
                series.pods_pending.iter().map(|pending| Some(f64::from(*pending))).collect()
            }
            "pods_pending" => self.workload_sum(|sample| f64::from(sample.pending)),
            "nodes" => {
                let pools = self.matching_pools();
                instants
                    .map(|instant| {
                        let ready = |pool: &PoolId| series.pools[pool.index()].get(instant);
                        sum(pools.iter().filter_map(ready).map(|pool| f64::from(pool.ready)))
                    })
                    .collect()
            }
            "cpu_utilization" => {
                let used = self.workload_sum(|sample| sample.cpu_cores);
                let requested = self.workload_sum(|sample| sample.cpu_requested_cores);
                let share = |(used, requested): (Option<f64>, Option<f64>)| {
                    requested.filter(|cores| *cores > 0.0).and_then(|cores| Some(used? / cores))
                };
                used.into_iter().zip(requested).map(share).collect()
            }
            "queue_depth" => {
                let stations = self.matching_stations();
                instants
                    .map(|instant| {
                        let state = |id: &StationId| series.station(*id).get(instant);
                        let points = stations.iter().filter_map(state);
                        sum(points.map(|point| f64::from(point.state.waiting)))
                    })
                    .collect()
            }
            "min_headroom" => self.headroom(),
            "cost_per_month" => self.cost_course()?,
            _ => return None,
        };
        Some(values)
    }

    fn workload_sum(
        &self,
        of: impl Fn(&crate::model::observer::WorkloadSample) -> f64,
    ) -> Vec<Option<f64>> {
        let series = self.measured.series();
        let workloads = self.matching_workloads();
        (0..series.times.len())
            .map(|instant| {
                let sample = |id: &WorkloadId| series.workload(*id).get(instant);
                sum(workloads.iter().filter_map(sample).map(&of))
            })
            .collect()
    }

    /// The least capacity to spare among workloads with ready pods, at every instant: what is left
    /// of the cores their ready pods may use, or of their GPUs' time.
    fn headroom(&self) -> Vec<Option<f64>> {
        let series = self.measured.series();
        let workloads = self.matching_workloads();
        let spare = |workload: WorkloadId, instant: usize| {
            let sample = series.workload(workload).get(instant)?;
            let cpu = (sample.cpu_limit_cores > 0.0)
                .then(|| 1.0 - sample.cpu_cores / sample.cpu_limit_cores);
            let gpu = self.scenario.services.station_of(workload).and_then(|station| {
                Some(1.0 - series.station(station).get(instant)?.state.gpu_busy?)
            });
            cpu.into_iter().chain(gpu).reduce(f64::min)
        };
        (0..series.times.len())
            .map(|instant| workloads.iter().filter_map(|id| spare(*id, instant)).reduce(f64::min))
            .collect()
    }

    /// Cost rate at every instant, over a month; `None` when a price is unknown or tags are asked for.
    fn cost_course(&self) -> Option<Vec<Option<f64>>> {
        if self.selector.tags().next().is_some() {
            return None;
        }
        let rates = cost::rate_per_hour(self.scenario, self.measured);
        let month = f64::from(crate::scenario::profile::HOURS_PER_MONTH);
        let of = |rate: Option<rust_decimal::Decimal>| Some(rate?.to_f64()? * month);
        Some(rates.into_iter().map(of).collect())
    }

    fn gauge_figure(&self, method: Method) -> Option<f64> {
        let values = self.gauge()?;
        let spans: Vec<SimDuration> =
            self.measured.series().spans(self.measured.measured()).collect();
        gauge_value(&values, &spans, method)
    }

    fn counter(&self, sum: u64, method: Method) -> Option<f64> {
        match method {
            Method::Count => Some(f64_from_u64(sum)),
            Method::Rate => {
                let measured = self.measured.measured();
                (!measured.is_zero()).then(|| f64_from_u64(sum) / measured.as_secs_f64())
            }
            Method::Value
            | Method::Avg
            | Method::Min
            | Method::Max
            | Method::Med
            | Method::Percentile(_) => None,
        }
    }

    fn time_to_scale(&self) -> Tally {
        let mut all = Tally::new(Precision::Fine);
        for workload in self.matching_workloads() {
            all.merge(self.measured.time_to_scale(workload));
        }
        all
    }

    /// A metric of money that has one figure for the whole run.
    fn money(&self, of: impl Fn(&cost::Cost) -> Option<rust_decimal::Decimal>) -> Option<f64> {
        if self.selector.tags().next().is_some() {
            return None;
        }
        of(&cost::Cost::of(self.scenario, self.measured))?.to_f64()
    }
}

fn sum(values: impl Iterator<Item = f64>) -> Option<f64> {
    values.reduce(|left, right| left + right)
}

/// The figure of a method over states that last for spans: the mean is weighted by time.
fn gauge_value(values: &[Option<f64>], spans: &[SimDuration], method: Method) -> Option<f64> {
    let known = || values.iter().copied().flatten();
    match method {
        Method::Value => values.iter().rev().copied().flatten().next(),
        Method::Min => known().reduce(f64::min),
        Method::Max => known().reduce(f64::max),
        Method::Avg => {
            let weighted = values.iter().zip(spans).filter_map(|(value, span)| {
                value.map(|value| (value * span.as_secs_f64(), span.as_secs_f64()))
            });
            let (area, time) =
                weighted.fold((0.0, 0.0), |(area, time), (a, t)| (area + a, time + t));
            if time > 0.0 { Some(area / time) } else { known().last() }
        }
        Method::Count | Method::Rate | Method::Med | Method::Percentile(_) => None,
    }
}

impl MetricValue for MetricView<'_> {
    fn value(&self, method: Method) -> Option<f64> {
        let iterations = || self.measured.iterations_of(self.scenario, self.selector);
        match self.selector.name() {
            "http_req_duration" | "http_req_waiting" => {
                trend_value(&self.calls().durations, method)
            }
            "http_req_failed" | "checks" => {
                let (matching, of) = self.share_counts()?;
                (of > 0).then(|| f64_from_u64(matching) / f64_from_u64(of))
            }
            "http_reqs" => self.counter(self.calls().ends.total(), method),
            "data_received" => self.counter(self.calls().received_bytes, method),
            "iterations" => self.counter(iterations().durations.count(), method),
            "iteration_duration" => trend_value(&iterations().durations, method),
            "dropped_iterations" => self.counter(iterations().dropped, method),
            "time_to_scale" => trend_value(&self.time_to_scale(), method),
            "evictions_blocked" if self.selector.tags().next().is_none() => {
                self.counter(self.measured.evictions_blocked(), method)
            }
            "oom_kills" if self.selector.tags().next().is_none() => {
                self.counter(self.measured.oom_kills(), method)
            }
            "nodes_disrupted" if self.selector.tags().next().is_none() => {
                self.counter(self.measured.nodes_disrupted(), method)
            }
            "pods_disrupted" if self.selector.tags().next().is_none() => {
                self.counter(self.measured.pods_disrupted(), method)
            }
            // The worst moment is what the metric is about.
            "min_headroom" if method == Method::Value => self.gauge_figure(Method::Min),
            "cost_per_month" if matches!(method, Method::Value | Method::Avg) => {
                self.money(cost::Cost::per_month)
            }
            "cost_per_million_requests" => self.money(|cost| cost.per_million_requests),
            _ => self.gauge_figure(method),
        }
    }
}
