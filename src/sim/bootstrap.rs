//! The beginning: a cluster that has been running, put together by the same controllers in no time.

use crate::cluster::Occurrence;
use crate::model::observer::Observer;
use crate::model::{Action, Event};
use crate::sim::Run;
use crate::units::SimTime;

impl<O: Observer> Run<'_, O> {
    /// Brings up the initial nodes, lets the controllers make and place the initial pods, and
    /// starts them at once, images and all. What does not fit waits, as it would in a cluster that
    /// has been running: the run begins with it pending.
    pub(super) fn bootstrap(&mut self) {
        let now = SimTime::ZERO;
        self.booting = true;
        for pool in self.cluster.pools().iter().map(|pool| pool.id).collect::<Vec<_>>() {
            for _ in 0..self.cluster.pool(pool).spec.initial {
                self.apply(now, &Action::AddNode(pool));
            }
        }
        self.settle(now);
        let nodes: Vec<_> = self.cluster.nodes().map(|node| node.id).collect();
        for node in nodes {
            let zone = self.cluster.node(node).and_then(|node| node.machine.zone.clone());
            self.occur(now, Occurrence::NodeLaunched(node, zone));
            self.occur(now, Occurrence::NodeReady(node));
            self.occur(now, Occurrence::NodeGpus(node));
        }
        self.settle(now);
        for workload in self.cluster.workloads().iter().map(|w| w.id).collect::<Vec<_>>() {
            if self.job_spec(workload).is_none() {
                self.wake_workload(workload);
            }
        }
        self.run_instant();
        self.boot_karpenter(now);
        self.booting = false;
        self.kubelets.settle();
        self.start_periodic();
    }

    /// Takes every event that is due at the first instant, pods' starts included.
    pub(super) fn run_instant(&mut self) {
        while self.queue.next_time() == Some(SimTime::ZERO) {
            let Some((now, event)) = self.queue.pop() else { break };
            self.dispatch(now, event);
        }
    }

    /// The first beat of everything that beats.
    fn start_periodic(&mut self) {
        self.start_hpas();
        self.start_loads();
        self.start_flows();
        self.schedule(self.metrics.resolution(), Event::Scrape);
        self.start_autoscaler();
        self.start_karpenter();
        self.wake_budgets();
        self.start_memory();
        self.start_probes();
        self.start_exporters();
        let first_sample = self.measured_from;
        self.queue.schedule(first_sample, Event::Sample.rank(), Event::Sample);
        self.queue.schedule(self.measured_from, Event::WarmUpEnds.rank(), Event::WarmUpEnds);
        self.queue.schedule(self.horizon, Event::Horizon.rank(), Event::Horizon);
        self.start_disruptions();
        self.start_jobs();
    }
}
