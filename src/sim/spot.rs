//! Spot machines that the cloud takes back, and machines that are gone while their node is not.
//!
//! At the notice a termination handler, where there is one, cordons the node and drains it. When the
//! notice is over the machine is gone, finished or not; the auto scaling group asks for another. The
//! Node object goes when the node is not ready and the cloud no longer knows the machine
//! (cloud-node-lifecycle controller, 5 s period).

use std::sync::Arc;

use rand::seq::SliceRandom;

use crate::cluster::{Node, NodePhase, Occurrence};
use crate::control::drain::{Drain, DrainSpec};
use crate::engine::Stream;
use crate::model::event::{DisruptionStep, NodeStep};
use crate::model::id::{DisruptionId, NodeId, PoolId};
use crate::model::observer::Observer;
use crate::model::record::{About, MachineKind, Record};
use crate::model::{Action, Event};
use crate::sim::Run;
use crate::units::convert::{ceil_u64, count_u32, f64_from_usize, index};
use crate::units::{SimDuration, SimTime};

/// Between two looks of the cloud-node-lifecycle controller (`--node-monitor-period`).
const CLOUD_PERIOD: SimDuration = SimDuration::from_secs(5);

/// Between two waves at least.
const LEAST: SimDuration = SimDuration::from_secs(1);

/// The waves in which spot machines are taken back, and those that were given notice.
#[derive(Debug, Default)]
pub(super) struct Spot {
    waves: Vec<Wave>,
    notices: Vec<Notice>,
}

/// The waves of one type in one zone by one rule.
#[derive(Debug)]
struct Wave {
    key: (usize, Arc<str>, Option<Arc<str>>),
    stream: Stream,
    next: SimTime,
}

#[derive(Debug)]
struct Notice {
    nodes: Vec<NodeId>,
    drain: Option<Drain>,
}

impl<O: Observer> Run<'_, O> {
    /// The cloud gives notice.
    pub(super) fn begin_reclaim(
        &mut self,
        now: SimTime,
        id: DisruptionId,
        (pool, count): (PoolId, u32),
        notice: SimDuration,
        handler: bool,
    ) {
        let mut nodes = self.nodes_to_drain(pool, u32::MAX);
        nodes.retain(|node| self.is_spot(*node));
        nodes.truncate(index(count));
        self.give_notice(now, &nodes, notice);
        self.disruptions[id.index()].failed.clone_from(&nodes);
        self.schedule(notice, Event::Disruption(id, DisruptionStep::End));
        if handler {
            let spec = DrainSpec { timeout: Some(notice), ..DrainSpec::default() };
            self.disruptions[id.index()].drain = Some(Drain::new(spec, nodes));
            self.continue_drain(now, id);
        }
    }

    fn is_spot(&self, node: NodeId) -> bool {
        self.cluster.node(node).is_some_and(|node| node.machine.spot)
    }

    /// The notice is over: the machines are gone.
    pub(super) fn end_reclaim(&mut self, now: SimTime, id: DisruptionId) {
        self.disruptions[id.index()].drain = None;
        for node in std::mem::take(&mut self.disruptions[id.index()].failed) {
            self.take_machine(now, node);
        }
        self.records.push(Record::DisruptionEnded(id));
    }

    /// A machine is gone; its group asks for another.
    fn take_machine(&mut self, now: SimTime, node: NodeId) {
        let Some(live) = self.cluster.node(node).filter(|node| node.has_kubelet()) else { return };
        let pool = live.pool.filter(|_| live.of_group);
        self.occur(now, Occurrence::NodeLost(node));
        self.occur(now, Occurrence::MachineGone(node));
        if let Some(pool) = pool {
            self.apply(now, &Action::AddNode(pool));
        }
    }

    /// A spot machine came to be: from now on the waves of its type in its zone matter. Their times
    /// are drawn from the start of the run on, so that they do not depend on when that is.
    pub(super) fn watch_spot(&mut self, now: SimTime, machine: &MachineKind) {
        let scenario = self.scenario;
        for (rule, spec) in scenario.capacity.interruptions.iter().enumerate() {
            let key = (rule, Arc::clone(&machine.instance), machine.zone.clone());
            let known = self.spot.waves.iter().any(|wave| wave.key == key);
            if known || !spec.of.matches_kind(machine) {
                continue;
            }
            let zone = machine.zone.as_deref().unwrap_or("-");
            let stream = self.streams.of(&format!("spot/{rule}/{}/{zone}", machine.instance));
            let number = count_u32(self.spot.waves.len());
            let mut wave = Wave { key, stream, next: SimTime::ZERO };
            while wave.next <= now {
                wave.next += spec.every.sample_span(&mut wave.stream).max(LEAST);
            }
            let event = Event::SpotWave(number);
            self.queue.schedule(wave.next, event.rank(), event);
            self.spot.waves.push(wave);
        }
    }

    /// A wave comes: some of the machines of its type in its zone are given notice.
    pub(super) fn spot_wave(&mut self, now: SimTime, number: u32) {
        let scenario = self.scenario;
        let wave = &mut self.spot.waves[index(number)];
        let (rule, instance, zone) = wave.key.clone();
        let spec = &scenario.capacity.interruptions[rule];
        let there = |node: &&Node| {
            node.has_kubelet()
                && node.machine.spot
                && node.machine.instance.name == instance
                && node.machine.zone == zone
        };
        let mut nodes: Vec<NodeId> =
            self.cluster.nodes().filter(there).map(|node| node.id).collect();
        nodes.shuffle(&mut wave.stream);
        let taken = ceil_u64(f64_from_usize(nodes.len()) * spec.share);
        nodes.truncate(usize::try_from(taken).unwrap_or(usize::MAX).max(1));
        wave.next = now + spec.every.sample_span(&mut wave.stream).max(LEAST);
        let event = Event::SpotWave(number);
        self.queue.schedule(wave.next, event.rank(), event);
        if nodes.is_empty() {
            return;
        }
        self.give_notice(now, &nodes, spec.notice);
        let notice = count_u32(self.spot.notices.len());
        let drain = spec.handler.then(|| {
            let spec = DrainSpec { timeout: Some(spec.notice), ..DrainSpec::default() };
            Drain::new(spec, nodes.clone())
        });
        self.spot.notices.push(Notice { nodes, drain });
        self.schedule(spec.notice, Event::SpotNotice(notice, DisruptionStep::End));
        self.spot_notice(now, notice, DisruptionStep::Retry);
    }

    /// The drain of machines that were given notice goes on, or the machines go.
    pub(super) fn spot_notice(&mut self, now: SimTime, number: u32, step: DisruptionStep) {
        let notice = &mut self.spot.notices[index(number)];
        if step == DisruptionStep::End {
            notice.drain = None;
            for node in std::mem::take(&mut notice.nodes) {
                self.take_machine(now, node);
            }
            return;
        }
        let Some(drain) = &mut notice.drain else { return };
        let progress = drain.advance(now, &self.cluster, &mut self.workloads.budgets);
        for action in &progress.actions {
            self.apply(now, action);
        }
        self.records.extend(progress.refused);
        if let Some(at) = progress.next {
            self.schedule(at.since(now), Event::SpotNotice(number, DisruptionStep::Retry));
        }
    }

    fn give_notice(&mut self, now: SimTime, nodes: &[NodeId], notice: SimDuration) {
        for node in nodes {
            let message = format!("the machine will be taken back in {notice}");
            self.announce(About::Node(*node), "SpotInterruption", &message);
            self.karpenter_loses_node(now, *node);
        }
    }

    /// A node is found not ready: when its machine is gone, its object goes too.
    pub(super) fn look_for_machine(&mut self, node: NodeId) {
        let gone = |node: &Node| node.phase == NodePhase::Lost && node.machine_gone;
        if self.cluster.node(node).is_some_and(gone) {
            self.schedule(CLOUD_PERIOD, Event::Node(node, NodeStep::Removed));
        }
    }
}
