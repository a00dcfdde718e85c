//! peak and k6-smoke: what the load does to the autoscalers, and what it does not.

use super::*;

#[test]
fn the_gateway_grows_after_three_minutes_of_patience() {
    let sizes = PEAK.sizes("gateway");
    let (at, from, to) = *sizes.first().expect("the peak needs more pods");
    assert_eq!((from, to), (5, 6));
    let window = SimDuration::from_secs(180);
    // The smallest proposal of the window decides: as long as one says 5, 5 it stays.
    let within = PEAK.syncs("gateway", at.before(SimDuration::from_secs(179)), at);
    assert!(within.len() >= 11, "a sync every 15 s: {}", within.len());
    assert!(within.iter().all(|(_, sync)| sync.proposal > Some(from)), "{within:?}");
    let before =
        PEAK.syncs("gateway", at.before(window + SimDuration::from_secs(31)), at.before(window));
    assert!(before.iter().any(|(_, sync)| sync.proposal == Some(from)), "{before:?}");
    for (_, sync) in &within[..within.len() - 1] {
        assert!(sync.held_until.is_some() && !sync.rescaled, "{sync:?}");
        let able = sync.conditions.iter().find(|c| &*c.kind == "AbleToScale").expect("always told");
        assert_eq!(&*able.reason, "ScaleUpStabilized");
    }
}

#[test]
fn gpu_services_stand_the_peak_with_the_pods_they_have() {
    for name in ["ml-service", "render-service"] {
        assert!(PEAK.sizes(name).is_empty(), "{name} scaled");
    }
    assert!(PEAK.history.nodes().all(|node| node.requested == SimTime::ZERO), "no pool grows");
    assert_eq!(PEAK.crossed(), [""; 0]);
}

#[test]
fn a_hundred_users_that_sleep_a_second_are_no_load() {
    let traffic = &SMOKE.measured.series().traffic;
    let times = &SMOKE.measured.series().times;
    let users = |minute| {
        let position = times.iter().position(|time| *time >= minutes(minute));
        traffic[position.expect("it is sampled to the end")].virtual_users
    };
    // A user that sleeps is busy; one of a hundred may be between two iterations.
    assert!(users(0) <= 2 && (99..=100).contains(&users(2)), "{} and {}", users(0), users(2));
    assert!(traffic.iter().all(|point| point.virtual_users <= 100));
    assert!(traffic.last().expect("it has points").virtual_users < 10, "they ramp down");
    // Ramps of one minute, three minutes at 100: 24,000 seconds of users, a request each.
    let requests = SMOKE.measured.calls().ends.total();
    assert!((23_500..24_500).contains(&requests), "{requests}");
    assert_eq!(SMOKE.crossed(), [""; 0]);
    let written: Vec<_> = SMOKE.scenario.thresholds.iter().map(ToString::to_string).collect();
    assert_eq!(written, ["http_req_failed: rate<0.01", "http_req_duration: p(95)<500"]);
    assert!(SMOKE.history.pods().all(|pod| pod.created == SimTime::ZERO), "nobody has to scale");
}
