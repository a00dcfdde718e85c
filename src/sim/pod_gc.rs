//! The garbage collector of pods takes its turns, while there is anything to collect.

use crate::control::pod_gc::{PERIOD, PodGc};
use crate::model::action::PodDeletion;
use crate::model::id::{NodeId, PodId};
use crate::model::observer::Observer;
use crate::model::{Action, Event};
use crate::sim::Run;
use crate::sim::loads::ctx;
use crate::units::{SimDuration, SimTime};

/// The collector, and whether its next look is due.
#[derive(Debug, Default)]
pub(super) struct Collector {
    gc: PodGc,
    running: bool,
}

impl<O: Observer> Run<'_, O> {
    /// A node's object is gone: its processes are dead, its pods' objects wait to be collected.
    pub(super) fn orphan_pods(&mut self, now: SimTime, node: NodeId) {
        let orphans = self.cluster.pods().filter(|pod| pod.node == Some(node));
        let orphans: Vec<PodId> = orphans.map(|pod| pod.id).collect();
        for pod in &orphans {
            if let Some(server) = self.servers.get(pod) {
                self.services.silence_server(&mut ctx!(self, now), *server);
            }
        }
        if !orphans.is_empty() && !self.pod_gc.running {
            self.pod_gc.running = true;
            let into = now.as_nanos() % PERIOD.as_nanos();
            self.schedule(SimDuration::from_nanos(PERIOD.as_nanos() - into), Event::PodGc);
        }
    }

    /// One look of the collector.
    pub(super) fn collect_pods(&mut self, now: SimTime) {
        for pod in self.pod_gc.gc.look(now, &self.cluster) {
            let because = PodDeletion::Orphaned;
            if self.cluster.pod(pod).is_some_and(crate::cluster::Pod::is_terminating) {
                self.occur(now, crate::cluster::Occurrence::PodGone(pod));
            } else {
                self.apply(now, &Action::DeletePod { pod, grace: None, because });
            }
        }
        self.pod_gc.running = self.pod_gc.gc.is_busy();
        if self.pod_gc.running {
            self.schedule(PERIOD, Event::PodGc);
        }
    }
}
