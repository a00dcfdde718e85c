//! Scenarios drawn at random from wide ranges: whatever the documents say, no node is over-committed,
//! nobody is made or lost, and the decisions keep within what was written. Each seed is printed before
//! its run, so that a failure names it.

#![expect(clippy::wildcard_enum_match_arm, reason = "a test picks the records it is about")]

use std::collections::BTreeMap;
use std::path::PathBuf;

use aurelius_sim::engine::Streams;
use aurelius_sim::input::render::{Colour, render_all};
use aurelius_sim::input::{LoadOptions, load_scenario};
use aurelius_sim::model::action::PodDeletion;
use aurelius_sim::model::record::Record;
use aurelius_sim::scenario::Scenario;
use aurelius_sim::units::{SimDuration, SimTime};

#[path = "swarm/draw.rs"]
mod draw;
#[path = "witness/mod.rs"]
mod witness;

use witness::{Seen, witness};

/// How many are tried; `AURELIUS_SWARM` states another number, or a range (`200..400`).
/// `AURELIUS_SWARM_KEEP` leaves the documents where they were written, to be run again.
const SCENARIOS: u64 = 200;

fn seeds() -> std::ops::Range<u64> {
    let Some(text) = std::env::var_os("AURELIUS_SWARM") else { return 0..SCENARIOS };
    let text = text.to_string_lossy();
    let number = |text: &str| text.parse().unwrap_or_else(|_| panic!("AURELIUS_SWARM: {text}"));
    match text.split_once("..") {
        Some((from, to)) => number(from)..number(to),
        None => 0..number(&text),
    }
}

fn scenario(seed: u64) -> (Scenario, PathBuf) {
    let mut folder = tempfile::tempdir().expect("the test may write to the temporary folder");
    folder.disable_cleanup(std::env::var_os("AURELIUS_SWARM_KEEP").is_some());
    let mut stream = Streams::new(seed, 0).of("swarm/scenario");
    for (name, text) in draw::documents(&mut stream) {
        std::fs::write(folder.path().join(name), text).expect("the folder is ours");
    }
    let loaded = load_scenario(&folder.path().join("scenario.yaml"), &LoadOptions::default());
    let said = render_all(&loaded.diagnostics, &loaded.sources, Colour::Plain);
    let mut scenario = loaded.scenario.unwrap_or_else(|| panic!("seed {seed}: {said}"));
    scenario.seed = seed;
    (scenario, folder.path().to_owned())
}

#[test]
fn whatever_is_written_the_laws_hold() {
    let mut reached = Reached::default();
    for seed in seeds() {
        let (scenario, folder) = scenario(seed);
        println!("seed {seed} {}", folder.display());
        let seen = witness(scenario, false);
        seen.assert_conserved();
        seen.assert_little();
        assert_lives_are_in_order(&seen);
        assert_orphans_are_collected(&seen);
        reached.note(&seen);
    }
    // The swarm is worth something only if it gets everywhere.
    println!("{reached:?}");
    let tame = reached.0.values().any(|count| *count < 10);
    assert!(!tame || std::env::var_os("AURELIUS_SWARM").is_some(), "too tame: {reached:?}");
}

/// How often things happened over all scenarios.
#[derive(Debug, Default, Clone)]
struct Reached(BTreeMap<&'static str, u64>);

impl Reached {
    fn note(&mut self, seen: &Seen) {
        let calls = seen.outcome.calls;
        *self.0.entry("failed").or_default() += calls.failures();
        for entry in seen.history.entries() {
            let happened = match &entry.record {
                Record::WorkloadScaled { .. } => "scaled",
                Record::WorkloadUpdated { .. } => "rolled out",
                Record::NodeRequested { .. } => "nodes added",
                Record::NodeRemoving(_) => "nodes removed",
                Record::NodeLost(_) => "nodes lost",
                Record::EvictionRefused { .. } => "evictions refused",
                Record::PodUnschedulable { .. } => "unschedulable",
                Record::PodTerminating { because: PodDeletion::Drain, .. } => "drained",
                Record::PodTerminating { because: PodDeletion::Orphaned, .. } => "orphaned",
                Record::PodTerminating { because: PodDeletion::Preemption, .. } => "preempted",
                Record::PodForbidden { .. } => "forbidden",
                Record::JobSkipped(_) => "schedules passed over",
                Record::PodBound { .. } => "bound",
                Record::JobEnded { .. } => "jobs ended",
                Record::Announced { event: "FailedAttachVolume", .. } => "waited for a disk",
                Record::Announced { event: "SpotInterruption", .. } => "spot interrupted",
                _ => continue,
            };
            *self.0.entry(happened).or_default() += 1;
        }
    }
}

/// A Node object that goes leaves its pods' objects behind. The collector of pods comes by every 20 s
/// and removes those whose node it has missed for 40 s: after 80 s at most none is left.
fn assert_orphans_are_collected(seen: &Seen) {
    let seed = seen.scenario.seed;
    let end = SimTime::ZERO + seen.scenario.total_time();
    for pod in seen.history.pods() {
        let Some((_, node)) = pod.bound else { continue };
        let Some(node_gone) = seen.history.node(node).and_then(|node| node.gone) else { continue };
        let latest = node_gone + SimDuration::from_secs(80);
        let left = pod.gone.is_none_or(|gone| gone > latest);
        assert!(!left || latest >= end, "seed {seed}: {pod:?} outlives its node, gone {node_gone}");
    }
}

fn assert_lives_are_in_order(seen: &Seen) {
    let seed = seen.scenario.seed;
    for pod in seen.history.pods() {
        let bound = pod.bound.map(|(at, _)| at);
        let pulled = pod.pulled.map(|(at, _)| at);
        let steps = [Some(pod.created), bound, pulled, pod.started, pod.ready, pod.gone];
        let told: Vec<_> = steps.into_iter().flatten().collect();
        assert!(told.is_sorted(), "seed {seed}: {pod:?}");
    }
    for node in seen.history.nodes() {
        let steps = [Some(node.requested), node.ready, node.removing, node.gone];
        let told: Vec<_> = steps.into_iter().flatten().collect();
        assert!(told.is_sorted(), "seed {seed}: {node:?}");
    }
}
