//! The cloud's answers to requests for machines: what it has, what the account may have.
//!
//! A group tries its zones one after another; a machine asked for by itself is tried in its zone
//! only. What fails stays requested: whoever asked gives it up, and a group that keeps its size
//! tries again after a while.

use std::collections::BTreeMap;
use std::sync::Arc;

use rand::RngExt;

use crate::cluster::api::Machine;
use crate::cluster::{LaunchFailure, Node, Occurrence};
use crate::engine::Stream;
use crate::model::Event;
use crate::model::event::NodeStep;
use crate::model::id::{DisruptionId, NodeId};
use crate::model::observer::Observer;
use crate::scenario::capacity::{CapacitySpec, MachineFilter};
use crate::sim::Run;
use crate::units::{SimDuration, SimTime};

/// How long a group waits before it asks again for a machine it could not get. Assumption: auto
/// scaling groups retry after a minute or so, and less often later.
const RETRY: SimDuration = SimDuration::from_secs(60);

/// What the cloud lacks at present, and the machines being made.
#[derive(Debug, Default)]
pub(super) struct Capacity {
    /// Shortages of the scenario that last.
    shortages: BTreeMap<DisruptionId, MachineFilter>,
    /// The chance of each machine that is being made.
    launching: BTreeMap<NodeId, Stream>,
}

impl Capacity {
    pub(super) fn begin_shortage(&mut self, id: DisruptionId, of: &MachineFilter) {
        self.shortages.insert(id, of.clone());
    }

    pub(super) fn end_shortage(&mut self, id: DisruptionId) {
        self.shortages.remove(&id);
    }

    pub(super) fn launching(&mut self, node: NodeId, stream: Stream) {
        self.launching.insert(node, stream);
    }

    /// The node's machine runs, or nobody waits for it any more.
    pub(super) fn launched(&mut self, node: NodeId) -> Option<Stream> {
        self.launching.remove(&node)
    }

    /// Whether it has all of everything.
    pub(super) fn is_endless(&self, spec: &CapacitySpec) -> bool {
        self.shortages.is_empty() && *spec == CapacitySpec::default()
    }

    /// Whether the cloud has such a machine; `in_use` are those that run.
    pub(super) fn answer(
        &self,
        spec: &CapacitySpec,
        machine: &Machine,
        in_use: &[&Machine],
        chance: &mut dyn FnMut() -> f64,
    ) -> Result<(), LaunchFailure> {
        for quota in spec.quotas.iter().filter(|quota| quota.of.matches(machine)) {
            let counted = in_use.iter().filter(|other| quota.of.matches(other));
            let (mut vcpus, mut gpus) = size(machine);
            for other in counted {
                let more = size(other);
                vcpus += more.0;
                gpus += more.1;
            }
            let over = |limit: Option<i64>, used| limit.is_some_and(|limit| used > limit);
            if over(quota.vcpus, vcpus) || over(quota.gpus, gpus) {
                return Err(LaunchFailure::Quota);
            }
        }
        if self.shortages.values().any(|of| of.matches(machine)) {
            return Err(LaunchFailure::NoCapacity);
        }
        let fails = spec
            .failures
            .iter()
            .any(|failure| failure.of.matches(machine) && chance() < failure.probability);
        if fails { Err(LaunchFailure::NoCapacity) } else { Ok(()) }
    }
}

/// vCPUs and GPUs of a machine.
fn size(machine: &Machine) -> (i64, i64) {
    let capacity = &machine.instance.capacity;
    (capacity.cpu.0 / 1000, capacity.get("nvidia.com/gpu"))
}

impl<O: Observer> Run<'_, O> {
    /// The cloud answers a request for a machine.
    pub(super) fn cloud_answers(&mut self, now: SimTime, id: NodeId) {
        let Some(node) = self.cluster.node(id).filter(|node| node.is_coming()) else { return };
        let mut stream = self.streams.of(&format!("capacity/{}/{}", node.name, now.as_nanos()));
        match self.find_machine(node, &mut || stream.random::<f64>()) {
            Ok(zone) => {
                self.occur(now, Occurrence::NodeLaunched(id, zone));
                self.boot(id);
            }
            Err((why, machine)) => {
                let (code, message) = self.scenario.provider.refusal(why, &machine);
                let (code, message) = (Arc::from(code), Arc::from(message));
                self.occur(now, Occurrence::NodeLaunchFailed { node: id, why, code, message });
                self.schedule(RETRY, Event::Node(id, NodeStep::Launched));
            }
        }
    }

    /// The zone in which the cloud has the machine of a node, or why it has none.
    fn find_machine(
        &self,
        node: &Node,
        chance: &mut dyn FnMut() -> f64,
    ) -> Result<Option<Arc<str>>, (LaunchFailure, Machine)> {
        let spec = &self.scenario.capacity;
        let runs = |other: &&Node| other.launched.is_some() && !other.machine_gone;
        let in_use: Vec<&Machine> =
            self.cluster.nodes().filter(runs).map(|other| &other.machine).collect();
        let mut zones = vec![node.machine.zone.clone()];
        if let Some(pool) = node.pool.filter(|_| node.of_group) {
            let others = self.cluster.zones_by_need(pool).into_iter().map(Some);
            zones.extend(others.filter(|zone| *zone != node.machine.zone));
        }
        let mut first = None;
        for zone in zones {
            let machine = Machine { zone, ..node.machine.clone() };
            let failed =
                machine.zone.as_ref().is_some_and(|zone| self.cluster.is_zone_failed(zone));
            let answer = if failed {
                Err(LaunchFailure::NoCapacity)
            } else {
                self.capacity.answer(spec, &machine, &in_use, chance)
            };
            match answer {
                Ok(()) => return Ok(machine.zone),
                Err(why) => {
                    first.get_or_insert((why, machine));
                }
            }
        }
        Err(first.expect("at least one zone was tried"))
    }

    /// The machine runs: the kubelet registers, and its node becomes Ready.
    pub(super) fn boot(&mut self, id: NodeId) {
        let Some(node) = self.cluster.node(id) else { return };
        let Some(pool) = node.pool else { return };
        let spec = Arc::clone(&self.cluster.pool(pool).spec);
        let Some(mut stream) = self.capacity.launched(id) else { return };
        let launch = spec.launch.sample_span(&mut stream);
        let Some(ready) = &spec.node_ready else {
            self.schedule(launch, Event::Node(id, NodeStep::BecameReady));
            return;
        };
        let ready = ready.sample_span(&mut stream);
        self.schedule(launch, Event::Node(id, NodeStep::Registered));
        self.schedule(launch + ready, Event::Node(id, NodeStep::BecameReady));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::api::InstanceType;
    use crate::scenario::capacity::{FailureRate, Quota};
    use crate::units::{Bytes, MilliCpu, Resources};

    fn machine(name: &str, zone: &str, spot: bool) -> Machine {
        let mut capacity = Resources::new(MilliCpu(8_000), Bytes(1 << 35));
        capacity.set(&Arc::from("nvidia.com/gpu"), i64::from(name.starts_with('g')));
        let instance = InstanceType {
            name: Arc::from(name),
            capacity: capacity.clone(),
            allocatable: capacity,
            max_pods: 29,
            max_volumes: None,
            gpu_kind: None,
            on_demand_per_hour: None,
            spot_per_hour: None,
            price_date: Arc::from(""),
        };
        Machine { instance: Arc::new(instance), zone: Some(Arc::from(zone)), spot }
    }

    fn only(instance: &str, zone: Option<&str>, spot: Option<bool>) -> MachineFilter {
        let zones = zone.map(Arc::from).into_iter().collect();
        MachineFilter { instances: vec![Arc::from(instance)], zones, spot }
    }

    fn ask(
        cloud: &Capacity,
        spec: &CapacitySpec,
        wanted: &Machine,
        runs: &[&Machine],
        drawn: f64,
    ) -> Result<(), LaunchFailure> {
        cloud.answer(spec, wanted, runs, &mut || drawn)
    }

    #[test]
    fn a_shortage_holds_for_its_type_zone_and_capacity_type_until_it_ends() {
        let mut cloud = Capacity::default();
        let spec = CapacitySpec::default();
        cloud.begin_shortage(DisruptionId(0), &only("g4dn.*", Some("a"), Some(false)));
        let none = Err(LaunchFailure::NoCapacity);
        for (name, zone, spot, expected) in [
            ("g4dn.2xlarge", "a", false, none),
            ("g4dn.2xlarge", "b", false, Ok(())),
            ("g4dn.2xlarge", "a", true, Ok(())),
            ("m5.large", "a", false, Ok(())),
        ] {
            let wanted = machine(name, zone, spot);
            assert_eq!(ask(&cloud, &spec, &wanted, &[], 0.5), expected, "{name} {zone} {spot}");
        }
        cloud.end_shortage(DisruptionId(0));
        assert_eq!(ask(&cloud, &spec, &machine("g4dn.2xlarge", "a", false), &[], 0.5), Ok(()));
    }

    #[test]
    fn quotas_count_what_runs_in_their_family() {
        let cloud = Capacity::default();
        let of = only("g*", None, Some(false));
        let quotas = vec![Quota { of, vcpus: Some(20), gpus: None }];
        let spec = CapacitySpec { quotas, ..CapacitySpec::default() };
        let (gpu, cpu) = (machine("g4dn.2xlarge", "a", false), machine("m5.2xlarge", "a", false));
        let spot = machine("g4dn.2xlarge", "a", true);
        assert_eq!(ask(&cloud, &spec, &gpu, &[&gpu, &cpu, &cpu, &spot], 0.5), Ok(()));
        let full = Err(LaunchFailure::Quota);
        assert_eq!(ask(&cloud, &spec, &gpu, &[&gpu, &gpu], 0.5), full, "24 of 20 vCPUs");
        assert_eq!(ask(&cloud, &spec, &spot, &[&gpu, &gpu], 0.5), Ok(()));
        let of = MachineFilter::default();
        let quotas = vec![Quota { of, vcpus: None, gpus: Some(1) }];
        let spec = CapacitySpec { quotas, ..CapacitySpec::default() };
        assert_eq!(ask(&cloud, &spec, &gpu, &[&gpu], 0.5), full);
        assert_eq!(ask(&cloud, &spec, &cpu, &[&gpu], 0.5), Ok(()));
    }

    #[test]
    fn a_request_fails_as_often_as_its_probability_says() {
        let cloud = Capacity::default();
        let of = only("m5.*", None, None);
        let failures = vec![FailureRate { of, probability: 0.2 }];
        let spec = CapacitySpec { failures, ..CapacitySpec::default() };
        let wanted = machine("m5.large", "a", false);
        let none = Err(LaunchFailure::NoCapacity);
        assert_eq!(ask(&cloud, &spec, &wanted, &[], 0.19), none);
        assert_eq!(ask(&cloud, &spec, &wanted, &[], 0.2), Ok(()));
        assert_eq!(ask(&cloud, &spec, &machine("m6i.large", "a", false), &[], 0.0), Ok(()));
    }
}
