//! The one match over events.

use crate::model::Event;
use crate::model::observer::Observer;
use crate::sim::Run;
use crate::sim::loads::ctx;
use crate::units::SimTime;

impl<O: Observer> Run<'_, O> {
    /// Hands an event to whom it concerns, then settles what followed.
    pub(super) fn dispatch(&mut self, now: SimTime, event: Event) {
        if self.flows.is_some() {
            self.flow_until(now, event);
        }
        match event {
            Event::CpuDone(server) => return self.cpu_done(now, server),
            Event::WaitDone(call) => {
                self.services.requests().wait_done(&mut ctx!(self, now), call);
                return self.hear_services(now);
            }
            Event::Arrival(load) => return self.arrival(now, load),
            Event::CfsPeriod(server) => {
                return self.services.requests().cfs_period(&mut ctx!(self, now), server);
            }
            Event::LinkDone(station) => {
                self.services.requests().link_done(&mut ctx!(self, now), station);
                return self.hear_services(now);
            }
            Event::GpuDone(server) => {
                self.services.requests().gpu_done(&mut ctx!(self, now), server);
                return self.hear_services(now);
            }
            Event::GpuStart(server) => {
                self.services.requests().gpu_start(&mut ctx!(self, now), server);
                return self.hear_services(now);
            }
            Event::TimeoutLane(lane) => {
                self.services.requests().lane_expires(&mut ctx!(self, now), lane);
                return self.hear_services(now);
            }
            Event::ClientWakes(client) => {
                self.services.requests().client_wakes(&mut ctx!(self, now), client);
                return self.hear_services(now);
            }
            Event::ConnectTimeout(call) => {
                self.services.requests().connect_timed_out(&mut ctx!(self, now), call);
                return self.hear_services(now);
            }
            Event::Effort(effort, step) => {
                self.services.requests().effort_due(&mut ctx!(self, now), effort, step);
                return self.hear_services(now);
            }
            Event::VirtualUsers(load) => return self.virtual_users(now, load),
            Event::Tick => self.tick(now),
            Event::Pod(pod, step) => self.pod_step(now, pod, step),
            Event::Node(node, step) => self.node_step(now, node, step),
            Event::Disruption(disruption, step) => self.disrupt(now, disruption, step),
            Event::SpotWave(wave) => self.spot_wave(now, wave),
            Event::SpotNotice(notice, step) => self.spot_notice(now, notice, step),
            Event::Scrape => self.scrape(now),
            Event::Budgets => self.sync_budgets(now),
            Event::Workload(workload) => self.sync_workload(now, workload),
            Event::Hpa(hpa) => self.sync_hpa(now, hpa),
            Event::Schedule => self.schedule_pod(now),
            Event::ClusterAutoscaler => self.run_autoscaler(now),
            Event::Karpenter => self.run_karpenter(now),
            Event::NodeLifecycle => self.sync_node_lifecycle(now),
            Event::Memory => self.look_at_memory(now),
            Event::Probes => self.look_at_probes(now),
            Event::PodGc => self.collect_pods(now),
            Event::Volumes => self.volumes_due(now),
            Event::Exporters(step) => self.look_at_exporters(now, step),
            Event::Sample => self.sample(now),
            Event::WarmUpEnds => self.observer.warm_up_ended(now),
            Event::Horizon => unreachable!("the loop ends at the horizon"),
        }
        self.settle(now);
        if self.options.check_invariants {
            self.cluster.check_invariants(now);
        }
    }
}
