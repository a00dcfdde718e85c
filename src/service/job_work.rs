//! Pods of Jobs that call services: a backup that reads a store and writes an object store loads both.
//!
//! A pod keeps so many calls under way, each followed by the next, until it has made as many as it has to
//! or its time is over. They are no calls of clients: stations, disks and links see them, percentiles and
//! rates of what users meet do not. A call that goes wrong ends the process, as a lost connection does.

use crate::model::id::PodId;
use crate::model::observer::{CallEnd, Observer};
use crate::service::call::Caller;
use crate::service::graph::NO_LANE;
use crate::service::runtime::{Ctx, Services, Work};
use crate::service::spec::JobWork;
use crate::units::SimTime;
use crate::units::convert::{count_u32, index};

/// A pod of a Job whose work is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkOver {
    /// The pod.
    pub pod: PodId,
    /// All calls went well; otherwise one went wrong.
    pub well: bool,
}

/// A pod of a Job at work.
#[derive(Debug, Clone, Copy)]
pub(super) struct JobRun {
    pod: PodId,
    spec: JobWork,
    begun: u64,
    done: u64,
    under_way: u32,
    /// Further calls are made.
    goes_on: bool,
}

impl JobRun {
    fn has_more(&self) -> bool {
        self.goes_on && self.spec.times.is_none_or(|times| self.begun < times)
    }
}

impl Services {
    /// A pod of a Job begins to call.
    pub fn begin_work<O: Observer>(&mut self, ctx: &mut Ctx<'_, O>, pod: PodId, spec: JobWork) {
        let run = JobRun { pod, spec, begun: 0, done: 0, under_way: 0, goes_on: true };
        let free = self.jobs.iter().position(|run| !run.goes_on && run.under_way == 0);
        let number = match free {
            Some(number) => {
                self.jobs[number] = run;
                number
            }
            None => {
                self.jobs.push(run);
                self.jobs.len() - 1
            }
        };
        let calls = std::iter::repeat_n(Work::Job(count_u32(number)), index(spec.parallel));
        self.work.extend(calls);
        self.run(ctx);
    }

    /// A pod of a Job makes no more calls. Those under way go on for nobody.
    pub fn end_work(&mut self, pod: PodId) {
        for run in self.jobs.iter_mut().filter(|run| run.pod == pod) {
            run.goes_on = false;
        }
    }

    /// Makes the next call of a pod, if it has one to make.
    pub(super) fn next_of_job<O: Observer>(&mut self, ctx: &mut Ctx<'_, O>, number: u32) {
        let run = &mut self.jobs[index(number)];
        if run.has_more() {
            run.begun += 1;
            run.under_way += 1;
            let operation = run.spec.operation;
            self.begin(ctx, operation, Caller::Job(number), (NO_LANE, 0, 0));
        }
    }

    /// A call of a pod was answered.
    pub(super) fn answer_job(
        &mut self,
        number: u32,
        end: CallEnd,
        (started, now): (SimTime, SimTime),
    ) {
        let run = &mut self.jobs[index(number)];
        run.under_way -= 1;
        if !run.goes_on {
            return;
        }
        run.done += 1;
        let well = end == CallEnd::Completed;
        if !well || run.spec.times == Some(run.done) {
            run.goes_on = false;
            self.jobs_over.push(WorkOver { pod: run.pod, well });
        } else if started < now || run.spec.times.is_some() {
            // Without a number to come to, calls that take no time would have no end at this instant.
            self.work.push(Work::Job(number));
        }
    }
}
