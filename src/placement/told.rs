//! What is told of a replay: shares of the cluster, waiting, and who found no place.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::placement::board::{Board, Point};
use crate::scenario::pod_trace::{PodTrace, TraceNode, TracePod};
use crate::units::convert::{f64_from_u64, u64_from_usize};
use crate::units::{SimDuration, SimTime};

/// How long pods waited for a place (s).
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Waits {
    /// Pods that got a place.
    pub pods: u64,
    /// Mean.
    pub mean_s: f64,
    /// Median.
    pub median_s: f64,
    /// 95th percentile.
    pub p95_s: f64,
    /// 99th percentile.
    pub p99_s: f64,
    /// Longest.
    pub most_s: f64,
}

impl Waits {
    fn of(mut waits: Vec<SimDuration>) -> Option<Self> {
        if waits.is_empty() {
            return None;
        }
        waits.sort_unstable();
        let pods = u64_from_usize(waits.len());
        let quantile = |hundredths: usize| {
            let at = (waits.len() * hundredths).div_ceil(100).max(1) - 1;
            waits[at].as_secs_f64()
        };
        let sum: f64 = waits.iter().map(|wait| wait.as_secs_f64()).sum();
        Some(Self {
            pods,
            mean_s: sum / f64_from_u64(pods),
            median_s: quantile(50),
            p95_s: quantile(95),
            p99_s: quantile(99),
            most_s: quantile(100),
        })
    }
}

/// Pods that want the same of GPUs.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Class {
    /// `no GPU`, `part of a GPU`, `1 GPU`, `8 GPUs`.
    pub name: String,
    /// Pods that came.
    pub pods: u64,
    /// Those that never got a place.
    pub never: u64,
    /// How long the others waited.
    pub waits: Option<Waits>,
}

/// Nodes with one model of GPU.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Model {
    /// The model; `none` has no GPU.
    pub name: String,
    /// Nodes.
    pub nodes: u64,
    /// GPUs.
    pub gpus: u64,
    /// Pods that were placed there.
    pub pods: u64,
}

/// A pod that never got a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Never {
    /// Its name.
    pub pod: String,
    /// What it wanted: `8 GPUs, 64 cores, 256Gi`.
    pub wanted: String,
    /// The scheduler's last sentence.
    pub sentence: String,
}

/// A replay in figures.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Placement {
    /// Seed of all chance.
    pub seed: u64,
    /// Pods that came.
    pub came: u64,
    /// Pods that got a place.
    pub placed: u64,
    /// Pods that never did.
    pub never: u64,
    /// The first of them, a few.
    pub examples: Vec<Never>,
    /// By what pods want of GPUs.
    pub classes: Vec<Class>,
    /// By model of GPU.
    pub models: Vec<Model>,
    /// How long pods waited, where time passes.
    pub waits: Option<Waits>,
    /// How long the same pods waited when they were recorded.
    pub recorded_waits: Option<Waits>,
    /// The cluster over time, or as it fills.
    pub points: Vec<Point>,
    /// Mean over time; as it fills, the last.
    pub mean: Point,
    /// Highest value of each figure.
    pub peak: Point,
    /// At the end.
    pub last: Point,
}

/// Examples of pods without a place that are kept.
const EXAMPLES: usize = 5;

/// Gathers what is told.
pub(super) struct Teller<'a> {
    trace: &'a PodTrace,
    placement: Placement,
    classes: BTreeMap<(u32, bool), (Class, Vec<SimDuration>)>,
    models: BTreeMap<Option<Arc<str>>, Model>,
    waits: Vec<SimDuration>,
    recorded: Vec<SimDuration>,
    since: SimTime,
    weighted: Point,
    seconds: f64,
}

impl<'a> Teller<'a> {
    pub(super) fn new(trace: &'a PodTrace) -> Self {
        let mut models: BTreeMap<Option<Arc<str>>, Model> = BTreeMap::new();
        for node in &trace.nodes {
            let model = models.entry(model_of(node)).or_default();
            model.nodes += 1;
            model.gpus += u64::from(node.gpus);
        }
        Self {
            trace,
            placement: Placement::default(),
            classes: BTreeMap::new(),
            models,
            waits: Vec::new(),
            recorded: Vec::new(),
            since: SimTime::ZERO,
            weighted: Point::default(),
            seconds: 0.0,
        }
    }

    fn class(&mut self, row: usize) -> &mut (Class, Vec<SimDuration>) {
        self.classes.entry(class_of(&self.trace.pods[row])).or_default()
    }

    pub(super) fn came(&mut self, row: usize) {
        self.placement.came += 1;
        self.class(row).0.pods += 1;
    }

    pub(super) fn placed(&mut self, row: usize, node: &TraceNode, waited: Option<SimDuration>) {
        self.placement.placed += 1;
        self.models.entry(model_of(node)).or_default().pods += 1;
        let pod = &self.trace.pods[row];
        let Some(waited) = waited else { return };
        self.class(row).1.push(waited);
        self.waits.push(waited);
        if let Some(scheduled) = pod.scheduled {
            self.recorded.push(scheduled.saturating_sub(pod.created));
        }
    }

    pub(super) fn never(&mut self, row: usize, sentence: &str) {
        self.placement.never += 1;
        self.class(row).0.never += 1;
        if self.placement.examples.len() < EXAMPLES {
            let pod = &self.trace.pods[row];
            self.placement.examples.push(Never {
                pod: pod.name.to_string(),
                wanted: wanted(pod),
                sentence: sentence.to_owned(),
            });
        }
    }

    /// Notes a point of the series.
    pub(super) fn point(&mut self, point: Point) {
        self.rise(&point);
        self.placement.points.push(point);
    }

    /// Time passes in the state that the board has had since the last call.
    pub(super) fn passes(&mut self, now: SimTime, board: &Board<'_>, arrived: i64, waiting: usize) {
        if now <= self.since {
            return;
        }
        // Nothing changed between two events, so the state of now is that of the time before.
        let state = board.point(now, arrived, waiting);
        let seconds = now.since(self.since).as_secs_f64();
        let add = |sum: &mut f64, value: f64| *sum += value * seconds;
        add(&mut self.weighted.allocated, state.allocated);
        add(&mut self.weighted.occupied, state.occupied);
        add(&mut self.weighted.fragmented, state.fragmented);
        add(&mut self.weighted.fragmented_of_idle, state.fragmented_of_idle);
        add(&mut self.weighted.cpu, state.cpu);
        add(&mut self.weighted.memory, state.memory);
        self.seconds += seconds;
        self.rise(&state);
        self.since = now;
    }

    fn rise(&mut self, point: &Point) {
        let peak = &mut self.placement.peak;
        let rise = |peak: &mut f64, value: f64| *peak = peak.max(value);
        rise(&mut peak.arrived, point.arrived);
        rise(&mut peak.allocated, point.allocated);
        rise(&mut peak.occupied, point.occupied);
        rise(&mut peak.fragmented, point.fragmented);
        rise(&mut peak.fragmented_of_idle, point.fragmented_of_idle);
        rise(&mut peak.cpu, point.cpu);
        rise(&mut peak.memory, point.memory);
        peak.running = peak.running.max(point.running);
        peak.waiting = peak.waiting.max(point.waiting);
    }

    pub(super) fn end(mut self, last: Point) -> Placement {
        self.point(last);
        let mut placement = self.placement;
        placement.mean = last;
        if self.seconds > 0.0 {
            let mean = |sum: f64| sum / self.seconds;
            placement.mean = Point {
                allocated: mean(self.weighted.allocated),
                occupied: mean(self.weighted.occupied),
                fragmented: mean(self.weighted.fragmented),
                fragmented_of_idle: mean(self.weighted.fragmented_of_idle),
                cpu: mean(self.weighted.cpu),
                memory: mean(self.weighted.memory),
                ..last
            };
        }
        placement.last = last;
        placement.waits = Waits::of(self.waits);
        placement.recorded_waits = Waits::of(self.recorded);
        let classes = self.classes.into_iter();
        placement.classes = classes
            .map(|((gpus, share), (class, waits))| Class {
                name: class_name(gpus, share),
                waits: Waits::of(waits),
                ..class
            })
            .collect();
        let models = self.models.into_iter();
        placement.models = models
            .map(|(name, model)| Model {
                name: name.map_or_else(|| "none".to_owned(), |name| name.to_string()),
                ..model
            })
            .collect();
        placement
    }
}

/// How many GPUs, and whether whole ones.
fn class_of(pod: &TracePod) -> (u32, bool) {
    if pod.total_gpu_milli() == 0 { (0, true) } else { (pod.gpus, pod.gpu_milli >= 1000) }
}

fn class_name(gpus: u32, whole: bool) -> String {
    match (gpus, whole) {
        (0, _) => "no GPU".to_owned(),
        (1, false) => "part of a GPU".to_owned(),
        (1, true) => "1 GPU".to_owned(),
        (several, false) => format!("parts of {several} GPUs"),
        (several, true) => format!("{several} GPUs"),
    }
}

fn model_of(node: &TraceNode) -> Option<Arc<str>> {
    if node.gpus == 0 { None } else { Some(node.model.clone().unwrap_or_else(|| "GPU".into())) }
}

/// What a pod wants, in words.
fn wanted(pod: &TracePod) -> String {
    let (gpus, whole) = class_of(pod);
    let gpu = match (gpus, whole) {
        (1, false) => format!("{}m of a GPU", pod.gpu_milli),
        (gpus, whole) => class_name(gpus, whole),
    };
    let models =
        if pod.models.is_empty() { String::new() } else { format!(" ({})", pod.models.join("|")) };
    format!("{gpu}{models}, cpu {}, memory {}", pod.cpu, pod.memory)
}
