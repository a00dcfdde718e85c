//! metrics-server: what controllers may know of usage. Scraped, windowed, late.
//!
//! Every resolution (15 s in the official manifest) all nodes are scraped. A kubelet answers with
//! the latest sample that cAdvisor has stored for a container, and cAdvisor samples on its own
//! clock, 10 to 20 s apart (`nextHousekeepingInterval`, base 10 s, jitter factor 1). The CPU usage
//! served is the mean between two *distinct* samples, so what an HPA sees is 0 to 35 s old and an
//! average over 10 to 30 s (pkg/storage/pod.go `Store`, `GetMetrics`; types.go `resourceUsage`).
//!
//! Containers are sampled one by one; a pod is served when every container that runs has two samples
//! (pkg/storage/pod.go `GetMetrics`). Cumulative CPU at a sample instant between two scrapes is
//! interpolated between their readings.

use std::collections::BTreeMap;
use std::sync::Arc;

use rand::RngExt;

use crate::engine::{Stream, Streams};
use crate::model::id::PodId;
use crate::units::convert::{round_u64, trunc_i64};
use crate::units::{SimDuration, SimTime};

/// cAdvisor's housekeeping interval; the gap to the next sample is this times 1 to 2.
const HOUSEKEEPING_S: f64 = 10.0;
/// A container must be at least this old for the fresh-container rule (pkg/storage/pod.go).
const FRESH_MIN_AGE: SimDuration = SimDuration::from_secs(10);

/// The store of metrics-server and the kubelets' samples behind it.
#[derive(Debug)]
pub struct MetricsServer {
    resolution: SimDuration,
    streams: Streams,
    pods: BTreeMap<PodId, Vec<(u8, Container)>>,
}

/// What a kubelet reports of a container at a scrape.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reading {
    /// Which pod.
    pub pod: PodId,
    /// Which of its containers, init containers first.
    pub container: u8,
    /// When the container started.
    pub started: SimTime,
    /// Core-seconds used since then.
    pub cpu_core_s: f64,
    /// Working set (bytes).
    pub memory_bytes: f64,
}

/// What metrics-server serves of a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodMetric {
    /// When the oldest of the containers' newer samples was taken.
    pub timestamp: SimTime,
    /// From that container's older sample to the newer.
    pub window: SimDuration,
    /// Each container that runs.
    pub containers: Vec<ContainerMetric>,
}

/// What metrics-server serves of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContainerMetric {
    /// Which container, init containers first.
    pub container: u8,
    /// Mean CPU over the window (nanocores), truncated.
    pub cpu_nanocores: i64,
    /// Working set at the newer sample (bytes).
    pub memory_bytes: i64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Point {
    at: SimTime,
    cpu_core_s: f64,
    memory_bytes: f64,
}

#[derive(Debug)]
struct Container {
    stream: Stream,
    started: SimTime,
    /// The reading at the scrape before, or the start.
    before: Point,
    /// When cAdvisor samples next.
    next_sample: SimTime,
    /// cAdvisor's latest sample.
    sample: Option<Point>,
    last: Option<Point>,
    previous: Option<Point>,
}

impl MetricsServer {
    /// An empty store. `resolution` is `--metric-resolution`.
    #[must_use]
    pub fn new(resolution: SimDuration, streams: Streams) -> Self {
        Self { resolution, streams, pods: BTreeMap::new() }
    }

    /// `--metric-resolution`.
    #[must_use]
    pub fn resolution(&self) -> SimDuration {
        self.resolution
    }

    /// One tick: all nodes that answer are scraped. Pods without a reading lose what was stored of
    /// them, as the store is rebuilt from each batch.
    pub fn scrape(&mut self, now: SimTime, readings: impl Iterator<Item = (Reading, Arc<str>)>) {
        let mut batch = BTreeMap::new();
        for (reading, name) in readings {
            let known = self.pods.get_mut(&reading.pod);
            let known = known.and_then(|all| {
                let same = |(position, container): &(u8, Container)| {
                    *position == reading.container && container.started == reading.started
                };
                let found = all.iter().position(same)?;
                Some(all.swap_remove(found).1)
            });
            let mut container =
                known.unwrap_or_else(|| Container::new(&self.streams, &name, reading.started));
            container.observe(now, &reading);
            container.store(self.resolution);
            let pod: &mut Vec<(u8, Container)> = batch.entry(reading.pod).or_default();
            pod.push((reading.container, container));
        }
        self.pods = batch;
    }

    /// What is served of a pod; `None` while there are not two usable samples.
    #[must_use]
    pub fn get(&self, pod: PodId) -> Option<PodMetric> {
        let mut served: Option<PodMetric> = None;
        for (position, container) in self.pods.get(&pod)? {
            let (last, previous) = (container.last?, container.previous?);
            let window = last.at - previous.at;
            let metric = served.get_or_insert(PodMetric {
                timestamp: last.at,
                window,
                containers: Vec::new(),
            });
            if last.at < metric.timestamp {
                (metric.timestamp, metric.window) = (last.at, window);
            }
            let used_core_s = last.cpu_core_s - previous.cpu_core_s;
            metric.containers.push(ContainerMetric {
                container: *position,
                cpu_nanocores: trunc_i64(used_core_s / window.as_secs_f64() * 1e9),
                memory_bytes: trunc_i64(last.memory_bytes),
            });
        }
        served
    }
}

impl Container {
    fn new(streams: &Streams, name: &str, started: SimTime) -> Self {
        let mut stream = streams.of(&format!("cadvisor/{name}"));
        let next_sample = started + gap(&mut stream);
        let before = Point { at: started, cpu_core_s: 0.0, memory_bytes: 0.0 };
        Self { stream, started, before, next_sample, sample: None, last: None, previous: None }
    }

    /// Lets cAdvisor sample up to `now`, given what the counters show now.
    fn observe(&mut self, now: SimTime, reading: &Reading) {
        let after =
            Point { at: now, cpu_core_s: reading.cpu_core_s, memory_bytes: reading.memory_bytes };
        while self.next_sample <= now {
            let at = self.next_sample;
            let span_s = now.since(self.before.at).as_secs_f64();
            let share =
                if span_s > 0.0 { at.since(self.before.at).as_secs_f64() / span_s } else { 1.0 };
            let cpu = self.before.cpu_core_s + (after.cpu_core_s - self.before.cpu_core_s) * share;
            self.sample = Some(Point { at, cpu_core_s: cpu, memory_bytes: reading.memory_bytes });
            self.next_sample = at + gap(&mut self.stream);
        }
        self.before = after;
    }

    /// The two-point rules of the store, for the sample at hand.
    fn store(&mut self, resolution: SimDuration) {
        let Some(new) = self.sample else { return };
        if new.cpu_core_s <= 0.0 || new.memory_bytes <= 0.0 {
            // The decoder drops a pod whose counters are zero.
            (self.last, self.previous) = (None, None);
            return;
        }
        let age = new.at.since(self.started);
        if self.started < new.at && age >= FRESH_MIN_AGE && age < resolution {
            self.previous =
                Some(Point { at: self.started, cpu_core_s: 0.0, memory_bytes: new.memory_bytes });
        } else if let Some(last) = self.last {
            if new.at > last.at {
                self.previous = Some(last);
            }
        } else {
            self.previous = None;
        }
        self.last = Some(new);
    }
}

/// The gap to the next sample of an active container.
fn gap(stream: &mut Stream) -> SimDuration {
    let seconds = HOUSEKEEPING_S * (1.0 + stream.random::<f64>());
    SimDuration::from_nanos(round_u64(seconds * 1e9))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(value: u64) -> SimTime {
        SimTime::from_secs(value)
    }

    fn point(at_s: f64, cpu_core_s: f64) -> Point {
        let at = SimTime::ZERO + SimDuration::from_secs_f64(at_s);
        Point { at, cpu_core_s, memory_bytes: 1e6 }
    }

    fn container() -> Container {
        Container::new(&Streams::new(1, 0), "web-1", SimTime::ZERO)
    }

    const RESOLUTION: SimDuration = SimDuration::from_secs(15);

    /// Container start 0; samples at 0.5, 13 and 29 s; ticks at 5, 20 and 35 s.
    #[test]
    fn first_metric_of_a_new_pod() {
        let mut pod = container();
        pod.sample = Some(point(0.5, 0.1));
        pod.store(RESOLUTION);
        assert_eq!(pod.previous, None, "a sample younger than 10 s is only stored");
        pod.sample = Some(point(13.0, 1.2));
        pod.store(RESOLUTION);
        assert_eq!(pod.previous.map(|p| p.at), Some(SimTime::ZERO), "from the start, CPU 0");
        pod.sample = Some(point(29.0, 4.4));
        pod.store(RESOLUTION);
        let mut server = MetricsServer::new(RESOLUTION, Streams::new(1, 0));
        server.pods.insert(PodId(0), vec![(0, pod)]);
        let metric = server.get(PodId(0)).expect("two samples");
        assert_eq!(metric.window, SimDuration::from_secs(16));
        assert_eq!(metric.containers[0].cpu_nanocores, 200_000_000);
        assert_eq!(metric.timestamp, second(29));
    }

    #[test]
    fn the_same_sample_twice_keeps_the_older_one() {
        let mut pod = container();
        for sample in [point(20.0, 2.0), point(35.0, 3.0), point(35.0, 3.0)] {
            pod.sample = Some(sample);
            pod.store(RESOLUTION);
        }
        assert_eq!(pod.previous, Some(point(20.0, 2.0)));
    }

    #[test]
    fn a_pod_is_served_when_every_container_has_two_samples() {
        let mut server = MetricsServer::new(RESOLUTION, Streams::new(1, 0));
        let reading = |container, started, now: u64| Reading {
            pod: PodId(0),
            container,
            started: second(started),
            cpu_core_s: crate::units::convert::f64_from_u64(now - started) * 0.25,
            memory_bytes: 5e6,
        };
        let mut served = Vec::new();
        for now in (1..=8).map(|tick| tick * 15) {
            let mut readings = vec![(reading(0, 0, now), Arc::from("web-1"))];
            if now >= 60 {
                readings.push((reading(1, 50, now), Arc::from("web-1/proxy")));
            }
            server.scrape(second(now), readings.into_iter());
            served.push(server.get(PodId(0)).map(|metric| metric.containers.len()));
        }
        // The second container starts after 50 s: the pod is not served until it has two samples.
        assert_eq!(served[2], Some(1));
        assert_eq!(served[3], None);
        assert_eq!(served.last(), Some(&Some(2)), "{served:?}");
    }

    #[test]
    fn a_pod_that_is_not_scraped_loses_its_samples() {
        let mut server = MetricsServer::new(RESOLUTION, Streams::new(1, 0));
        let reading = |cpu_core_s| Reading {
            pod: PodId(3),
            container: 0,
            started: SimTime::ZERO,
            cpu_core_s,
            memory_bytes: 5e6,
        };
        for tick in 1..=6_u32 {
            let cpu = f64::from(tick) * 7.5;
            let readings = std::iter::once((reading(cpu), Arc::from("web-1")));
            server.scrape(second(u64::from(tick) * 15), readings);
        }
        let metric = server.get(PodId(3)).expect("sampled six times");
        assert!(
            (metric.containers[0].cpu_nanocores - 500_000_000).abs() < 2,
            "half a core all along"
        );
        assert!(metric.window >= SimDuration::from_secs(10));
        server.scrape(second(105), std::iter::empty());
        assert_eq!(server.get(PodId(3)), None);
    }
}
