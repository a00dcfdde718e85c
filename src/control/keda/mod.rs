//! KEDA between none and one: the operator's part of a ScaledObject.
//!
//! Every polling interval KEDA asks the triggers whether they are active. It takes the last replicas
//! away after a quiet cooldown and brings the first ones back; from there to the maximum the
//! HorizontalPodAutoscaler that it makes decides, by KEDA's metrics (keda,
//! pkg/scaling/executor/scale_scaledobjects.go `RequestScale`, `scaleToZeroOrIdle`,
//! `scaleFromZeroOrIdle`; pkg/scaling/scale_handler.go).

use crate::units::{SimDuration, SimTime};

/// What the operator reads of a ScaledObject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KedaSpec {
    /// `pollingInterval`.
    pub polling_interval: SimDuration,
    /// `cooldownPeriod`: how long triggers must be quiet before the last replicas go.
    pub cooldown_period: SimDuration,
    /// `initialCooldownPeriod`: how long after its creation an object does not scale to none.
    pub initial_cooldown_period: SimDuration,
    /// `idleReplicaCount`.
    pub idle_replicas: Option<i32>,
    /// `minReplicaCount`.
    pub min_replicas: i32,
}

/// What the operator remembers of a ScaledObject (`status`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keda {
    created: SimTime,
    /// `status.lastActiveTime`.
    last_active: Option<SimTime>,
}

/// What the operator sees when it polls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Poll {
    /// Now.
    pub now: SimTime,
    /// `spec.replicas` of the target.
    pub replicas: i32,
    /// Whether any trigger is active.
    pub active: bool,
    /// Whether a trigger could not be asked.
    pub failed: bool,
}

/// What the operator does, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KedaDecision {
    /// Triggers became active: to `minReplicaCount`, or to one.
    Activate(i32),
    /// Triggers were quiet for the cooldown: to `idleReplicaCount`, or to none.
    Deactivate(i32),
    /// The target is below `minReplicaCount` although nothing is active.
    ToMinimum(i32),
    /// Quiet, but the cooldown is not over.
    CoolingDown,
    /// The HPA decides.
    LeftToHpa,
    /// A trigger could not be asked and nothing else is active.
    Failed,
}

impl KedaDecision {
    /// The size it writes, if it writes one.
    #[must_use]
    pub const fn replicas(self) -> Option<i32> {
        match self {
            Self::Activate(to) | Self::Deactivate(to) | Self::ToMinimum(to) => Some(to),
            Self::CoolingDown | Self::LeftToHpa | Self::Failed => None,
        }
    }

    /// The reason of the event that KEDA writes, and its message.
    #[must_use]
    pub fn event(self, from: i32) -> Option<(&'static str, String)> {
        match self {
            Self::Activate(to) => {
                Some(("KEDAScaleTargetActivated", format!("Scaled from {from} to {to}")))
            }
            Self::Deactivate(to) => {
                Some(("KEDAScaleTargetDeactivated", format!("Deactivated from {from} to {to}")))
            }
            Self::ToMinimum(_) | Self::CoolingDown | Self::LeftToHpa | Self::Failed => None,
        }
    }
}

impl Keda {
    /// A new object.
    #[must_use]
    pub const fn new(created: SimTime) -> Self {
        Self { created, last_active: None }
    }

    /// One poll.
    pub fn poll(&mut self, spec: &KedaSpec, poll: Poll) -> KedaDecision {
        let Poll { now, replicas, active, failed } = poll;
        if active {
            let below = spec.idle_replicas.is_some() && replicas < spec.min_replicas;
            self.last_active = Some(now);
            return if below || replicas == 0 {
                KedaDecision::Activate(spec.min_replicas.max(1))
            } else {
                KedaDecision::LeftToHpa
            };
        }
        if failed {
            return KedaDecision::Failed;
        }
        let above_idle = spec.idle_replicas.is_some_and(|idle| replicas > idle);
        let has_no_minimum = replicas > 0 && spec.min_replicas == 0;
        if above_idle || has_no_minimum {
            // An object that was never active has nothing to cool down from.
            let over = match self.last_active {
                None => now.since(self.created) >= spec.initial_cooldown_period,
                Some(last) => now.since(last) > spec.cooldown_period,
            };
            return if over {
                KedaDecision::Deactivate(spec.idle_replicas.unwrap_or(0))
            } else {
                KedaDecision::CoolingDown
            };
        }
        if replicas < spec.min_replicas && spec.idle_replicas.is_none() {
            return KedaDecision::ToMinimum(spec.min_replicas);
        }
        KedaDecision::LeftToHpa
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use KedaDecision::{Activate, CoolingDown, Deactivate, Failed, LeftToHpa, ToMinimum};

    fn spec(min_replicas: i32, idle_replicas: Option<i32>) -> KedaSpec {
        let seconds = SimDuration::from_secs;
        KedaSpec {
            polling_interval: seconds(30),
            cooldown_period: seconds(300),
            initial_cooldown_period: seconds(0),
            idle_replicas,
            min_replicas,
        }
    }

    fn at(seconds: u64, replicas: i32, active: bool) -> Poll {
        Poll { now: SimTime::from_secs(seconds), replicas, active, failed: false }
    }

    /// Rows: minimum, idle, since when it was last active (never: none), replicas, active; decision.
    #[test]
    fn the_table_of_decisions() {
        type Row = (i32, Option<i32>, Option<u64>, i32, bool, KedaDecision);
        let rows: [Row; 18] = [
            // Activation: from none to one, or to the minimum; above that the HPA decides.
            (0, None, None, 0, true, Activate(1)),
            (3, None, None, 0, true, Activate(3)),
            (0, None, None, 1, true, LeftToHpa),
            (3, None, None, 2, true, LeftToHpa),
            (0, None, None, 40, true, LeftToHpa),
            // Quiet: the last replicas go after more than the cooldown, counted from the last
            // active poll, however many there are.
            (0, None, Some(0), 1, false, CoolingDown),
            (0, None, Some(300), 1, false, CoolingDown),
            (0, None, Some(301), 1, false, Deactivate(0)),
            (0, None, Some(301), 9, false, Deactivate(0)),
            (0, None, None, 5, false, Deactivate(0)),
            (0, None, Some(301), 0, false, LeftToHpa),
            // With a minimum KEDA never goes below it, and brings a target back to it.
            (2, None, Some(9_000), 2, false, LeftToHpa),
            (2, None, Some(9_000), 7, false, LeftToHpa),
            (2, None, Some(9_000), 1, false, ToMinimum(2)),
            // Idle replicas: below the minimum while quiet, at the minimum when active.
            (4, Some(1), Some(301), 4, false, Deactivate(1)),
            (4, Some(1), Some(300), 4, false, CoolingDown),
            (4, Some(1), Some(301), 1, false, LeftToHpa),
            (4, Some(1), None, 1, true, Activate(4)),
        ];
        for (row, (minimum, idle, quiet, replicas, active, expected)) in
            rows.into_iter().enumerate()
        {
            let spec = spec(minimum, idle);
            let mut keda = Keda::new(SimTime::ZERO);
            if quiet.is_some() {
                keda.poll(&spec, at(1_000, minimum.max(1), true));
            }
            let now = 1_000 + quiet.unwrap_or(0);
            assert_eq!(keda.poll(&spec, at(now, replicas, active)), expected, "row {row}");
        }
    }

    #[test]
    fn a_new_object_waits_for_its_initial_cooldown() {
        let spec =
            KedaSpec { initial_cooldown_period: SimDuration::from_secs(120), ..spec(0, None) };
        let mut keda = Keda::new(SimTime::from_secs(100));
        assert_eq!(keda.poll(&spec, at(219, 1, false)), CoolingDown);
        assert_eq!(keda.poll(&spec, at(220, 1, false)), Deactivate(0));
    }

    #[test]
    fn a_trigger_that_cannot_be_asked_takes_nothing_away() {
        let mut keda = Keda::new(SimTime::ZERO);
        let failed = Poll { failed: true, ..at(9_000, 1, false) };
        assert_eq!(keda.poll(&spec(0, None), failed), Failed);
        let other_active = Poll { failed: true, ..at(9_000, 0, true) };
        assert_eq!(keda.poll(&spec(0, None), other_active), Activate(1));
    }
}
