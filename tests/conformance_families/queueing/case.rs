//! A case as the file states it, and the services it stands for.

use std::collections::BTreeMap;

use aurelius_sim::engine::Dist;
use aurelius_sim::service::ServiceGraph;
use aurelius_sim::service::spec::{BatchLatency, ClientStep, GpuSpec, GpuWork, StationKind};
use aurelius_sim::units::SimDuration;
use serde::Deserialize;

use super::harness::{call, class, cpu, operation, station};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Case {
    pub(super) name: String,
    pub(super) model: String,
    pub(super) arrival_rate: Option<f64>,
    pub(super) population: Option<u32>,
    think_time: Option<Law>,
    service: Option<Law>,
    servers: Option<u32>,
    discipline: Option<Discipline>,
    capacity: Option<u32>,
    pub(super) patience: Option<Law>,
    stations: Option<Vec<Hop>>,
    #[serde(rename = "setup_ms")]
    setup_ms: Option<f64>,
    #[serde(rename = "per_item_ms")]
    per_item_ms: Option<f64>,
    max_batch: Option<u32>,
    pub(super) expect: BTreeMap<String, f64>,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
enum Discipline {
    Fifo,
    ProcessorSharing,
}

/// A station of a tandem.
#[derive(Deserialize)]
struct Hop {
    servers: u32,
    service: Law,
}

/// A distribution.
#[derive(Deserialize)]
pub(super) struct Law {
    distribution: String,
    mean: f64,
    cv: Option<f64>,
    min: Option<f64>,
    max: Option<f64>,
}

impl Law {
    pub(super) fn dist(&self) -> Dist {
        let dist = match self.distribution.as_str() {
            "exponential" => Dist::exponential(self.mean),
            "constant" => Dist::constant(self.mean),
            "erlang2" => Dist::erlang(self.mean, 2),
            "lognormal" => Dist::lognormal_mean_cv(self.mean, self.cv.expect("it has a cv")),
            "uniform" => Dist::uniform(self.min.expect("bounds"), self.max.expect("bounds")),
            other => panic!("no distribution {other} is known"),
        };
        dist.expect("the parameters are valid")
    }
}

impl Case {
    /// Cores of each station; one server of the textbook is one core.
    pub(super) fn cores(&self) -> Vec<f64> {
        match (&self.stations, self.servers) {
            (Some(hops), _) => hops.iter().map(|hop| f64::from(hop.servers)).collect(),
            (None, servers) => vec![f64::from(servers.unwrap_or(1))],
        }
    }

    /// Core-seconds of work that arrive per second, when all of it is done in the end.
    pub(super) fn offered_cores(&self) -> Option<f64> {
        let all_is_served = self.capacity.is_none() && self.patience.is_none();
        let rate = self.arrival_rate.filter(|_| all_is_served)?;
        Some(rate * self.services().iter().map(|law| law.mean).sum::<f64>())
    }

    /// The load of the busiest station in an open model without losses.
    pub(super) fn load(&self) -> Option<f64> {
        let rate = self.arrival_rate.filter(|_| self.offered_cores().is_some())?;
        let stations = self.services().into_iter().zip(self.cores());
        stations.map(|(law, cores)| rate * law.mean / cores).reduce(f64::max)
    }

    /// The largest squared coefficient of variation of a service time.
    pub(super) fn service_scv(&self) -> f64 {
        self.services().iter().map(|law| law.dist().cv()).map(|cv| cv * cv).fold(0.0, f64::max)
    }

    /// Requests per second at most, to choose how long to look.
    pub(super) fn requests_per_second(&self) -> f64 {
        match (self.arrival_rate, self.expect.get("throughput")) {
            (Some(rate), _) => rate,
            (None, throughput) => *throughput.expect("a closed model states its throughput"),
        }
    }

    /// Clients that loop without end.
    pub(super) fn clients(&self) -> Option<u32> {
        // Twice the largest batch waits whenever one ends: the server is saturated.
        self.population.or(self.max_batch.map(|most| 3 * most))
    }

    fn services(&self) -> Vec<&Law> {
        match &self.stations {
            Some(hops) => hops.iter().map(|hop| &hop.service).collect(),
            None => self.service.iter().collect(),
        }
    }

    /// The services and what a client does.
    pub(super) fn graph(&self) -> ServiceGraph {
        if let (Some(setup_ms), Some(per_item_ms)) = (self.setup_ms, self.per_item_ms) {
            return self.batch_server(setup_ms, per_item_ms);
        }
        let mut graph = ServiceGraph::default();
        let mut steps = Vec::new();
        if let Some(think) = &self.think_time {
            steps.push(ClientStep::Sleep(think.dist()));
        }
        for (number, (law, cores)) in self.services().iter().zip(self.cores()).enumerate() {
            let number = u32::try_from(number).expect("few stations");
            let servers = format!("{cores}").parse().expect("a whole number of servers");
            let shared = self.discipline == Some(Discipline::ProcessorSharing);
            let mut spec = station(&format!("station-{number}"), cpu((!shared).then_some(servers)));
            spec.backlog = self.capacity.map(|capacity| capacity - servers);
            graph.stations.push(spec);
            graph.operations.push(operation(number, &format!("{number}.work"), Some(law.dist())));
            steps.push(call(number, None));
        }
        graph.classes.push(class(steps));
        graph
    }

    fn batch_server(&self, setup_ms: f64, per_item_ms: f64) -> ServiceGraph {
        let span = |ms: f64| SimDuration::from_secs_f64(ms / 1e3);
        let latency = BatchLatency::Line { base: span(setup_ms), per_item: span(per_item_ms) };
        let max_batch = self.max_batch.expect("a batch server has a largest batch");
        let gpu = GpuSpec { max_batch, max_queue_delay: SimDuration::ZERO, latency };
        let mut work = operation(0, "gpu.infer", None);
        work.gpu = Some(GpuWork::Items(1));
        ServiceGraph {
            stations: vec![station("gpu", StationKind::Gpu(gpu))],
            operations: vec![work],
            classes: vec![class(vec![call(0, None)])],
            ..ServiceGraph::default()
        }
    }
}
