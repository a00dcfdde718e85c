//! Placement by hand-made traces whose outcome can be worked out.

use std::sync::Arc;

use crate::control::scheduler::GpuScore;
use crate::placement::{Placement, place};
use crate::scenario::pod_trace::{PodTrace, Replay, Sharing, Ties, TraceNode, TracePod};
use crate::units::{Bytes, MilliCpu, SimDuration};

const GIB: i64 = 1 << 30;

fn node(name: &str, gpus: u32, model: &str) -> TraceNode {
    TraceNode {
        name: Arc::from(name),
        cpu: MilliCpu(16_000),
        memory: Bytes(64 * GIB),
        gpus,
        model: (gpus > 0).then(|| Arc::from(model)),
        max_pods: 110,
    }
}

/// A pod with parts of GPUs that came and went; it was placed when it came.
fn pod(name: &str, gpus: u32, gpu_milli: i64, from_s: u64, to_s: u64) -> TracePod {
    TracePod {
        name: Arc::from(name),
        cpu: MilliCpu(1000),
        memory: Bytes(GIB),
        gpus,
        gpu_milli,
        models: Vec::new(),
        created: SimDuration::from_secs(from_s),
        scheduled: Some(SimDuration::from_secs(from_s)),
        deleted: Some(SimDuration::from_secs(to_s)),
    }
}

fn trace(nodes: Vec<TraceNode>, pods: Vec<TracePod>) -> PodTrace {
    PodTrace {
        name: Arc::from("t"),
        path: Arc::from("t.yaml"),
        description: Arc::from(""),
        inputs: Vec::new(),
        nodes,
        pods,
        replay: Replay::Recorded,
        sharing: Sharing::Devices(GpuScore::Default),
        ties: Ties::ByLot,
        percentage_of_nodes_to_score: 0,
        scheduling_cycle: SimDuration::from_millis(2),
        seed: 1,
    }
}

fn longest_wait(placed: &Placement) -> f64 {
    placed.waits.map_or(0.0, |waits| waits.most_s)
}

fn assert_near(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-9, "{found} is not {expected}");
}

/// 800 of two devices are free, but no single one has 500: the third pod waits until the first is gone,
/// and starts in the same instant, because an event frees it and its backoff is over.
#[test]
fn a_part_waits_for_a_device_not_for_a_sum() {
    let pods = vec![pod("a", 1, 600, 0, 100), pod("b", 1, 600, 1, 200), pod("c", 1, 500, 10, 300)];
    let placed = place(&trace(vec![node("n", 2, "T4")], pods), 7);
    assert_eq!((placed.placed, placed.never), (3, 0));
    assert_near(longest_wait(&placed), 90.0);
    assert_near(placed.peak.allocated, 0.6);
    assert_eq!(placed.peak.waiting, 1);
    // From 10 s to 100 s all 800 that are idle are of no use to the pod that wants 500.
    assert!(placed.peak.fragmented_of_idle > 0.0);
}

/// By whole GPUs a part takes one: two parts of 300 fill two devices.
#[test]
fn whole_gpus_are_given_for_parts() {
    let pods = vec![pod("a", 1, 300, 0, 100), pod("b", 1, 300, 0, 100), pod("c", 1, 300, 0, 100)];
    let shared = trace(vec![node("n", 2, "T4")], pods);
    let whole = PodTrace { sharing: Sharing::Whole, ..shared.clone() };
    let (shared, whole) = (place(&shared, 7), place(&whole, 7));
    assert!(longest_wait(&shared) < 0.1, "three parts of 300 fit on one device");
    assert!(longest_wait(&whole) >= 100.0, "the third waits for a whole one");
    assert_near(shared.peak.allocated, 0.45);
    assert_near(whole.peak.allocated, 0.3);
    assert_near(whole.peak.occupied, 1.0);
}

#[test]
fn a_pod_keeps_to_models_it_can_use() {
    let mut picky = pod("a", 1, 500, 0, 10);
    picky.models = vec![Arc::from("P100"), Arc::from("T4")];
    for sharing in [Sharing::Whole, Sharing::Devices(GpuScore::Default)] {
        let nodes = vec![node("g", 8, "G2"), node("t", 1, "T4"), node("c", 0, "")];
        let placed = place(&PodTrace { sharing, ..trace(nodes, vec![picky.clone()]) }, 7);
        let on = |name: &str| placed.models.iter().find(|it| it.name == name).map(|it| it.pods);
        assert_eq!((on("T4"), on("G2"), on("none")), (Some(1), Some(0), Some(0)));
        let nodes = vec![node("g", 8, "G2"), node("c", 0, "")];
        let placed = place(&PodTrace { sharing, ..trace(nodes, vec![picky.clone()]) }, 7);
        assert_eq!(placed.never, 1);
        assert!(placed.examples[0].sentence.starts_with("0/2 nodes are available: "));
    }
}

/// A pod that was never placed and deleted is withdrawn, not placed later.
#[test]
fn a_pod_that_nobody_placed_leaves_when_it_did() {
    let mut hopeless = pod("b", 1, 1000, 5, 50);
    hopeless.scheduled = None;
    let pods = vec![pod("a", 1, 1000, 0, 100), hopeless];
    let placed = place(&trace(vec![node("n", 1, "T4")], pods), 7);
    assert_eq!((placed.came, placed.placed, placed.never), (2, 1, 1));
    assert_eq!(placed.examples[0].pod, "b");
}

/// What was allocated over time: half the GPUs for half the time.
#[test]
fn means_are_over_time() {
    let pods = vec![pod("a", 1, 1000, 0, 50), pod("b", 0, 0, 0, 100)];
    let placed = place(&trace(vec![node("n", 2, "T4")], pods), 7);
    assert!((placed.mean.allocated - 0.25).abs() < 1e-3, "{}", placed.mean.allocated);
    assert!((placed.mean.cpu - 1.5 / 16.0).abs() < 1e-3, "{}", placed.mean.cpu);
}

/// Pods are drawn again until they want what is stated, or left out.
#[test]
fn a_fill_wants_what_is_stated() {
    let pods: Vec<TracePod> = (0..40)
        .map(|n| pod(&format!("p{n}"), 1, if n % 2 == 0 { 250 } else { 1000 }, n, n + 1))
        .collect();
    for demand in [0.5, 1.0, 2.5] {
        let nodes = vec![node("a", 8, "T4"), node("b", 8, "T4")];
        let replay = Replay::Fill { demand: Some(demand) };
        let placed = place(&PodTrace { replay, ..trace(nodes, pods.clone()) }, 3);
        assert!(placed.last.arrived <= demand, "{} of {demand}", placed.last.arrived);
        assert!(placed.last.arrived > demand - 1.0 / 16.0, "{} of {demand}", placed.last.arrived);
        assert!(placed.last.allocated <= 1.0);
        assert_eq!(placed.came, placed.placed + placed.never);
    }
}

/// The same trace and seed give the same placement, other seeds others.
#[test]
fn a_seed_is_a_placement() {
    let pods: Vec<TracePod> = (0..60)
        .map(|n| {
            pod(&format!("p{n}"), 1, 100 + i64::try_from(n * 13 % 900).expect("small"), n, n + 9)
        })
        .collect();
    let nodes: Vec<TraceNode> = (0..6).map(|n| node(&format!("n{n}"), 4, "T4")).collect();
    let replay = Replay::Fill { demand: None };
    let trace = PodTrace { replay, ..trace(nodes, pods) };
    assert_eq!(place(&trace, 5), place(&trace, 5));
    assert_ne!(place(&trace, 5).points, place(&trace, 6).points);
}

/// Nothing to place, nothing to place it on.
#[test]
fn empty_clusters_and_pods_without_demands_are_fine() {
    let mut small = pod("a", 0, 0, 0, 0);
    small.cpu = MilliCpu(0);
    small.memory = Bytes(0);
    for replay in [Replay::Recorded, Replay::Fill { demand: None }] {
        let one = trace(vec![node("n", 0, "")], vec![small.clone()]);
        let placed = place(&PodTrace { replay, ..one }, 1);
        assert_eq!((placed.placed, placed.never), (1, 0));
        let none = trace(Vec::new(), vec![small.clone()]);
        let placed = place(&PodTrace { replay, ..none }, 1);
        assert_eq!((placed.placed, placed.never), (0, 1));
        let placed = place(&PodTrace { replay, ..trace(Vec::new(), Vec::new()) }, 1);
        assert_eq!((placed.came, placed.never), (0, 0));
    }
}

/// A pod that never fits is tried again for a while, not for a hundred years.
#[test]
fn a_hopeless_pod_takes_no_time() {
    let mut hopeless = pod("a", 4, 1000, 0, 4_000_000_000);
    hopeless.deleted = None;
    let late = pod("b", 1, 1000, 3_999_999_000, 4_000_000_000);
    let placed = place(&trace(vec![node("n", 1, "T4")], vec![hopeless, late]), 7);
    assert_eq!((placed.placed, placed.never), (1, 1));
    assert!(longest_wait(&placed) < 0.1);
}
