//! The lessons about services: what callers do to what they call.

use super::*;
use aurelius_sim::model::id::StationId;
use aurelius_sim::model::record::TaskLosses;

static STORM: LazyLock<Seen> = LazyLock::new(|| witness(shipped("retry-storm", 15), true));
static BUDGET: LazyLock<Seen> = LazyLock::new(|| witness(shipped("retry-budget", 15), true));

impl Seen {
    /// Share of client calls that failed in each interval that lies within these minutes.
    fn failed_shares(&self, from_minute: u64, to_minute: u64) -> Vec<f64> {
        let series = self.measured.series();
        let inside =
            |time: &SimDuration| *time > minutes(from_minute) && *time <= minutes(to_minute);
        let points = series.times.iter().zip(&series.traffic);
        points
            .filter(|(time, _)| inside(time))
            .map(|(_, point)| point.calls.failed_share().unwrap_or(0.0))
            .collect()
    }

    fn station(&self, name: &str) -> StationId {
        self.scenario.services.station_named(name).expect("the profile has it")
    }

    /// Operations of a station per second, in each interval that lies within these minutes.
    fn operations(&self, station: &str, from_minute: u64, to_minute: u64) -> Vec<f64> {
        let series = self.measured.series();
        let points = series.times.iter().zip(series.station(self.station(station)));
        points
            .filter(|(time, _)| **time > minutes(from_minute) && **time <= minutes(to_minute))
            .map(|(_, point)| point.ended.completed_per_second + point.ended.failed_per_second)
            .collect()
    }
}

fn mean(values: &[f64]) -> f64 {
    let count = u32::try_from(values.len()).expect("few points");
    values.iter().sum::<f64>() / f64::from(count)
}

#[test]
fn a_slow_minute_leaves_a_system_with_retries_down() {
    assert!(mean(&STORM.failed_shares(0, 3)) < 0.001, "at 65 % nothing fails before");
    let after = STORM.failed_shares(5, 15);
    assert!(after.iter().all(|share| *share > 0.9), "ten minutes later it is down: {after:?}");
    // The same 130 requests a second became nearly four times as many queries.
    let queries = mean(&STORM.operations("store", 5, 15));
    assert!((450.0..=535.0).contains(&queries), "{queries} queries/s");
}

#[test]
fn with_a_retry_budget_the_same_minute_passes() {
    let within = BUDGET.failed_shares(3, 4);
    assert!(mean(&within) > 0.8, "the minute itself is as bad");
    assert!(mean(&BUDGET.failed_shares(6, 15)) < 0.001, "then all is well");
    // A fifth of the requests under way, pauses included, is less than a quarter more queries.
    let queries = mean(&BUDGET.operations("store", 3, 4));
    assert!(queries < 130.0 * 1.27, "{queries} queries/s");
}

static WORKERS: LazyLock<Seen> = LazyLock::new(|| witness(shipped("celery-scale-in", 35), true));

/// What became of a fleet's tasks, summed over its pods that ended.
fn losses(fleet: &str) -> TaskLosses {
    let wanted = WORKERS.workload(fleet);
    let mut sum = TaskLosses::default();
    for (_, record) in WORKERS.records() {
        let Record::TasksInterrupted { pod, losses } = record else { continue };
        if WORKERS.pod(*pod).workload == wanted {
            sum.lost += losses.lost;
            sum.invisible += losses.invisible;
            sum.repeated += losses.repeated;
            sum.returned += losses.returned;
        }
    }
    sum
}

#[test]
fn scale_in_loses_work_repeats_it_or_waits_for_it() {
    let [hasty, careful, patient] = ["hasty", "careful", "patient"].map(losses);
    assert!(hasty.lost >= 2 && hasty.repeated == 0, "{hasty:?}");
    assert!(careful.lost == 0 && careful.repeated >= 2, "{careful:?}");
    assert_eq!((patient.lost, patient.invisible), (0, 0), "{patient:?}");
    // Every order was one task for each fleet: done, or lost. Careful work is late, not gone.
    let done = |fleet: &str| {
        let series = WORKERS.measured.series();
        let points = series.station(WORKERS.station(fleet)).iter();
        points.map(|point| point.ended.completed_per_second).sum::<f64>()
    };
    let step = {
        let times = &WORKERS.measured.series().times;
        (times[2].as_secs_f64() - times[1].as_secs_f64()).max(1.0)
    };
    let [hasty_done, careful_done, patient_done] =
        ["hasty", "careful", "patient"].map(|fleet| done(fleet) * step);
    let lost = f64::from(hasty.lost);
    assert!((patient_done - careful_done).abs() < 2.5, "{patient_done} and {careful_done}");
    assert!((patient_done - hasty_done - lost).abs() < 2.5, "{patient_done}, {hasty_done}, {lost}");
}

static POOL: LazyLock<Seen> = LazyLock::new(|| witness(shipped("connection-pool", 10), true));
static SLOW: LazyLock<Seen> = LazyLock::new(|| witness(shipped("slow-dependency", 10), true));
static BATCH: LazyLock<Seen> = LazyLock::new(|| witness(shipped("gpu-batching", 4), true));
static BACKUP: LazyLock<Seen> = LazyLock::new(|| witness(shipped("backup", 12), true));

/// The lessons under the laws that hold everywhere.
fn lessons() -> [&'static Seen; 7] {
    [&STORM, &BUDGET, &WORKERS, &POOL, &SLOW, &BATCH, &BACKUP]
}

#[test]
fn the_lessons_obey_conservation_and_littles_law() {
    for seen in lessons() {
        seen.assert_conserved();
        seen.assert_little();
    }
}

#[test]
fn a_backup_takes_the_throughput_of_the_volume_it_reads() {
    let ended = BACKUP.history.entries().iter().find_map(|entry| match &entry.record {
        Record::JobEnded { took, failure, .. } => Some((*took, *failure)),
        _ => None,
    });
    let (took, failure) = ended.expect("it ends within the scenario");
    assert_eq!(failure, None);
    // 24 GiB at what the pages leave of 125 MiB/s.
    let expected_s = 24.0 * 1024.0 / (125.0 - 7.5);
    assert!((took.as_secs_f64() / expected_s - 1.0).abs() < 0.05, "{took}");
    let (before, during) =
        (mean(&BACKUP.operations("db", 2, 4)), mean(&BACKUP.operations("db", 6, 8)));
    assert!((before - 60.0).abs() < 3.0, "{before} queries/s");
    assert!((during - 60.0 - 117.5).abs() < 5.0, "{during} queries and pieces/s");
    // What the pods of Jobs call is no call of a client.
    let calls = BACKUP.measured.calls().ends.total();
    assert!((42_000..45_000).contains(&calls), "{calls}");
}

/// Share of the client calls with these tags that failed over the run.
fn failed_share(seen: &Seen, tags: &str) -> f64 {
    let selector = format!("http_req_failed{{{tags}}}").parse().expect("a selector");
    let ends = seen.measured.calls_of(&seen.scenario, &selector).ends;
    let count = |of: u64| f64::from(u32::try_from(of).expect("not that many"));
    count(ends.failures()) / count(ends.total())
}

#[test]
fn holding_connections_while_waiting_exhausts_a_pool_before_an_idle_database() {
    let (eager, thrifty) =
        (failed_share(&POOL, "scenario:eager"), failed_share(&POOL, "scenario:thrifty"));
    assert!(eager > 0.05 && thrifty < 0.001, "{eager} and {thrifty}");
    let database = POOL.workload("eager-db");
    let samples = POOL.measured.series().workload(database);
    let busiest = samples.iter().map(|sample| sample.cpu_cores).fold(0.0, f64::max);
    assert!(busiest < 1.2, "of 2 cores: {busiest}");
    // Queries of the database while the archive is slow: 60 connections held for 0.9 s.
    let queries = mean(&POOL.operations("eagerDb", 4, 6));
    assert!((60.0..75.0).contains(&queries), "{queries} queries/s");
}

#[test]
fn a_breaker_keeps_a_slow_dependency_from_what_does_not_need_it() {
    let fragile = failed_share(&SLOW, "scenario:fragile,name:list");
    let guarded = failed_share(&SLOW, "scenario:guarded");
    assert!(fragile > 0.1 && guarded < 0.001, "{fragile} and {guarded}");
}

#[test]
fn batches_carry_a_load_that_single_images_do_not() {
    let single = BATCH.operations("single", 3, 4);
    let batched = BATCH.operations("batched", 3, 4);
    assert!((mean(&batched) - 800.0).abs() < 20.0, "{batched:?}");
    assert!(mean(&single) > 700.0, "refusals end too");
    let done = BATCH.measured.series().station(BATCH.station("single"));
    let most = done.iter().map(|point| point.ended.completed_per_second).fold(0.0, f64::max);
    assert!((320.0..340.0).contains(&most), "one image each 3 ms: {most}");
    assert!(failed_share(&BATCH, "scenario:batched") < 0.001);
    assert!(failed_share(&BATCH, "scenario:single") > 0.3);
}
