//! Pods of Jobs that call services, by rates: each is a closed load of as many users as it has calls under
//! way, which nobody measures.

use crate::model::id::{ClassId, PodId};
use crate::service::WorkOver;
use crate::service::fluid::clients::Clients;
use crate::service::fluid::plan::{Plan, Step};
use crate::service::fluid::{Fluid, FluidLoad, Inflow};
use crate::service::spec::JobWork;
use crate::units::convert::f64_from_u64;

/// Less than so many calls are none.
const NO_CALL: f64 = 0.5;

/// The work of a pod.
#[derive(Debug, Clone, Copy)]
pub(super) struct Work {
    pod: PodId,
    users: f64,
    times: f64,
    goes_on: bool,
}

impl Work {
    /// What it does in a tick, having made so many calls before.
    pub(super) fn inflow(&self, started: f64) -> Inflow {
        let users = if self.goes_on { self.users } else { 0.0 };
        Inflow { users, left: (self.times - started).max(0.0), ..Inflow::default() }
    }
}

impl Plan {
    /// The class whose iterations are one call of an operation, apart from those of the graph.
    fn class_of_work(&mut self, operation: usize) -> ClassId {
        let known = self.graph.classes.len();
        let of_work = |steps: &Vec<Step>| matches!(steps[..], [Step::Call { operation: it, .. }] if it == operation);
        let found = self.classes.iter().skip(known).position(of_work);
        ClassId::at(found.map_or(self.classes.len(), |at| known + at))
    }
}

impl Clients {
    /// Whether a load is a pod's work, which clients have no part in.
    pub(super) fn is_work(&self, load: usize) -> bool {
        self.work(load).is_some()
    }
}

impl Fluid {
    /// A pod of a Job begins to call.
    pub fn begin_work(&mut self, pod: PodId, spec: JobWork) {
        let operation = spec.operation.index();
        let class = self.plan.class_of_work(operation);
        if class.index() == self.plan.classes.len() {
            self.plan.classes.push(vec![Step::Call { operation, timeout_s: f64::INFINITY }]);
        }
        let load = FluidLoad {
            shares: vec![(class, 1.0)],
            closed: true,
            max_users: f64::INFINITY,
            arrivals_ca2: 1.0,
        };
        let work = Work {
            pod,
            users: f64::from(spec.parallel),
            times: spec.times.map_or(f64::INFINITY, f64_from_u64),
            goes_on: true,
        };
        self.clients.begin_work(&self.plan, load, work);
    }

    /// A pod of a Job makes no more calls.
    pub fn end_work(&mut self, pod: PodId) {
        for load in 0..self.clients.loads() {
            if let Some(work) = self.clients.work_mut(load).filter(|work| work.pod == pod) {
                work.goes_on = false;
            }
        }
    }

    /// Finds out whose work is over, or went wrong.
    pub(super) fn follow_work(&mut self) {
        for load in 0..self.clients.loads() {
            let (ended, wrong) = self.clients.progress(load);
            let Some(work) = self.clients.work_mut(load).filter(|work| work.goes_on) else {
                continue;
            };
            let well = ended + NO_CALL >= work.times;
            if well || wrong > NO_CALL {
                work.goes_on = false;
                self.work_over.push(WorkOver { pod: work.pod, well });
            }
        }
    }

    /// Pods of Jobs whose work was over since the last call.
    pub fn take_work_over(&mut self, into: &mut Vec<WorkOver>) {
        into.append(&mut self.work_over);
    }
}
