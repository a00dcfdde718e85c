//! Probes of a container that comes up: when it is started, when it is ready, whether it is killed.
//!
//! A worker ticks every period from the container's start, the first time at once, and lets ticks
//! pass until the initial delay is over (prober/worker.go `doProbe`): a delay of 5 s with a period of
//! 10 s means a first attempt after 10 s. Readiness of a started container is tried once more
//! whenever the pod's status is synchronised, which is why its first attempt comes at once.

use crate::cluster::api::pod::{Container, Probe};
use crate::model::record::Death;
use crate::units::SimDuration;

/// What becomes of a container whose process answers after some time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outlook {
    /// From its start to `started`: the startup probe succeeded, or at once without one.
    pub started: SimDuration,
    /// From its start to its readiness.
    pub ready: SimDuration,
    /// A probe that kills it before it is up, and when.
    pub killed: Option<(SimDuration, Death)>,
}

/// The outlook of a container whose process answers `up` after its start. A process that is not up
/// refuses the connection, so an attempt fails at once. A startup probe that succeeds leaves nothing
/// for the liveness probe to find: the process is up by then.
#[must_use]
pub fn outlook(container: &Container, up: SimDuration) -> Outlook {
    let killed = match (container.startup_probe, container.liveness_probe) {
        (Some(probe), _) => killed(&probe, up).map(|at| (at, Death::Startup)),
        (None, Some(probe)) => killed(&probe, up).map(|at| (at, Death::Liveness)),
        (None, None) => None,
    };
    let started = container.startup_probe.map_or(SimDuration::ZERO, |probe| tick(&probe, up));
    // A startup probe holds the others back until it succeeded, and then readiness is probed at once.
    let ready = match (container.startup_probe, container.readiness_probe) {
        (Some(_), Some(probe)) => started.max(probe.initial_delay),
        (None, Some(probe)) => tick(&probe, up),
        (Some(_), None) => started,
        (None, None) => SimDuration::ZERO,
    };
    Outlook { started, ready, killed }
}

/// The first tick of a probe at which a process that is up after `up` answers, and the further
/// successes that the probe wants.
fn tick(probe: &Probe, up: SimDuration) -> SimDuration {
    let period = probe.period.as_nanos().max(1);
    let ticks = up.max(probe.initial_delay).as_nanos().div_ceil(period);
    let repeats = u64::from(probe.success_threshold.max(1) - 1);
    SimDuration::from_nanos((ticks + repeats) * period)
}

/// When a probe has failed too often in a row, of a process that is up after `up`.
fn killed(probe: &Probe, up: SimDuration) -> Option<SimDuration> {
    let period = probe.period.as_nanos().max(1);
    let first = probe.initial_delay.as_nanos().div_ceil(period);
    let last = first + u64::from(probe.failure_threshold.max(1) - 1);
    let at = SimDuration::from_nanos(last * period);
    (at < up).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(value: u64) -> SimDuration {
        SimDuration::from_secs(value)
    }

    #[test]
    fn a_probe_finds_the_process_at_its_next_tick() {
        let probe = Probe { initial_delay: seconds(5), period: seconds(10), ..Probe::default() };
        assert_eq!(tick(&probe, seconds(2)), seconds(10));
        assert_eq!(tick(&probe, seconds(10)), seconds(10));
        assert_eq!(tick(&probe, seconds(11)), seconds(20));
        let at_once = Probe { initial_delay: SimDuration::ZERO, ..probe };
        assert_eq!(tick(&at_once, SimDuration::ZERO), SimDuration::ZERO);
        let thrice = Probe { success_threshold: 3, ..probe };
        assert_eq!(tick(&thrice, seconds(6)), seconds(30));
    }

    /// E37 of the worked cases: a process that answers after 3 s; period and delay of its probe, and
    /// when it is found ready.
    #[test]
    fn readiness_comes_with_the_first_try_that_finds_the_process() {
        let rows = [(10, 0, 10), (10, 5, 10), (1, 0, 3), (1, 5, 5), (10, 12, 20)];
        for (period, delay, ready) in rows {
            let probe = Probe {
                initial_delay: seconds(delay),
                period: seconds(period),
                ..Probe::default()
            };
            let container = Container { readiness_probe: Some(probe), ..Container::default() };
            let found = outlook(&container, seconds(3)).ready;
            assert_eq!(found, seconds(ready), "period {period}, delay {delay}");
        }
    }

    #[test]
    fn the_three_probes_of_a_container_work_together() {
        let probe = |period: u64, failure_threshold| Probe {
            period: seconds(period),
            failure_threshold,
            ..Probe::default()
        };
        let mut container =
            Container { liveness_probe: Some(probe(10, 3)), ..Container::default() };
        // Without readiness probe a container is ready as soon as it runs; liveness kills it at the
        // third failure, when it is not up by then.
        assert_eq!(
            outlook(&container, seconds(25)),
            Outlook {
                started: SimDuration::ZERO,
                ready: SimDuration::ZERO,
                killed: Some((seconds(20), Death::Liveness))
            }
        );
        assert_eq!(outlook(&container, seconds(19)).killed, None);
        container.startup_probe = Some(probe(5, 10));
        container.readiness_probe = Some(probe(10, 3));
        let slow = outlook(&container, seconds(33));
        assert_eq!((slow.started, slow.ready, slow.killed), (seconds(35), seconds(35), None));
        assert_eq!(outlook(&container, seconds(46)).killed, Some((seconds(45), Death::Startup)));
        container.startup_probe = None;
        container.liveness_probe = None;
        assert_eq!(outlook(&container, seconds(33)).ready, seconds(40));
    }
}
