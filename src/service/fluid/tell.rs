//! What ended since the last telling is told: whole calls, each as long as a probe took.

use rand::RngExt;

use crate::model::id::{LoadId, OperationId, StationId};
use crate::model::observer::{CallEnd, ClientCall, Observer, OperationEnd};
use crate::service::fluid::plan::Step;
use crate::service::fluid::probe::{Walk, stands_for, travel_to_client};
use crate::service::fluid::quantiles::PROBES;
use crate::service::fluid::{Ends, Fluid, span, whole};
use crate::units::convert::{count_u32, f64_from_u64, u64_from_usize};
use crate::units::{SimDuration, SimTime};

/// Who is told of so many that ended so after so long.
type Tell<'a> = &'a mut dyn FnMut(CallEnd, SimDuration, u64);

impl Fluid {
    /// Walks the probes through the present state and tells what ended until now.
    pub fn tell<O: Observer>(&mut self, now: SimTime, observer: &mut O) {
        self.catch_up();
        self.walk_all();
        self.tell_operations(now, observer);
        self.tell_clients(now, observer);
        for load in 0..self.clients.loads() {
            if self.clients.is_work(load) {
                continue;
            }
            let count = self.clients.tell_dropped(load);
            if count > 0 {
                observer.iterations_dropped(now, LoadId::at(load), count);
            }
        }
    }

    fn offset(&mut self) -> u64 {
        self.strata.offset()
    }

    fn tell_operations<O: Observer>(&mut self, now: SimTime, observer: &mut O) {
        for position in 0..self.operations.len() {
            let offset = self.offset();
            let station = StationId::at(self.plan.operations[position].station);
            let patience_s = self.plan.operations[position].patience_s;
            let Self { operations, probes, stations, .. } = self;
            let latencies = &mut stations[station.index()].latencies;
            let operation = &mut operations[position];
            let id = OperationId::at(position);
            let mut tell = |end, took: SimDuration, count| {
                if let Some(latencies) = latencies.as_deref_mut() {
                    latencies.add_many(took.as_secs_f64(), f64_from_u64(count));
                }
                observer.operations_ended(now, id, &OperationEnd { station, took, end }, count);
            };
            let walk = &probes.walks[position];
            tell_ends(&mut operation.untold, walk, patience_s, offset, false, &mut tell);
        }
    }

    fn tell_clients<O: Observer>(&mut self, now: SimTime, observer: &mut O) {
        let Self { clients, plan, probes, tally, strata, .. } = self;
        let mut iterations = Vec::new();
        for (load, flow) in clients.flows_mut() {
            let id = LoadId::at(load);
            let class = flow.class;
            for (step, cell) in flow.cells.iter_mut().enumerate() {
                let Step::Call { operation, timeout_s } = &plan.class(class)[step] else {
                    continue;
                };
                let call = |took, end| ClientCall {
                    load: id,
                    class,
                    step: u16::try_from(count_u32(step)).unwrap_or(u16::MAX),
                    operation: OperationId::at(*operation),
                    took,
                    end,
                };
                let mut tell = |end: CallEnd, took, count| {
                    tally.ends[end.number()] += count;
                    observer.calls_ended(now, &call(took, end), count);
                };
                let stalled = whole(&mut cell.stalled);
                if stalled > 0 {
                    tell(CallEnd::TimedOut, span(*timeout_s), stalled);
                }
                let mut walk = probes.walks[*operation];
                if plan.network.is_some() {
                    let travel = travel_to_client(plan, &plan.class(class)[step], strata);
                    for request in 0..PROBES {
                        let way_s = travel.took_s(strata, request);
                        walk.took_s[request] += way_s;
                        walk.failed_s[request] += way_s;
                    }
                }
                tell_ends(&mut cell.untold, &walk, *timeout_s, strata.offset(), true, &mut tell);
            }
            let ended = whole(&mut flow.untold);
            if ended > 0 {
                iterations.push((id, class, ended));
            }
        }
        for (load, class, ended) in iterations {
            self.clients.told_ended(load.index(), ended);
            let steps = std::mem::take(&mut self.plan.classes[class.index()]);
            let took_s = self.walk_class(&steps);
            self.plan.classes[class.index()] = steps;
            let offset = self.offset();
            for (request, times) in stands_for(ended, offset) {
                observer.iterations_ended(now, load, class, span(took_s[request]), times);
            }
        }
    }
}

impl super::quantiles::Strata {
    /// Where the first of those starts that stand for more than the others.
    fn offset(&mut self) -> u64 {
        self.stream_mut().random_range(0..u64_from_usize(PROBES))
    }
}

/// Tells calls by how they ended. Whoever waits gives up at the timeout (`gives_up`); a call that
/// nobody waits for any more goes on to its end.
fn tell_ends(
    ends: &mut Ends,
    walk: &Walk,
    timeout_s: f64,
    offset: u64,
    gives_up: bool,
    tell: Tell<'_>,
) {
    let Ends { through, refused, cut, failed, dropped } = ends;
    let refused = whole(refused);
    if refused > 0 {
        tell(CallEnd::Refused, SimDuration::ZERO, refused);
    }
    let dropped = whole(dropped);
    if dropped > 0 {
        tell(CallEnd::TimedOut, span(timeout_s), dropped);
    }
    let took_s = |request: usize| {
        let took_s = walk.took_s[request];
        if gives_up { took_s.min(timeout_s) } else { took_s }
    };
    for (request, times) in stands_for(whole(cut), offset) {
        // A pod ends while a request is inside, on average half way.
        tell(CallEnd::Cut, span(took_s(request) / 2.0), times);
    }
    for (request, times) in stands_for(whole(failed), offset) {
        let failed_s = walk.failed_s[request];
        let failed_s = if gives_up { failed_s.min(timeout_s) } else { failed_s };
        tell(CallEnd::Failed, span(failed_s), times);
    }
    for (request, times) in stands_for(whole(through), offset) {
        let end = if walk.took_s[request] > timeout_s {
            CallEnd::TimedOut
        } else if walk.late[request] {
            CallEnd::Failed
        } else {
            CallEnd::Completed
        };
        tell(end, span(took_s(request)), times);
    }
}
