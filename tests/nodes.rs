//! What befalls nodes and what hangs on them, end to end: the decision logs of shipped scenarios.

use std::path::Path;

use aurelius_sim::input::{LoadOptions, load_scenario};
use aurelius_sim::model::Record;
use aurelius_sim::model::record::About;
use aurelius_sim::scenario::Scenario;
use aurelius_sim::sim::{Outcome, RunOptions, simulate};
use aurelius_sim::trace::{History, Keep};
use aurelius_sim::units::{SimDuration, SimTime};

#[path = "nodes/disks.rs"]
mod disks;
#[path = "nodes/gpu_sharing.rs"]
mod gpu_sharing;
#[path = "nodes/karpenter.rs"]
mod karpenter;
#[path = "nodes/lost.rs"]
mod lost;
#[path = "nodes/recovered.rs"]
mod recovered;
#[path = "nodes/small.rs"]
mod small;
#[path = "nodes/start_up.rs"]
mod start_up;
mod templates;
#[path = "nodes/upgrade.rs"]
mod upgrade;
#[path = "nodes/volumes.rs"]
mod volumes;

/// A run of a scenario, with its log.
struct Told {
    scenario: Scenario,
    history: History,
    outcome: Outcome,
}

fn run(path: &Path) -> Told {
    let loaded = load_scenario(path, &LoadOptions::default());
    let said = format!("{:?}", loaded.diagnostics);
    simulated(loaded.scenario.unwrap_or_else(|| panic!("{said}")))
}

fn simulated(scenario: Scenario) -> Told {
    let mut history = History::new(&scenario, Keep::Changes);
    let options = RunOptions { seed: scenario.seed, replication: 0, check_invariants: true };
    let outcome = simulate(&scenario, options, &mut history);
    Told { scenario, history, outcome }
}

fn shipped(name: &str) -> Told {
    run(Path::new(&format!("scenarios/{name}.yaml")))
}

impl Told {
    /// Instants, objects and messages of an event.
    fn events(&self, wanted: &str) -> Vec<(SimTime, String, String)> {
        let names = self.history.names();
        let mut found = Vec::new();
        for entry in self.history.entries() {
            if let Record::Announced { about, event, message } = &entry.record
                && *event == wanted
            {
                let about = match about {
                    About::Pod(id) => names.pod(*id).to_owned(),
                    About::Node(id) => names.node(*id).to_owned(),
                    About::Claim(name)
                    | About::NodePool(name)
                    | About::ScaledObject(name)
                    | About::Quota(name) => name.to_string(),
                    About::Disruption(id) => names.disruption(*id).to_owned(),
                };
                found.push((entry.first, about, message.to_string()));
            }
        }
        found
    }

    /// When a disruption began.
    fn begins(&self) -> Vec<SimTime> {
        let began = |entry: &aurelius_sim::trace::Entry| {
            matches!(entry.record, Record::DisruptionBegan(_)).then_some(entry.first)
        };
        self.history.entries().iter().filter_map(began).collect()
    }

    /// When a disruption ended.
    fn ends(&self) -> Vec<SimTime> {
        let ended = |entry: &aurelius_sim::trace::Entry| {
            matches!(entry.record, Record::DisruptionEnded(_)).then_some(entry.first)
        };
        self.history.entries().iter().filter_map(ended).collect()
    }
}

fn minutes(value: u64) -> SimDuration {
    SimDuration::from_secs(60 * value)
}
