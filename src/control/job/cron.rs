//! The CronJob controller: which schedule is due, and what becomes of it.

use crate::cluster::api::job::{Concurrency, Schedule};
use crate::units::{SimDuration, SimTime};

/// The controller comes back a little after the schedule (`nextScheduleDelta`).
const DELTA: SimDuration = SimDuration::from_millis(100);

/// What the controller looks at.
#[derive(Debug, Clone, Copy)]
pub struct CronSeen<'a> {
    /// Now.
    pub now: SimTime,
    /// The schedule and its policies.
    pub schedule: &'a Schedule,
    /// `status.lastScheduleTime`.
    pub last: Option<SimTime>,
    /// Jobs that run.
    pub active: usize,
}

/// What it comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct CronStep {
    /// The schedule for which a Job is made.
    pub start: Option<SimTime>,
    /// Running Jobs are deleted first.
    pub replace: bool,
    /// A schedule is passed over because a Job runs.
    pub skipped: Option<SimTime>,
    /// When to come back.
    pub next: Option<SimTime>,
}

/// One look at a CronJob: the most recent schedule that was not met counts, older ones are dropped
/// (cronjob/utils.go `mostRecentScheduleTime`). A schedule that `Forbid` held back stays unmet: it
/// is made up for when the Job ends, unless its deadline is over.
pub fn cron(seen: &CronSeen<'_>) -> CronStep {
    let times = &seen.schedule.times;
    let after = times.partition_point(|time| *time <= seen.now);
    let next = times.get(after).map(|time| *time + DELTA);
    let idle = CronStep { start: None, replace: false, skipped: None, next };
    let due = times[..after].last().copied().filter(|due| seen.last.is_none_or(|last| *due > last));
    let Some(due) = due else { return idle };
    if seen.schedule.starting_deadline.is_some_and(|deadline| due + deadline < seen.now) {
        return idle;
    }
    match seen.schedule.concurrency {
        Concurrency::Forbid if seen.active > 0 => CronStep { skipped: Some(due), ..idle },
        Concurrency::Replace => CronStep { start: Some(due), replace: seen.active > 0, ..idle },
        Concurrency::Allow | Concurrency::Forbid => CronStep { start: Some(due), ..idle },
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn hourly(concurrency: Concurrency) -> Schedule {
        Schedule {
            kind: "CronJob",
            cron: Arc::from("0 * * * *"),
            times: (1..5).map(|hour| SimTime::from_secs(hour * 3_600)).collect(),
            concurrency,
            starting_deadline: None,
            time_zone: None,
            suspended: false,
        }
    }

    #[test]
    fn the_latest_schedule_is_met_and_older_ones_are_dropped() {
        let schedule = hourly(Concurrency::Allow);
        let at = |secs, last: Option<u64>, active| {
            let now = SimTime::from_secs(secs);
            cron(&CronSeen { now, schedule: &schedule, last: last.map(SimTime::from_secs), active })
        };
        assert_eq!(at(100, None, 0).start, None);
        assert_eq!(at(100, None, 0).next, Some(SimTime::from_secs(3_600) + DELTA));
        assert_eq!(at(7_300, None, 0).start, Some(SimTime::from_secs(7_200)));
        assert_eq!(at(7_300, Some(7_200), 0).start, None);
        assert_eq!(at(20_000, Some(14_400), 0).next, None);
    }

    #[test]
    fn concurrency_decides_about_a_job_that_still_runs() {
        let now = SimTime::from_secs(3_600);
        let at = |concurrency, active| {
            cron(&CronSeen { now, schedule: &hourly(concurrency), last: None, active })
        };
        assert_eq!(at(Concurrency::Forbid, 1).start, None);
        assert_eq!(at(Concurrency::Forbid, 1).skipped, Some(now));
        assert_eq!(at(Concurrency::Forbid, 0).start, Some(now));
        assert!(at(Concurrency::Replace, 1).replace && !at(Concurrency::Allow, 1).replace);
        let late = Schedule {
            starting_deadline: Some(SimDuration::from_secs(60)),
            ..hourly(Concurrency::Forbid)
        };
        let now = SimTime::from_secs(3_700);
        assert_eq!(cron(&CronSeen { now, schedule: &late, last: None, active: 0 }).start, None);
    }
}
