//! Virtual users in a loop: how fast they go round depends on how long they wait, and the other way
//! round.

use crate::service::fluid::clients::SHORTEST_S;
use crate::service::fluid::cores::Demand;
use crate::service::fluid::flow::{cores_of, gpu_of};
use crate::service::fluid::plan::{GpuDemand, Operation, Step};
use crate::service::fluid::resources::{Asks, RestingShared};
use crate::service::fluid::{Fluid, Inflow, number};

impl Fluid {
    /// Iterations a second of so many virtual users: the rate at which calls and pauses of all of them
    /// take as long as there are users (Little), the stations at rest under it.
    pub(super) fn loop_rate(&self, load: usize, users: f64) -> f64 {
        if users <= 0.0 {
            return 0.0;
        }
        let paused_s = {
            let flows = self.clients.flows(load).iter();
            flows.map(|flow| flow.share * self.away_s(flow.class)).sum::<f64>()
        };
        let operations = self.visits(load);
        let before = self.clients.rate(load);
        let others: Vec<f64> = self
            .operations
            .iter()
            .zip(&operations)
            .map(|(operation, times)| (operation.rate - before * times).max(0.0))
            .collect();
        let too_fast = |fluid: &Self, rate: f64| {
            let long_s =
                fluid.loop_s((load, &operations), &others, rate).max(SHORTEST_S) + paused_s;
            rate * long_s > users
        };
        let (mut low, mut high) = (0.0, users / (paused_s + SHORTEST_S));
        if before > 0.0 && before < high {
            // Near where it was: a few steps are enough.
            let (under, over) = (before * 0.97, before * 1.03);
            if too_fast(self, under) {
                high = under
            } else {
                low = under
            }
            if over < high && too_fast(self, over) {
                high = over;
            } else if over < high {
                low = low.max(over);
            }
        }
        for _ in 0..30 {
            if high - low < 1e-4 * high {
                break;
            }
            let middle = low.midpoint(high);
            if too_fast(self, middle) { high = middle } else { low = middle }
        }
        low.midpoint(high)
    }

    /// How long the calls of an iteration take (s) when so many iterations a second go round beside what
    /// else there is, everything at rest; infinite when a station cannot take it.
    fn loop_s(&self, (load, visits): (usize, &[f64]), others: &[f64], rate: f64) -> f64 {
        let rates: Vec<f64> =
            others.iter().zip(visits).map(|(other, times)| other + rate * times).collect();
        let mut waits = vec![Resting::default(); self.stations.len()];
        for (station, resting) in waits.iter_mut().enumerate() {
            let visited = self.plan.of_station[station].iter().any(|at| visits[*at] > 0.0);
            if visited {
                let Some(found) = self.at_rest(station, &rates) else { return f64::INFINITY };
                *resting = found;
            }
        }
        let mut response = vec![0.0; self.operations.len()];
        for position in self.plan.order.iter().rev().copied() {
            if visits[position] > 0.0 {
                response[position] = self.response_at_rest(position, &waits, &response);
            }
        }
        let flows = self.clients.flows(load).iter();
        flows
            .map(|flow| {
                let steps = self.plan.class(flow.class).iter();
                let calls = steps.map(|step| match step {
                    Step::Call { operation, timeout_s } => response[*operation].min(*timeout_s),
                    Step::Sleep(_) => 0.0,
                });
                flow.share * calls.sum::<f64>()
            })
            .sum()
    }

    fn response_at_rest(&self, position: usize, waits: &[Resting], response: &[f64]) -> f64 {
        let planned = &self.plan.operations[position];
        let resting = &waits[planned.station];
        let slow = self.stations[planned.station].slowdown();
        let steps = planned.steps.iter().map(|step| {
            let waited = step.iter().filter(|site| site.waits);
            let calls = waited.map(|site| {
                let way_s = self.way_s(Asks::Station(planned.station), site.operation);
                site.visits() * (response[site.operation] + way_s).min(site.timeout_s)
            });
            calls.fold(0.0, f64::max)
        });
        let gpu_s = match &planned.gpu {
            GpuDemand::None => 0.0,
            GpuDemand::Items(_) => {
                let seen = &self.stations[planned.station].seen;
                let own = self.own_batch(position, seen.batch_size).filter(|_| seen.mixed);
                resting.gpu_s + own.map_or(seen.batch_s, |(_, took_s)| took_s)
            }
            GpuDemand::Time { time, .. } => resting.gpu_s + time.mean() * slow,
        };
        let cpu_s = planned.cpu.mean() * slow * resting.stretch;
        let answered = 1.0 - self.operations[position].fate.refused;
        answered
            * (resting.wait_s
                + cpu_s
                + planned.wait.mean() * slow
                + self.shared_at_rest_s(position, resting)
                + gpu_s
                + steps.sum::<f64>())
    }

    /// What a station makes its arrivals wait at given rates of its operations; `None` when it cannot
    /// take them.
    fn at_rest(&self, station: usize, rates: &[f64]) -> Option<Resting> {
        let graph = &self.plan.graph;
        let spec = &graph.stations[station];
        let positions = &self.plan.of_station[station];
        let open =
            self.stations[station].open.iter().filter_map(|id| self.servers[id.index()].as_ref());
        let pods = number(open.clone().count());
        if pods < 1.0 {
            let mut resting = Resting { stretch: 1.0, ..Resting::default() };
            self.share_at_rest(station, (rates, 1.0), &mut resting)?;
            return Some(resting);
        }
        let cores = open.clone().map(|server| server.cores).sum::<f64>() / pods;
        let (cpu_s, cpu_cs2) = self.plan.cpu_of(positions.iter().map(|at| (*at, rates[*at])));
        let rate: f64 = positions.iter().map(|at| rates[*at]).sum();
        let hold_s = if rate > 0.0 {
            positions.iter().map(|at| rates[*at] * self.operations[*at].hold_s).sum::<f64>() / rate
        } else {
            0.0
        };
        let users = self.stations[station].users;
        let demand = Demand {
            cpu_s: cpu_s * self.stations[station].slowdown(),
            cpu_cs2,
            hold_s,
            arrivals_ca2: 1.0,
            users,
            patience_s: f64::INFINITY,
        };
        let (wait_s, stretch) = cores_of(spec, cores, pods).at_rest(&demand, rate / pods)?;
        let mut resting = Resting { wait_s, stretch, ..Resting::default() };
        self.share_at_rest(station, (rates, pods), &mut resting)?;
        if let Some(gpu) = gpu_of(spec) {
            let at_gpu: f64 = positions
                .iter()
                .filter(|at| !matches!(self.plan.operations[**at].gpu, GpuDemand::None))
                .map(|at| rates[*at])
                .sum();
            resting.gpu_s = self.gpu_mix(graph, station).at_rest(gpu, at_gpu / pods)?;
        }
        Some(resting)
    }

    /// How many virtual users come to each station, over all loads that have any.
    pub(super) fn count_users(&mut self, inflows: &[Inflow]) {
        let mut users = vec![0.0; self.stations.len()];
        let mut closed = vec![0.0; self.stations.len()];
        for load in 0..self.clients.loads() {
            let inflow = self.clients.inflow(load, inflows);
            if inflow.users <= 0.0 || !self.clients.is_closed(load) {
                continue;
            }
            let mut visited = vec![false; self.stations.len()];
            let rate = self.clients.rate(load);
            for (operation, times) in self.plan.operations.iter().zip(self.visits(load)) {
                visited[operation.station] |= times > 0.0;
                closed[operation.station] += rate * times * Self::weight_s(operation);
            }
            for (users, _) in users.iter_mut().zip(visited).filter(|(_, visited)| *visited) {
                *users += inflow.users;
            }
        }
        for (position, users) in users.into_iter().enumerate() {
            let of_station = self.plan.of_station[position].iter();
            let came: f64 = of_station
                .map(|at| self.operations[*at].rate * Self::weight_s(&self.plan.operations[*at]))
                .sum();
            // Beside others who come by the clock only its own part of the work is not seen by a user.
            let share = if came > 0.0 { (closed[position] / came).clamp(1e-6, 1.0) } else { 1.0 };
            let station = &mut self.stations[position];
            station.users = if users > 0.0 { users / share } else { f64::INFINITY };
            station.closed = if users > 0.0 { share } else { 0.0 };
        }
    }

    /// Work that a call of an operation is at its own station (s); never nothing.
    fn weight_s(operation: &Operation) -> f64 {
        operation.cpu.mean() + operation.disk_s + 1e-9
    }

    /// How often an iteration of a load comes to each operation.
    fn visits(&self, load: usize) -> Vec<f64> {
        let mut operations = vec![0.0; self.operations.len()];
        for flow in self.clients.flows(load) {
            for step in self.plan.class(flow.class) {
                if let Step::Call { operation, .. } = step {
                    operations[*operation] += flow.share;
                }
            }
        }
        for position in &self.plan.order {
            let times = operations[*position];
            for site in self.plan.operations[*position].steps.iter().flatten() {
                operations[site.operation] += times * site.visits();
            }
        }
        operations
    }
}

/// What a station makes its arrivals wait.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Resting {
    /// For a place (s).
    wait_s: f64,
    /// Seconds that a core-second takes.
    stretch: f64,
    /// For a GPU (s).
    gpu_s: f64,
    /// On disks and on the link.
    pub(super) shared: RestingShared,
}
