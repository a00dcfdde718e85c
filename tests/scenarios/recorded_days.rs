//! The recorded days: what their comments say, shown on the decisions that they led to.

use super::*;
use aurelius_sim::model::id::StationId;

static WEB: LazyLock<Seen> = LazyLock::new(|| witness(shipped("web-day", 24 * 60), true));
static FORTNIGHT: LazyLock<Seen> =
    LazyLock::new(|| witness(shipped("elb-fortnight", 14 * 24 * 60), true));
static BURSTY: LazyLock<Seen> = LazyLock::new(|| witness(shipped("llm-bursty", 55), true));
static SMOOTH: LazyLock<Seen> = LazyLock::new(|| witness(shipped("llm-smooth", 55), true));
static HOSPITAL: LazyLock<Seen> = LazyLock::new(|| witness(shipped("hospital-day", 16 * 60), true));

impl Seen {
    /// Every sync of an HPA, equal ones told apart: when, and what it saw and decided.
    fn day_of(&self, hpa: &str) -> Vec<(SimTime, &HpaSync)> {
        self.syncs(hpa, SimTime::ZERO, SimTime::ZERO + self.scenario.total_time())
    }

    /// Mean size over the syncs of an hour.
    fn size_in_hour(&self, hpa: &str, hour: u64) -> f64 {
        let syncs = self.syncs(hpa, self.at(hour * 60), self.at(hour * 60 + 60));
        let sizes: f64 = syncs.iter().map(|(_, sync)| f64::from(sync.desired)).sum();
        sizes / f64::from(u32::try_from(syncs.len()).expect("few"))
    }

    /// Mean of what a station finished per second within an hour.
    fn served_in_hour(&self, station: &str, hour: u64) -> f64 {
        let station: StationId =
            self.scenario.services.station_named(station).expect("the profile has it");
        let series = self.measured.series();
        let inside =
            |time: &SimDuration| *time > minutes(hour * 60) && *time <= minutes(hour * 60 + 60);
        let points = series.times.iter().zip(series.station(station));
        let rates: Vec<f64> = points
            .filter(|(time, _)| inside(time))
            .map(|(_, point)| point.ended.completed_per_second)
            .collect();
        rates.iter().sum::<f64>() / f64::from(u32::try_from(rates.len()).expect("few"))
    }
}

/// The HPA follows the hours.
#[test]
fn the_web_server_is_as_large_as_its_hour_is_busy() {
    let (night, noon) = (WEB.size_in_hour("web", 5), WEB.size_in_hour("web", 14));
    assert!(noon > 1.8 * night, "at five {night:.1} pods, at two in the afternoon {noon:.1}");
    let least =
        (0..24).min_by(|a, b| WEB.size_in_hour("web", *a).total_cmp(&WEB.size_in_hour("web", *b)));
    assert!((3..=7).contains(&least.expect("there are hours")), "least in hour {least:?}");
    assert!(WEB.crossed().is_empty(), "{:?}", WEB.crossed());
}

/// It ignores minutes: whatever a minute proposes, the size goes down only to the most that was proposed
/// within five minutes, and it stays where the tolerance says so.
#[test]
fn minutes_that_are_quieter_take_no_pod_away() {
    let day = WEB.day_of("web");
    let patience = minutes(5);
    let (mut downs, mut held) = (0, 0);
    for (position, (at, sync)) in day.iter().enumerate() {
        held += u32::from(sync.held_until.is_some());
        if sync.desired >= sync.current {
            continue;
        }
        downs += 1;
        let recent = day[..=position].iter().rev();
        let recent = recent.take_while(|(before, _)| at.since(*before) < patience);
        let most = recent.filter_map(|(_, sync)| sync.proposal).max().expect("it was proposed");
        assert!(sync.desired >= most.min(sync.current - 1), "at {at:?}: {sync:?}, proposed {most}");
    }
    assert!(downs > 20, "it does go down over a day: {downs}");
    assert!(held > 10 * downs, "most quieter minutes are held: {held} held, {downs} downs");
    for (_, sync) in day.iter().filter(|(_, sync)| sync.rescaled) {
        assert!(sync.desired != sync.current, "a rescale is a change: {sync:?}");
    }
}

/// What is paid for is the peak that may come.
#[test]
fn a_fortnight_of_little_is_spent_at_the_minimum() {
    let days = FORTNIGHT.day_of("web");
    let at_minimum = days.iter().filter(|(_, sync)| sync.desired == 2).count();
    assert!(at_minimum * 100 >= days.len() * 90, "{at_minimum} of {} syncs", days.len());
    let most = days.iter().map(|(_, sync)| sync.desired).max().expect("there are syncs");
    assert!(most >= 3, "peaks are served by more: {most}");
    let ups = days.iter().filter(|(_, sync)| sync.rescaled && sync.desired > sync.current).count();
    assert!(ups >= 3, "rare, not unique: {ups}");
}

/// Twice the requests, half the queue: no controller decides anything in either, only arrivals differ.
#[test]
fn bursts_cost_more_than_twice_the_requests() {
    for seen in [&*BURSTY, &*SMOOTH] {
        assert!(seen.sizes("llm").is_empty(), "nobody scales the model server");
        assert!(seen.crossed().is_empty(), "{:?}", seen.crossed());
    }
    let calls = |seen: &Seen| seen.measured.calls().durations;
    let (bursty, smooth) = (calls(&BURSTY), calls(&SMOOTH));
    assert!(smooth.count() > 2 * bursty.count());
    let p95 = |seen: &Seen| calls(seen).percentile_ms(95.0).expect("there are calls");
    assert!(p95(&BURSTY) > 1.5 * p95(&SMOOTH), "{} ms, {} ms", p95(&BURSTY), p95(&SMOOTH));
}

/// The production values are made for more: every HPA stays at its minimum, day and night, while the work
/// of the GPUs follows the hours.
#[test]
fn a_hospital_is_busy_in_the_afternoon_and_its_minimums_carry_it() {
    for (position, hpa) in HOSPITAL.scenario.hpas.iter().enumerate() {
        let minimum = hpa.spec.min_replicas.unwrap_or(1);
        for (entry, sync) in HOSPITAL.history.all_syncs(HpaId::at(position)) {
            assert_eq!(sync.desired, minimum, "{} at {:?}", hpa.meta.name, entry.first);
        }
    }
    let (night, noon) =
        (HOSPITAL.served_in_hour("mlService", 3), HOSPITAL.served_in_hour("mlService", 14));
    assert!(noon > 2.0 * night, "at three {night:.4}/s, at two in the afternoon {noon:.4}/s");
}
