//! Schedules of CronJobs: read, and laid on the clock of a run.
//!
//! Kubernetes takes five fields and descriptors such as `@hourly` (robfig/cron `ParseStandard`);
//! when both days are restricted, either is enough. A schedule is one of its `timeZone`, and of UTC,
//! the controllers' own clock, when it names none; the scenario's start is one of the scenario's. A
//! time that a zone's clocks leave out never comes, and one that they show twice comes twice
//! (robfig/cron, spec.go `Next`).

use chrono::{DateTime, NaiveDateTime, TimeZone as _, Utc};
use chrono_tz::Tz;
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

/// A zone of the tz database, or what is wrong with its name.
pub(super) fn zone(name: &str) -> Result<Tz, String> {
    name.parse().map_err(|_| format!("is `{name}`, which is no time zone, such as Europe/Berlin"))
}

/// A wall clock: what it shows at the start of measuring, which comes after the warm-up, and where it
/// hangs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Start<'a> {
    /// `2026-11-23T08:00:00`.
    pub(super) text: &'a str,
    /// Its zone.
    pub(super) zone: Tz,
}

impl Start<'_> {
    /// What the clock shows at the beginning of a run, before its warm-up (s since 1970).
    pub(super) fn epoch_s(self, warm_up: SimDuration) -> Option<f64> {
        let measured = crate::units::convert::f64_from_i64(self.instant()?.timestamp());
        Some(measured - warm_up.as_secs_f64())
    }

    /// The instant; a time that the zone's clocks leave out is read as if they did not.
    fn instant(self) -> Option<DateTime<Utc>> {
        let clock = NaiveDateTime::parse_from_str(self.text, "%Y-%m-%dT%H:%M:%S").ok()?;
        let found = self.zone.from_local_datetime(&clock).earliest();
        let before = || self.zone.from_local_datetime(&(clock - JUMP)).latest().map(|at| at + JUMP);
        found.or_else(before).map(|at| at.with_timezone(&Utc))
    }
}

/// More than clocks are ever moved by at once.
const JUMP: chrono::TimeDelta = chrono::TimeDelta::hours(24);

/// When a schedule of a zone comes between the start of a run and its end.
fn times(
    cron: &Cron,
    start: Start<'_>,
    zone: Tz,
    warm_up: SimDuration,
    total: SimDuration,
) -> Vec<SimTime> {
    let Some(measured) = start.instant() else { return Vec::new() };
    let begins = measured - span(warm_up);
    let ends = begins + span(total);
    let shown = |at: DateTime<Utc>| at.with_timezone(&zone).naive_local().and_utc();
    let (mut at, last) = (shown(begins) - JUMP, shown(ends) + JUMP);
    let mut found = Vec::new();
    let mut inclusive = true;
    while let Ok(next) = cron.find_next_occurrence(&at, inclusive) {
        if next >= last {
            break;
        }
        let there = zone.from_local_datetime(&next.naive_utc());
        found.extend([there.earliest(), there.latest()].into_iter().flatten());
        (at, inclusive) = (next, false);
    }
    let inside = found.into_iter().map(|at| at.with_timezone(&Utc));
    let mut inside: Vec<_> = inside.filter(|at| (begins..ends).contains(at)).collect();
    inside.sort_unstable();
    inside.dedup();
    let into = |at: DateTime<Utc>| u64::try_from((at - begins).num_seconds()).unwrap_or_default();
    inside.into_iter().map(|at| SimTime::from_secs(into(at))).collect()
}

/// The windows that a schedule of UTC opens for so long, as far as they touch the run: also those that were
/// open when it began.
pub(super) fn windows(
    cron: &Cron,
    start: Start<'_>,
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
    let hits = times(cron, start, Tz::UTC, warm_up + length, total + length);
    hits.into_iter().map(|hit| (from(hit), hit)).collect()
}

/// When something is open that one schedule of a zone opens and another one closes; it is open at the
/// beginning when it closes before it opens next.
pub(super) fn open_between(
    (opens, closes): (&Cron, &Cron),
    start: Start<'_>,
    zone: Tz,
    warm_up: SimDuration,
    total: SimDuration,
) -> Vec<(SimTime, SimTime)> {
    // Far enough that a schedule of a day of the month comes.
    let far = total + SimDuration::from_secs(32 * 86_400);
    let hits = |cron: &Cron| times(cron, start, zone, warm_up, far);
    let (opens, closes) = (hits(opens), hits(closes));
    super::keda::pair_up(&opens, &closes)
}

fn span(span: SimDuration) -> chrono::TimeDelta {
    let nanos = i64::try_from(span.as_nanos()).expect("a run is shorter than 292 years");
    chrono::TimeDelta::nanoseconds(nanos)
}

/// Fills in when the schedules of all CronJobs come. Without a start nobody knows: the names of
/// those that therefore do not run are returned.
pub(super) fn lay_schedules(
    workloads: &mut [WorkloadSpec],
    start: Option<Start<'_>>,
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
            (Some(start), Ok(cron)) => {
                let named = schedule.time_zone.as_deref().and_then(|name| zone(name).ok());
                let own = named.unwrap_or(Tz::UTC);
                schedule.times = times(&cron, start, own, warm_up, total);
            }
            (None, _) | (_, Err(_)) => idle.push(name),
        }
    }
    idle
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utc(text: &str) -> Start<'_> {
        Start { text, zone: Tz::UTC }
    }

    fn hours(cron: &str, start: &str, warm_up_s: u64, hours: u64) -> Vec<f64> {
        let cron = parse(cron).expect("a schedule");
        let warm_up = SimDuration::from_secs(warm_up_s);
        let total = warm_up + SimDuration::from_secs(hours * 3_600);
        let found = times(&cron, utc(start), Tz::UTC, warm_up, total);
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
        let found = |start| windows(&cron, utc(start), SimDuration::ZERO, day, hour + hour);
        let at = |hours: u64| SimTime::from_secs(hours * 3_600);
        assert_eq!(found("2026-11-23T06:00:00"), [(at(1), at(3))]);
        assert_eq!(found("2026-11-23T08:00:00"), [(at(0), at(1)), (at(23), at(25))]);
        assert_eq!(found("2026-11-23T09:30:00").len(), 1);
    }

    #[test]
    fn schedules_come_by_the_clocks_of_their_zone() {
        let found = |cron: &str, start, own: &str, hours: u64| {
            let cron = parse(cron).expect("a schedule");
            let total = SimDuration::from_secs(hours * 3_600);
            let found =
                times(&cron, start, zone(own).expect("it is one"), SimDuration::ZERO, total);
            found.iter().map(|at| at.as_secs_f64() / 3_600.0).collect::<Vec<_>>()
        };
        // 02:00 in Berlin is 01:00 UTC in winter and midnight in summer.
        assert_eq!(found("0 2 * * *", utc("2026-11-23T00:00:00"), "Europe/Berlin", 24), [1.0]);
        assert_eq!(found("0 2 * * *", utc("2026-07-23T00:00:00"), "Europe/Berlin", 24), [0.0]);
        // A start of the same zone: the wall clock's own hours.
        let berlin = |text| Start { text, zone: Tz::Europe__Berlin };
        assert_eq!(found("0 2 * * *", berlin("2026-11-23T00:00:00"), "Europe/Berlin", 24), [2.0]);
        assert_eq!(found("0 2 * * *", berlin("2026-11-23T00:00:00"), "UTC", 24), [3.0]);
        // 02:30 does not exist on 29 March 2026 in Berlin and exists twice on 25 October.
        let spring = berlin("2026-03-29T00:00:00");
        assert_eq!(found("30 2 * * *", spring, "Europe/Berlin", 24), [0.0; 0]);
        assert_eq!(found("0 4 * * *", spring, "Europe/Berlin", 24), [3.0]);
        let autumn = berlin("2026-10-25T00:00:00");
        assert_eq!(found("30 2 * * *", autumn, "Europe/Berlin", 24), [2.5, 3.5]);
        // Zones that are not whole hours away, and one on the other side of the date line.
        assert_eq!(found("0 0 * * *", utc("2026-11-23T00:00:00"), "Asia/Kolkata", 24), [18.5]);
        assert_eq!(
            found("0 0 24 * *", utc("2026-11-23T00:00:00"), "Pacific/Kiritimati", 24),
            [10.0]
        );
        assert!(zone("Europe/Berlyn").is_err() && zone("Local").is_err() && zone("").is_err());
    }

    /// Dates that never come must not be looked for without end.
    #[test]
    fn schedules_of_any_kind_come_or_are_refused() {
        use rand::{RngExt as _, SeedableRng as _};
        let pieces = [
            "*",
            "?",
            "0",
            "5",
            "31",
            "2",
            "59",
            "60",
            "/",
            "-",
            ",",
            " ",
            " ",
            " ",
            "L",
            "W",
            "#",
            "MON",
            "feb",
            "7",
            "99999999999",
            "@daily",
            "TZ=UTC ",
            "ä",
            "*/0",
            "1-",
            "\t",
        ];
        let day = SimDuration::from_secs(86_400);
        for seed in 0..4_000_u64 {
            let mut dice = rand_pcg::Pcg64Mcg::seed_from_u64(seed);
            let mut piece = || pieces[dice.random_range(0..pieces.len())];
            // Half of them have five fields, most of which mean something.
            let text = if seed % 2 == 0 {
                (0..9).map(|_| piece()).collect::<String>()
            } else {
                (0..5).map(|_| [piece(), piece()].concat()).collect::<Vec<_>>().join(" ")
            };
            let Ok(cron) = parse(&text) else { continue };
            let found = times(&cron, utc("2026-02-27T23:00:00"), Tz::UTC, day, day * 4);
            assert!(found.len() <= 4 * 24 * 60, "seed {seed}: {text}");
        }
    }

    #[test]
    fn what_kubernetes_refuses_is_refused() {
        for wrong in ["", "* * * *", "0 * * * * *", "60 * * * *", "every day"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
