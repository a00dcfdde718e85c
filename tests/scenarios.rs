//! Every shipped scenario does what its comment says, shown on its decision log, and obeys the laws:
//! nobody is made or lost, no node is over-committed, replicas stay within their bounds, Little's law.
//!
//! Long scenarios are cut to the part in which something happens.

#![expect(clippy::wildcard_enum_match_arm, reason = "a test picks the records it is about")]

use std::path::Path;
use std::sync::LazyLock;

use aurelius_sim::cluster::api::WorkloadKind;
use aurelius_sim::input::render::concise;
use aurelius_sim::input::{LoadOptions, load_scenario};
use aurelius_sim::metrics::judge::judge;
use aurelius_sim::model::action::{BudgetStatus, PodDeletion};
use aurelius_sim::model::id::{HpaId, NodeId, PodId, WorkloadId};
use aurelius_sim::model::reason::{NoScaleUp, Reason};
use aurelius_sim::model::record::{Decider, HpaSync, Record};
use aurelius_sim::scenario::{Scenario, ServiceModel};
use aurelius_sim::trace::{NodeLife, PodLife};
use aurelius_sim::units::{SimDuration, SimTime};

#[path = "scenarios/capacity.rs"]
mod capacity;
#[path = "scenarios/consolidation.rs"]
mod consolidation;
#[path = "scenarios/gpu_surge.rs"]
mod gpu_surge;
#[path = "scenarios/load.rs"]
mod load;
#[path = "scenarios/nodes.rs"]
mod nodes;
#[path = "scenarios/recorded_days.rs"]
mod recorded_days;
#[path = "scenarios/services.rs"]
mod services;
#[path = "witness/mod.rs"]
mod witness;

use witness::{Seen, witness};

/// A shipped scenario, cut to its first minutes.
fn shipped(name: &str, minutes: u64) -> Scenario {
    let path = format!("scenarios/{name}.yaml");
    let loaded = load_scenario(Path::new(&path), &LoadOptions::default());
    let said = concise(&loaded.diagnostics, &loaded.sources);
    let mut scenario = loaded.scenario.unwrap_or_else(|| panic!("{said}"));
    scenario.duration = scenario.duration.min(SimDuration::from_secs(minutes * 60));
    scenario
}

static PEAK: LazyLock<Seen> = LazyLock::new(|| witness(shipped("peak", 58), true));
static SMOKE: LazyLock<Seen> = LazyLock::new(|| witness(shipped("k6-smoke", 5), true));
static SURGE: LazyLock<Seen> = LazyLock::new(|| witness(shipped("gpu-surge", 60), true));
static DRAIN: LazyLock<Seen> = LazyLock::new(|| witness(shipped("drain", 32), true));
static NIGHT: LazyLock<Seen> = LazyLock::new(|| witness(shipped("night", 40), true));
static OUTAGE: LazyLock<Seen> = LazyLock::new(|| witness(shipped("zone-outage", 38), true));

fn all() -> [&'static Seen; 6] {
    [&PEAK, &SMOKE, &SURGE, &DRAIN, &NIGHT, &OUTAGE]
}

fn minutes(count: u64) -> SimDuration {
    SimDuration::from_secs(count * 60)
}

impl Seen {
    /// An instant of the scenario's own clock.
    fn at(&self, minute: u64) -> SimTime {
        SimTime::ZERO + self.scenario.warm_up + minutes(minute)
    }

    fn workload(&self, name: &str) -> WorkloadId {
        self.scenario.workload_named(name).expect("the chart has it")
    }

    fn pods_of(&self, workload: &str) -> impl Iterator<Item = &PodLife> {
        let workload = self.workload(workload);
        self.history.pods().filter(move |pod| pod.workload == workload)
    }

    fn pod(&self, id: PodId) -> &PodLife {
        self.history.pod(id).expect("it is told of before anything is told about it")
    }

    fn node(&self, id: NodeId) -> &NodeLife {
        self.history.node(id).expect("it is told of before anything is told about it")
    }

    fn pool_of(&self, node: &NodeLife) -> &str {
        self.history.names().pool(node.pool)
    }

    fn records(&self) -> impl Iterator<Item = (SimTime, &Record)> {
        self.history.entries().iter().map(|entry| (entry.first, &entry.record))
    }

    /// What the Cluster Autoscaler decided.
    fn autoscaler(&self) -> impl Iterator<Item = (SimTime, &Reason)> {
        self.records().filter_map(|(at, record)| match record {
            Record::Decided { by: Decider::ClusterAutoscaler, reason } => Some((at, reason)),
            _ => None,
        })
    }

    /// When a workload's size was written: from, to.
    fn sizes(&self, name: &str) -> Vec<(SimTime, i32, i32)> {
        let wanted = self.workload(name);
        let sizes = self.records().filter_map(|(at, record)| match record {
            Record::WorkloadScaled { workload, from, to } if *workload == wanted => {
                Some((at, *from, *to))
            }
            _ => None,
        });
        sizes.collect()
    }

    fn budget(&self, name: &str) -> Vec<(SimTime, BudgetStatus)> {
        let changes = self.records().filter_map(|(at, record)| match record {
            Record::BudgetChanged { budget, status } => {
                (self.history.names().budget(*budget) == name).then_some((at, *status))
            }
            _ => None,
        });
        changes.collect()
    }

    fn hpa(&self, name: &str) -> HpaId {
        let position = self.scenario.hpas.iter().position(|hpa| &*hpa.meta.name == name);
        HpaId::at(position.expect("the chart has it"))
    }

    /// Each sync of an HPA within a span, on its own.
    fn syncs(&self, name: &str, from: SimTime, until: SimTime) -> Vec<(SimTime, &HpaSync)> {
        let syncs = self.history.syncs(self.hpa(name), from, until);
        syncs.map(|(entry, sync)| (entry.first, sync)).collect()
    }

    /// Thresholds that are crossed, as written.
    fn crossed(&self) -> Vec<String> {
        let results = judge(&self.scenario, &self.measured);
        let judged = self.scenario.thresholds.iter().zip(&results);
        judged
            .filter(|(_, result)| !result.is_met(true))
            .map(|(spec, _)| spec.to_string())
            .collect()
    }
}

#[test]
fn nobody_is_made_or_lost_and_littles_law_holds_at_every_busy_station() {
    for seen in all() {
        seen.assert_conserved();
        seen.assert_little();
        // In its usual form it needs figures that are not mostly those of what is still inside.
        let mut checked = 0;
        for law in &seen.little {
            let ended = seen.measured.station(law.station).whole_run_ended;
            if ended >= 1_000 && u64::from(law.inside_at_end) * 200 <= ended {
                assert!(law.gap() < 0.01, "{}: {law:?}", seen.scenario.name);
                checked += 1;
            }
        }
        let busy = if &*seen.scenario.name == "k6-smoke" { 1 } else { 9 };
        assert!(checked >= busy, "{}: only {checked} busy stations", seen.scenario.name);
    }
}

#[test]
fn what_was_measured_without_a_warm_up_is_what_the_run_counted() {
    let calls = SMOKE.outcome.calls;
    assert_eq!(SMOKE.measured.calls().ends.total(), calls.ended() - calls.interrupted);
    assert_eq!(SMOKE.measured.iterations().durations.count(), SMOKE.outcome.iterations_ended);
}

#[test]
fn the_steps_of_every_pods_life_follow_each_other() {
    for seen in all() {
        for pod in seen.history.pods() {
            let steps = [
                Some(pod.created),
                pod.unschedulable.first().map(|refusal| refusal.first),
                pod.bound.map(|(at, _)| at),
                pod.pulled.map(|(at, _)| at),
                pod.started,
                pod.ready,
                pod.gone,
            ];
            let told: Vec<SimTime> = steps.into_iter().flatten().collect();
            assert!(told.is_sorted(), "{}: {pod:?}", seen.scenario.name);
            if let (Some((bound, _)), Some((pulled, took))) = (pod.bound, pod.pulled) {
                // A pull begins when the volumes are mounted, and disks of their own take their time; so
                // does each container that is started before the next one's pull.
                let owner = &seen.scenario.workloads[pod.workload.index()];
                let spec = &owner.template.spec;
                let waits = matches!(owner.kind, WorkloadKind::StatefulSet { .. })
                    || spec.containers.len() + spec.init_containers.len() > 1;
                assert!(
                    bound + took == pulled || waits && bound + took < pulled,
                    "{}: {pod:?}",
                    seen.scenario.name
                );
            }
            let node = pod.bound.map(|(at, node)| (at, seen.node(node)));
            if let Some((at, node)) = node.filter(|(_, node)| node.requested > SimTime::ZERO) {
                assert!(node.ready.is_some_and(|ready| ready <= at), "{pod:?} on {node:?}");
            }
        }
    }
}

/// The first minutes of every scenario that is shipped, whoever has a test of its own.
#[test]
fn every_shipped_scenario_obeys_conservation_and_littles_law() {
    for entry in std::fs::read_dir("scenarios").expect("scenarios are there") {
        let path = entry.expect("it can be read").path();
        let yaml = path.extension().is_some_and(|extension| extension == "yaml");
        // Pod traces serve no requests.
        if !yaml || aurelius_sim::input::is_pod_trace(&path) {
            continue;
        }
        let name = path.file_stem().and_then(|stem| stem.to_str()).expect("a plain name");
        let mut scenario = shipped(name, 4);
        scenario.warm_up = scenario.warm_up.min(SimDuration::from_secs(30));
        // Rates have laws of their own: src/service/fluid/tests.rs.
        if scenario.model != ServiceModel::Requests {
            continue;
        }
        let seen = witness(scenario, false);
        seen.assert_conserved();
        seen.assert_little();
    }
}
