//! Scenarios drawn at random from wide ranges: whatever the documents say, no node is over-committed,
//! nobody is made or lost, and the decisions keep within what was written. Each seed is printed before
//! its run, so that a failure names it.

#![expect(clippy::wildcard_enum_match_arm, reason = "a test picks the records it is about")]

use aurelius_sim::engine::Streams;
use aurelius_sim::input::render::{Colour, render_all};
use aurelius_sim::input::{LoadOptions, load_scenario};
use aurelius_sim::model::action::PodDeletion;
use aurelius_sim::model::record::Record;
use aurelius_sim::scenario::Scenario;

#[path = "swarm/draw.rs"]
mod draw;
#[path = "witness/mod.rs"]
mod witness;

use witness::{Seen, witness};

/// How many are tried; `AURELIUS_SWARM` states another number.
const SCENARIOS: u64 = 200;

fn scenario(seed: u64) -> Scenario {
    let folder = tempfile::tempdir().expect("the test may write to the temporary folder");
    let mut stream = Streams::new(seed, 0).of("swarm/scenario");
    for (name, text) in draw::documents(&mut stream) {
        std::fs::write(folder.path().join(name), text).expect("the folder is ours");
    }
    let loaded = load_scenario(&folder.path().join("scenario.yaml"), &LoadOptions::default());
    let said = render_all(&loaded.diagnostics, &loaded.sources, Colour::Plain);
    let mut scenario = loaded.scenario.unwrap_or_else(|| panic!("seed {seed}: {said}"));
    scenario.seed = seed;
    scenario
}

#[test]
fn whatever_is_written_the_laws_hold() {
    let mut reached = Reached::default();
    let count = std::env::var_os("AURELIUS_SWARM").and_then(|count| count.to_str()?.parse().ok());
    for seed in 0..count.unwrap_or(SCENARIOS) {
        println!("seed {seed}");
        let seen = witness(scenario(seed), false);
        seen.assert_conserved();
        seen.assert_little();
        assert_lives_are_in_order(&seen);
        reached.note(&seen);
    }
    // The swarm is worth something only if it gets everywhere.
    println!("{reached:?}");
    let Reached { failed, scaled, added, removed, refused, pending, drained, lost, bound } =
        reached;
    for count in [failed, scaled, added, removed, refused, pending, drained, lost, bound] {
        assert!(count >= 10, "too tame: {reached:?}");
    }
}

/// How often things happened over all scenarios.
#[derive(Debug, Default, Clone, Copy)]
struct Reached {
    failed: u64,
    scaled: u64,
    added: u64,
    removed: u64,
    refused: u64,
    pending: u64,
    drained: u64,
    lost: u64,
    bound: u64,
}

impl Reached {
    fn note(&mut self, seen: &Seen) {
        let calls = seen.outcome.calls;
        self.failed += calls.failures();
        for entry in seen.history.entries() {
            let happened = match &entry.record {
                Record::WorkloadScaled { .. } => &mut self.scaled,
                Record::NodeRequested { .. } => &mut self.added,
                Record::NodeRemoving(_) => &mut self.removed,
                Record::EvictionRefused { .. } => &mut self.refused,
                Record::PodUnschedulable { .. } => &mut self.pending,
                Record::PodTerminating { because: PodDeletion::Drain, .. } => &mut self.drained,
                Record::NodeLost(_) => &mut self.lost,
                Record::PodBound { .. } => &mut self.bound,
                _ => continue,
            };
            *happened += 1;
        }
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
