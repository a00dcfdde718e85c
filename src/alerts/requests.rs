//! Requests as services and the ingress count them.
//!
//! One series stands for all pods of a service: which pod served is not told to observers. A series is
//! there from its first request on, as client libraries make it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::model::id::OperationId;
use crate::model::observer::CallEnd;
use crate::promql::{Labels, NAME};
use crate::scenario::Scenario;
use crate::scenario::alerts::catalogue::INGRESS;
use crate::units::SimDuration;
use crate::units::convert::f64_from_u64;

/// Upper bounds of buckets: the default ones of Prometheus' client libraries (s).
const BOUNDS: [(f64, &str); 11] = [
    (0.005, "0.005"),
    (0.01, "0.01"),
    (0.025, "0.025"),
    (0.05, "0.05"),
    (0.1, "0.1"),
    (0.25, "0.25"),
    (0.5, "0.5"),
    (1.0, "1"),
    (2.5, "2.5"),
    (5.0, "5"),
    (10.0, "10"),
];

/// Requests of one operation that ended alike.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Cell {
    count: u64,
    sum_s: f64,
    buckets: [u64; BOUNDS.len()],
}

impl Cell {
    fn add(&mut self, took: SimDuration, count: u64) {
        let seconds = took.as_secs_f64();
        self.count += count;
        self.sum_s += seconds * f64_from_u64(count);
        if let Some(at) = BOUNDS.iter().position(|(bound, _)| seconds <= *bound) {
            self.buckets[at] += count;
        }
    }
}

/// The names of a family of metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Family {
    total: &'static str,
    bucket: &'static str,
    sum: &'static str,
    count: &'static str,
}

const HTTP: Family = Family {
    total: "http_requests_total",
    bucket: "http_request_duration_seconds_bucket",
    sum: "http_request_duration_seconds_sum",
    count: "http_request_duration_seconds_count",
};

const NGINX: Family = Family {
    total: "nginx_ingress_controller_requests",
    bucket: "nginx_ingress_controller_request_duration_seconds_bucket",
    sum: "nginx_ingress_controller_request_duration_seconds_sum",
    count: "nginx_ingress_controller_request_duration_seconds_count",
};

/// Requests by operation and end, as one side counts them.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Requests {
    family: Family,
    wanted: Vec<&'static str>,
    cells: Vec<[Cell; CallEnd::ALL.len()]>,
    /// Labels of each operation, without those of its end.
    labels: Vec<Labels>,
    /// Those of the series of an operation and status, in the order they are shown.
    shown: BTreeMap<(usize, &'static str), Vec<Labels>>,
}

impl Requests {
    /// What services count at themselves; `None` when no rule asks.
    pub(super) fn of_services(scenario: &Scenario, wanted: &BTreeSet<Arc<str>>) -> Option<Self> {
        Self::new(HTTP, scenario, wanted, |service, namespace| {
            vec![("namespace", namespace), ("service", service), ("job", service)]
        })
    }

    /// What the ingress controller counts of clients; `None` when no rule asks.
    pub(super) fn of_clients(scenario: &Scenario, wanted: &BTreeSet<Arc<str>>) -> Option<Self> {
        Self::new(NGINX, scenario, wanted, |service, namespace| {
            vec![
                ("namespace", namespace),
                ("exported_namespace", namespace),
                ("service", service),
                ("exported_service", service),
                ("job", INGRESS),
            ]
        })
    }

    fn new<'s>(
        family: Family,
        scenario: &'s Scenario,
        wanted: &BTreeSet<Arc<str>>,
        own: impl Fn(&'s str, &'s str) -> Vec<(&'s str, &'s str)>,
    ) -> Option<Self> {
        let names = [family.total, family.bucket, family.sum, family.count];
        let wanted: Vec<&str> = names.into_iter().filter(|name| wanted.contains(*name)).collect();
        if wanted.is_empty() {
            return None;
        }
        let graph = &scenario.services;
        let labels = graph.operations.iter().map(|operation| {
            let station = &graph.stations[operation.station.index()];
            let namespace =
                station.workload.map_or("", |id| &*scenario.workloads[id.index()].meta.namespace);
            let handler = if family == HTTP { "handler" } else { "path" };
            let pairs = own(&station.name, namespace);
            Labels::of(pairs.into_iter().chain([(handler, &*operation.name)]))
        });
        Some(Self {
            family,
            wanted,
            cells: vec![[Cell::default(); CallEnd::ALL.len()]; graph.operations.len()],
            labels: labels.collect(),
            shown: BTreeMap::new(),
        })
    }

    /// `count` requests ended alike. Who dies or never gets a request counts none.
    pub(super) fn ended(
        &mut self,
        operation: OperationId,
        end: CallEnd,
        took: SimDuration,
        count: u64,
    ) {
        if !matches!(end, CallEnd::Cut | CallEnd::ShortCircuited) {
            self.cells[operation.index()][end.number()].add(took, count);
        }
    }

    /// All series as they are now.
    pub(super) fn expose(&mut self, into: &mut Vec<(Labels, f64)>) {
        for operation in 0..self.cells.len() {
            // 503 has several ways to come about, and is one series.
            let mut by_status: Vec<(&'static str, Cell)> = Vec::new();
            for (cell, end) in self.cells[operation].iter().zip(CallEnd::ALL) {
                match by_status.iter_mut().find(|(status, _)| *status == end.status()) {
                    Some((_, whole)) => {
                        whole.count += cell.count;
                        whole.sum_s += cell.sum_s;
                        let both = whole.buckets.iter_mut().zip(cell.buckets);
                        both.for_each(|(whole, more)| *whole += more);
                    }
                    None => by_status.push((end.status(), *cell)),
                }
            }
            for (status, cell) in by_status.iter().filter(|(_, cell)| cell.count > 0) {
                let known = (operation, *status);
                if !self.shown.contains_key(&known) {
                    self.shown.insert(known, self.labels_of(operation, status));
                }
                let labels = self.shown[&known].iter().cloned();
                into.extend(labels.zip(self.values_of(cell)));
            }
        }
    }

    /// The labels of an operation's series of a status.
    fn labels_of(&self, operation: usize, status: &str) -> Vec<Labels> {
        let mut labels = self.labels[operation].clone();
        labels.set("status", status);
        if self.family == HTTP {
            labels.set("code", status);
        }
        let mut all = Vec::new();
        for name in &self.wanted {
            let mut own = labels.clone();
            own.set(NAME, name);
            if *name == self.family.bucket {
                for le in BOUNDS.iter().map(|(_, le)| *le).chain(["+Inf"]) {
                    own.set("le", le);
                    all.push(own.clone());
                }
            } else {
                all.push(own);
            }
        }
        all
    }

    /// Their values, in the same order.
    fn values_of(&self, cell: &Cell) -> Vec<f64> {
        let mut all = Vec::new();
        for name in &self.wanted {
            if *name == self.family.bucket {
                let mut below = 0;
                for more in cell.buckets {
                    below += more;
                    all.push(f64_from_u64(below));
                }
                all.push(f64_from_u64(cell.count));
            } else if *name == self.family.sum {
                all.push(cell.sum_s);
            } else {
                all.push(f64_from_u64(cell.count));
            }
        }
        all
    }
}
