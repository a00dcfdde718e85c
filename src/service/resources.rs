//! Disks with token buckets, links that answers share, and the way back over the network.

use crate::engine::{EventQueue, Stream, TimerId};
use crate::model::event::Event;
use crate::model::id::{CallId, OperationId, StationId};
use crate::model::observer::{CallEnd, Observer};
use crate::service::call::{Call, Caller, Phase};
use crate::service::processor::Processor;
use crate::service::runtime::{Ctx, Services, Work};
use crate::service::server::{CPU_RANK, Server};
use crate::service::spec::{DiskSpec, IoSpec, LinkSpec, NetworkSpec};
use crate::units::convert::{count_u32, f64_from_usize, index, round_u64};
use crate::units::time::{SimDuration, SimTime};

/// Link work is counted in megabytes, so that its arithmetic stays as exact as that of seconds.
const MEGABYTE: f64 = 1e6;

/// The token buckets of a disk, each as the instant at which all it has promised is done.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Disk {
    operations_until_s: f64,
    bytes_until_s: f64,
}

impl Disk {
    /// Takes the tokens of an operation: how long it waits for them.
    fn take(&mut self, now: SimTime, spec: &DiskSpec, io: &IoSpec) -> SimDuration {
        let now_s = now.as_secs_f64();
        let costs = [io.counted() / spec.iops, io.bytes.as_f64() / spec.bytes_per_second];
        let mut wait_s: f64 = 0.0;
        for (until_s, cost_s) in
            [&mut self.operations_until_s, &mut self.bytes_until_s].into_iter().zip(costs)
        {
            if cost_s > 0.0 {
                *until_s = until_s.max(now_s) + cost_s;
                wait_s = wait_s.max(*until_s - spec.burst_s - now_s);
            }
        }
        SimDuration::from_secs_f64(wait_s.max(0.0))
    }
}

/// A link at work.
#[derive(Debug)]
pub(super) struct Link {
    spec: LinkSpec,
    transfers: Processor,
    timer: TimerId,
    /// The calls whose answers are under way, by the number the processor knows them by.
    under_way: Vec<CallId>,
    free: Vec<u32>,
}

impl Link {
    pub(super) fn new(spec: LinkSpec, station: StationId, queue: &mut EventQueue<Event>) -> Self {
        let (all, one) = (spec.bytes_per_second / MEGABYTE, spec.per_connection / MEGABYTE);
        Self {
            spec,
            transfers: Processor::new(all, one, SimTime::ZERO),
            timer: queue.timer(Event::LinkDone(station)),
            under_way: Vec::new(),
            free: Vec::new(),
        }
    }

    /// An answer begins to leave.
    fn admit(&mut self, now: SimTime, megabytes: f64, call: CallId) {
        let number = match self.free.pop() {
            Some(number) => {
                self.under_way[index(number)] = call;
                number
            }
            None => {
                self.under_way.push(call);
                count_u32(self.under_way.len() - 1)
            }
        };
        self.transfers.admit(now, megabytes, number);
    }

    fn arm(&self, queue: &mut EventQueue<Event>) {
        match self.transfers.next_completion() {
            Some(at) => queue.arm(self.timer, at, CPU_RANK),
            None => queue.disarm(self.timer),
        }
    }
}

impl Services {
    /// How long a call waits for its pod's disk and uses it; nothing without one.
    pub(super) fn disk_time(&mut self, now: SimTime, call: &Call) -> SimDuration {
        let operation = &mut self.operations[call.operation.index()];
        let station = operation.station;
        let (Some(io), Some(server)) = (operation.io, call.server) else {
            return SimDuration::ZERO;
        };
        let Some(spec) = &self.graph.stations[station.index()].disk else {
            return SimDuration::ZERO;
        };
        let Some(server) = self.servers[server.index()].as_deref_mut() else {
            return SimDuration::ZERO;
        };
        let wait = server.disk.take(now, spec, &io);
        wait + spec.latency.sample_span(&mut operation.demand_stream)
    }

    /// A call's answer begins to leave over the link of its station. Returns whether it has to.
    pub(super) fn enter_link(
        &mut self,
        now: SimTime,
        id: CallId,
        operation: OperationId,
        queue: &mut EventQueue<Event>,
    ) -> bool {
        let station = self.operations[operation.index()].station;
        let megabytes = self.graph.operations[operation.index()].payload.as_f64() / MEGABYTE;
        let pods = self.stations[station.index()].open.len().max(1);
        let Some(link) = self.links[station.index()].as_deref_mut() else { return false };
        if megabytes <= 0.0 {
            return false;
        }
        let all = link.spec.bytes_per_second / MEGABYTE * f64_from_usize(pods);
        if all.to_bits() != link.transfers.cores().to_bits() {
            link.transfers.set_cores(now, all);
        }
        self.calls.get_mut(id.slot).phase = Phase::OnLink;
        link.admit(now, megabytes, id);
        link.arm(queue);
        true
    }

    /// The next transfer over a station's link is done. That of a call which ended meanwhile went on to
    /// nobody.
    pub fn link_done<O: Observer>(&mut self, ctx: &mut Ctx<'_, O>, station: StationId) {
        let Some(link) = self.links[station.index()].as_deref_mut() else { return };
        while let Some(number) = link.transfers.take_done(ctx.now) {
            link.free.push(number);
            let id = link.under_way[index(number)];
            let call = self.calls.get(id.slot);
            if call.generation == id.generation && call.phase == Phase::OnLink {
                self.work.push(Work::Proceed(id));
            }
        }
        link.arm(ctx.queue);
        self.work.reverse();
        self.run(ctx);
    }

    /// How long the answer of a call is on its way to the caller, the way there included.
    pub(super) fn way_back(&mut self, call: &Call, end: CallEnd) -> SimDuration {
        let Some(network) = &self.graph.network else { return SimDuration::ZERO };
        if !matches!(end, CallEnd::Completed | CallEnd::Failed) {
            return SimDuration::ZERO;
        }
        let here = call.server.and_then(|id| self.servers[id.index()].as_deref());
        let from = match call.caller {
            Caller::Effort(effort) => self.efforts.get(effort.slot).caller,
            caller @ (Caller::Client(_)
            | Caller::Call(_)
            | Caller::Kubelet
            | Caller::Job(_)
            | Caller::Nobody) => caller,
        };
        let dist = match from {
            Caller::Client(_) => network.clients.as_ref(),
            Caller::Call(parent) => {
                let there = self.calls.get(parent.slot).server;
                let there = there.and_then(|id| self.servers[id.index()].as_deref());
                between(network, here, there)
            }
            Caller::Effort(_) | Caller::Kubelet | Caller::Job(_) | Caller::Nobody => {
                return SimDuration::ZERO;
            }
        };
        let travels =
            dist.map_or(SimDuration::ZERO, |dist| dist.sample_span(&mut self.network_stream));
        let payload = self.graph.operations[call.operation.index()].payload;
        let transfer_s = network.bytes_per_second.map_or(0.0, |rate| payload.as_f64() / rate);
        travels + SimDuration::from_nanos(round_u64(transfer_s * 1e9))
    }

    /// The stream of the network's times.
    pub(super) const NETWORK_STREAM: &'static str = "network";
}

fn between<'n>(
    network: &'n NetworkSpec,
    here: Option<&Server>,
    there: Option<&Server>,
) -> Option<&'n crate::engine::Dist> {
    let (Some(here), Some(there)) = (here, there) else { return network.outside.as_ref() };
    if here.node.is_some() && here.node == there.node {
        network.same_node.as_ref()
    } else if here.zone == there.zone {
        network.same_zone.as_ref()
    } else {
        network.cross_zone.as_ref()
    }
}

/// Draws whether a pod answers from its cache.
pub(super) fn hits(chance: f64, stream: &mut Stream) -> bool {
    use rand::RngExt;
    chance > 0.0 && stream.random::<f64>() < chance
}
