//! Spot machines that the cloud takes back, and machines that are gone while their node is not.
//!
//! At the notice a termination handler, where there is one, cordons the node and drains it. When the
//! notice is over the machine is gone, finished or not; the auto scaling group asks for another. The
//! Node object goes when the node is not ready and the cloud no longer knows the machine
//! (cloud-node-lifecycle controller, 5 s period).

use crate::cluster::{Node, NodePhase, Occurrence};
use crate::control::drain::{Drain, DrainSpec};
use crate::model::event::{DisruptionStep, NodeStep};
use crate::model::id::{DisruptionId, NodeId, PoolId};
use crate::model::observer::Observer;
use crate::model::record::{About, Record};
use crate::model::{Action, Event};
use crate::sim::Run;
use crate::units::{SimDuration, SimTime};

/// Between two looks of the cloud-node-lifecycle controller (`--node-monitor-period`).
const CLOUD_PERIOD: SimDuration = SimDuration::from_secs(5);

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
        let nodes = self.nodes_to_drain(pool, count);
        for node in &nodes {
            let message = format!("the machine will be taken back in {notice}");
            self.announce(About::Node(*node), "SpotInterruption", &message);
        }
        self.disruptions[id.index()].failed.clone_from(&nodes);
        self.schedule(notice, Event::Disruption(id, DisruptionStep::End));
        if handler {
            let spec = DrainSpec { timeout: Some(notice), ..DrainSpec::default() };
            self.disruptions[id.index()].drain = Some(Drain::new(spec, nodes));
            self.continue_drain(now, id);
        }
    }

    /// The notice is over: the machines are gone.
    pub(super) fn end_reclaim(&mut self, now: SimTime, id: DisruptionId) {
        self.disruptions[id.index()].drain = None;
        for node in std::mem::take(&mut self.disruptions[id.index()].failed) {
            let Some(live) = self.cluster.node(node).filter(|node| node.is_ready()) else {
                continue;
            };
            let pool = live.pool;
            self.occur(now, Occurrence::NodeLost(node));
            self.occur(now, Occurrence::MachineGone(node));
            if let Some(pool) = pool {
                self.apply(now, &Action::AddNode(pool));
            }
        }
        self.records.push(Record::DisruptionEnded(id));
    }

    /// A node is found not ready: when its machine is gone, its object goes too.
    pub(super) fn look_for_machine(&mut self, node: NodeId) {
        let gone = |node: &Node| node.phase == NodePhase::Lost && node.machine_gone;
        if self.cluster.node(node).is_some_and(gone) {
            self.schedule(CLOUD_PERIOD, Event::Node(node, NodeStep::Removed));
        }
    }
}
