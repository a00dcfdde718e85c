//! A station: the servers of a workload, and how a caller chooses one.

use std::collections::VecDeque;

use rand::RngExt;

use crate::engine::Stream;
use crate::model::id::{CallId, ServerId};
use crate::service::latency::Latencies;
use crate::service::pins::Pins;
use crate::service::spec::Routing;
use crate::units::convert::f64_from_u64;
use crate::units::time::SimTime;

const NS_PER_S: u128 = 1_000_000_000;

/// The state of a station.
#[derive(Debug)]
pub(super) struct Station {
    /// Servers that take requests, in the order they opened.
    pub(super) open: Vec<ServerId>,
    pub(super) routing: Routing,
    rotation: usize,
    pub(super) stream: Stream,
    /// How long requests took, where somebody asks.
    pub(super) latencies: Option<Box<Latencies>>,
    /// Connections that callers keep.
    pub(super) pins: Pins,
    /// Tasks that no worker has taken yet.
    pub(super) broker: VecDeque<CallId>,
    /// Tasks whose worker died, that are not visible again yet.
    pub(super) orphans: u32,
    /// How many times as long its work takes, for each slowdown under way.
    slowdowns: Vec<f64>,
    /// Their product.
    pub(super) slowdown: f64,
    /// Requests inside, over all servers and the broker.
    pub(super) inside: u32,
    /// Requests that ended.
    pub(super) served: u64,
    /// Integral of `inside` over time [request-nanoseconds], for Little's law.
    inside_area_ns: u128,
    inside_since: SimTime,
}

impl Station {
    pub(super) fn new(routing: Routing, stream: Stream) -> Self {
        Self {
            open: Vec::new(),
            routing,
            rotation: 0,
            stream,
            latencies: None,
            pins: Pins::new(),
            broker: VecDeque::new(),
            orphans: 0,
            slowdowns: Vec::new(),
            slowdown: 1.0,
            inside: 0,
            served: 0,
            inside_area_ns: 0,
            inside_since: SimTime::ZERO,
        }
    }

    /// Chooses an open server; `load` tells how many requests are inside one. `None` when there is
    /// no open server.
    pub(super) fn route(&mut self, load: impl Fn(ServerId) -> u32) -> Option<ServerId> {
        let count = self.open.len();
        if count <= 1 {
            return self.open.first().copied();
        }
        let chosen = match self.routing {
            Routing::Random | Routing::Pinned => self.stream.random_range(0..count),
            Routing::RoundRobin => {
                self.rotation = (self.rotation + 1) % count;
                self.rotation
            }
            Routing::LeastRequests => {
                self.rotation = (self.rotation + 1) % count;
                let start = self.rotation;
                let order = (0..count).map(|offset| (start + offset) % count);
                order.min_by_key(|at| load(self.open[*at])).expect("there is an open server")
            }
            Routing::PowerOfTwo => {
                let first = self.stream.random_range(0..count);
                let second = (first + self.stream.random_range(1..count)) % count;
                if load(self.open[second]) < load(self.open[first]) { second } else { first }
            }
        };
        Some(self.open[chosen])
    }

    /// Another slowdown begins.
    pub(super) fn slow_down(&mut self, factor: f64) {
        self.slowdowns.push(factor);
        self.slowdown = self.slowdowns.iter().product();
    }

    /// A slowdown ends: the product is formed anew, so that what is left is exact.
    pub(super) fn speed_up(&mut self, factor: f64) {
        if let Some(at) = self.slowdowns.iter().position(|it| it.to_bits() == factor.to_bits()) {
            self.slowdowns.remove(at);
        }
        self.slowdown = self.slowdowns.iter().product();
    }

    /// The next open server in rotation that is free, as a broker hands tasks to its consumers.
    pub(super) fn next_free(&mut self, free: impl Fn(ServerId) -> bool) -> Option<ServerId> {
        let count = self.open.len();
        let mut order = (1..=count).map(|offset| (self.rotation + offset) % count);
        self.rotation = order.find(|at| free(self.open[*at]))?;
        Some(self.open[self.rotation])
    }

    /// A request came in or left.
    pub(super) fn count(&mut self, now: SimTime, entered: bool) {
        self.inside_area_ns = self.inside_area_ns(now);
        self.inside_since = now;
        if entered {
            self.inside += 1;
        } else {
            self.inside -= 1;
        }
    }

    /// The integral of the number inside, until `now` (request-seconds).
    pub(super) fn inside_area_s(&self, now: SimTime) -> f64 {
        let whole_s = self.inside_area_ns(now) / NS_PER_S;
        let rest_ns = self.inside_area_ns(now) % NS_PER_S;
        let float = |part: u128| f64_from_u64(u64::try_from(part).expect("centuries fit"));
        float(whole_s) + float(rest_ns) / 1e9
    }

    fn inside_area_ns(&self, now: SimTime) -> u128 {
        let elapsed_ns = u128::from(now.since(self.inside_since).as_nanos());
        self.inside_area_ns + elapsed_ns * u128::from(self.inside)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Streams;

    fn station(routing: Routing) -> Station {
        let mut station = Station::new(routing, Streams::new(5, 0).of("routing/test"));
        station.open = (0..4).map(ServerId).collect();
        station
    }

    fn spread(routing: Routing, loads: [u32; 4]) -> [u32; 4] {
        let mut station = station(routing);
        let mut hits = [0; 4];
        for _ in 0..4_000 {
            let server = station.route(|id| loads[id.index()]).expect("open");
            hits[server.index()] += 1;
        }
        hits
    }

    #[test]
    fn each_policy_spreads_as_its_name_says() {
        assert_eq!(spread(Routing::RoundRobin, [0; 4]), [1_000; 4]);
        assert_eq!(spread(Routing::LeastRequests, [3, 1, 2, 5]), [0, 4_000, 0, 0]);
        assert_eq!(spread(Routing::LeastRequests, [2, 2, 2, 2]), [1_000; 4]);
        for hits in spread(Routing::Random, [0; 4]) {
            assert!(hits.abs_diff(1_000) < 120, "{hits} of 4000");
        }
        // The worst of four is chosen only when drawn twice, which cannot happen.
        let hits = spread(Routing::PowerOfTwo, [0, 1, 2, 3]);
        assert_eq!(hits[3], 0);
        assert!(hits[0] > hits[1] && hits[1] > hits[2]);
    }

    #[test]
    fn no_open_server_is_no_choice() {
        let mut station = station(Routing::Random);
        station.open.clear();
        assert_eq!(station.route(|_| 0), None);
        assert_eq!(station.next_free(|_| true), None);
    }

    #[test]
    fn tasks_go_round_among_free_workers() {
        let mut station = station(Routing::Random);
        let mut hits = [0; 4];
        for _ in 0..30 {
            hits[station.next_free(|id| id != ServerId(2)).expect("three are free").index()] += 1;
        }
        assert_eq!(hits, [10, 10, 0, 10]);
        assert_eq!(station.next_free(|_| false), None);
    }

    #[test]
    fn the_area_under_the_number_inside_adds_up() {
        let mut station = station(Routing::Random);
        station.count(SimTime::from_secs(1), true);
        station.count(SimTime::from_secs(2), true);
        station.count(SimTime::from_secs(4), false);
        assert!((station.inside_area_s(SimTime::from_secs(5)) - 6.0).abs() < 1e-12);
    }
}
