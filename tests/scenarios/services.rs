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

static WORKERS: LazyLock<Seen> = LazyLock::new(|| witness(shipped("celery-scale-in", 30), true));

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
    assert!((patient_done - careful_done).abs() < 0.5, "{patient_done} and {careful_done}");
    assert!((patient_done - hasty_done - lost).abs() < 2.5, "{patient_done}, {hasty_done}, {lost}");
}
