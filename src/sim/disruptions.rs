//! Timed disruptions of the scenario: begun, continued, ended.

use std::sync::Arc;

use crate::cluster::{Node, NodePhase, Occurrence};
use crate::control::drain::{Drain, DrainSpec};
use crate::control::pool_upgrade::Upgrade;
use crate::model::action::PodDeletion;
use crate::model::event::DisruptionStep;
use crate::model::id::{DisruptionId, NodeId, PodId, PoolId, StationId, WorkloadId};
use crate::model::observer::Observer;
use crate::model::record::{About, Record};
use crate::model::{Action, Event};
use crate::scenario::DisruptionTarget;
use crate::sim::Run;
use crate::units::{SimDuration, SimTime};

/// A disruption under way.
#[derive(Debug, Default)]
pub(super) struct DisruptionState {
    pub(super) drain: Option<Drain>,
    pub(super) upgrade: Option<Upgrade>,
    /// Nodes that it made fail, or will.
    pub(super) failed: Vec<NodeId>,
}

impl<O: Observer> Run<'_, O> {
    /// Schedules every disruption of the scenario.
    pub(super) fn start_disruptions(&mut self) {
        for (position, spec) in self.scenario.disruptions.iter().enumerate() {
            let event = Event::Disruption(DisruptionId::at(position), DisruptionStep::Begin);
            self.queue.schedule(self.measured_from + spec.at, event.rank(), event);
        }
    }

    /// A disruption begins, goes on or ends.
    pub(super) fn disrupt(&mut self, now: SimTime, id: DisruptionId, step: DisruptionStep) {
        match step {
            DisruptionStep::Begin => {
                self.records.push(Record::DisruptionBegan(id));
                self.begin_disruption(now, id);
            }
            DisruptionStep::Retry => {
                self.continue_drain(now, id);
                self.continue_upgrade(now, id);
            }
            DisruptionStep::NodesDeleted => self.delete_failed(now, id),
            DisruptionStep::End if self.rollout_spec(id).is_some() => {
                self.rollout_timeout(now, id);
            }
            DisruptionStep::End => self.end_failure(now, id),
        }
    }

    fn begin_disruption(&mut self, now: SimTime, id: DisruptionId) {
        let scenario = self.scenario;
        match &scenario.disruptions[id.index()].target {
            DisruptionTarget::Drain { pool, count, node } => {
                let nodes = match node {
                    Some(name) => self.node_called(id, name).into_iter().collect(),
                    None => self.nodes_to_drain(*pool, *count),
                };
                let drain = Drain::new(DrainSpec::default(), nodes);
                self.disruptions[id.index()].drain = Some(drain);
                self.continue_drain(now, id);
                return;
            }
            DisruptionTarget::UpgradePool { pool, spec, template } => {
                self.begin_upgrade(now, id, *pool, (*spec, *template));
                return;
            }
            DisruptionTarget::ReclaimSpot { pool, count, notice, handler } => {
                self.begin_reclaim(now, id, (*pool, *count), *notice, *handler);
                return;
            }
            DisruptionTarget::FailNode { duration, deleted, .. } => {
                self.begin_node_failure(now, id, *duration, *deleted);
                return;
            }
            DisruptionTarget::FailZone { zone, duration } => {
                self.occur(now, Occurrence::ZoneFailed(Arc::clone(zone)));
                let nodes = self.ready_nodes(|node| node.zone() == Some(&**zone));
                self.fail_nodes(now, id, nodes);
                self.schedule_end(id, *duration);
                return;
            }
            DisruptionTarget::Slow { station, factor, duration } => {
                return self.begin_slowdown(id, *station, *factor, *duration);
            }
            DisruptionTarget::CapacityShortage { of, duration } => {
                self.capacity.begin_shortage(id, of);
                self.schedule_end(id, *duration);
                return;
            }
            DisruptionTarget::Rollout(spec) => {
                self.begin_rollout(now, id, spec);
                return;
            }
            DisruptionTarget::Cordon { node } => {
                if let Some(node) = self.node_called(id, node) {
                    self.apply(now, &Action::Cordon(node));
                }
            }
            DisruptionTarget::Scale { workload, replicas } => {
                self.scale_workload(now, id, *workload, *replicas);
            }
            DisruptionTarget::DeletePod { workload, count: _, pod: Some(name) } => {
                self.delete_named(now, id, *workload, name);
            }
            DisruptionTarget::DeletePod { workload, count, pod: None } => {
                self.delete_pods(now, *workload, *count);
            }
        }
        self.records.push(Record::DisruptionEnded(id));
    }

    /// Machines of a pool stop, or the one that is named.
    fn begin_node_failure(
        &mut self,
        now: SimTime,
        id: DisruptionId,
        duration: Option<SimDuration>,
        deleted: Option<SimDuration>,
    ) {
        let target = &self.scenario.disruptions[id.index()].target;
        let DisruptionTarget::FailNode { pool, count, running, node, .. } = target else { return };
        let wanted = |it: &Node| {
            let runs = |workload| self.cluster.pods_on(it.id).any(|pod| pod.workload() == workload);
            match node {
                Some(name) => it.name == *name,
                None => self.is_of_pool(it, *pool) && running.is_none_or(runs),
            }
        };
        let nodes = self.ready_nodes(wanted);
        if let Some(name) = node.as_ref().filter(|_| nodes.is_empty()) {
            self.node_called(id, name);
            self.records.push(Record::DisruptionEnded(id));
            return;
        }
        if let Some(after) = deleted {
            self.schedule(after, Event::Disruption(id, DisruptionStep::NodesDeleted));
        }
        let count = crate::units::convert::index(*count);
        self.fail_nodes(now, id, nodes.into_iter().take(count).collect());
        self.schedule_end(id, duration);
    }

    fn scale_workload(
        &mut self,
        now: SimTime,
        id: DisruptionId,
        workload: WorkloadId,
        replicas: i32,
    ) {
        if !self.cluster.workload(workload).exists {
            let name = &self.cluster.workload(workload).spec.meta.name;
            let message = format!("\"{name}\" not found");
            self.announce(About::Disruption(id), "NotFound", &message);
        }
        self.apply(now, &Action::ScaleWorkload { workload, replicas });
    }

    /// The node of a name; that there is none is told, in kubectl's words.
    fn node_called(&mut self, id: DisruptionId, name: &str) -> Option<NodeId> {
        let found = self.cluster.node_named(name).map(|node| node.id);
        if found.is_none() {
            let message = format!("nodes \"{name}\" not found");
            self.announce(About::Disruption(id), "NotFound", &message);
        }
        found
    }

    fn delete_named(&mut self, now: SimTime, id: DisruptionId, of: WorkloadId, name: &str) {
        let found = self.cluster.pods_of(of).find(|pod| *pod.name == *name).map(|pod| pod.id);
        match found {
            Some(pod) => {
                let because = PodDeletion::Scenario;
                self.apply(now, &Action::DeletePod { pod, grace: None, because });
            }
            None => {
                let message = format!("pods \"{name}\" not found");
                self.announce(About::Disruption(id), "NotFound", &message);
            }
        }
    }

    fn begin_slowdown(
        &mut self,
        id: DisruptionId,
        station: StationId,
        factor: f64,
        duration: Option<SimDuration>,
    ) {
        self.services.slow_down(station, factor);
        self.schedule_end(id, duration);
    }

    /// The nodes of a pool that a drain takes: those with the most pods to move come first, so that
    /// the drain shows what it does to a node in use.
    pub(super) fn nodes_to_drain(&self, pool: PoolId, count: u32) -> Vec<NodeId> {
        let mut nodes: Vec<&Node> = self
            .cluster
            .nodes()
            .filter(|node| self.is_of_pool(node, pool) && node.is_ready() && !node.unschedulable)
            .collect();
        nodes.sort_by_key(|node| std::cmp::Reverse(movable(self, node)));
        let count = crate::units::convert::index(count);
        nodes.into_iter().take(count).map(|node| node.id).collect()
    }

    /// Whether a node is of a pool, or of a machine type of the same NodePool.
    pub(super) fn is_of_pool(&self, node: &Node, pool: PoolId) -> bool {
        let pool = &self.cluster.pool(pool).spec;
        node.pool.is_some_and(|own| pool.includes(&self.cluster.pool(own).spec))
    }

    fn ready_nodes(&self, which: impl Fn(&Node) -> bool) -> Vec<NodeId> {
        let nodes = self.cluster.nodes().filter(|node| node.phase == NodePhase::Ready);
        nodes.filter(|node| which(node)).map(|node| node.id).collect()
    }

    fn fail_nodes(&mut self, now: SimTime, id: DisruptionId, nodes: Vec<NodeId>) {
        for node in &nodes {
            self.occur(now, Occurrence::NodeLost(*node));
        }
        self.disruptions[id.index()].failed = nodes;
    }

    fn schedule_end(&mut self, id: DisruptionId, duration: Option<SimDuration>) {
        if let Some(duration) = duration {
            self.schedule(duration, Event::Disruption(id, DisruptionStep::End));
        }
    }

    fn end_failure(&mut self, now: SimTime, id: DisruptionId) {
        let scenario = self.scenario;
        let target = &scenario.disruptions[id.index()].target;
        if let DisruptionTarget::Slow { station, factor, .. } = target {
            self.services.speed_up(*station, *factor);
        }
        if let DisruptionTarget::ReclaimSpot { .. } = target {
            self.end_reclaim(now, id);
            return;
        }
        self.capacity.end_shortage(id);
        if let DisruptionTarget::FailZone { zone, .. } = target {
            self.occur(now, Occurrence::ZoneRecovered(Arc::clone(zone)));
        }
        for node in std::mem::take(&mut self.disruptions[id.index()].failed) {
            self.occur(now, Occurrence::NodeRecovered(node));
        }
        self.records.push(Record::DisruptionEnded(id));
    }

    /// Someone deletes the Node objects of machines that failed.
    fn delete_failed(&mut self, now: SimTime, id: DisruptionId) {
        for node in std::mem::take(&mut self.disruptions[id.index()].failed) {
            self.occur(now, Occurrence::NodeGone(node));
        }
        self.records.push(Record::DisruptionEnded(id));
    }

    fn delete_pods(&mut self, now: SimTime, workload: WorkloadId, count: u32) {
        let pods = self.cluster.pods_of(workload).filter(|pod| pod.is_active());
        let count = crate::units::convert::index(count);
        let victims: Vec<PodId> = pods.take(count).map(|pod| pod.id).collect();
        for pod in victims {
            let because = PodDeletion::Scenario;
            self.apply(now, &Action::DeletePod { pod, grace: None, because });
        }
    }

    /// Lets the drain do what it can do now, and come back when it has to.
    pub(super) fn continue_drain(&mut self, now: SimTime, id: DisruptionId) {
        let Some(drain) = &mut self.disruptions[id.index()].drain else { return };
        let progress = drain.advance(now, &self.cluster, &mut self.workloads.budgets);
        for action in &progress.actions {
            self.apply(now, action);
        }
        self.records.extend(progress.refused);
        match progress.next {
            Some(at) => {
                self.schedule(at.since(now), Event::Disruption(id, DisruptionStep::Retry));
            }
            None => {
                self.disruptions[id.index()].drain = None;
                let target = &self.scenario.disruptions[id.index()].target;
                if !matches!(target, DisruptionTarget::ReclaimSpot { .. }) {
                    self.records.push(Record::DisruptionEnded(id));
                }
            }
        }
    }
}

fn movable<O>(run: &Run<'_, O>, node: &Node) -> usize {
    run.cluster.pods_on(node.id).filter(|pod| !pod.owner.is_daemon()).count()
}
