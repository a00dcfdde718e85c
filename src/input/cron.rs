//! Schedules of CronJobs: read, and laid on the clock of a run.
//!
//! Kubernetes takes five fields and descriptors such as `@hourly` (robfig/cron `ParseStandard`);
//! when both days are restricted, either is enough. The scenario's start is a time of the
//! schedule's zone.

use chrono::{DateTime, NaiveDateTime, Utc};
use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};

use crate::cluster::api::job::JobTrigger;
use crate::cluster::api::workload::{WorkloadKind, WorkloadSpec};
use crate::units::{SimDuration, SimTime};

/// A schedule, or what is wrong with it.
pub(super) fn parse(text: &str) -> Result<Cron, String> {
    let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
    parser.parse(&with_ends(text)).map_err(|error| error.to_string())
}

/// The same schedule with the end of every open range written out: Kubernetes reads `5/15` as "from
/// 5 to the last, every 15th" (robfig/cron, parser.go `getRange`), which other readers refuse.
fn with_ends(text: &str) -> String {
    const LAST: [&str; 5] = ["59", "23", "31", "12", "6"];
    let fields: Vec<&str> = text.split_whitespace().collect();
    if fields.len() != LAST.len() {
        return text.to_owned();
    }
    let item = |item: &str, last: &str| match item.split_once('/') {
        Some((first, step)) if first != "*" && first != "?" && !first.contains('-') => {
            format!("{first}-{last}/{step}")
        }
        _ => item.to_owned(),
    };
    let field = |(field, last): (&&str, &str)| {
        field.split(',').map(|part| item(part, last)).collect::<Vec<_>>().join(",")
    };
    fields.iter().zip(LAST).map(field).collect::<Vec<_>>().join(" ")
}

/// When a schedule comes between the start of a run and its end. `start` is the wall clock at the
/// start of measuring, which comes after the warm-up.
fn times(cron: &Cron, start: &str, warm_up: SimDuration, total: SimDuration) -> Vec<SimTime> {
    let Some(measured) = wall_clock(start) else { return Vec::new() };
    let begins = measured - span(warm_up);
    let ends = begins + span(total);
    let mut found = Vec::new();
    let mut inclusive = true;
    let mut at = begins;
    while let Ok(next) = cron.find_next_occurrence(&at, inclusive) {
        if next >= ends {
            break;
        }
        let into = (next - begins).num_seconds();
        found.push(SimTime::from_secs(u64::try_from(into).unwrap_or_default()));
        (at, inclusive) = (next, false);
    }
    found
}

/// The windows that a schedule opens for so long, as far as they touch the run: also those that were
/// open when it began.
pub(super) fn windows(
    cron: &Cron,
    start: &str,
    warm_up: SimDuration,
    total: SimDuration,
    length: SimDuration,
) -> Vec<(SimTime, SimTime)> {
    // The hits of a run that began one window's length earlier, on its clock: what is then one
    // length after the hit is the hit itself on the clock of this run.
    let lead = SimTime::ZERO + length;
    let from = |hit: SimTime| {
        if hit > lead { SimTime::ZERO + hit.since(lead) } else { SimTime::ZERO }
    };
    let hits = times(cron, start, warm_up + length, total + length);
    hits.into_iter().map(|hit| (from(hit), hit)).collect()
}

/// When something is open that one schedule opens and another one closes; it is open at the beginning
/// when it closes before it opens next.
pub(super) fn open_between(
    opens: &Cron,
    closes: &Cron,
    start: &str,
    warm_up: SimDuration,
    total: SimDuration,
) -> Vec<(SimTime, SimTime)> {
    let Some(measured) = wall_clock(start) else { return Vec::new() };
    let begins = measured - span(warm_up);
    let next = |cron: &Cron| cron.find_next_occurrence(&begins, false).ok();
    let open = match (next(opens), next(closes)) {
        (Some(opens), Some(closes)) => closes < opens,
        (None, Some(_)) => true,
        (_, None) => false,
    };
    let hits = |cron: &Cron| times(cron, start, warm_up, total);
    super::keda::pair_up(&hits(opens), &hits(closes), open)
}

fn span(span: SimDuration) -> chrono::TimeDelta {
    let nanos = i64::try_from(span.as_nanos()).expect("a run is shorter than 292 years");
    chrono::TimeDelta::nanoseconds(nanos)
}

fn wall_clock(text: &str) -> Option<DateTime<Utc>> {
    NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S").ok().map(|time| time.and_utc())
}

/// Fills in when the schedules of all CronJobs come. Without a start nobody knows: the names of
/// those that therefore do not run are returned.
pub(super) fn lay_schedules(
    workloads: &mut [WorkloadSpec],
    start: Option<&str>,
    warm_up: SimDuration,
    total: SimDuration,
) -> Vec<String> {
    let mut idle = Vec::new();
    for workload in workloads {
        let name = workload.to_string();
        let WorkloadKind::Job(job) = &mut workload.kind else { continue };
        let JobTrigger::Schedule(schedule) = &mut job.trigger else { continue };
        if schedule.suspended {
            continue;
        }
        match (start, parse(&schedule.cron)) {
            (Some(start), Ok(cron)) => schedule.times = times(&cron, start, warm_up, total),
            (None, _) | (_, Err(_)) => idle.push(name),
        }
    }
    idle
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hours(cron: &str, start: &str, warm_up_s: u64, hours: u64) -> Vec<f64> {
        let cron = parse(cron).expect("a schedule");
        let warm_up = SimDuration::from_secs(warm_up_s);
        let total = warm_up + SimDuration::from_secs(hours * 3_600);
        let found = times(&cron, start, warm_up, total);
        found.iter().map(|at| (at.as_secs_f64() - warm_up.as_secs_f64()) / 3_600.0).collect()
    }

    #[test]
    fn schedules_come_at_their_hours() {
        let backups = hours("0 */6 * * *", "2026-11-23T07:00:00", 600, 24);
        assert_eq!(backups, [5.0, 11.0, 17.0, 23.0]);
        assert_eq!(hours("30 2 * * 1", "2026-11-23T00:00:00", 0, 200), [2.5, 170.5]);
        assert_eq!(hours("@hourly", "2026-11-23T07:30:00", 0, 2), [0.5, 1.5]);
        // The end of the run does not belong to it, its beginning does.
        assert_eq!(hours("0 * * * *", "2026-11-23T07:00:00", 0, 1), [0.0]);
        // From minute 30 on, every twentieth: an open range, as Kubernetes reads it.
        assert_eq!(hours("30/20 7 * * *", "2026-11-23T07:00:00", 0, 2), [0.5, 50.0 / 60.0]);
        // Both days restricted: either is enough.
        assert_eq!(hours("0 0 25 * 1", "2026-11-23T00:00:00", 0, 72), [0.0, 48.0]);
    }

    #[test]
    fn windows_that_were_open_at_the_start_count() {
        let cron = parse("0 7 * * *").expect("a schedule");
        let (hour, day) = (SimDuration::from_secs(3_600), SimDuration::from_secs(86_400));
        let found = |start| windows(&cron, start, SimDuration::ZERO, day, hour + hour);
        let at = |hours: u64| SimTime::from_secs(hours * 3_600);
        assert_eq!(found("2026-11-23T06:00:00"), [(at(1), at(3))]);
        assert_eq!(found("2026-11-23T08:00:00"), [(at(0), at(1)), (at(23), at(25))]);
        assert_eq!(found("2026-11-23T09:30:00").len(), 1);
    }

    #[test]
    fn what_kubernetes_refuses_is_refused() {
        for wrong in ["", "* * * *", "0 * * * * *", "60 * * * *", "every day"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
